"""Values at cuts, without gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trulens_core.backends import StepArguments, Tensor
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import Structure
from trulens_core.passes import CutModel, selection
from trulens_core.passes.scores import refuse_probabilities
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.keys import settled, whole, whole_of


def activations(
    model: CutModel,
    inputs: ModelInputs,
    cuts: Sequence[Cut],
    interventions: Mapping[Cut, list[Tensor]] | None = None,
) -> dict[Cut, list[Tensor]]:
    """The values at the cuts, in one pass of the model; see `ModelWrapper.activations`."""
    if not cuts:
        return {}
    replace = model.spread(interventions or {})
    parts = [part for cut in cuts for part in cut.parts()]
    found = iter(_one_pass(model, inputs, replace, parts))
    result: dict[Cut, list[Tensor]] = {}
    for cut in cuts:
        members = [next(found) for _ in cut.parts()]
        if len(members) > 1:
            model.sizes.put(cut, tuple(map(len, members)))
        result[cut] = [t for m in members for t in m]
    if model.unchecked in result:
        refuse_probabilities(result[model.unchecked], model.unchecked, model.backend)
        model.unchecked = None
    return result


def _one_pass(
    model: CutModel,
    inputs: ModelInputs,
    replace: Mapping[Cut, list[Tensor]],
    want: Sequence[Cut],
) -> list[list[Tensor]]:
    """The values at cuts without gradients; at the input alone, without running the model."""
    backend = model.backend
    if not replace and all(isinstance(cut, InputCut) for cut in want):
        held = [
            inputs.at(cut, backend, model.parameters) for cut in want if isinstance(cut, InputCut)
        ]
        return [[backend.fresh(inputs.leaves[i].value) for i in at] for at in held]
    if not backend.traces:
        with model.using(model.state()):
            return model.values(inputs, replace=replace, tap={}, want=want)
    structure, batched, shared = inputs.split()
    put = [settled(cut, model, inputs) for cut in replace]
    read = [settled(cut, model, inputs) or whole(cut, model, inputs) for cut in want]
    points = [t for tensors in replace.values() for t in tensors]
    a = StepArguments(model.state(), points, batched, shared, [], [])
    counts = tuple(map(len, replace.values()))
    known = [cut for cut in (*put, *read) if cut is not None]
    if len(known) == len(put) + len(read):
        key, n = ("values", *known, *counts, structure.key()), len(put)
        step: _Values = model.kept(
            key, lambda: _Values(model, structure, known[:n], counts, known[n:])
        )
        found = step(a)
        if step.rebuildable:
            pairs = zip(found, want, strict=True)
            return [step.meant(i, tensors, cut) for i, (tensors, cut) in enumerate(pairs)]
    return _Values(model, structure, [*replace], counts, want)(a)


class _Values:
    """A step that gives values at cuts.

    Args:
        model: whose values they are.
        structure: of its inputs.
        put: the cuts whose values are replaced.
        counts: how many tensors each of them has.
        read: the cuts whose values are given.
    """

    def __init__(
        self,
        model: CutModel,
        structure: Structure,
        put: Sequence[Cut],
        counts: Sequence[int],
        read: Sequence[Cut],
    ) -> None:
        self._model, self._structure = model, structure
        self._put, self._counts, self._read = put, counts, read
        self._step = model.backend.compiled(self._of_rows)

    def __call__(self, a: StepArguments) -> list[list[Tensor]]:
        """The tensors at each cut."""
        return self._step(a)  # type: ignore[no-any-return]

    def _of_rows(self, a: StepArguments) -> list[list[Tensor]]:
        points = iter(a.points)
        new = [[next(points) for _ in range(n)] for n in self._counts]
        held = dict(zip(self._put, new, strict=True))
        joined = ModelInputs.joined(self._structure, [], a.batched, a.shared)
        with self._model.using(a.state):
            return self._model.values(joined, replace=held, tap={}, want=self._read)

    @property
    def rebuildable(self) -> bool:
        """Whether the values that were read whole can be put together again; after a call."""
        return all(
            whole is None or (whole.shown is not None and whole.shown.of_tensors)
            for whole in map(whole_of, self._read)
        )

    def meant(self, i: int, tensors: list[Tensor], cut: Cut) -> list[Tensor]:
        """Of the tensors at a cut, those that the caller's `cut` means."""
        whole = whole_of(self._read[i])
        if whole is None or whole.shown is None:
            return tensors
        return selection.read(whole.shown.rebuilt(tensors), cut, self._model.backend)
