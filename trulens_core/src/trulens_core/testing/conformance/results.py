"""What `explain` returns, and how results are nested."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    Cut,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    PointDoi,
    TrulensWarning,
)
from trulens_core.testing.conformance.compare import shapes
from trulens_core.testing.conformance.harness import Harness
from trulens_core.testing.conformance.subjects import (
    Columns,
    Moved,
    Several,
    Shrunk,
    distributions,
    quantities,
)


class Results(Harness):
    """Structures, points, quantities and residuals."""

    law = "results"

    def _explained(
        self, name: str, cuts: Any, qoi: Any, doi: Any, *more: Any, **options: Any
    ) -> Any:
        args, kwargs = self.records(name, 3)
        method = InternalInfluence(self.wrapper(name), cuts, qoi, doi, *more, **options)
        with warnings.catch_warnings():  # few points are quick, and not exact
            warnings.simplefilter("ignore", TrulensWarning)
            result = method.explain(*args, **kwargs)
        assert self.close(method.attributions(*args, **kwargs), result.attributions)
        return result

    def test_quantities_outside_tensors_inside(self) -> None:
        """[quantity][tensor], lists of one unwrapped."""
        for qoi, cuts, expected in (
            (0, None, [(3, 4), (3, 3)]),
            (0, "left", (3, 5)),
            (Several(), "left", [(3, 5), (3, 5)]),
            (Columns(), "left", [(3, 5), (3, 5)]),
            (Several(), None, [[(3, 4), (3, 3)], [(3, 4), (3, 3)]]),
            (lambda y: [y[:, 0]], "left", (3, 5)),
            (lambda y: y[:, :1], "left", (3, 5)),
        ):
            options = {"return_grads": True, "return_doi": True}
            doi = LinearDoi(0.1, 4, rule="gauss-legendre")
            result = self._explained("two_inputs", cuts, qoi, doi, **options)
            assert shapes(result.attributions) == expected
            wide = [(4, *s) for s in expected] if isinstance(expected[0], tuple) else None
            if wide is not None:
                assert shapes(result.gradients) == wide
            assert shapes(result.interventions) == [(4, 3, 4), (4, 3, 3)]

    def test_several_quantities_are_columns_of_each_other(self) -> None:
        several = self._explained("mlp", None, Columns(), "linear")
        for i in (0, 1):
            alone = self._explained("mlp", None, ClassQoI(i), "linear")
            what = "one quantity among several, in their order, and by itself"
            assert self.close(several.attributions[i], alone.attributions, what=what)
            for field in ("quantity", "baseline_quantity", "residual"):
                assert self.close(getattr(several, field)[:, i], getattr(alone, field))

    def test_structures_follow_the_inputs(self) -> None:
        result = self._explained(
            "nested", None, Several(), LinearDoi(0.1, 2), return_grads=True, return_doi=True
        )
        inside = {"left": (3, 4), "right": (3, 3)}
        assert shapes(result.attributions) == [inside, inside]
        wide = {"left": (2, 3, 4), "right": (2, 3, 3)}
        assert shapes(result.gradients) == [wide, wide]
        assert shapes(result.interventions) == wide
        assert shapes((result.quantity, result.residual)) == [(3, 2), (3, 2)]

    @pytest.mark.parametrize("doi", distributions())
    def test_points_and_their_gradients(self, doi: str) -> None:
        """The attributions are the weighted mean of the gradients, times the multiplier."""
        result = self._explained(
            "mlp", None, 1, distributions()[doi], False, return_grads=True, return_doi=True
        )
        n = len(result.interventions)
        assert result.gradients.shape == result.interventions.shape == (n, 3, 5)
        assert result.n_points.tolist() == [n] * 3
        weights = {
            "user's weights": [0.75, 0.5],
            "gauss-legendre": [5 / 18, 8 / 18, 5 / 18],
        }.get(doi, [1 / n] * n)
        mean = np.tensordot(weights, result.gradients, 1)
        assert self.close(result.attributions, mean)
        for point, gradient in zip(result.interventions, result.gradients, strict=True):
            assert self.close(gradient, self.wrapper("mlp").qoi_bprop(1, point))

    def test_only_what_was_asked_for(self) -> None:
        result = self._explained("mlp", None, 0, "linear")
        assert result.gradients is None
        assert result.interventions is None
        assert result.converged is None

    @pytest.mark.parametrize("name", quantities(3))
    def test_the_quantity_is_that_of_the_records(self, name: str) -> None:
        """Also where the path ends elsewhere, and where no activation is multiplied."""
        qoi = quantities(3)[name]
        asked = self._explained("mlp", None, qoi, "point")
        for doi in (LinearDoi(0.3, 2, rule="midpoint"), PointDoi("hidden"), Shrunk()):
            again = self._explained("mlp", "second", qoi, doi, False)
            assert self.close(again.quantity, asked.quantity)

    # -- where completeness holds ------------------------------------------------------------

    @pytest.mark.parametrize(
        ("cuts", "doi", "multiply", "holds"),
        [
            (None, LinearDoi(0.1, 5), True, True),
            (None, LinearDoi(0.1, 5, cut=InputCut()), True, True),
            ("hidden", LinearDoi(0.1, 5, cut="hidden"), True, True),
            ("hidden", LinearDoi(0.1, 5, cut=Cut("hidden")), True, True),
            (None, LinearDoi(0.1, 5), False, False),
            ("hidden", LinearDoi(0.1, 5), True, False),
            (None, PointDoi(), True, False),
            (None, distributions()["gaussian"], True, False),
            (None, Shrunk(), True, False),
            (None, Moved(), True, False),
        ],
    )
    def test_the_residual_exists_where_the_law_does(
        self, cuts: Any, doi: Any, multiply: bool, holds: bool
    ) -> None:
        result = self._explained("mlp", cuts, ClassQoI(1), doi, multiply)
        assert (result.residual is not None) == holds
        assert (result.baseline_quantity is not None) == holds
        assert result.quantity.shape == (3,)

    def test_the_multiplier_where_the_cuts_differ(self) -> None:
        """Activation less the baseline's activation, both at the source cut."""
        args, _ = self.records("two_inputs", 3)
        wrapper = self.wrapper("two_inputs")
        cut = Cut(["left", "right"])
        for doi in (LinearDoi([0.3, -0.2], 4), PointDoi(), Shrunk()):
            raw = InternalInfluence(wrapper, cut, 1, doi, False).attributions(*args)
            found = InternalInfluence(wrapper, cut, 1, doi).attributions(*args)
            there = wrapper.fprop(args, attribution_cut=cut)[1]
            low = [np.zeros_like(t) for t in there]
            if isinstance(doi, LinearDoi):
                base = [np.full((3, 4), 0.3), np.full((3, 3), -0.2)]
                low = wrapper.fprop(args, attribution_cut=cut, intervention=base)[1]
            expected = [g * (t - b) for g, t, b in zip(raw, there, low, strict=True)]
            assert self.close(found, expected)

    def test_a_users_multiplier(self) -> None:
        """It is given the activation at the source cut."""
        (x,), _ = self.records("mlp", 3)
        wrapper = self.wrapper("mlp")
        raw = InternalInfluence(wrapper, "second", 1, Moved(), False).attributions(x)
        found = InternalInfluence(wrapper, "second", 1, Moved()).attributions(x)
        assert self.close(found, raw * 3 * wrapper.fprop(x, to_cut="second"))

    def test_a_large_residual_is_warned_of_once(self) -> None:
        (x,), _ = self.records("mlp", 6)
        method = IntegratedGradients(self.wrapper("mlp"), resolution=1, qoi=ClassQoI(0))
        with pytest.warns(TrulensWarning, match=r"completeness.*10 %") as caught:
            result = method.explain(10 * x)
        assert len(caught) == 1
        gap = np.abs(result.residual) > 0.1 * np.abs(result.quantity - result.baseline_quantity)
        assert f"{gap.sum()} of 6" in str(caught[0].message)
        method.attributions(10 * x)

    def test_zeros_before_a_normalisation_are_named(self) -> None:
        (x,), _ = self.records("transformer", 2)
        wrapper = self.wrapper("transformer")
        with pytest.warns(TrulensWarning, match=r"(?is)zero baseline.*norm"):
            IntegratedGradients(wrapper, resolution=3, qoi=ClassQoI(0)).explain(x)
        method = IntegratedGradients(wrapper, lambda z: -z, resolution=1, qoi=ClassQoI(0))
        with pytest.warns(TrulensWarning, match="completeness") as caught:
            method.explain(x)
        assert "zero baseline" not in str(caught[0].message)

    def test_gradients_that_are_not_finite_are_warned_of(self) -> None:
        """Once, naming the cut and the records."""
        (x,), _ = self.records("mlp", 4)
        x = x.copy()
        x[[1, 3]] = np.nan
        for size in (None, 3):
            method = InputAttribution(self.wrapper("mlp"), qoi=ClassQoI(0), rebatch_size=size)
            with pytest.warns(TrulensWarning, match=r"InputCut\(\).*not finite.*1, 3") as caught:
                found = method.attributions(x)
            assert len(caught) == 1
            assert np.isfinite(found).all(axis=1).tolist() == [True, False, True, False]

    def test_options_of_methods(self) -> None:
        wrapper = self.wrapper("mlp")
        wrong: Any
        for wrong in (0, -1, 2.5, True, "all"):
            with pytest.raises(ValueError, match="rebatch_size"):
                InputAttribution(wrapper, rebatch_size=wrong)
        wrong = {"chunk": 3}
        with pytest.raises(TypeError, match="chunk"):
            InputAttribution(wrapper, **wrong)
        assert InputAttribution(wrapper).model is wrapper
