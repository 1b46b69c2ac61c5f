"""What equals what: short forms and objects, recipes and the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    ComparativeQoI,
    Cut,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalChannelQoI,
    InternalInfluence,
    LambdaQoI,
    LinearDoi,
    MaxClassQoI,
    ModelInputs,
    OutputCut,
    PointDoi,
    PredictedClassQoI,
    Slice,
)
from trulens_core.distributions.quadrature import RULES
from trulens_core.slices import source_cut
from trulens_core.testing.conformance.compare import arrays
from trulens_core.testing.conformance.harness import Harness
from trulens_core.testing.conformance.subjects import (
    SUBJECTS,
    Product,
    Subject,
    distributions,
)

EVERY = pytest.mark.parametrize("subject", SUBJECTS.values(), ids=str)


QUANTITIES: dict[str, tuple[Any, Any]] = {
    "max": ("max", MaxClassQoI()),
    "predicted": ("predicted", PredictedClassQoI()),
    "int": (1, InternalChannelQoI(1)),
    "NumPy int": (np.int64(-1), InternalChannelQoI(-1)),
    "pair": ((2, 0), ComparativeQoI(2, 0)),
    "list of two": ([0, 1], ClassQoI(0) - ClassQoI(1)),
    "method": (Product().__call__, Product()),
    "function": (LambdaQoI(lambda y: y[:, 0]), ClassQoI(0)),
}


class Forms(Harness):
    """Equal meanings give equal numbers, and the numbers are those of the definition."""

    law = "short forms mean the same"

    def _of(self, method: Any, name: str = "mlp", n: int = 3) -> Any:
        args, kwargs = self.records(name, n)
        return method.attributions(*args, **kwargs)

    @EVERY
    def test_influence_is_the_mean_gradient_at_the_points(self, subject: Subject) -> None:
        """Σᵢ wᵢ ∂q(g(zᵢ)) / ∂z, each gradient evaluated by itself."""
        for doi in distributions():
            self._is_the_mean_gradient(subject, doi)

    def _is_the_mean_gradient(self, subject: Subject, doi: str) -> None:
        source = source_cut(subject.inner)
        args, kwargs = self.records(subject.name, 2)
        wrapper = self.wrapper(subject.name)
        method = InternalInfluence(
            wrapper,
            (source, subject.target),
            Product(),
            distributions(subject.source)[doi],
            multiply_activation=False,
            return_doi=True,
        )
        result = method.explain(*args, **kwargs)
        points = [a for _, a in arrays(result.interventions, self.backend)]
        weights = {
            "user's weights": [0.75, 0.5],
            "gauss-legendre": [5 / 18, 8 / 18, 5 / 18],
        }.get(doi, [1 / len(points[0])] * len(points[0]))
        expected: list[Any] = []
        for i, weight in enumerate(weights):
            gradient = wrapper.qoi_bprop(
                Product(),
                args,
                kwargs,
                doi_cut=subject.source,
                to_cut=subject.target,
                attribution_cut=source,
                intervention=self._intervention(subject, args, [p[i] for p in points]),
            )
            found = [a for _, a in arrays(gradient, self.backend)]
            expected.append([weight * a for a in found])
        summed = [sum(column) for column in zip(*expected, strict=True)]
        given = [a for _, a in arrays(result.attributions, self.backend)]
        assert self.close(given, summed)

    def _intervention(self, subject: Subject, args: list[Any], values: list[Any]) -> Any:
        if not isinstance(source_cut(subject.source), InputCut):
            return values
        rest = iter(values)
        return [{k: next(rest) for k in a} if isinstance(a, dict) else next(rest, a) for a in args]

    @pytest.mark.parametrize("name", QUANTITIES)
    def test_short_forms_of_quantities(self, name: str) -> None:
        short, whole = QUANTITIES[name]
        wrapper = self.wrapper("mlp")
        for doi in ("point", "linear"):
            found, expected = (
                self._of(InternalInfluence(wrapper, (None, None), q, doi)) for q in (short, whole)
            )
            assert self.close(found, expected)

    @pytest.mark.parametrize("cuts", [None, "second", ("hidden", "act2")])
    def test_short_forms_of_distributions(self, cuts: Any) -> None:
        """A string and its object never differ; without a cut, they act at the input."""
        wrapper = self.wrapper("mlp")

        def influence(doi: Any) -> Any:
            return self._of(InternalInfluence(wrapper, cuts, 0, doi))

        assert self.close(influence("linear"), influence(LinearDoi()))
        assert self.close(influence("linear"), influence(LinearDoi(cut=InputCut())))
        assert self.close(influence("linear"), influence(LinearDoi(None, 10, rule="endpoints")))
        assert self.close(influence("point"), influence(PointDoi()))
        if cuts is not None:
            source = cuts if isinstance(cuts, str) else cuts[0]
            assert not np.allclose(influence("linear"), influence(LinearDoi(cut=source)))

    @pytest.mark.parametrize("doi", distributions())
    @pytest.mark.parametrize("at", [None, 0, "hidden", Cut("second", anchor="in")], ids=str)
    def test_input_attribution(self, doi: str, at: Any) -> None:
        """InputAttribution(m, qc, q, dc, d) = InternalInfluence(m, (dc, qc), q, d at dc)."""
        wrapper, d = self.wrapper("mlp"), distributions()
        cut = InputCut() if at == 0 else source_cut(at)
        found = self._of(InputAttribution(wrapper, "logits", Product(), at, d[doi]))
        placed = distributions(cut)[doi]
        expected = self._of(InternalInfluence(wrapper, (cut, "logits"), Product(), placed))
        assert self.close(found, expected)
        assert found.shape == (3, 5 if cut == InputCut() else 4)
        again = self._of(InputAttribution(wrapper, "logits", Product(), at, placed))
        assert self.close(again, expected)
        with pytest.raises(ValueError, match="doi has its own cut"):
            InputAttribution(wrapper, None, "max", at, distributions("second")[doi])

    def test_input_attribution_by_default(self) -> None:
        """Saliency of the largest score, times the input."""
        wrapper = self.wrapper("mlp")
        expected = self._of(InternalInfluence(wrapper, Slice.full_network(), "max", PointDoi()))
        assert self.close(self._of(InputAttribution(wrapper)), expected)
        gradient = self._of(InputAttribution(wrapper, multiply_activation=False))
        assert self.close(gradient * self.records("mlp", 3)[0][0], expected)

    @pytest.mark.parametrize("rule", RULES)
    @pytest.mark.parametrize("n", [1, 2, 7])
    def test_integrated_gradients(self, rule: Any, n: int) -> None:
        """IntegratedGradients is InternalInfluence with a LinearDoi, for every rule."""
        wrapper = self.wrapper("mlp")
        if rule == "trapezoid" and n == 1:
            with pytest.raises(ValueError, match="resolution >= 2"):
                IntegratedGradients(wrapper, 0.2, n, rule=rule)
            return
        found = self._of(IntegratedGradients(wrapper, 0.2, n, rule=rule))
        cuts, doi = (InputCut(), OutputCut()), LinearDoi(0.2, n, rule=rule)
        assert self.close(found, self._of(InternalInfluence(wrapper, cuts, "max", doi)))
        inner = IntegratedGradients(wrapper, 0.2, n, "hidden", ClassQoI(1), "logits", rule=rule)
        doi = LinearDoi(0.2, n, cut="hidden", rule=rule)
        expected = InternalInfluence(wrapper, ("hidden", "logits"), ClassQoI(1), doi)
        assert self.close(self._of(inner), self._of(expected))

    def test_integrated_gradients_by_default(self) -> None:
        """50 midpoints from zeros; the default rule of LinearDoi is another."""
        wrapper = self.wrapper("mlp")
        found = self._of(IntegratedGradients(wrapper))
        cuts = (InputCut(), OutputCut())

        def influence(rule: Any) -> Any:
            doi = LinearDoi(None, 50, rule=rule)
            return self._of(InternalInfluence(wrapper, cuts, "max", doi))

        assert self.close(found, influence("midpoint"))
        assert not np.allclose(found, influence("endpoints"))
        assert self.close(
            self._of(InternalInfluence(wrapper, cuts, "max", LinearDoi(None, 50))),
            influence("endpoints"),
        )

    def test_one_point(self) -> None:
        """With resolution 1: the value itself by endpoints, else the middle."""
        args, _ = self.records("mlp", 3)
        wrapper, x = self.wrapper("mlp"), args[0]

        def at(doi: Any) -> Any:
            method = InternalInfluence(
                wrapper, (None, None), ClassQoI(1), doi, multiply_activation=False
            )
            return method.attributions(x)

        def gradient(z: Any) -> Any:
            return wrapper.qoi_bprop(ClassQoI(1), z)

        assert self.close(at(LinearDoi(0.4, 1)), gradient(x))
        rule: Any
        for rule in ("midpoint", "gauss-legendre"):
            found = at(LinearDoi(0.4, 1, rule=rule))
            assert self.close(found, gradient(0.5 * x + 0.2))

    @pytest.mark.parametrize(
        ("short", "source", "target"),
        [
            (None, InputCut(), OutputCut()),
            (0, InputCut(), OutputCut()),
            (InputCut(), InputCut(), OutputCut()),
            ("hidden", Cut("hidden"), OutputCut()),
            (Cut(0), Cut("hidden"), OutputCut()),
            (1, Cut("act"), OutputCut()),
            (np.int32(2), Cut("second"), OutputCut()),
            (Cut(-1), Cut("logits"), OutputCut()),
            (("hidden", "second"), Cut("hidden"), Cut("second")),
            (["act", None], Cut("act"), OutputCut()),
            ((0, 2), InputCut(), Cut("second")),
            ((None, 0), InputCut(), Cut("hidden")),
            ((0, 0), InputCut(), Cut("hidden")),
            (Slice("hidden", 3), Cut("hidden"), Cut("act2")),
            (Slice.full_network(), InputCut(), OutputCut()),
        ],
        ids=str,
    )
    def test_short_forms_of_slices(self, short: Any, source: Any, target: Any) -> None:
        wrapper = self.wrapper("mlp")
        found = self._of(InternalInfluence(wrapper, short, 0, "point"))
        expected = self._of(InternalInfluence(wrapper, Slice(source, target), 0, "point"))
        assert self.close(found, expected)
        assert np.abs(expected).max() > 0

    def test_layer_0_and_the_input(self) -> None:
        """0 as `qoi_cut` is layer 0, as `doi_cut` the input; `Cut(0)` is always layer 0."""
        wrapper = self.wrapper("mlp")
        assert self._of(InputAttribution(wrapper, doi_cut=0)).shape == (3, 5)
        assert self._of(InputAttribution(wrapper, doi_cut=Cut(0))).shape == (3, 4)
        found = self._of(InputAttribution(wrapper, qoi_cut=0, qoi=3))
        assert self.close(found, self._of(InputAttribution(wrapper, qoi_cut="hidden", qoi=3)))
        args, _ = self.records("mlp", 3)
        assert wrapper.fprop(args, to_cut=0).shape == (3, 4)
        assert wrapper.qoi_bprop(0, args, doi_cut=0).shape == (3, 5)

    def test_a_model_is_wrapped(self) -> None:
        """A method takes a model or its wrapper."""
        found = self._of(IntegratedGradients(self.model("mlp")))
        assert self.close(found, self._of(IntegratedGradients(self.wrapper("mlp"))))

    def test_inputs_may_be_one_object(self) -> None:
        """Arguments, one list of them, and `ModelInputs` are the same call."""
        args, kwargs = self.records("two_inputs", 3)
        method = IntegratedGradients(self.wrapper("two_inputs"), qoi=ClassQoI(1))
        expected = method.attributions(*args)
        assert self.close(method.attributions(args), expected)
        assert self.close(method.attributions(ModelInputs(args, kwargs)), expected)
        assert self.close(method.explain(args).attributions, expected)
