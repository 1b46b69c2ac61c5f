"""One step: the gradients of a quantity over a block of k points × b records."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from trulens_core import value_keys
from trulens_core.backends import (
    BlockStep,
    Gradients,
    LoopTap,
    StepArguments,
    Tap,
    Tensor,
    Want,
    static_shape,
)
from trulens_core.errors import LayerNotReachedError, NotConnectedError
from trulens_core.inputs import ModelInputs, adoption
from trulens_core.inputs.structure import Structure
from trulens_core.passes import selection
from trulens_core.quantities.base import QoI
from trulens_core.quantities.evaluation import evaluate
from trulens_core.slices import Cut, InputCut

if TYPE_CHECKING:
    from trulens_core.models import ModelWrapper


class Block(NamedTuple):
    """k points of a distribution for b records.

    Attributes:
        cut: where the points live.
        points: (k, b, …) per tensor of the cut, in memory of their own, which may be overwritten;
            empty where the one point is the value itself.
        weights: (k,) floats.
        made: makes the points, (k·b, …), of the value at the cut, where a narrow pass meets it;
            `points` is empty then.
    """

    cut: Cut
    points: list[Tensor]
    weights: np.ndarray[Any, Any]
    made: Callable[[list[Tensor]], list[Tensor]] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class StepKey:
    """All that a step is built from; what may differ between its calls is no part of it."""

    wrt: Cut
    of: Cut
    replaced: Cut | None
    structure: Structure
    want: frozenset[Want]
    qoi: QoI
    shapes: Hashable = ()

    def hashed(self) -> Hashable:
        """The key by value, for the cache of traced steps."""
        per_record = tuple(d.per_record for d in self.qoi.data())
        return *self.of_model(), self.qoi.key(), per_record

    def of_model(self) -> tuple[Hashable, ...]:
        """The key by value of all but the quantity."""
        cuts = tuple(_cut_key(c) for c in (self.wrt, self.of, self.replaced))
        return cuts, self.structure.key(), self.want, self.shapes

    def snapshot(self) -> StepKey:
        """The key with a quantity that the caller can no longer change."""
        return dataclasses.replace(self, qoi=self.qoi.snapshot())


def shapes_key(points: Sequence[Tensor], inputs: Sequence[Tensor]) -> Hashable:
    """The shapes of one row of a step's arguments: what is known of a target depends on them."""
    return tuple(tuple(t.shape[2:]) for t in points), tuple(tuple(t.shape[1:]) for t in inputs)


def _cut_key(cut: Cut | None) -> Hashable:
    if cut is None or cut.accessor is None:
        return cut
    plain = dataclasses.replace(cut, accessor=None)
    return plain, value_keys.by_value(cut.accessor)


class Step:
    """A step of one model, ready to be called with data.

    Attributes:
        target_shapes: the shapes at the target cut, known after the first run.
    """

    def __init__(self, wrapper: ModelWrapper, key: StepKey) -> None:
        self._wrapper, self._key = wrapper, key
        self._host_qoi = key.qoi
        self.target_shapes: list[Sequence[int | None]] | None = None
        self._block: BlockStep = wrapper.backend.blockwise(self.rows, key.want)

    def validate(self, qoi: QoI) -> None:
        """Check new data of the quantity against what is known of the target's shape."""
        self._host_qoi = qoi
        if self.target_shapes is not None:
            qoi.validate(self.target_shapes)

    def run(self, arguments: StepArguments, weights: np.ndarray[Any, Any]) -> Gradients:
        """Evaluate a block."""
        got = self._block(arguments, weights)
        self._check_records(got, arguments)
        return got

    def _check_records(self, got: Gradients, a: StepArguments) -> None:
        """Raise where a traced step, whose rows are open, gave gradients for other rows."""
        given = [p.shape[1] for p in a.points] or [x.shape[0] for x in a.batched]
        axis = 1 if "points" in self._key.want else 0
        for g in (g for gs in got.gradients for g in gs if given and g is not None):
            if len(g.shape) <= axis or int(g.shape[axis]) != int(given[0]):
                selection.check_rows([g[0] if axis else g], self._key.wrt, int(given[0]))

    def rows(self, a: StepArguments) -> Gradients:
        """Evaluate rows; the function that a backend traces."""
        key, backend = self._key, self._wrapper.backend
        model = ModelPart(self._wrapper, key.wrt, key.of, key.replaced)
        qoi = with_data(key.qoi, a)

        def run(tap: Tap) -> list[Tensor]:
            with self._wrapper.using(a.state):
                y, rows = model.at_target(*placed(self._wrapper, key, a), tap)
            self.target_shapes = [static_shape(t) for t in y]
            self._host_qoi.validate(self.target_shapes)
            return evaluate(qoi, y, rows, backend)

        got = backend.differentiate(run)
        return Gradients(
            got.quantities if "quantities" in key.want else [],
            [got.activations[i] for i in model.order] if "activations" in key.want else [],
            model.connected(got.gradients, got.activations),
        )


