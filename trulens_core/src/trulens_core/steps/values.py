"""Values at cuts, without gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trulens_core.backends import StepArguments, Tensor
from trulens_core.inputs import ModelInputs
from trulens_core.passes import CutModel
from trulens_core.passes.scores import refuse_probabilities
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.keys import settled


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
            model.sizes[cut] = tuple(map(len, members))
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
            return model.forward(inputs, replace=replace, tap={}, want=want)
    structure, batched, shared = inputs.split()
    cuts = [settled(cut, model, inputs) for cut in (*replace, *want)]
    known = [cut for cut in cuts if cut is not None]
    places, sizes = known if len(known) == len(cuts) else [*replace, *want], len(replace)
    counts = [len(tensors) for tensors in replace.values()]

    def build() -> Any:
        def rows(a: StepArguments) -> list[list[Tensor]]:
            points = iter(a.points)
            new = [[next(points) for _ in range(n)] for n in counts]
            held = dict(zip(places[:sizes], new, strict=True))
            joined = ModelInputs.joined(structure, [], a.batched, a.shared)
            with model.using(a.state):
                return model.forward(joined, replace=held, tap={}, want=places[sizes:])

        return backend.compiled(rows)

    key = "values", *known, *counts, structure.key()
    step = model.kept(key, build) if places is known else build()
    points = [t for tensors in replace.values() for t in tensors]
    return step(StepArguments(model.state(), points, batched, shared, [], []))  # type: ignore[no-any-return]
