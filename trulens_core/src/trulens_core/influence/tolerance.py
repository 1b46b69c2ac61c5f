"""Attribution to a stated error: nested midpoint rules, each record with as many points as needed.

The midpoints of 1, 3, 9, 27, … intervals contain one another: going from n to 3n points costs 2n.
A statistic that does not nest, such as the sum along a path, begins anew at each level.
Record i stops when, with scale = max(|q(x) − q(b)|, 1e-3 · max(|q(x)|, |q(b)|)),

    |q(x) − q(b) − Σ attributions| ≤ tolerance · scale      (completeness)
    ‖attributions − those of n / 3‖₂ ≤ 10 · tolerance · scale

The first criterion alone is met by errors that cancel, the second alone by a rule that has
converged to a wrong value because all change sits at one end of the path.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.distributions import LinearDoi
from trulens_core.influence.completeness import scale, summed
from trulens_core.influence.joining import joined
from trulens_core.influence.loop import answers
from trulens_core.influence.questions import Answer, Question, Request, Tolerance
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.rows import taken
from trulens_core.quantities import QoI

_CHANGE = 10.0
_FIRST = 1
"""Too few to tell convergence; but the one point is among the three, so it costs nothing."""


@dataclasses.dataclass(frozen=True)
class _Open:
    """The records that have not converged, and what is known of them."""

    records: np.ndarray[Any, Any]
    inputs: ModelInputs
    qoi: QoI
    doi: LinearDoi
    answer: Answer | None = None


def adaptive_answers(question: Question, inputs: ModelInputs, request: Request) -> list[Answer]:
    """One answer for all records, each with its own number of points."""
    tolerance = question.tolerance
    assert isinstance(question.doi, LinearDoi)
    assert isinstance(tolerance, Tolerance)
    backend = question.wrapper.backend
    left = _Open(np.arange(inputs.n_records), inputs, question.qoi, question.doi)
    done: list[tuple[np.ndarray[Any, Any], Answer]] = []
    n = _FIRST
    while True:
        answer = _refined(left.answer, _level(question, left, request, n), n, question)
        assert answer.converged is not None
        last = 3 * n > tolerance.max_resolution
        stop = np.flatnonzero(answer.converged | last)
        if len(stop):
            done.append((left.records[stop], _picked(answer, stop, backend)))
        if len(stop) == len(left.records):
            break
        less = len(question.contract or ())
        left = _narrowed(left, answer, np.flatnonzero(~answer.converged), less, backend)
        n *= 3
    order = np.argsort(np.concatenate([records for records, _ in done]))
    return [_picked(joined([a for _, a in done], backend), order, backend)]


def _level(question: Question, left: _Open, request: Request, n: int) -> Answer:
    """The answer of the midpoints that the n-point rule adds to the n/3-point rule, or of all."""
    first = n == _FIRST
    every = first or not question.statistic.nests
    nodes = tuple(1 - (i + 0.5) / n for i in range(n) if every or i % 3 != 1)
    doi = left.doi.at(nodes, (1 / n,) * len(nodes))
    asked = dataclasses.replace(question, qoi=left.qoi, doi=doi)
    wanted = request._replace(quantities=first, thins=True)
    return joined(answers(asked, left.inputs, wanted), question.wrapper.backend)


def _refined(old: Answer | None, new: Answer, n: int, question: Question) -> Answer:
    """The n-point rule from the n/3-point rule and the points added, and who has converged."""
    records = int(new.attributions[0][0].shape[0])
    counted = np.full(records, n)
    if old is None:
        return dataclasses.replace(new, n_points=counted, converged=np.full(records, False))
    attributions = new.attributions
    if question.statistic.nests:
        attributions = [
            [a / 3 + b for a, b in zip(olds, news, strict=True)]
            for olds, news in zip(old.attributions, new.attributions, strict=True)
        ]
    assert isinstance(question.tolerance, Tolerance)
    return dataclasses.replace(
        old,
        attributions=attributions,
        n_points=counted,
        not_finite=new.not_finite,
        zero=old.zero and new.zero,
        converged=_converged(old, attributions, question.tolerance, question.wrapper.backend),
    )


def _converged(
    old: Answer, attributions: list[list[Tensor]], tolerance: Tolerance, backend: Backend
) -> np.ndarray[Any, Any]:
    """Which records meet both criteria, for all of their quantities."""
    assert old.quantity is not None
    assert old.baseline_quantity is not None
    met: list[np.ndarray[Any, Any]] = []
    for i, ts in enumerate(attributions):
        q, b = _host(old.quantity[i], backend), _host(old.baseline_quantity[i], backend)
        error = tolerance.error * scale(q, b)
        gap = q - b - sum(_host(summed([t], backend), backend) for t in ts)
        changes = zip(ts, old.attributions[i], strict=True)
        change = (
            sum(_host(summed([(t - u) * (t - u)], backend), backend) for t, u in changes) ** 0.5
        )
        met.append((np.abs(gap) <= error) & (change <= _CHANGE * error))
    return np.asarray(np.all(met, axis=0))


def _host(t: Tensor, backend: Backend) -> np.ndarray[Any, Any]:
    return np.asarray(backend.to_numpy(t), "float64")


# -- records that leave ----------------------------------------------------------------------


def _narrowed(
    left: _Open, answer: Answer, index: np.ndarray[Any, Any], less: int, backend: Backend
) -> _Open:
    """Some of the open records; attributions have `less` axes fewer than the values."""
    total, places = len(left.records), index.tolist()
    ranks = [len(t.shape) + less for t in answer.attributions[0]]
    return _Open(
        left.records[index],
        left.inputs.select(places, backend),
        left.qoi.for_records(0, total, total).mapped(lambda x: taken(x, places, backend)),
        left.doi.for_records(lambda x: taken(x, places, backend), total, ranks),
        _picked(answer, index, backend),
    )


def _picked(a: Answer, index: np.ndarray[Any, Any], backend: Backend) -> Answer:
    """The answer for the records at `index`, in that order."""
    assert a.converged is not None
    bad = np.isin(index, list(a.not_finite))
    return dataclasses.replace(
        a.mapped(lambda t, _: taken(t, index, backend)),
        n_points=np.asarray(a.n_points)[index],
        not_finite=np.flatnonzero(bad).tolist(),
        converged=a.converged[index],
        classes=None if a.classes is None else a.classes[index],
    )
