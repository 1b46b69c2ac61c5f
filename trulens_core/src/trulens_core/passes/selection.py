"""What a value at a cut is: one rule for tensors, containers and accessors, on every backend."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import CutError, InterventionError, NotDifferentiableError
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.axes import moved_axis
from trulens_core.passes.rows import advice
from trulens_core.slices import Cut
from trulens_core.trees import Tree, is_dataclass


@dataclasses.dataclass(frozen=True)
class Selection:
    """The tensors of a value that a cut means, and the way to put others in their place."""

    tensors: list[Tensor]
    put: Callable[[list[Tensor]], Any]


def read(value: Any, cut: Cut, backend: Backend) -> list[Tensor]:
    """The tensors that `cut` means in `value`; an accessor may compute them.

    A tensor is itself. A mapping or dataclass gives its `logits`, or its only floating tensor;
    where there are several it must be said which. A tuple or list gives what the first of its
    members with a floating tensor gives (of a named tuple, a field `logits` goes first). At anchor
    "in", where a value is the pair of arguments and keyword arguments, all floating tensors are
    meant. Order is insertion order.

    Raises:
        CutError: for a value that holds no tensor, or several by name without `logits`.
    """
    if cut.accessor is None:
        scores = _scores(value, cut, backend)
        tensors = select(value, cut, backend).tensors if scores is None else [_ranked(scores, cut)]
    else:
        tensors = [x for x in _access(value, cut, backend) if backend.is_tensor(x)]
    if not tensors:
        raise _no_tensor(value, cut)
    if isinstance(cut.accessor, Whole):
        return tensors
    return [to_front(_ranked(t, cut), cut, backend) for t in tensors]


def _scores(value: Any, cut: Cut, backend: Backend) -> Tensor | None:
    """The `logits` of a mapping where they are one floating tensor: what it means, at once."""
    if cut.anchor == "in" or not isinstance(value, Mapping) or "logits" not in value:
        return None
    found = value["logits"]
    return found if backend.is_tensor(found) and backend.is_floating(found) else None


def select(value: Any, cut: Cut, backend: Backend) -> Selection:
    """The tensors that `cut` selects in `value`, such that others can take their place."""
    if backend.is_tensor(value) and cut.accessor is None:
        return Selection([_ranked(value, cut)], lambda new: new[0])
    tree = backend.flatten(value)
    if cut.accessor is not None:
        chosen = _accessed(value, tree, cut, backend)
    else:
        chosen = _default(tree, cut, backend)

    def put(new: list[Tensor]) -> Any:
        leaves = list(tree.leaves)
        for i, tensor in zip(chosen, new, strict=True):
            leaves[i] = tensor
        whole = tree.unflatten(leaves)
        return _arguments(value, whole, backend) if cut.anchor == "in" else whole

    if not chosen:
        raise _no_tensor(value, cut)
    return Selection([_ranked(tree.leaves[i], cut) for i in chosen], put)


def _ranked(tensor: Tensor, cut: Cut) -> Tensor:
    """`tensor`, whose number of axes a graph may not know."""
    try:
        len(tensor.shape)
    except ValueError as error:
        raise CutError(
            f"how many axes the value at {cut} has is not known before the model runs; say it in "
            "the model, as tf.ensure_shape does, or, at a target, in an accessor"
        ) from error
    return tensor


def _shape(tensor: Tensor) -> Any:
    """The shape as a tuple; as it is where the number of axes is not known."""
    try:
        return (*tensor.shape,)
    except ValueError:
        return tensor.shape


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


def _default(tree: Tree, cut: Cut, backend: Backend) -> list[int]:
    tensors = [i for i, x in enumerate(tree.leaves) if backend.is_tensor(x)]
    held = [i for i in tensors if backend.is_floating(tree.leaves[i])] or tensors
    if cut.anchor == "in" or len(held) < 2:
        return held
    marks = {i: _Mark(i, tuple(tree.leaves[i].shape)) for i in held}
    shown = tree.unflatten([marks.get(i, x) for i, x in enumerate(tree.leaves)])
    return [_meant(shown, cut, backend).position]


def _meant(value: Any, cut: Cut, backend: Backend, path: str = "v") -> _Mark:
    """Which of several tensors a value means; marks stand for them."""
    held = _marks(value, backend)
    if len(held) == 1:
        return held[0]
    named, item = _named(value)
    if _marks(named.get("logits"), backend):
        return _meant(named["logits"], cut, backend, path + item.format("logits"))
    if isinstance(value, tuple | list):
        i, member = next((i, x) for i, x in enumerate(value) if _marks(x, backend))
        return _meant(member, cut, backend, f"{path}[{i}]")
    if not named:
        return held[0]
    every = {name: _marks(x, backend) for name, x in named.items()}
    found = {name: marks for name, marks in every.items() if marks}
    raise _several(value, cut, found, path + item.format(next(iter(found))))


def _several(value: Any, cut: Cut, found: Mapping[Any, list[_Mark]], first: str) -> CutError:
    kind, start = type(value).__name__, repr(cut)[:-1]
    shapes = [f"{n!r} {', '.join(str(m.shape) for m in marks)}" for n, marks in found.items()]
    chosen = f"accessor=lambda v: {first})"
    return CutError(
        f"the value at {cut} is a {kind} of several tensors without 'logits': {'; '.join(shapes)}. "
        f"Say which is meant: {start}{'' if start[-1] == '(' else ', '}{chosen}"
    )


def _marks(value: Any, backend: Backend) -> list[_Mark]:
    return [x for x in backend.flatten(value).leaves if isinstance(x, _Mark)]


def _named(value: Any) -> tuple[Mapping[Any, Any], str]:
    """The members of a value that go by names, and how one is written."""
    if isinstance(value, Mapping):
        return value, "[{!r}]"
    if is_dataclass(value):
        fields = [f.name for f in dataclasses.fields(value)]
        return {n: getattr(value, n) for n in fields if hasattr(value, n)}, ".{}"
    as_dict = getattr(value, "_asdict", dict)  # of named tuples
    return as_dict(), ".{}"


def _access(value: Any, cut: Cut, backend: Backend) -> list[Any]:
    assert cut.accessor is not None
    found = cut.accessor(ModelInputs(*value) if cut.anchor == "in" else value)
    if isinstance(found, ModelInputs):  # as it came
        found = found.args, found.kwargs
    return backend.flatten(found).leaves


def _accessed(value: Any, tree: Tree, cut: Cut, backend: Backend) -> list[int]:
    """Positions of the tensors that the accessor selects.

    Where one tensor stands at several positions (self-attention is called with q = k = v), its
    identity does not tell which was meant: the accessor is then shown the positions themselves.
    """
    tensors = [id(x) for x in tree.leaves if backend.is_tensor(x)]
    shown: Sequence[Any] = tree.leaves
    if len(set(tensors)) < len(tensors):
        shown = [_Mark(i) for i in range(len(tree.leaves))]
        value = tree.unflatten(list(shown))
    places = {id(x): i for i, x in enumerate(shown)}
    chosen = _access(value, cut, backend)
    if any(id(x) not in places for x in chosen):
        raise CutError(
            f"the accessor of {cut} computed a new value; where variables live or values are "
            "replaced it must select tensors, as lambda v: v[0] does"
        )
    return [i for i in (places[id(x)] for x in chosen) if backend.is_tensor(tree.leaves[i])]


class _Mark:
    """Stands at one position of a structure. No dataclass: those are opened like containers."""

    def __init__(self, position: int, shape: tuple[Any, ...] = (), dtype: Any = None) -> None:
        self.position, self.shape, self.dtype = position, shape, dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)


@dataclasses.dataclass(frozen=True)
class Chosen:
    """An accessor that selects by position: what one of the caller's was found to mean."""

    positions: tuple[int, ...]
    backend: Backend
    of_inputs: bool = False

    def __call__(self, value: Any) -> list[Any]:
        """The leaves at the positions; of a call's inputs, in their own order."""
        if not isinstance(value, ModelInputs):
            leaves = self.backend.flatten(value).leaves
        elif self.of_inputs:
            leaves = [x.value for x in value.leaves]
        else:
            leaves = self.backend.flatten((value.args, value.kwargs)).leaves
        return [leaves[i] for i in self.positions]


