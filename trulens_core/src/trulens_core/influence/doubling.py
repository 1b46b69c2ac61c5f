"""Attribution to a stated standard error: twice as many samples until it is small enough."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from trulens_core.backends import Backend
from trulens_core.distributions import MaskDoi
from trulens_core.influence.completeness import scale
from trulens_core.influence.joining import joined
from trulens_core.influence.loop import answers
from trulens_core.influence.questions import Answer, Question, Request, SampleTolerance
from trulens_core.inputs import ModelInputs


def doubled_answers(question: Question, inputs: ModelInputs, request: Request) -> list[Answer]:
    """One answer for all records, with as many samples as the worst of them needs."""
    tolerance, backend = question.tolerance, question.wrapper.backend
    assert isinstance(tolerance, SampleTolerance)
    assert isinstance(question.doi, MaskDoi)
    n = min(tolerance.first, tolerance.max_samples)
    while True:
        asked = dataclasses.replace(question, doi=question.doi.of_samples(n))
        found = joined(answers(asked, inputs, request._replace(quantities=True)), backend)
        met = _met(found, tolerance.error, backend)
        if met.all() or n >= tolerance.max_samples:
            return [dataclasses.replace(found, converged=met)]
        n = min(2 * n, tolerance.max_samples)


def _met(a: Answer, error: float, backend: Backend) -> np.ndarray[Any, Any]:
    """Which records' worst standard errors are small enough, for all of their quantities."""
    assert a.standard_error is not None
    assert a.quantity is not None
    assert a.baseline_quantity is not None
    met = []
    for i, ts in enumerate(a.standard_error):
        q, b = (backend.to_numpy(x[i]).astype("float64") for x in (a.quantity, a.baseline_quantity))
        flat = [backend.to_numpy(t).reshape(len(q), -1) for t in ts]
        worst = np.concatenate(flat, axis=1).max(axis=1, initial=0.0)
        met.append(worst <= error * scale(q, b))
    return np.asarray(np.all(met, axis=0))
