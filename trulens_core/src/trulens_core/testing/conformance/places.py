"""One cut of several places: the input, layers, the calls of a layer; and graphs that are kept."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from trulens_core import (
    CalledSeveralTimesError,
    Cut,
    CutError,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    UnsupportedModelError,
    get_model_wrapper,
)
from trulens_core.models import ModelWrapper
from trulens_core.testing.conformance.harness import Harness
from trulens_core.testing.zoo.architecture import Architecture, Argument, chain

SIAMESE = Architecture(
    "siamese",
    (Argument("a", (4,)), Argument("b", (4,))),
    {"encoder": ("dense", 4, 5), "act": ("tanh",), "logits": ("dense", 5, 3)},
    (
        ("l", "encoder", "a"),
        ("r", "encoder", "b"),
        ("p", "multiply", "l", "r"),
        *chain("p", "act", "logits"),
    ),
    "y",
)
"""One encoder for two inputs."""
SECOND = [Cut("encoder", call=1), InputCut(names=["a"])]


@functools.cache
def _siamese(cls: Any) -> ModelWrapper:
    return get_model_wrapper(cls().build(SIAMESE, "float64"), backend=cls.backend_name)


class Places(Harness):
    """A path over several places is complete over all of them, and each has its own derivative."""

    law = "several places"

    def _complete(self, cut: Cut, **options: Any) -> Any:
        doi = LinearDoi(0.1, 24, cut=cut, rule="gauss-legendre")
        args, kwargs = SIAMESE.inputs(3)
        owner: Any = type(self)
        result = InternalInfluence(_siamese(owner), cut, 1, doi, **options).explain(*args, **kwargs)
        assert self.close(sum(a.sum(1) for a in result.attributions), self._change(result))
        return result.attributions

    @staticmethod
    def _change(result: Any) -> Any:
        change = result.quantity - result.baseline_quantity
        assert np.abs(change).min() > 0
        return change

    def test_all_calls_of_an_encoder(self) -> None:
        """They move together, as a path over their values in a product of the two does."""
        (a, b), w = SIAMESE.inputs(3)[0], SIAMESE.weights()
        left, right = (x @ w["encoder.weight"].T + w["encoder.bias"] for x in (a, b))
        found = self._complete(Cut("encoder", call="all"))
        nodes, weights = np.polynomial.legendre.leggauss(24)
        expected = [np.zeros_like(left), np.zeros_like(left)]
        for t, share in zip((nodes + 1) / 2, weights / 2, strict=True):
            here, there = (0.1 + t * (v - 0.1) for v in (left, right))
            slope = w["logits.weight"][1] * (1 - np.tanh(here * there) ** 2) * share
            expected[0] += slope * there * (left - 0.1)
            expected[1] += slope * here * (right - 0.1)
        assert self.close(found, expected)
        assert self.close(self._complete(Cut("encoder", call=[1, 0])), expected[::-1])

    @pytest.mark.parametrize("order", [1, -1])
    def test_an_input_and_a_call(self, order: int) -> None:
        """The input of one call, and the output of the other."""
        cut = Cut(SECOND[::order])
        found = self._complete(cut)
        assert [a.shape for a in found] == [(3, 5), (3, 4)][::order]
        assert self.close(self._complete(cut, rebatch_size=1), found)

    def test_an_input_and_a_layer_of_another(self) -> None:
        cut = Cut([InputCut(names=["a"]), "right"])
        method = IntegratedGradients(
            self.wrapper("two_inputs"),
            0.1,
            24,
            doi_cut=cut,
            qoi=1,
            rule="gauss-legendre",
        )
        args, kwargs = self.records("two_inputs", 3)
        result = method.explain(*args, **kwargs)
        assert self.close(sum(a.sum(1) for a in result.attributions), self._change(result))
        assert result.names == {"inputs": ["a", "right"]}

    def test_an_input_and_what_is_computed_from_it(self) -> None:
        cut = Cut([InputCut(names=["a"]), "left"])
        method = InternalInfluence(self.wrapper("two_inputs"), cut, 1, LinearDoi(cut=cut))
        args, kwargs = self.records("two_inputs", 3)
        with pytest.raises(CutError, match=r"'left' is computed from that at InputCut"):
            method.attributions(*args, **kwargs)

    def test_calls_that_feed_each_other_are_a_source(self) -> None:
        """Each call has what asking for it alone gives; together they have no path."""
        cut, wrapper = Cut("cell", call="all"), self.wrapper("shared")
        (x,), _ = self.records("shared", 3)
        found = InternalInfluence(wrapper, cut, 1, "point").attributions(x)
        for i in (0, 2):
            alone = InternalInfluence(wrapper, Cut("cell", call=i), 1, "point").attributions(x)
            assert self.close(found[i], alone)
        with pytest.raises(CutError, match=r"call=1\) is computed from that at .*call=0\)"):
            InternalInfluence(wrapper, cut, 1, LinearDoi(cut=cut)).attributions(x)
        with pytest.raises(CalledSeveralTimesError, match="call='all'"):
            InternalInfluence(wrapper, "cell", 1, "point").attributions(x)

    def test_a_graph_is_kept_or_refused(self) -> None:
        """`differentiable=True` gives the same numbers, or says where it is served."""
        (x,), _ = self.records("mlp", 3)
        method = IntegratedGradients(self.wrapper("mlp"), qoi=1, resolution=4)
        if type(self.wrapper("mlp")).keeping_graph is ModelWrapper.keeping_graph:
            with pytest.raises(UnsupportedModelError, match="PyTorch and JAX"):
                method.attributions(x, differentiable=True)
            return
        found = method.attributions(x, differentiable=True)
        assert self.backend.is_tensor(found)
        assert self.close(found, method.attributions(x))
