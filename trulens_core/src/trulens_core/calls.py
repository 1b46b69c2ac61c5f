"""Direct evaluations of a model with interventions: what `fprop` and `qoi_bprop` do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trulens_core import notes
from trulens_core.backends import Tensor
from trulens_core.errors import InterventionError
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.rows import repeated
from trulens_core.inputs.structure import STATIC, Leaf
from trulens_core.kinds import Kind
from trulens_core.passes import selection
from trulens_core.quantities.base import QoI
from trulens_core.slices import Cut, InputCut, source_cut
from trulens_core.steps.block import Block

if TYPE_CHECKING:
    from trulens_core.models import ModelWrapper


def prepared(wrapper: ModelWrapper, inputs: ModelInputs) -> tuple[ModelInputs, Kind]:
    """The caller's inputs as tensors of the model, and how to give results back."""
    if wrapper.batched:
        inputs = ModelInputs(inputs.args, inputs.kwargs, {**wrapper.batched, **inputs.batched})
    inputs = inputs.renamed(wrapper.parameters)
    if inputs.n_records == 0:
        raise ValueError("the inputs hold 0 records; give at least one")
    kind = Kind.of(inputs, wrapper.backend)

    declared = wrapper.declared(inputs)

    def adopted(place: int, leaf: Leaf) -> Tensor:
        if isinstance(leaf.value, np.ma.MaskedArray):
            raise TypeError(
                f"input {leaf.name!r} is a masked array, and a model sees no mask; fill it "
                "first, as x.filled(0) does"
            )
        try:
            if place in declared:
                return wrapper.adopt(leaf.value, declared[place])
            return wrapper.adopt(leaf.value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"input {leaf.name!r} {error}") from error

    at = [i for i, leaf in enumerate(inputs.leaves) if leaf.role != STATIC]
    return inputs.with_values(at, [adopted(i, inputs.leaves[i]) for i in at]), kind


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
    kind: Kind


def intervened(wrapper: ModelWrapper, given: ModelInputs, doi: Cut, intervention: Any) -> Call:
    """The call with `intervention` at `doi`, inputs repeated as often as it needs."""
    inputs, kind = wrapper.prepared(given)
    if intervention is None:
        if not isinstance(doi, InputCut):
            raise InterventionError(
                f"doi_cut is {doi}, but no intervention was given; give the value to place "
                "there, or leave doi_cut out"
            )
        return Call(doi, inputs, inputs, {}, 1, kind)
    if isinstance(doi, InputCut):
        return _at_input(wrapper, inputs, doi, intervention, kind)
    tensors = [_adopted(wrapper, t, doi) for t in as_args(intervention)]
    k = _multiple(int(tensors[0].shape[0]), inputs.n_records, doi)
    repeated = inputs.repeat(k, wrapper.backend)
    return Call(doi, repeated, repeated, {doi: tensors}, k, kind)


def _at_input(
    wrapper: ModelWrapper, inputs: ModelInputs, doi: Cut, intervention: Any, kind: Kind
) -> Call:
    if not isinstance(intervention, ModelInputs):
        intervention = ModelInputs(as_args(intervention), {}, inputs.batched)
    new = wrapper.prepared(intervention)[0]
    k = _multiple(new.n_records, inputs.n_records, doi)
    repeated = inputs.repeat(k, wrapper.backend)
    merged = ModelInputs(new.args or repeated.args, new.kwargs or repeated.kwargs, inputs.batched)
    return Call(doi, merged, repeated, {}, k, kind)


def _adopted(wrapper: ModelWrapper, value: Any, cut: Cut) -> Tensor:
    try:
        tensor = wrapper.adopt(np.asarray(value) if isinstance(value, list) else value)
    except TypeError as error:
        raise InterventionError(f"the value given for {cut} {error}") from error
    return selection.to_front(tensor, cut, wrapper.backend)


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


def fprop(wrapper: ModelWrapper, call: Call, to_cut: Cut, attribution_cut: Any) -> Any:
    """The value at `to_cut`; with an attribution_cut the pair of it and the value there."""
    cuts = [wrapper.resolved(to_cut)]
    if attribution_cut is not None:
        cuts.append(wrapper.resolved(source_cut(attribution_cut)))
    with notes.added(call.inputs, wrapper), wrapper.opened(call.inputs, call.doi):
        found = wrapper.activations(call.inputs, list(dict.fromkeys(cuts)), call.replace)
    results = [_given(found[cut], cut, wrapper, call.kind) for cut in cuts]
    return tuple(results) if attribution_cut is not None else results[0]


def qoi_bprop(
    wrapper: ModelWrapper, call: Call, qoi: QoI, to_cut: Cut, attribution_cut: Any
) -> Any:
    """The gradients of the quantity at `to_cut`, row by row."""
    wrt = call.doi if attribution_cut is None else wrapper.resolved(source_cut(attribution_cut))
    of = wrapper.resolved(to_cut)
    rows = call.inputs.n_records
    k, backend = call.points, wrapper.backend
    qoi = qoi.for_records(0, rows // k, rows // k).mapped(lambda x: repeated(x, k, backend))
    given = call.replace.get(call.doi, [])
    points = [backend.xp.expand_dims(backend.fresh(t), axis=0) for t in given]
    with notes.added(call.inputs, wrapper), wrapper.opened(call.inputs, call.doi):
        if qoi.binds:
            y = wrapper.activations(call.unmodified, [of])[of]
            qoi = qoi.bind(y[0] if len(y) == 1 else y)
        got = wrapper.gradients(
            call.inputs,
            wrt=wrt,
            of=of,
            qoi=qoi,
            block=Block(call.doi, points, np.ones(1)),
            want=("points",),
        )
    found = [
        _given([g[0] for g in gs if g is not None], wrt, wrapper, call.kind) for gs in got.gradients
    ]
    return found[0] if len(found) == 1 else found


def _given(tensors: list[Tensor], cut: Cut, wrapper: ModelWrapper, kind: Kind) -> Any:
    given = [kind.give(selection.to_layer(t, cut, wrapper.backend)) for t in tensors]
    return given[0] if len(given) == 1 else given
