"""What a value at a cut is: one rule for tensors, containers and accessors, on every backend."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import CutError, InterventionError, NotDifferentiableError
from trulens_core.inputs import ModelInputs
from trulens_core.slices import Cut
from trulens_core.trees import Tree


@dataclasses.dataclass(frozen=True)
class Selection:
    """The tensors of a value that a cut means, and the way to put others in their place."""

    tensors: list[Tensor]
    put: Callable[[list[Tensor]], Any]


def read(value: Any, cut: Cut, backend: Backend) -> list[Tensor]:
    """The tensors that `cut` means in `value`; an accessor may compute them.

    A tensor is itself; a mapping or dataclass with `logits` gives that; at anchor "in" (where a
    value is the pair of arguments and keyword arguments), all floating tensors; otherwise the
    first floating tensor.
    """
    if cut.accessor is None:
        tensors = select(value, cut, backend).tensors
    else:
        tensors = [x for x in _access(value, cut, backend) if backend.is_tensor(x)]
    if not tensors:
        raise _no_tensor(value, cut)
    return [to_front(t, cut, backend) for t in tensors]


def select(value: Any, cut: Cut, backend: Backend) -> Selection:
    """The tensors that `cut` selects in `value`, such that others can take their place."""
    if backend.is_tensor(value) and cut.accessor is None:
        return Selection([value], lambda new: new[0])
    tree = backend.flatten(value)
    if cut.accessor is not None:
        chosen = _accessed(value, tree, cut, backend)
    else:
        chosen = _default(value, tree.leaves, cut, backend)

    def put(new: list[Tensor]) -> Any:
        leaves = list(tree.leaves)
        for i, tensor in zip(chosen, new, strict=True):
            leaves[i] = tensor
        whole = tree.unflatten(leaves)
        return _arguments(value, whole, backend) if cut.anchor == "in" else whole

    if not chosen:
        raise _no_tensor(value, cut)
    return Selection([tree.leaves[i] for i in chosen], put)


def _arguments(old: Any, new: Any, backend: Backend) -> Any:
    """A layer's new arguments; those of which nothing changes are the old ones themselves.

    A container that is passed on stays the model's own: what a layer appends to it must be seen.
    """

    def chosen(a: Any, b: Any) -> Any:
        pairs = zip(backend.flatten(a).leaves, backend.flatten(b).leaves, strict=True)
        return a if all(x is y for x, y in pairs) else b

    (args, kwargs), (new_args, new_kwargs) = old, new
    return (
        tuple([chosen(a, b) for a, b in zip(args, new_args, strict=True)]),
        {name: chosen(a, new_kwargs[name]) for name, a in kwargs.items()},
    )


def _no_tensor(value: Any, cut: Cut) -> CutError:
    found = "None" if value is None else f"a {type(value).__name__}"
    return CutError(
        f"the value at {cut} holds no tensor: it is {found}; cut at another layer, or choose with "
        "an accessor"
    )


def _default(value: Any, leaves: list[Any], cut: Cut, backend: Backend) -> list[int]:
    tensors = [i for i, x in enumerate(leaves) if backend.is_tensor(x)]
    floats = [i for i in tensors if backend.is_floating(leaves[i])]
    if cut.anchor == "in":
        return floats or tensors
    logits = _logits(value)
    if logits is not None:
        return _identified(backend.flatten(logits).leaves, leaves, cut)[:1]
    return (floats or tensors)[:1]


def _logits(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get("logits")
    return getattr(value, "logits", None) if dataclasses.is_dataclass(value) else None


def _access(value: Any, cut: Cut, backend: Backend) -> list[Any]:
    assert cut.accessor is not None
    given = ModelInputs(*value) if cut.anchor == "in" else value
    return backend.flatten(cut.accessor(given)).leaves


def _accessed(value: Any, tree: Tree, cut: Cut, backend: Backend) -> list[int]:
    """Positions of the leaves that the accessor selects.

    Where one tensor stands at several positions (self-attention is called with q = k = v), its
    identity does not tell which was meant: the accessor is then shown the positions themselves.
    """
    tensors = [id(x) for x in tree.leaves if backend.is_tensor(x)]
    if len(set(tensors)) == len(tensors):
        return _identified(_access(value, cut, backend), tree.leaves, cut)
    marks = [_Mark() for _ in tree.leaves]
    return _identified(_access(tree.unflatten(list(marks)), cut, backend), marks, cut)


class _Mark:
    """Stands at one position of a structure. No dataclass: those are opened like containers."""


def _identified(chosen: Sequence[Any], leaves: Sequence[Any], cut: Cut) -> list[int]:
    places = {id(x): i for i, x in enumerate(leaves)}
    if any(id(x) not in places for x in chosen):
        raise CutError(
            f"the accessor of {cut} computed a new value; where variables live or values are "
            "replaced it must select tensors, as lambda v: v[0] does"
        )
    return [places[id(x)] for x in chosen]


def to_front(tensor: Tensor, cut: Cut, backend: Backend) -> Tensor:
    """A layer's tensor with the records on axis 0."""
    return _moved(tensor, cut.batch_axis, 0, cut, backend) if cut.batch_axis else tensor


