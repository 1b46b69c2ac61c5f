"""The answer over a mixture of distributions: the mean of the answers over its members."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.influence.doubling import doubled_answers
from trulens_core.influence.joining import joined
from trulens_core.influence.loop import answers
from trulens_core.influence.questions import Answer, Question, Request
from trulens_core.influence.statistics import Table
from trulens_core.influence.tolerance import adaptive_answers
from trulens_core.inputs import ModelInputs

Computed = Callable[[Question, ModelInputs, Request], list[Answer]]


def answered(question: Question, inputs: ModelInputs, request: Request) -> list[Answer]:
    """The answers for all records: to a number of points or an error, over one or a mixture."""
    computed: Computed = answers
    if question.tolerance is not None:
        computed = adaptive_answers if question.statistic.gradients else doubled_answers
    members = question.doi.members()
    if len(members) == 1:
        return computed(question, inputs, request)
    backend = question.wrapper.backend
    each = [dataclasses.replace(question, doi=m) for m in members]
    found = [joined(computed(q, inputs, request), backend) for q in each]
    return [_mean(found, question.doi.random, backend)]


def _mean(found: list[Answer], random: bool, backend: Backend) -> Answer:
    tables = [a.attributions for a in found]
    singles = [a.gradients for a in found if a.gradients is not None]
    points = [a.points for a in found if a.points is not None]
    ends = [a.baseline_quantity for a in found if a.baseline_quantity is not None]
    known = [a.converged for a in found if a.converged is not None]
    concat = backend.xp.concat
    return Answer(
        _over(tables, _average),
        _over(singles, lambda ts: concat(list(ts), axis=0)) if singles else None,
        [concat(list(ts), axis=0) for ts in zip(*points, strict=True)] if points else None,
        found[0].quantity,
        [_average(ts) for ts in zip(*ends, strict=True)] if ends else None,
        n_points=np.sum([np.asarray(a.n_points) for a in found], axis=0),
        not_finite=sorted({i for a in found for i in a.not_finite}),
        converged=np.all(known, axis=0) if known else None,
        zero=all(a.zero for a in found),
        standard_error=_over(tables, _spread(backend)) if random else None,
        classes=found[0].classes,
    )


def _over(tables: Sequence[Table], function: Callable[[Sequence[Tensor]], Tensor]) -> Table:
    """`function` of what the tables have at each place."""
    rows = zip(*tables, strict=True)
    return [[function(ts) for ts in zip(*members, strict=True)] for members in rows]


def _average(tensors: Sequence[Tensor]) -> Tensor:
    total = tensors[0]
    for t in tensors[1:]:
        total = total + t
    return total / len(tensors)


def _spread(backend: Backend) -> Callable[[Sequence[Tensor]], Tensor]:
    """The standard error of a mean."""

    def of(tensors: Sequence[Tensor]) -> Tensor:
        mean, n = _average(tensors), len(tensors)
        squares = [(t - mean) * (t - mean) for t in tensors]
        return backend.xp.sqrt(_average(squares)) / math.sqrt(n - 1)

    return of
