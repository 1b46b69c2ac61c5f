"""What is said with an error of the model's own, which knows sizes and types but not the caller."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from trulens_core.errors import TrulensError
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import SHARED, STATIC
from trulens_core.passes import CutModel
from trulens_core.slices import InputCut

_COLORS = (1, 3, 4)
"""Channels that a picture can have: grey, RGB, RGB with opacity."""


@contextlib.contextmanager
def added(inputs: ModelInputs, model: CutModel) -> Iterator[None]:
    """The context of evaluations whose errors get notes."""
    try:
        yield
    except Exception as error:
        add(error, inputs, model)
        raise


def add(error: Exception, inputs: ModelInputs, model: CutModel) -> None:
    """Say what was not repeated and what was not cast, each where there is any."""
    lists = _of_lists(inputs, error)
    if lists:
        error.add_note(lists)
    if isinstance(error, TrulensError):
        return
    of_call = _of_shared(inputs), _of_types(inputs, model), _of_mappings(inputs)
    for note in (*of_call, _of_pictures(inputs, model), _of_records(inputs, error)):
        if note:
            error.add_note(note)


def _of_shared(inputs: ModelInputs) -> str | None:
    shared = [
        f"{x.name!r} of shape {tuple(x.value.shape)}"
        for x in inputs.leaves
        if x.role == SHARED and len(x.value.shape)
    ]
    if not shared:
        return None
    return (
        f"the model was given {', '.join(shared)} as it is, for all points and records, since "
        f"an input has a row per record only if there are as many ({inputs.n_records}); "
        "batched= says otherwise"
    )


def _of_types(inputs: ModelInputs, model: CutModel) -> str | None:
    backend = model.backend
    held = {str(w.dtype) for w in model.floating_weights()}
    other = [
        f"{x.name!r} as {x.value.dtype}"
        for x in inputs.leaves
        if backend.is_tensor(x.value)
        and backend.is_floating(x.value)
        and str(x.value.dtype) not in held
    ]
    if not held or not other:
        return None
    return (
        f"the model was given {', '.join(other)}, and its weights are {', '.join(sorted(held))}: "
        "nothing is cast to a half type or from one, nor where the weights are of several types; "
        "give tensors of the type that the model takes"
    )


def _of_mappings(inputs: ModelInputs) -> str | None:
    if not any(isinstance(value, Mapping) for value in inputs.args):
        return None
    return (
        "the model was given a mapping by position; where its entries are the arguments, pass it "
        "with **: method.attributions(**batch)"
    )


def _of_pictures(inputs: ModelInputs, model: CutModel) -> str | None:
    """What is said of one picture without the axis of records, or with channels elsewhere."""
    held = [x for x in inputs.leaves if x.role not in (SHARED, STATIC)]
    shape = tuple(held[0].value.shape) if len(held) == 1 else ()
    last = bool(shape) and shape[-1] in _COLORS
    if len(shape) == 3 and (last or shape[0] in _COLORS):
        return (
            f"the model was given {held[0].name!r} of shape {shape} as {shape[0]} records, which "
            "the first axis counts; one picture alone is x[None]"
        )
    if len(shape) == 4 and last and shape[1] not in _COLORS and model.channel_axis(InputCut()) == 1:
        return (
            f"the model was given {held[0].name!r} of shape {shape}, whose channels seem to be "
            "last; where it takes them first, give np.moveaxis(x, -1, 1), of tensors "
            "x.permute(0, 3, 1, 2)"
        )
    return None


def _of_records(inputs: ModelInputs, error: Exception) -> str | None:
    """What is said of arrays of one shape in a list, which were taken for several arguments."""
    shapes = [tuple(x.value.shape) for x in inputs.leaves if x.role != STATIC]
    if not isinstance(error, TypeError) or len(inputs.args) < 2 or len(set(shapes)) != 1:
        return None
    return (
        f"the model was given {len(inputs.args)} arguments of shape {shapes[0]}: a list as the "
        "only argument is a list of these; records of one argument are one array, as np.stack(x) "
        "or torch.stack(x) makes it"
    )


def _of_lists(inputs: ModelInputs, error: Exception) -> str | None:
    """What is said of lists of tensors of different sizes."""
    held = [
        [t for t in value if hasattr(t, "shape")]
        for value in inputs.args
        if isinstance(value, list | tuple)
    ]
    shapes = [{tuple(t.shape) for t in tensors} for tensors in held]
    alone = {tuple(x.value.shape)[1:] for x in inputs.leaves if x.role != STATIC}
    first = {tuple(x.value.shape)[:1] for x in inputs.leaves if x.role != STATIC}
    taken = isinstance(error, TypeError) and len(alone) == 1 and len(first) > 1
    if not taken and not any(len(s) > 1 for s in shapes):
        return None
    return (
        "tensors of different sizes in a list are no rows of one tensor, and a list as the only "
        "argument is a list of the model's arguments: explain one record a call, as a function "
        "lambda x: model([x[0]]) of x[None] does, or a padded tensor"
    )