def to_layer(tensor: Tensor, cut: Cut, backend: Backend, leading: int = 0) -> Tensor:
    """A tensor with the records first in the layer's own layout; inverse of `to_front`.

    `leading` axes before that of the records stay where they are.
    """
    return _moved(tensor, 0, cut.batch_axis, cut, backend, leading) if cut.batch_axis else tensor


def _moved(
    tensor: Tensor, source: int, to: int, cut: Cut, backend: Backend, leading: int = 0
) -> Tensor:
    rank = len(tensor.shape) - leading
    if not -rank <= cut.batch_axis < rank:
        raise CutError(f"{cut} has a value of shape {tuple(tensor.shape)}: no such batch_axis")
    axes = list(range(rank))
    axes.insert(to % rank, axes.pop(source % rank))
    return backend.xp.permute_dims(tensor, (*range(leading), *(leading + a for a in axes)))


def fitted(
    new: list[Tensor], old: list[Tensor], cut: Cut, backend: Backend, points: int = 1
) -> list[Tensor]:
    """`new` in the dtype and on the device of the values `old` that it replaces.

    It has `points` times as many rows.
    """
    if len(new) != len(old):
        raise InterventionError(
            f"{cut} holds {len(old)} tensor(s), but {len(new)} were given to replace them"
        )
    for n, o in zip(new, old, strict=True):
        same = len(n.shape) == len(o.shape) and all(
            a is None or b is None or a == b * (1 if i else points)
            for i, (a, b) in enumerate(zip(n.shape, o.shape, strict=True))
        )
        if not same:
            raise InterventionError(
                f"the value given for {cut} has shape {tuple(n.shape)}, but the activation there "
                f"has shape {tuple(o.shape)}; give one row per record, or a multiple of it"
            )
        if backend.is_floating(n) and not backend.is_floating(o):
            raise InterventionError(
                f"the value given for {cut} is {n.dtype}, but the activation there is {o.dtype}, "
                "and nothing is cast to integers; replace the output of the embedding instead"
            )
    return [backend.cast(n, o) for n, o in zip(new, old, strict=True)]


def check_differentiable(
    tensors: list[Tensor], cut: Cut, backend: Backend, rows: int | None
) -> None:
    """Raise unless every tensor is floating and has a row per row of the inputs."""
    for t in tensors:
        if not backend.is_floating(t):
            raise NotDifferentiableError(
                f"the value at {cut} is {t.dtype}, which has no gradient; put the cut at the "
                "output of an embedding layer"
            )
    check_rows(tensors, cut, rows)


def check_rows(tensors: list[Tensor], cut: Cut, rows: int | None) -> None:
    """Raise unless every tensor has a row per row of the inputs."""
    for t in tensors:
        found = t.shape[0] if len(t.shape) else 0
        if rows is not None and found is not None and found != rows:
            raise CutError(
                f"the value at {cut} has shape {tuple(t.shape)}: {found} rows, but the inputs "
                f"have {rows}; name the axis of the records with Cut(..., batch_axis=), or say "
                "which arguments have a row per record with batched="
            )
