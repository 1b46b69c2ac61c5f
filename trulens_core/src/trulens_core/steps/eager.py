"""A block as an eager framework evaluates it: nothing is traced, so nothing is kept or keyed."""

from __future__ import annotations

from collections.abc import Collection

from trulens_core.backends import Gradients, Tap, Tensor, Want
from trulens_core.inputs import ModelInputs
from trulens_core.passes import CutModel, selection
from trulens_core.quantities.base import QoI
from trulens_core.quantities.evaluation import evaluate
from trulens_core.rules import RuleSet
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.block import Block
from trulens_core.steps.contraction import Contraction
from trulens_core.steps.quantity_data import with_tensors
from trulens_core.steps.repeating import Repeatable, shapes_at
from trulens_core.steps.target import Given, ModelPart


class EagerBlocks:
    """The gradients of a quantity over blocks; the same numbers as `WholeStep`.

    What all blocks of a group have in common is made once: the quantity's arrays as tensors, but
    for a quantity of the caller's, whose code may change what it is given.

    Args:
        model: whose gradients they are.
        inputs: those of the b records.
        cuts: where the variables live, and where the quantity is read.
        qoi: the quantity, for b records.
        want: what is wanted besides, see `ModelWrapper.gradients`.
        narrow: whether what comes before an inner cut is computed for the records alone.
        contraction: what gradients are summed over.
        rules: of the backward pass.
    """

    def __init__(  # noqa: PLR0913 - what blocks are evaluated from
        self,
        model: CutModel,
        inputs: ModelInputs,
        cuts: tuple[Cut, Cut],
        qoi: QoI,
        want: Collection[Want],
        *,
        narrow: bool = False,
        contraction: Contraction | None = None,
        rules: RuleSet | None = None,
    ) -> None:
        self._model, self._inputs, self._cuts, self._want = model, inputs, cuts, want
        self._narrow, self._contraction, self._rules = narrow, contraction, rules
        self._host = qoi.with_channel_axis(model.channel_axis(cuts[1]))
        self._custom, self._ready = qoi.custom, self._host.is_ready
        self._owners = model.owners(inputs)
        self._of_records: QoI | None = None
        self._repeats: bool | None = None

    def _qoi(self, k: int) -> QoI:
        """The quantity for k·b rows."""
        if self._ready:
            return self._host
        if self._of_records is None or self._custom:
            self._of_records = with_tensors(self._host, self._inputs, self._model)
        backend = self._model.backend
        return self._of_records.mapped(lambda x: backend.repeat(x, k))

    def __call__(self, block: Block) -> Gradients:
        """The gradients over one block of k points."""
        if self._repeats is None:
            cuts, others = (*self._cuts, block.cut), (self._contraction, self._rules)
            allowed = Repeatable.allows(
                self._model, self._inputs, self._host, cuts, *others, self._owners
            )
            self._repeats = allowed
        if not self._repeats or block.made is not None:
            return self._evaluated(block, self._inputs, self._qoi(len(block.weights)))
        return self._repeated(block)

    def _repeated(self, block: Block) -> Gradients:
        """The same, recorded."""
        k = len(block.weights)

        def run(inputs: ModelInputs, qoi: QoI, points: list[Tensor]) -> Gradients:
            qoi = qoi.mapped(lambda x: self._model.backend.repeat(x, k))
            # what takes the points may write there
            own = [self._model.backend.fresh(p) for p in points]
            return self._evaluated(block._replace(points=own), inputs, qoi)

        weights = tuple(block.weights.tolist())
        key = "block", self._cuts, block.cut, tuple(self._want), self._narrow, weights
        once = Repeatable(self._model, self._inputs, self._host, self._cuts[1], k)
        found: Gradients = once(key, run, block.points)
        return found

    def _evaluated(self, block: Block, inputs: ModelInputs, qoi: QoI) -> Gradients:
        model, want, contraction = self._model, self._want, self._contraction
        backend, k, host = model.backend, len(block.weights), self._host
        given, reference = _given(model, inputs, block, self._narrow), None
        if block.references:
            compared = block._replace(points=block.references)
            reference = _given(model, inputs, compared, self._narrow)
        spent = bool(block.points or block.made) and self._cuts[0] == block.cut
        replaced = block.cut if given.replace else None
        part = ModelPart(model, *self._cuts, replaced, spent, self._rules)
        by_value = contraction is not None and contraction.by_value
        kept = part.keep() if by_value or "activations" in want else []
        activations, owners = kept if "activations" in want else [], self._owners

        def run(tap: Tap) -> list[Tensor]:
            with model.using(model.state()):
                y, n = part.at_target(given, tap, reference)
            shapes = [tuple(t.shape) for t in y]
            host.validate(shapes)
            if model.repeats():
                shapes_at(self._cuts[1], self._inputs, k, model)[:] = shapes
            found = evaluate(qoi, y, n, backend)
            return found if owners is None else [owners.summed(q, backend) for q in found]

        got = part.differentiated(run, contraction)
        split = backend.split_points
        return Gradients(
            [split(q, k) for q in got.quantities] if "quantities" in want else [],
            [split(activations[i], k) for i in part.order] if activations else [],
            [
                backend.combined(gs, block.weights, want)
                for gs in part.connected(got.gradients, part.like(got, contraction))
            ],
        )


def values(
    model: CutModel, inputs: ModelInputs, of: Cut, block: Block, *, narrow: bool = False
) -> list[Tensor]:
    """The values at a cut over a block, (k, b, …), without gradients."""
    backend, k = model.backend, len(block.weights)
    rows, replace = _given(model, inputs, block, narrow)
    with model.using(model.state()):
        found = model.values(rows, replace=replace, tap={}, want=of.parts())
    y = [t for tensors in found for t in tensors]
    selection.check_rows(y, of, rows.rows_at_cut)
    return [backend.split_points(t, k) for t in y]


def _given(model: CutModel, inputs: ModelInputs, block: Block, narrow: bool) -> Given:
    """The inputs of a pass, point by point, and what replaces the values at inner cuts."""
    backend, k = model.backend, len(block.weights)
    points = [backend.merge_points(p) for p in block.points]
    if points and isinstance(block.cut, InputCut):
        at = inputs.at(block.cut, backend, model.parameters)
        return Given(inputs.repeat(k, backend, dict(zip(at, points, strict=True))), {})
    rows = inputs.for_points(k) if narrow else inputs.repeat(k, backend)
    if block.made is not None:
        made = block.made
        return Given(rows, {block.cut: lambda z: list(map(backend.merge_points, made(z, 0, k)))})
    return Given(rows, model.spread({block.cut: points}) if points else {})
