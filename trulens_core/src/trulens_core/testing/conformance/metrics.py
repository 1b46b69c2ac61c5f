"""Metrics of explanations: the same numbers everywhere, and models that stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core import (
    Ablation,
    ClassQoI,
    Deletion,
    FaithfulnessCorrelation,
    Infidelity,
    InputAttribution,
    Metric,
    Saliency,
    Segments,
    Sensitivity,
    UnsupportedModelError,
    get_model_wrapper,
)
from trulens_core.models import ModelWrapper
from trulens_core.testing.conformance.harness import Harness, checks
from trulens_core.testing.reference import ReferenceModel, register_reference
from trulens_core.testing.zoo import ZOO

RECORDS = 3
_FACTOR = -1.5
QOI: dict[str, Any] = {"qoi": ClassQoI([0, 2, 1])}


def _metrics(model: ModelWrapper) -> list[tuple[Metric, Any]]:
    """Each with what it judges: at the input, and at a layer of four units."""
    units: dict[str, Any] = {**QOI, "doi_cut": "hidden"}
    return [
        (Deletion(model, **QOI), InputAttribution(model, **QOI)),
        (Deletion(model, Segments.channels(), **units), Ablation(model, **units)),
        (FaithfulnessCorrelation(model, samples=12, size=2, **QOI), InputAttribution(model, **QOI)),
        (Infidelity(model, samples=12, **QOI), Saliency(model, **QOI)),
        (Sensitivity(samples=3), Saliency(model, **QOI)),
    ]


class Metrics(Harness):
    """How good an explanation is, asked of the model at changed records."""

    law = "metrics"

    @checks("framework independence")
    def test_metrics_are_the_same_everywhere(self) -> None:
        """For arrays and for tensors of the framework."""
        (x,), _ = self.records("mlp", RECORDS)
        register_reference()
        plain = get_model_wrapper(ReferenceModel(ZOO["mlp"]), backend="reference")
        pairs = zip(_metrics(self.wrapper("mlp")), _metrics(plain), strict=True)
        some = list(pairs)[:: 4 if self.backend.static_shapes else 1]  # each is programs to compile
        for i, ((metric, method), (other, reference)) in enumerate(some):
            expected = other.score(reference, x)
            found = metric.score(method, x if i % 2 else self.tensor(x))
            assert self.close(found.values, expected.values, 1e-9, metric.name)

    @checks("no trace")
    def test_a_copy_with_other_weights(self) -> None:
        """The model that was given stays; a backend that makes no copies says so."""
        (x,), _ = self.records("mlp", RECORDS)
        wrapper, model = self.wrapper("mlp"), self.model("mlp")
        before, y = self.state(model), np.asarray(wrapper(x))
        weights = dict(zip(wrapper.weights(), _hosted(wrapper), strict=True))
        changed = {n: _FACTOR * w for n, w in weights.items()}
        try:
            same, other = wrapper.with_weights({}), wrapper.with_weights(changed)
        except UnsupportedModelError as error:
            assert "copy" in str(error)  # noqa: PT017 - of what not every backend does
            return
        assert self.close(np.asarray(same(x)), y)
        assert np.abs(np.asarray(other(x)) - y).max() > 0.01
        assert self.close(_hosted(other), [*changed.values()])
        assert list(before) == list(self.state(model))
        assert self.close(_hosted(wrapper), [*weights.values()])
        assert self.close(np.asarray(wrapper(x)), y)


def _hosted(wrapper: ModelWrapper) -> list[Any]:
    """The weights, on the host."""
    return [np.array(wrapper.backend.to_numpy(w)) for w in wrapper.weights().values()]