class ModelPart:
    """What of a step is the model's: from its inputs to the value at the target cut.

    Args:
        wrapper: the model.
        wrt: the source cut.
        of: the target cut.
        replaced: the inner cut whose value is replaced, if any; for messages.
        spent: whether nobody reads again what is tapped, see `OverwritingTap`.

    Attributes:
        order: where the source cut's tensors, in the cut's own order, stand among those tapped;
            known after an evaluation.
    """

    def __init__(
        self, wrapper: ModelWrapper, wrt: Cut, of: Cut, replaced: Cut | None, spent: bool = False
    ) -> None:
        self._wrapper, self._wrt, self._of, self._replaced = wrapper, wrt, of, replaced
        self._spent = spent
        self.order: list[int] = []

    def at_target(
        self, inputs: ModelInputs, replace: Mapping[Cut, Any], tap: Tap
    ) -> tuple[list[Tensor], int | None]:
        """The tensors at the target cut, and how many rows they have where that is known."""
        wrapper, wrt, of = self._wrapper, self._wrt, self._of
        parts = wrt.parts()
        reached: list[tuple[int, int]] = []
        through = getattr(tap, "over", tap) if self._spent else tap
        taps = {part: _Part(tap, through, i, reached) for i, part in enumerate(parts)}
        found = wrapper.forward(inputs, replace=replace, tap=taps, want=of.parts())
        if len(reached) != len(parts):
            raise LayerNotReachedError(
                f"the value at {wrt} was reached {len(reached)} times in one pass instead "
                f"of {len(parts)}"
            )
        self.order = _order(reached)
        y = [t for tensors in found for t in tensors]
        rows = inputs.rows_at_cut
        selection.check_rows(y, of, rows)
        if rows is None:
            y = [wrapper.backend.same_rows(t, inputs.first, of) for t in y]
        return y, rows

    def connected(
        self, gradients: Sequence[Sequence[Tensor | None]], like: Sequence[Tensor]
    ) -> list[list[Tensor]]:
        """The gradients in the cut's order, zeros where one tensor of several is unconnected.

        `like` has the shapes of the gradients, in the order of tapping as they are.
        """
        if all(g is None for gs in gradients for g in gs):
            given = f" once the value at {self._replaced} is given" if self._replaced else ""
            raise NotConnectedError(
                f"the quantity at {self._of} does not depend on the value at {self._wrt}{given}; "
                "is the source cut after the target, or before the distribution's cut, does the "
                "quantity ignore the value it is given, or does the model stop gradients (detach, "
                "no_grad) in between?"
            )
        zeros = self._wrapper.backend.xp.zeros_like
        return [
            [zeros(like[i]) if gs[i] is None else gs[i] for i in self.order] for gs in gradients
        ]


def placed(
    wrapper: ModelWrapper, key: StepKey, a: StepArguments
) -> tuple[ModelInputs, Mapping[Cut, list[Tensor]]]:
    """The inputs and interventions of a step's arguments."""
    if key.replaced is None:
        return ModelInputs.joined(key.structure, a.points, a.batched, a.shared), {}
    inputs = ModelInputs.joined(key.structure, [], a.batched, a.shared)
    return inputs, wrapper.spread({key.replaced: a.points})


