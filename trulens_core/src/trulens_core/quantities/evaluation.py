"""A quantity evaluated, and the one check of what it returns."""

from __future__ import annotations

from typing import Any

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import QoiError
from trulens_core.quantities.base import QoI


def evaluate(qoi: QoI, y: list[Tensor], rows: int | None, backend: Backend) -> list[Tensor]:
    """The quantities of the value y, each a floating tensor of shape (rows,).

    Raises:
        QoiError: where the quantity returns anything else.
    """
    output = qoi(y[0] if len(y) == 1 else y)
    if isinstance(output, list | tuple):
        members = list(output)
        if not members:
            raise QoiError(f"{qoi!r} returned an empty list; return at least one quantity")
    elif backend.is_tensor(output) and len(output.shape) == 2:
        members = [output[:, j] for j in range(_columns(output, qoi))]
    else:
        members = [output]
    for q in members:
        _check(q, qoi, rows, backend)
    if y[0].shape[0] is None:  # a traced step whose rows are open
        return [backend.same_rows(q, y[0]) for q in members]
    return members


def raised_by_quantity(error: BaseException) -> bool:
    """Whether an error came out of a quantity's own code, called by `evaluate`."""
    found = error.__traceback__
    while found is not None:
        below = found.tb_next
        if found.tb_frame.f_code is evaluate.__code__ and below is not None:
            return below.tb_frame.f_globals is not globals()
        found = below
    return False


def _columns(output: Tensor, qoi: QoI) -> int:
    k = output.shape[1]
    if not k:
        raise QoiError(f"{qoi!r} returned shape {tuple(output.shape)}: no quantities at all")
    return int(k)


def _check(q: Any, qoi: QoI, rows: int | None, backend: Backend) -> None:
    advice = "return one number per row of y, or (rows, k) for k quantities"
    if not backend.is_tensor(q):
        raise QoiError(
            f"{qoi!r} returned {type(q).__name__}, not a {backend.name} tensor of shape "
            f"{_shape(rows)}; {advice}"
        )
    if len(q.shape) != 1 or (rows is not None and q.shape[0] not in (None, rows)):
        raise QoiError(
            f"{qoi!r} returned a tensor of shape {tuple(q.shape)}, expected {_shape(rows)}; "
            f"{advice}. y has a row per record and point: data of its own with a row per record is "
            "named in a QoI's `arrays`"
        )
    if not backend.is_floating(q):
        if "complex" in str(q.dtype):
            raise QoiError(
                f"{qoi!r} returned {q.dtype}, and a quantity is a real number: take its real part, "
                "its absolute value or its angle, as lambda y: y.abs()[:, 0] does"
            )
        raise QoiError(
            f"{qoi!r} returned {q.dtype}, which has no gradient (an argmax or a comparison?); "
            "return a floating tensor"
        )


def _shape(rows: int | None) -> str:
    return f"(rows,) = ({rows},)" if rows is not None else "(rows,)"
