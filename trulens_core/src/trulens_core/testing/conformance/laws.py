"""The laws of explanations: completeness, sensitivity, linearity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    DoI,
    GaussianDoi,
    InputCut,
    InternalInfluence,
    LinearDoi,
    MaxClassQoI,
    Points,
    PredictedClassQoI,
)
from trulens_core.slices import source_cut
from trulens_core.testing.conformance.compare import arrays
from trulens_core.testing.conformance.harness import Harness, checks
from trulens_core.testing.conformance.subjects import (
    SUBJECTS,
    Product,
    Several,
    Subject,
    distributions,
    quantities,
)
from trulens_core.testing.zoo import ZOO

EVERY = pytest.mark.parametrize("subject", SUBJECTS.values(), ids=str)
PLACE = pytest.mark.parametrize("place", ["source", "inner"])
STEP = 1e-6


class Laws(Harness):
    """Completeness, sensitivity, linear agreement, linearity in quantity and distribution."""

    def _values(self, subject: Subject, cut: Any, n: int) -> tuple[Any, list[Any]]:
        """A call of n records, and the value at a cut for it, as arrays."""
        args, kwargs = self.records(subject.name, n)
        _, there = self.wrapper(subject.name).fprop(args, kwargs, attribution_cut=cut)
        return (args, kwargs), [a for _, a in arrays(there, self.backend)]

    def _quantity_of(self, subject: Subject, call: Any, cut: Any, values: list[Any]) -> Any:
        """y₁ with the values placed at a cut."""
        args, kwargs = call
        y = self.wrapper(subject.name).fprop(
            args,
            kwargs,
            doi_cut=cut,
            to_cut=subject.target,
            intervention=self._placed(args, values, cut),
        )
        return np.asarray(y)[:, 1]

    def _placed(self, args: list[Any], values: list[Any], cut: Any) -> Any:
        """Values as an intervention; at the input, with the arguments that are not replaced."""
        if not isinstance(cut, InputCut):
            return values
        rest = iter(values)
        return [{k: next(rest) for k in a} if isinstance(a, dict) else next(rest, a) for a in args]

    @checks("gradients are derivatives")
    @EVERY
    @PLACE
    def test_gradients_are_differences(self, subject: Subject, place: str) -> None:
        """∂q/∂z of a random direction is the difference quotient along it."""
        cut = source_cut(getattr(subject, place))
        call, z = self._values(subject, cut, 3)
        method = InternalInfluence(
            self.wrapper(subject.name),
            (cut, subject.target),
            ClassQoI(1),
            "point",
            multiply_activation=False,
        )
        found = method.attributions(*call[0], **call[1])
        gradients = [a for _, a in arrays(found, self.backend)]
        assert [g.shape for g in gradients] == [a.shape for a in z]
        rng = np.random.default_rng(0)
        directions = [rng.standard_normal(a.shape) for a in z]
        ends = [
            self._quantity_of(
                subject, call, cut, [a + s * d for a, d in zip(z, directions, strict=True)]
            )
            for s in (STEP, -STEP)
        ]
        slope = sum(
            np.moveaxis(g * d, cut.batch_axis, 0).reshape(3, -1).sum(1)
            for g, d in zip(gradients, directions, strict=True)
        )
        quotient = (ends[0] - ends[1]) / (2 * STEP)
        self.measured(np.abs(slope - quotient).max() / np.abs(quotient).max())
        ratio = ", ".join(f"{r:.4g}" for r in np.atleast_1d(slope / quotient))
        message = f"the gradients at {cut} are, per record, {ratio} times the difference quotients"
        np.testing.assert_allclose(slope, quotient, rtol=1e-5, atol=1e-8, err_msg=message)

    @checks("completeness")
    @EVERY
    @PLACE
    def test_completeness(self, subject: Subject, place: str) -> None:
        """Σ attributions = q(x) − q(baseline); what is missing is reported as the residual."""
        cut = source_cut(getattr(subject, place))
        call, z = self._values(subject, cut, 3)
        axis = cut.batch_axis
        rng = np.random.default_rng(5)
        b = [0.5 * a + 0.2 * rng.standard_normal(a.shape) for a in z]
        ends = [np.moveaxis(a, axis, 0) for a in b]  # a distribution sees the records first
        smooth = ZOO[subject.name].smooth
        rule: Any
        rule, points = ("gauss-legendre", 40) if smooth else ("midpoint", 300)
        doi = LinearDoi(ends if len(z) > 1 else ends[0], points, cut=cut, rule=rule)
        method = InternalInfluence(
            self.wrapper(subject.name), (cut, subject.target), ClassQoI(1), doi
        )
        result = method.explain(*call[0], **call[1])
        q, q0 = (self._quantity_of(subject, call, cut, values) for values in (z, b))
        total = sum(
            np.moveaxis(a, axis, 0).reshape(3, -1).sum(1)
            for _, a in arrays(result.attributions, self.backend)
        )
        scale = np.abs(q - q0).max()
        error = np.abs(total - (q - q0)).max() / scale
        self.measured(error, "float64" if smooth else None)  # at kinks it is the quadrature's
        assert error < (1e-8 if smooth else 1e-2), f"Σ attributions misses {error:.2g} of q − q(b)"
        np.testing.assert_allclose(result.quantity, q, rtol=1e-12)
        np.testing.assert_allclose(result.baseline_quantity, q0, rtol=1e-12)
        np.testing.assert_allclose(result.residual, q - q0 - total, atol=1e-12 * scale)

    @checks("completeness")
    def test_residual_is_the_error_of_the_quadrature(self) -> None:
        """It falls with the number of points as the rule says, and is not zero by construction."""
        args, _ = self.records("mlp", 4)
        wrapper = self.wrapper("mlp")

        def residual(rule: Any, n: int) -> float:
            doi = LinearDoi(0.1, n, rule=rule)
            result = InternalInfluence(wrapper, (None, None), ClassQoI(1), doi).explain(*args)
            return float(np.abs(result.residual).max())

        assert 3.5 < residual("midpoint", 20) / residual("midpoint", 40) < 4.5
        assert 3.5 < residual("trapezoid", 20) / residual("trapezoid", 40) < 4.5
        assert 1.7 < residual("endpoints", 20) / residual("endpoints", 40) < 2.3
        assert residual("gauss-legendre", 4) > 1e-9 > residual("gauss-legendre", 20)

    @checks("sensitivity")
    def test_sensitivity(self) -> None:
        """What alone differs from the baseline gets all; what the model ignores gets nothing."""
        args, _ = self.records("mlp", 3)
        x, b = args[0], args[0].copy()
        b[:, 2] += 1.0
        doi = LinearDoi(b, 30, rule="gauss-legendre")
        method = InternalInfluence(self.wrapper("mlp"), (None, None), ClassQoI(0), doi)
        result = method.explain(x)
        assert np.abs(result.attributions[:, 2]).min() > 1e-3
        assert not np.delete(result.attributions, 2, axis=1).any()
        change = result.quantity - result.baseline_quantity
        assert self.close(result.attributions[:, 2], change, 1e-8)
        everything = InternalInfluence(self.wrapper("mlp"), (None, None), "max", "linear")
        assert not everything.attributions(x)[:, 4].any()
        assert everything.attributions(x)[:, :4].all()

    @checks("linear agreement")
    @pytest.mark.parametrize("name", distributions())
    def test_linear_agreement(self, name: str) -> None:
        """On a linear model the influence is the weights, whatever the distribution."""
        args, _ = self.records("linear", 3)
        w = ZOO["linear"].weights()["logits.weight"][1]
        doi, x = distributions()[name], args[0]
        total = 1.25 if name == "user's weights" else 1.0
        method = InternalInfluence(
            self.wrapper("linear"), (None, None), ClassQoI(1), doi, multiply_activation=False
        )
        assert self.close(method.attributions(x), np.broadcast_to(total * w, x.shape))
        moved = {
            "linear": x - 0.1,
            "midpoint": x + 0.5 * x,
            "gauss-legendre": x - 0.1 * x - 0.01 * x.sum(1, keepdims=True),
            "trapezoid": x - 0.3,
            "user's multiplier": 3.0 * x,
        }.get(name, x)
        method = InternalInfluence(self.wrapper("linear"), (None, None), ClassQoI(1), doi)
        assert self.close(method.attributions(x), total * w * moved)

    @checks("distributional linearity")
    @pytest.mark.parametrize("name", ["mlp", "two_inputs", "cnn"])
    def test_distributional_linearity(self, name: str) -> None:
        """The influence over a mixture is the mixture of the influences."""

        class Given(DoI):
            def __init__(self, *parts: tuple[float, DoI]) -> None:
                super().__init__()
                self.parts = parts

            def __call__(self, z: Any) -> Any:
                several = isinstance(z, list)
                merged: list[Any] = [[] for _ in (z if several else [z])]
                weights: list[float] = []
                for scale, doi in self.parts:
                    given: Any = doi(z)
                    weighted = isinstance(given, Points)
                    points: Any = given.points if weighted else given
                    columns: Any = points if several else [points]
                    n = len(columns[0])
                    w = given.weights if weighted else [1 / n] * n
                    merged = [m + list(c) for m, c in zip(merged, columns, strict=True)]
                    weights += [scale * x for x in w]
                return Points(merged if several else merged[0], weights)

        args, kwargs = self.records(name, 3)

        def influence(doi: DoI) -> Any:
            method = InternalInfluence(
                self.wrapper(name), (None, None), Product(), doi, multiply_activation=False
            )
            return [a for _, a in arrays(method.attributions(*args, **kwargs), self.backend)]

        first, second = LinearDoi(0.2, 4), GaussianDoi(0.3, 3)
        mixed = influence(Given((0.3, first), (0.7, second)))
        a, b = influence(first), influence(second)
        assert not np.allclose(a[0], b[0])
        assert self.close(mixed, [0.3 * s + 0.7 * t for s, t in zip(a, b, strict=True)])

    @checks("quantities are a vector space")
    @pytest.mark.parametrize("first", quantities(4))
    def test_quantities_are_a_vector_space(self, first: str) -> None:
        """The influence of a·q + b·r is a · that of q + b · that of r."""
        args, _ = self.records("mlp", 4)
        q = quantities(4)[first]
        method = InternalInfluence(self.wrapper("mlp"), (None, None), q, "linear")
        of_q, q = method.attributions(*args), method.question().qoi
        r: Any = Several() if first in ("several", "columns") else MaxClassQoI()
        if first == "columns":
            r = type("Two", (Several,), {"__call__": lambda _, y: y[:, 1:]})()

        def influence(qoi: Any) -> Any:
            return InternalInfluence(self.wrapper("mlp"), (None, None), qoi, "linear").attributions(
                *args
            )

        of_r = influence(r)
        a, b = np.asarray(of_q), np.asarray(of_r)
        assert np.abs(a).max() > 1e-3
        for combined, expected in (
            (q + r, a + b),
            (q - 2 * r, a - 2 * b),  # of one kind they would cancel to nothing
            (2.5 * q - 0.25 * r, 2.5 * a - 0.25 * b),
            (-(q * 3), -3 * a),
            (q / 4 + q, 1.25 * a),
            (0.0 * r + q, a),
            (2 * (q - 3 * r) + (r + q), 3 * a - 5 * b),
        ):
            found = influence(combined)
            assert isinstance(found, list) == isinstance(of_q, list)
            error = np.abs(np.asarray(found) - expected).max()
            self.measured(error / max(np.abs(expected).max(), np.abs(a).max()))
            assert error < 1e-10

    @checks("quantities are a vector space")
    def test_comparative_is_a_difference(self) -> None:
        args, _ = self.records("mlp", 3)

        def influence(qoi: Any) -> Any:
            return InternalInfluence(self.wrapper("mlp"), (None, None), qoi, "point").attributions(
                *args
            )

        expected = influence(ClassQoI(2)) - influence(ClassQoI(0))
        assert self.close(influence((2, 0)), expected)
        assert self.close(influence(ClassQoI(2) - ClassQoI(0)), expected)

    @checks("quantities are a vector space")
    def test_predicted_is_the_class_of_the_record(self) -> None:
        """`predicted` fixes the class along a path, `max` takes the largest at every point."""
        args, _ = self.records("mlp", 8)
        wrapper = self.wrapper("mlp")
        best = wrapper(*args).argmax(1)

        def influence(qoi: Any) -> Any:
            doi = LinearDoi(0.1, 9)
            return InternalInfluence(wrapper, (None, None), qoi, doi).attributions(*args)

        assert self.close(influence(PredictedClassQoI()), influence(ClassQoI(best)))
        assert not np.allclose(influence("max"), influence("predicted"))