@dataclasses.dataclass(frozen=True)
class Shown:
    """The structure of a value that was seen while a model was traced: marks stand for tensors."""

    unflatten: Callable[[list[Any]], Any]
    leaves: list[Any]

    @staticmethod
    def of(value: Any, backend: Backend) -> Shown:
        """What is remembered of a value."""
        tree = backend.flatten(value)
        marked = [
            _Mark(i, _shape(x), x.dtype) if backend.is_tensor(x) else x
            for i, x in enumerate(tree.leaves)
        ]
        return Shown(tree.unflatten, marked)

    @property
    def of_tensors(self) -> bool:
        """Whether it holds tensors alone, of numbers that are differentiated or never are.

        What else a value holds may differ by call, and nothing tells.
        """
        marks = [x for x in self.leaves if x is not None]
        return all(isinstance(x, _Mark) and "complex" not in str(x.dtype) for x in marks)

    def rebuilt(self, tensors: Sequence[Tensor]) -> Any:
        """A value of this structure with these tensors."""
        rest = iter(tensors)
        return self.unflatten([next(rest) if isinstance(x, _Mark) else x for x in self.leaves])

    def selected(self, cut: Cut, backend: Backend) -> tuple[int, ...] | None:
        """Which tensors an accessor selects, asked anew; None where it computes others of them."""
        try:
            chosen = _access(self.unflatten(list(self.leaves)), cut, backend)
        except Exception:  # noqa: BLE001 - it is the caller's, and is run again on the value itself
            return None
        marks = [x for x in chosen if isinstance(x, _Mark)]
        return tuple([m.position for m in marks]) if len(marks) == len(chosen) else None


