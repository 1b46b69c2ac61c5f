"""Which leaves have a row per record, and along which axis."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import CutError, TrulensWarning
from trulens_core.inputs.structure import BATCHED, SHARED, STATIC, Leaf, Name
from trulens_core.slices import InputCut

Batched = Mapping[Name, bool | int]
"""By an argument's name or position, whether its tensors have a row per record, or the axis."""


def judged(flat: Sequence[tuple[Any, Name]], batched: Batched) -> list[Leaf]:
    """Leaves with their roles; the first tensor tells the number of records."""
    rows: int | None = None
    leaves = []
    for value, name in flat:
        shape = getattr(value, "shape", None)
        if shape is None or isinstance(value, np.generic):
            leaves.append(Leaf(value, name, STATIC))
            continue
        told = batched.get(name)
        axis = _axis(told, shape, name)
        if rows is None and told is not False and len(shape) > 0:
            rows = shape[axis]
        by_length = len(shape) > 0 and shape[0] == rows
        has_rows = by_length if told is None else told is not False
        leaves.append(Leaf(value, name, BATCHED if has_rows else SHARED))
    return leaves


def _axis(told: bool | int | None, shape: Sequence[int], name: Name) -> int:
    """The axis of the records that `batched=` names, checked."""
    axis = 0 if told is None or isinstance(told, bool) else told
    if axis and not -len(shape) <= axis < len(shape):
        raise ValueError(
            f"batched={{{name!r}: {told}}}: the argument has shape {tuple(shape)}, and no such axis"
        )
    return axis


def check_told(
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    told: tuple[Batched, Batched],
    parameters: Sequence[str],
) -> None:
    """Say of `batched=` what names no argument: it would be ignored, as a misspelt name is.

    Args:
        args: positional ones of a call.
        kwargs: and those by keyword.
        told: with this call, and with the model, which a call need not give all arguments of.
        parameters: the names of the model's positional parameters, as far as they are known.

    Raises:
        ValueError: for what the call itself tells.
    """
    if not any(told):
        return
    given: list[Name] = [*range(len(args)), *kwargs]
    names = [*parameters, *kwargs]
    for batched, of_call in ((told[0], True), (told[1], False)):
        for name in batched:
            by_position = isinstance(name, int) and (not of_call or name < len(parameters))
            known = name in given or name in parameters or by_position
            if known:
                continue
            near = difflib.get_close_matches(str(name), names, n=1)
            said = f"batched={{{name!r}: …}} names no argument of this call" + (
                f"; did you mean {near[0]!r}?" if near else f"; there are {names or given}"
            )
            if of_call and name not in told[1]:
                raise ValueError(said)
            warnings.warn(said, TrulensWarning, stacklevel=2)


def told_by(cut: InputCut, names: Sequence[Name]) -> dict[Name, int]:
    """What a cut with a `batch_axis` says of the arguments that it holds; `names` are all."""
    if cut.names is None and len(names) > 1:
        raise CutError(
            f"{cut}: of several arguments, say which have their records there: "
            "InputCut(names=[...], batch_axis=)"
        )
    return dict.fromkeys(cut.names or names, cut.batch_axis)


def records_first(
    leaves: Sequence[Leaf], told: Mapping[Name, int], backend: Backend
) -> tuple[tuple[int, ...], list[Leaf]]:
    """The axis of the records in each leaf, and the leaves with it moved to the front."""
    axes, moved = [], []
    for x in leaves:
        axis = told.get(x.name, 0) % len(x.value.shape) if x.role == BATCHED else 0
        axes.append(axis)
        moved.append(x._replace(value=moved_axis(x.value, axis, 0, backend)) if axis else x)
    return tuple(axes), moved


def moved_axis(x: Tensor, source: int, to: int, backend: Backend, leading: int = 0) -> Tensor:
    """A tensor with an axis elsewhere; `leading` axes before stay where they are."""
    rank = len(x.shape) - leading
    axes = list(range(rank))
    axes.insert(to % rank, axes.pop(source % rank))
    return backend.xp.permute_dims(x, (*range(leading), *(leading + a for a in axes)))
