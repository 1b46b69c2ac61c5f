"""The types that a Keras model declares for its inputs, and casts to when it is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import STATIC
from trulens_keras.flavours import states


def declared_types(model: Any, inputs: ModelInputs, single: bool) -> dict[int, str]:
    """The declared type of each leaf that has one, by the leaf's place.

    Functional and built sequential models declare their inputs; subclassed ones do not. Integers
    that embeddings alone read stay integers where their input is declared as floats: they are
    ids, and Keras declares floats where nothing is said.

    Args:
        model: the model.
        inputs: the caller's.
        single: whether the model takes all its inputs as one argument.
    """
    flat = getattr(model, "inputs", None)
    if not isinstance(flat, list | tuple) or not flat:
        return {}
    leaves = inputs.leaves
    args, kwargs = inputs.structure.build(list(range(len(leaves))))  # places stand for the leaves
    given: Any = list(args) if len(args) != 1 else args[0]
    if not args:
        given = kwargs.get("inputs")
    elif len(args) > 1 and not single:
        return {}
    struct = getattr(model, "input", None)
    pairs = _paired(given, list(flat) if struct is None else struct)
    return {
        i: str(getattr(tensor.dtype, "name", tensor.dtype))
        for i, tensor in pairs
        if leaves[i].role != STATIC and _numbers(tensor) and not _ids(leaves[i].value, tensor)
    }


def declared_rows(model: Any) -> int | None:
    """The number of records that all inputs of a model declare, as stateful layers need it.

    A subclassed model declares no inputs: its recurrent states have a row per record.
    """
    flat = getattr(model, "inputs", None)
    held = flat if isinstance(flat, list | tuple) else states(model)
    found = {tensor.shape[0] if len(tensor.shape) else None for tensor in held}
    return next(iter(found)) if len(found) == 1 else None


def _paired(given: Any, declared: Any) -> Iterator[tuple[int, Any]]:
    """The places of leaves and what is declared for them, matched as Keras matches them."""
    if isinstance(given, Mapping):
        named = declared if isinstance(declared, Mapping) else {t.name: t for t in _flat(declared)}
        for name in (n for n in given if n in named):
            yield from _paired(given[name], named[name])
    elif isinstance(given, list | tuple):
        for part, tensor in zip(given, _parts(declared), strict=False):
            yield from _paired(part, tensor)
    elif isinstance(given, int):
        alone = _flat(declared)
        if len(alone) == 1:
            yield given, alone[0]


def _parts(declared: Any) -> list[Any]:
    if isinstance(declared, Mapping):
        return [declared[name] for name in sorted(declared)]
    return list(declared) if isinstance(declared, list | tuple) else [declared]


def _flat(declared: Any) -> list[Any]:
    if isinstance(declared, Mapping | list | tuple):
        return [t for part in _parts(declared) for t in _flat(part)]
    return [declared]


def _numbers(tensor: Any) -> bool:
    return any(kind in str(tensor.dtype) for kind in ("float", "int", "bool"))


def _ids(value: Any, tensor: Any) -> bool:
    """Whether a leaf holds integers that go, as floats, to nothing but embeddings."""
    if "int" not in str(value.dtype) or "float" not in str(tensor.dtype):
        return False
    source = getattr(tensor, "_keras_history", (None,))[0]
    readers = [
        getattr(node, "operation", getattr(node, "outbound_layer", None))
        for node in getattr(source, "_outbound_nodes", ())
    ]
    return bool(readers) and all("Embedding" in type(r).__name__ for r in readers)
