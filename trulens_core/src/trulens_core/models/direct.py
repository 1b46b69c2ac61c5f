"""Direct evaluations of a model with interventions: what `fprop` and `qoi_bprop` do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Tensor
from trulens_core.errors import InterventionError, UnsupportedModelError
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.rows import repeated
from trulens_core.models import notes
from trulens_core.models.conversion import CallerKind, prepared
from trulens_core.models.counting import counted
from trulens_core.passes import CutModel, selection
from trulens_core.quantities.base import QoI
from trulens_core.slices import Cut, InputCut, source_cut
from trulens_core.steps.block import Block
from trulens_core.steps.blocks import over_blocks
from trulens_core.steps.values import activations


@dataclasses.dataclass(frozen=True)
class Call:
    """One call with an intervention.

    Attributes:
        doi: where the intervention is placed.
        inputs: with k·b rows for b records, point by point, an intervention at the input included.
        unmodified: the same rows without intervention.
        replace: the intervention at an inner cut.
        points: k.
        kind: how results are given back.
    """

    doi: Cut
    inputs: ModelInputs
    unmodified: ModelInputs
    replace: Mapping[Cut, list[Tensor]]
    points: int
    kind: CallerKind


def intervened(model: CutModel, given: ModelInputs, doi: Cut, intervention: Any) -> Call:
    """The call with `intervention` at `doi`, inputs repeated as often as it needs."""
    inputs, kind = prepared(model, given)
    if intervention is None:
        if not isinstance(doi, InputCut):
            raise InterventionError(
                f"doi_cut is {doi}, but no intervention was given; give the value to place "
                "there, or leave doi_cut out"
            )
        return Call(doi, inputs, inputs, {}, 1, kind)
    if isinstance(doi, InputCut):
        return _at_input(model, inputs, doi, intervention, kind)
    doi = counted(doi, model, inputs)
    tensors = [_adopted(model, t, doi) for t in as_args(intervention)]
    k = _multiple(int(tensors[0].shape[0]), inputs.n_records, doi)
    repeated = inputs.repeat(k, model.backend)
    return Call(doi, repeated, repeated, {doi: tensors}, k, kind)


def _at_input(
    model: CutModel, inputs: ModelInputs, doi: Cut, intervention: Any, kind: CallerKind
) -> Call:
    if not isinstance(intervention, ModelInputs):
        intervention = ModelInputs(as_args(intervention), {}, inputs.batched)
    new = prepared(model, intervention)[0]
    k = _multiple(new.n_records, inputs.n_records, doi)
    repeated = inputs.repeat(k, model.backend)
    merged = ModelInputs(new.args or repeated.args, new.kwargs or repeated.kwargs, inputs.batched)
    return Call(doi, merged, repeated, {}, k, kind)


def _adopted(model: CutModel, value: Any, cut: Cut) -> Tensor:
    try:
        tensor = model.adopt(np.asarray(value) if isinstance(value, list) else value)
    except TypeError as error:
        raise InterventionError(f"the value given for {cut} {error}") from error
    return selection.from_caller(tensor, cut, model.backend)


def _multiple(rows: int, records: int, cut: Cut) -> int:
    if rows == 0 or rows % records:
        raise InterventionError(
            f"the intervention at {cut} has {rows} rows, which is not a multiple of the "
            f"inputs' {records} records; give k rows per record, point by point"
        )
    return rows // records


def as_args(args: Any) -> Sequence[Any]:
    """Positional arguments given as a list or tuple of them, or as the only one."""
    return args if isinstance(args, list | tuple) else (args,)


def _check_rows(model: CutModel, inputs: ModelInputs) -> None:
    declared = model.declared_rows()
    if declared is not None and inputs.n_records != declared:
        raise UnsupportedModelError(
            f"the model declares a batch of {declared}, found {inputs.n_records} rows; give "
            f"{declared}, or build the model without a batch size"
        )


def fprop(model: CutModel, call: Call, to_cut: Cut, attribution_cut: Any) -> Any:
    """The value at `to_cut`; with an attribution_cut the pair of it and the value there."""
    cuts = [model.resolved(to_cut)]
    if attribution_cut is not None:
        cuts.append(model.resolved(source_cut(attribution_cut)))
    cuts = [counted(cut, model, call.unmodified) for cut in cuts]
    _check_rows(model, call.inputs)
    with notes.added(call.inputs, model), model.opened(call.inputs, call.doi):
        found = activations(model, call.inputs, list(dict.fromkeys(cuts)), call.replace)
    results = [_given(found[cut], cut, model, call.kind) for cut in cuts]
    return tuple(results) if attribution_cut is not None else results[0]


def qoi_bprop(model: CutModel, call: Call, qoi: QoI, to_cut: Cut, attribution_cut: Any) -> Any:
    """The gradients of the quantity at `to_cut`, row by row."""
    wrt = call.doi if attribution_cut is None else model.resolved(source_cut(attribution_cut))
    wrt, of = (counted(cut, model, call.unmodified) for cut in (wrt, model.resolved(to_cut)))
    rows = call.inputs.n_records
    k, backend = call.points, model.backend
    qoi = qoi.for_records(0, rows // k, rows // k).mapped(lambda x: repeated(x, k, backend))
    _check_rows(model, call.inputs)
    given = call.replace.get(call.doi, [])
    points = [backend.xp.expand_dims(backend.fresh(t), axis=0) for t in given]
    with notes.added(call.inputs, model), model.opened(call.inputs, call.doi):
        if qoi.binds:
            y = activations(model, call.unmodified, [of])[of]
            qoi = qoi.with_channel_axis(model.channel_axis(of))
            qoi = qoi.bind(y[0] if len(y) == 1 else y)
        over = over_blocks(model, call.inputs, (wrt, of), qoi, ("points",))
        got = over(Block(call.doi, points, np.ones(1)))
    found = [
        _given([g[0] for g in gs if g is not None], wrt, model, call.kind) for gs in got.gradients
    ]
    return found[0] if len(found) == 1 else found


def _given(tensors: list[Tensor], cut: Cut, model: CutModel, kind: CallerKind) -> Any:
    given = [kind.give(selection.as_shown(t, cut, model.backend)) for t in tensors]
    return given[0] if len(given) == 1 else given