def with_data(qoi: QoI, a: StepArguments) -> QoI:
    """The quantity with a step's arrays."""
    per_record, scalars = iter(a.per_record), iter(a.scalars)
    data = qoi.data()
    if not data:
        return qoi
    return qoi.with_data([next(per_record) if d.per_record else next(scalars) for d in data])


def with_tensors(qoi: QoI, inputs: ModelInputs, wrapper: ModelWrapper) -> QoI:
    """The quantity with its arrays as tensors."""

    def tensor(value: Any) -> Tensor:
        return _as_tensor(value, inputs, wrapper)

    return qoi.mapped(tensor, tensor)


def _as_tensor(value: Any, inputs: ModelInputs, wrapper: ModelWrapper) -> Tensor:
    """A quantity's array as a tensor: by the same rule, or of the inputs' type without weights."""
    backend = wrapper.backend
    if backend.is_tensor(value):
        return wrapper.adopt(value)
    weights = wrapper.floating_weights()
    like = next(weights, None)
    if like is None:
        like = inputs.first_floating(backend)
    return adoption.adopted(np.asarray(value), like, weights, backend)


def _order(reached: list[tuple[int, int]]) -> list[int]:
    """Where the tensors of each part of the cut, in the parts' order, stand among those reached."""
    starts, position = {}, 0
    for part, size in reached:
        starts[part] = range(position, position + size)
        position += size
    return [i for part in sorted(starts) for i in starts[part]]


class _Part:
    """The tap at one layer of a cut."""

    def __init__(
        self,
        tap: Tap,
        through: Callable[[list[Tensor]], list[Tensor]],
        index: int,
        reached: list[tuple[int, int]],
    ) -> None:
        self.tap, self._through, self._index, self._reached = tap, through, index, reached
        self._first = 0

    def __call__(self, z: list[Tensor], /) -> list[Tensor]:
        self._first = sum(size for _, size in self._reached)
        self._reached.append((self._index, len(z)))
        return self._through(z)

    def saw(self, z: list[Tensor], /, first: int = 0) -> None:
        """What the tensors were, told after a loop; see `LoopTap`."""
        cast(LoopTap, self.tap).saw(z, first + self._first)


def one_pass(
    wrapper: ModelWrapper,
    inputs: ModelInputs,
    replace: Mapping[Cut, list[Tensor]],
    want: Sequence[Cut],
) -> list[list[Tensor]]:
    """The values at cuts without gradients; at the input alone, without running the model."""
    backend = wrapper.backend
    if not replace and all(isinstance(cut, InputCut) for cut in want):
        held = [
            inputs.at(cut, backend, wrapper.parameters) for cut in want if isinstance(cut, InputCut)
        ]
        return [[backend.fresh(inputs.leaves[i].value) for i in at] for at in held]
    if not backend.traces:
        with wrapper.using(wrapper.state()):
            return wrapper.forward(inputs, replace=replace, tap={}, want=want)
    structure, batched, shared = inputs.split()
    sizes = {cut: len(tensors) for cut, tensors in replace.items()}

    def build() -> Any:
        def rows(a: StepArguments) -> list[list[Tensor]]:
            points = iter(a.points)
            held = {cut: [next(points) for _ in range(n)] for cut, n in sizes.items()}
            joined = ModelInputs.joined(structure, [], a.batched, a.shared)
            with wrapper.using(a.state):
                return wrapper.forward(joined, replace=held, tap={}, want=want)

        return backend.compiled(rows)

    cuts = tuple((_cut_key(cut), n) for cut, n in sizes.items())
    key = ("values", cuts, tuple(map(_cut_key, want)), structure.key())
    step = wrapper.kept(key, build)
    points = [t for tensors in replace.values() for t in tensors]
    return step(StepArguments(wrapper.state(), points, batched, shared, [], []))  # type: ignore[no-any-return]
