"""One call's inputs: arguments as one tree, and the only place that knows their batch axis.

An argument's tensors are its leaves. Those whose first axis is as long as the first tensor's have
a row per record; the rest belong to all records.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from trulens_core import trees
from trulens_core.backends import Backend, Tensor, rows_at
from trulens_core.errors import CutError
from trulens_core.inputs import opaque
from trulens_core.inputs.axes import judged, moved_axis, records_first, told_by
from trulens_core.inputs.structure import (
    AT_CUT,
    BATCHED,
    SHARED,
    STATIC,
    Arguments,
    Leaf,
    Name,
    Part,
    Structure,
)
from trulens_core.inputs.widening import Widening
from trulens_core.slices import InputCut


class ModelInputs:
    """The arguments of one call of a model.

    Args:
        args: positional arguments.
        kwargs: keyword arguments.
        batched: by argument name (or position), whether its tensors have a row per record, or the
            axis that has: `{"states": 1}`. Others are judged by the length of their first axis,
            which may be equal by chance.

    Attributes:
        points: in a narrow pass, how many points share the rows that the model is given: so many
            times as many go on from the distribution's cut. Else 1.
        widening: which layers after it are given other arguments in a narrow pass, if any.

    Raises:
        TypeError: when used, if they hold no array or tensor with a batch axis.

    Example:
        >>> import numpy as np
        >>> inputs = ModelInputs([np.zeros((2, 3))], {"mask": np.ones((2, 1)), "flag": True})
        >>> inputs.n_records, [leaf.role for leaf in inputs.leaves]
        (2, ['batched', 'batched', 'static'])
    """

    def __init__(
        self,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        batched: Mapping[Name, bool | int] | None = None,
    ) -> None:
        self._given: Arguments | None = (tuple(args), dict(kwargs or {}))
        self._structure: Structure | None = None
        self._leaves: list[Leaf] | None = None
        self.batched: dict[Name, bool | int] = dict(batched or {})
        self.points = 1
        self.widening: Widening | None = None
        self._asked: tuple[InputCut | None, list[int]] = None, []
        self._first: Any = None

    @staticmethod
    def of_call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> ModelInputs:
        """The inputs that a public call means: a ModelInputs, one list of inputs, or arguments."""
        if len(args) == 1 and not kwargs:
            if isinstance(args[0], ModelInputs):
                return copy.copy(args[0])
            if isinstance(args[0], list):
                return ModelInputs(args[0])
        return ModelInputs(args, kwargs)

    @classmethod
    def _of(
        cls, structure: Structure, leaves: list[Leaf], batched: dict[Name, bool | int]
    ) -> ModelInputs:
        """Inputs taken apart; put together when somebody asks for the arguments."""
        new = cls.__new__(cls)
        new._given, new._structure, new._leaves, new.batched = None, structure, leaves, batched
        new._asked, new._first, new.points, new.widening = (None, []), None, 1, None
        return new

    @classmethod
    def joined(
        cls,
        structure: Structure,
        at_cut: Sequence[Tensor],
        batched: Sequence[Tensor],
        shared: Sequence[Tensor],
    ) -> ModelInputs:
        """The inverse of `split`, with any tensors of that structure.

        `at_cut` are the tensors for the positions left out, in their order.
        """
        sources = {AT_CUT: iter(at_cut), BATCHED: iter(batched), SHARED: iter(shared)}
        names = [
            n for n, p in zip(structure.names, structure.parts, strict=True) for _ in range(p.size)
        ]
        leaves = [
            Leaf(s, n, r)
            if r == STATIC
            else Leaf(next(sources[r]), n, r if r != AT_CUT else BATCHED)
            for n, r, s in zip(names, structure.roles, structure.static, strict=True)
        ]
        return cls._of(structure._replace(roles=(), static=()), leaves, {})

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments."""
        return self._arguments()[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments."""
        return self._arguments()[1]

    def _arguments(self) -> Arguments:
        if self._given is None:
            self._given = self.structure.build([leaf.value for leaf in self.leaves])
        return self._given

    def __repr__(self) -> str:
        return f"ModelInputs({list(self.args)!r}, {self.kwargs!r})"

    @property
    def leaves(self) -> list[Leaf]:
        """All leaves, positional arguments first."""
        if self._leaves is None:
            self._structure, self._leaves = self._parsed()
        return self._leaves

    @property
    def structure(self) -> Structure:
        """The structure of the arguments."""
        if self._structure is None:
            self._structure, self._leaves = self._parsed()
        return self._structure

    @property
    def n_records(self) -> int:
        """The length of the first axis of the first tensor."""
        return int(self.first.shape[0])

    @property
    def n_rows(self) -> int | None:
        """The same; None while a step is traced whose axis of the rows is open."""
        n = self.first.shape[0]
        return None if n is None else int(n)

    @property
    def rows_at_cut(self) -> int | None:
        """How many rows there are from the distribution's cut on."""
        n = self.n_rows
        return None if n is None else self.points * n

    @property
    def first(self) -> Any:
        """The first tensor with a row per record."""
        if self._first is None:  # it is asked for many times in one call
            self._first = next((x.value for x in self.leaves if x.role == BATCHED), None)
        if self._first is not None:
            return self._first
        found = ", ".join(type(v).__name__ for v in (*self.args, *self.kwargs.values()))
        raise TypeError(
            f"the inputs hold no array or tensor with a batch axis (found: {found or 'nothing'}); "
            "give NumPy arrays (numpy.asarray(x)) or the framework's tensors, records along their "
            "first axis, scaled and with its axes as the model takes them"
        )

    def first_floating(self, backend: Backend) -> Tensor | None:
        """The first floating tensor, None where there is none."""
        for leaf in self.leaves:
            if backend.is_tensor(leaf.value) and backend.is_floating(leaf.value):
                return leaf.value
        return None

    def _parsed(self) -> tuple[Structure, list[Leaf]]:
        args, kwargs = self._arguments()
        names: list[Name] = [*range(len(args)), *kwargs]
        arguments = [trees.flatten(v) for v in (*args, *kwargs.values())]
        parts = tuple([Part(t.key, len(t.leaves), t.unflatten) for t in arguments])
        flat = [(x, n) for n, t in zip(names, arguments, strict=True) for x in t.leaves]
        return Structure(tuple(names), parts), judged(flat, self.batched)

    # -- where the records lie ---------------------------------------------------------------

    def lying_as(self, cut: InputCut) -> ModelInputs:
        """These inputs, told which axis has the records in the arguments that `cut` holds."""
        told = told_by(cut, [*range(len(self.args)), *self.kwargs]) if cut.batch_axis else {}
        return ModelInputs(self.args, self.kwargs, {**told, **self.batched}) if told else self

    def records_first(self, backend: Backend) -> ModelInputs:
        """These inputs with the records along the first axis of every tensor that has them.

        What evaluates the model gets them by `own` and `as_taken`, each as it was given.
        """
        told = {n: a for n, a in self.batched.items() if a is not True and a is not False and a}
        if not told:
            return self
        axes, leaves = records_first(self.leaves, told, backend)
        return ModelInputs._of(self.structure._replace(axes=axes), leaves, self.batched)

    def as_taken(self, values: Sequence[Any], backend: Backend) -> ModelInputs:
        """The inputs of these values as the model takes them: records where it has them."""
        if self.structure.axes:
            values = self.as_given(range(len(values)), values, backend)
        pairs = zip(values, self.leaves, strict=True)
        return self._with([Leaf(v, x.name, x.role) for v, x in pairs], self.points)

    def as_given(
        self, positions: Sequence[int], values: Sequence[Tensor], backend: Backend, leading: int = 0
    ) -> list[Tensor]:
        """Values of some leaves with the records where the caller has them."""
        axes = self.structure.axes
        if not axes:
            return list(values)
        pairs = zip(positions, values, strict=True)
        return [moved_axis(v, 0, axes[i], backend, leading) if axes[i] else v for i, v in pairs]

    def map_tensors(self, function: Callable[[Leaf], Any]) -> ModelInputs:
        """These inputs with `function(leaf)` in place of every tensor leaf."""
        leaves = self.leaves
        return self._with(
            [x if x.role == STATIC else x._replace(value=function(x)) for x in leaves]
        )

    def map(self, function: Callable[[Any], Any]) -> ModelInputs:
        """New inputs with `function(x)` in place of every array or tensor x.

        Args:
            function: may change shapes: which tensors have a row per record is judged anew.

        Returns:
            The inputs; whatever is no array or tensor is as it was.
        """
        held = [x.value if x.role == STATIC else function(x.value) for x in self.leaves]
        return ModelInputs(*self.structure.build(held), self.batched)

    def _with(self, leaves: list[Leaf], k: int = 1, by: Widening | None = None) -> ModelInputs:
        new = ModelInputs._of(self.structure, leaves, self.batched)
        new.points, new.widening = k, by
        return new

    def rows(self, i: int, j: int, backend: Backend) -> ModelInputs:
        """The records i to j."""
        if i == 0 and j >= self.n_records:
            return self
        return self.chosen(range(i, j), backend, lambda x: x[i:j])

    def chosen(
        self,
        index: Sequence[int],
        backend: Backend,
        choose: Callable[[Tensor], Tensor],
        given: Mapping[int, Tensor] | None = None,
    ) -> ModelInputs:
        """The rows at `index`, which `choose` gives for a tensor; some leaves' are `given`."""
        n, given = self.n_records, given or {}

        def rows(i: int, leaf: Leaf) -> Leaf:
            if i in given:
                return leaf._replace(value=given[i])
            if leaf.role == BATCHED:
                return leaf._replace(value=choose(leaf.value))
            told = self.batched.get(leaf.name)
            told = None if told is None else told is not False
            return opaque.chosen(leaf, index, n, told, backend)

        return self._with([rows(i, leaf) for i, leaf in enumerate(self.leaves)])

    def select(self, index: Sequence[int], backend: Backend) -> ModelInputs:
        """The records at some places, in that order."""
        return self.chosen(index, backend, lambda x: rows_at(x, index, backend))

    def repeat(
        self, k: int, backend: Backend, given: Mapping[int, Tensor] | None = None
    ) -> ModelInputs:
        """K copies of all records, one after the other; some leaves' are `given`."""
        if k == 1:
            return self.with_values(list(given), list(given.values())) if given else self
        index = [*range(self.n_records)] * k  # row p·b + r is point p of record r
        return self.chosen(index, backend, lambda x: backend.repeat(x, k), given)

    def own(self, backend: Backend) -> ModelInputs:
        """These inputs with copies of what a model may change and no tree takes apart."""
        return self.as_taken(opaque.copied(self.leaves, backend), backend)

    def renamed(self, names: Sequence[str]) -> ModelInputs:
        """These inputs with `batched=` given by name applied to positional arguments too."""
        if not self.batched:
            return self
        by_position: dict[Name, bool | int] = {
            i: self.batched[n] for i, n in enumerate(names) if n in self.batched
        }
        if not by_position.keys() - self.batched.keys():
            return self
        return ModelInputs(self.args, self.kwargs, {**by_position, **self.batched})

    # -- the input cut -----------------------------------------------------------------------

    def at(self, cut: InputCut, backend: Backend, names: Sequence[str] = ()) -> list[int]:
        """Positions among the leaves of the floating tensors that `cut` holds; may be empty.

        Without names or an accessor, those with a row per record: there is no attribution per
        record for the others.

        Args:
            cut: the input cut.
            backend: tells what is a floating tensor.
            names: the names of the model's positional parameters, for `InputCut(names=...)`.
        """
        if cut is not self._asked[0]:  # it is asked several times in one call
            self._asked = cut, self._positions(cut, backend, names)
        return self._asked[1]

    def _positions(self, cut: InputCut, backend: Backend, names: Sequence[str]) -> list[int]:
        if cut.accessor is not None:
            return self._accessed(cut, backend)
        leaves = self.leaves
        tensors = [i for i, x in enumerate(leaves) if backend.is_tensor(x.value)]
        floats = [i for i in tensors if backend.varies(leaves[i].value)]
        if cut.names is not None:
            return self._named(cut.names, floats, names)
        # positional arguments come first
        positional = bool(tensors) and isinstance(leaves[tensors[0]].name, int)
        return [
            i
            for i in floats
            if leaves[i].role == BATCHED and (not positional or isinstance(leaves[i].name, int))
        ]

    def _named(
        self, wanted: Sequence[str], floats: list[int], parameters: Sequence[str]
    ) -> list[int]:
        known = {**dict(zip(parameters, range(len(self.args)), strict=False))}
        keys = [known.get(n, n) for n in wanted]
        given = {leaf.name for leaf in self.leaves}
        for name, key in zip(wanted, keys, strict=True):
            if key not in given:
                have = [*parameters[: len(self.args)], *self.kwargs]
                raise CutError(f"InputCut names {name!r}, which is not given; arguments: {have}")
        return [i for key in keys for i in floats if self.leaves[i].name == key]

    def _accessed(self, cut: InputCut, backend: Backend) -> list[int]:
        assert cut.accessor is not None
        shown, values = self, [leaf.value for leaf in self.leaves]
        tensors = [i for i, x in enumerate(values) if backend.is_tensor(x)]
        if len({id(values[i]) for i in tensors}) < len(tensors):  # one is given twice: which?
            marks: list[Any] = [object() for _ in values]
            shown, values = self.with_values(range(len(values)), marks), marks
        found = cut.accessor(shown)
        chosen = backend.flatten((shown.args, shown.kwargs) if found is shown else found).leaves
        places = {id(x): i for i, x in enumerate(values)}
        if any(id(x) not in places for x in chosen):
            raise CutError(
                "the accessor of InputCut must select tensors of the inputs; it computed new ones"
            )
        return [i for i in (places[id(x)] for x in chosen) if i in tensors]

    def with_values(self, positions: Sequence[int], values: Sequence[Tensor]) -> ModelInputs:
        """These inputs with other tensors at some leaves."""
        leaves = list(self.leaves)
        for i, value in zip(positions, values, strict=True):
            leaves[i] = Leaf(value, leaves[i].name, leaves[i].role)
        return self._with(leaves, self.points, self.widening)

    def for_points(self, k: int) -> ModelInputs:
        """These inputs for a narrow pass: what takes a value's place there has k times the rows."""
        return self if k == self.points else self._with(self.leaves, k, self.widening)

    def arranged(self, positions: Sequence[int], values: Sequence[Any]) -> Any:
        """`values` of some leaves in the caller's own structure, see `Structure.arranged`."""
        return self.structure.arranged(positions, values)

    # -- steps -------------------------------------------------------------------------------

    def split(self, at_cut: Sequence[int] = ()) -> tuple[Structure, list[Tensor], list[Tensor]]:
        """The structure that a step is built for, the batched tensors and the shared ones.

        Leaves at the positions `at_cut` are left out: a step gets them as points.
        """
        structure, leaves = self.structure, self.leaves
        roles = [AT_CUT if i in at_cut else leaf.role for i, leaf in enumerate(leaves)]
        pairs = list(zip(leaves, roles, strict=True))
        static = tuple([leaf.value if r == STATIC else None for leaf, r in pairs])
        return (
            structure._replace(roles=tuple(roles), static=static),
            [leaf.value for leaf, r in pairs if r == BATCHED],
            [leaf.value for leaf, r in pairs if r == SHARED],
        )