@dataclasses.dataclass(unsafe_hash=True)
class Whole:
    """An accessor that gives all tensors of a value, and remembers what they stood in.

    So an accessor of the caller's can be run on them later, outside what is traced.

    Attributes:
        shown: the value as it was when it was traced last; None before. No part of the key.
    """

    backend: Backend = dataclasses.field(repr=False)
    shown: Shown | None = dataclasses.field(default=None, init=False, compare=False, repr=False)

    def __call__(self, value: Any) -> list[Tensor]:
        """All tensors, in order."""
        if isinstance(value, ModelInputs):
            value = value.args, value.kwargs
        self.shown = Shown.of(value, self.backend)
        return [x for x in self.backend.flatten(value).leaves if self.backend.is_tensor(x)]


def to_front(tensor: Tensor, cut: Cut, backend: Backend) -> Tensor:
    """A layer's tensor with the records on axis 0."""
    if isinstance(cut.rows_per_record, int):
        return _split(tensor, cut, cut.rows_per_record, backend)
    return _moved(tensor, cut.batch_axis, 0, cut, backend) if cut.batch_axis else tensor


def to_layer(tensor: Tensor, cut: Cut, backend: Backend, leading: int = 0) -> Tensor:
    """A tensor with the records first in the layer's own layout; inverse of `to_front`.

    `leading` axes before that of the records stay where they are.
    """
    if isinstance(cut.rows_per_record, int):
        before, (_, _, *after) = tensor.shape[:leading], tensor.shape[leading:]
        return backend.xp.reshape(tensor, (*before, -1, *after))
    return _moved(tensor, 0, cut.batch_axis, cut, backend, leading) if cut.batch_axis else tensor


def as_shown(tensor: Tensor, cut: Cut, backend: Backend, leading: int = 0) -> Tensor:
    """A tensor with the records first as callers get it: a record's rows by themselves."""
    return tensor if cut.rows_per_record else to_layer(tensor, cut, backend, leading)


def from_caller(tensor: Tensor, cut: Cut, backend: Backend) -> Tensor:
    """The inverse of `as_shown`."""
    return tensor if cut.rows_per_record else to_front(tensor, cut, backend)


def _split(tensor: Tensor, cut: Cut, n: int, backend: Backend) -> Tensor:
    """(records · n, …) as (records, n, …)."""
    rows, *rest = tensor.shape
    if rows is not None and int(rows) % n:
        raise CutError(
            f"the value at {cut} has shape {tuple(tensor.shape)}: {rows} rows are no multiple of "
            f"{n}; rows_per_record='auto' finds out how many belong to a record"
        )
    return backend.xp.reshape(tensor, (-1, n, *rest))


def _moved(
    tensor: Tensor, source: int, to: int, cut: Cut, backend: Backend, leading: int = 0
) -> Tensor:
    rank = len(tensor.shape) - leading
    if not -rank <= cut.batch_axis < rank:
        raise CutError(f"{cut} has a value of shape {tuple(tensor.shape)}: no such batch_axis")
    return moved_axis(tensor, source, to, backend, leading)


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
            [
                a is None or b is None or a == b * (1 if i else points)
                for i, (a, b) in enumerate(zip(n.shape, o.shape, strict=True))
            ]
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
                f"have {rows}; {advice(tuple(t.shape), cut, rows)}"
            )
