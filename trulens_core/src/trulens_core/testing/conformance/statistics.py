"""Statistics: how what points give becomes one answer, and the methods that are made of them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    DoI,
    GaussianDoi,
    InputCut,
    InternalInfluence,
    LinearDoi,
    PathDoi,
    Points,
    Statistic,
)
from trulens_core.influence.statistics import Parts
from trulens_core.testing.conformance.compare import Array
from trulens_core.testing.conformance.harness import Harness, checks
from trulens_core.testing.conformance.subjects import SUBJECTS, Several, Subject, distributions

SEVERAL = pytest.mark.parametrize(
    "subject", [SUBJECTS[n] for n in ("mlp", "cnn", "text", "two_inputs")], ids=str
)
FEW_POINTS = pytest.mark.filterwarnings("ignore:completeness fails")
RECORDS = 3


class Largest(Statistic):
    """The largest gradient by size, as a user writes a statistic."""

    want: ClassVar[Any] = frozenset({"points"})

    def start(self, backend: Any, points: Any) -> Any:
        del points
        return _LargestSoFar(backend.xp)


class _LargestSoFar:
    def __init__(self, xp: Any) -> None:
        self._xp = xp
        self._total: Any = None

    def add(self, got: Any, seen: Any) -> None:
        for k in range(len(seen.weights)):
            new: Any = [[self._xp.abs(g[k]) for g in gs] for gs in got.gradients]
            old = self._total or new
            self._total = [
                [self._xp.maximum(a, b) for a, b in zip(x, y, strict=True)]
                for x, y in zip(old, new, strict=True)
            ]

    def finish(self) -> Parts:
        return Parts(self._total)


class Twice(DoI):
    """Two points with a multiplier each, as a user writes them."""

    def __call__(self, z: Any) -> Any:
        if isinstance(z, list):
            points, multipliers = zip(*map(self._of, z), strict=True)
            return Points(list(points), [0.25, 0.75], list(multipliers))
        points, multipliers = self._of(z)
        return Points(points, [0.25, 0.75], multipliers)

    def _of(self, z: Any) -> Any:
        return [0.5 * z, 0.9 * z], [2.0 * z, -z]


class Statistics(Harness):
    """Means, moments, sums along paths, random samples and maps."""

    law = "statistics"

    def _over(self, subject: Subject, place: Any, doi: Any, **options: Any) -> Any:
        """A result at a place of a subject, for one class."""
        args, kwargs = self.records(subject.name, RECORDS)
        qoi = options.pop("qoi", ClassQoI(1))
        cuts, multiply = (place, subject.target), options.pop("multiply", True)
        wrapper = self.wrapper(subject.name)
        method = InternalInfluence(wrapper, cuts, qoi, doi, multiply, **options)
        return method.explain(*args, **kwargs)

    @SEVERAL
    def test_mean_is_the_default(self, subject: Subject) -> None:
        for doi in distributions(subject.source).values():
            found, expected = (
                self._over(subject, subject.inner, doi, **options).attributions
                for options in ({"statistic": "mean"}, {})
            )
            assert self.repeated(self.arrays_of(found), self.arrays_of(expected))

    @SEVERAL
    def test_moments_are_of_the_gradients(self, subject: Subject) -> None:
        """Also the identity E g² − (E g)² of the variance."""
        doi = GaussianDoi(0.04, 7, cut=subject.source)
        found = {
            s: self._over(
                subject, subject.inner, doi, statistic=s, multiply=False, return_grads=True
            )
            for s in ("mean", "second_moment", "variance")
        }
        singles = self.arrays_of(found["mean"].gradients)
        expected = {
            "second_moment": [(g * g).mean(0) for g in singles],
            "variance": [g.var(0) for g in singles],
        }
        for name, by_hand in expected.items():
            for a, b in zip(self.arrays_of(found[name].attributions), by_hand, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12 * np.abs(b).max())
        means, seconds, variances = (self.arrays_of(r.attributions) for r in found.values())
        for m, s, v in zip(means, seconds, variances, strict=True):
            np.testing.assert_allclose(s - m * m, v, rtol=1e-9, atol=1e-13 * np.abs(s).max())

    def test_a_statistic_of_the_callers(self) -> None:
        subject, doi = SUBJECTS["mlp"], GaussianDoi(0.04, 5)
        found = self._over(
            subject, "second", doi, statistic=Largest(), multiply=False, return_grads=True
        )
        expected = np.abs(self.arrays_of(found.gradients)[0]).max(0)
        np.testing.assert_allclose(self.arrays_of(found.attributions)[0], expected, rtol=1e-12)

    def test_a_statistic_gets_what_is_multiplied(self) -> None:
        """Where points have multipliers of their own, it cannot leave them out."""
        found = self._over(
            SUBJECTS["mlp"], "second", Twice(cut="second"), statistic=Largest(), return_grads=True
        )
        args, kwargs = self.records("mlp", RECORDS)
        z = self.arrays_of(self.wrapper("mlp").fprop(args, kwargs, to_cut="second"))[0]
        g = self.arrays_of(found.gradients)[0]
        expected = np.abs(np.stack([2.0 * z * g[0], -z * g[1]])).max(0)
        np.testing.assert_allclose(self.arrays_of(found.attributions)[0], expected, rtol=1e-12)

    @SEVERAL
    def test_points_with_multipliers(self, subject: Subject) -> None:
        doi = Twice(cut=subject.inner)
        found = self._over(subject, subject.inner, doi, return_grads=True)
        args, kwargs = self.records(subject.name, RECORDS)
        _, z = self.wrapper(subject.name).fprop(args, kwargs, attribution_cut=subject.inner)
        for g, a, value in zip(
            *map(self.arrays_of, (found.gradients, found.attributions, z)), strict=True
        ):
            expected = (0.25 * 2.0 * g[0] - 0.75 * g[1]) * value
            np.testing.assert_allclose(a, expected, rtol=1e-10, atol=1e-14)

    # -- paths -------------------------------------------------------------------------------

    @SEVERAL
    @FEW_POINTS
    def test_a_path_at_its_own_cut_is_the_mean(self, subject: Subject) -> None:
        """The steps are the weights' parts of z − baseline, for every rule."""
        rule: Any
        for rule in ("midpoint", "trapezoid", "gauss-legendre", "endpoints"):
            doi = LinearDoi(0.1, 6, cut=subject.inner, rule=rule)
            found, expected = (
                self._over(subject, subject.inner, doi, statistic=s).attributions
                for s in ("path", "mean")
            )
            assert self.close(found, expected, 1e-9, f"the sum along the path, {rule}")

    @SEVERAL
    @FEW_POINTS
    def test_a_path_sums_steps_of_the_source(self, subject: Subject) -> None:
        """Σ gᵢ (hᵢ₋₁ − hᵢ), with h at the ends of the parts of the path."""
        n = 4
        doi = LinearDoi(0.1, n, cut=subject.source, rule="midpoint")
        found = self._over(
            subject, subject.inner, doi, statistic="path", return_grads=True, rebatch_size=5
        )
        args, kwargs = self.records(subject.name, RECORDS)
        w = self.wrapper(subject.name)
        _, z = w.fprop(args, kwargs, attribution_cut=subject.source)
        values = self.arrays_of(z)
        h = []
        for i in range(n + 1):
            end = [(1 - i / n) * v + i / n * 0.1 for v in values]
            given = self._as_arguments(args, end) if subject.source == InputCut() else end
            _, there = w.fprop(
                args,
                kwargs,
                doi_cut=subject.source,
                attribution_cut=subject.inner,
                intervention=given,
            )
            h.append(self.arrays_of(there))
        gradients = self.arrays_of(found.gradients)
        for j, (g, a) in enumerate(zip(gradients, self.arrays_of(found.attributions), strict=True)):
            expected = sum(g[i] * (h[i][j] - h[i + 1][j]) for i in range(n))
            np.testing.assert_allclose(a, expected, rtol=1e-9, atol=1e-12 * np.abs(a).max())

    def _as_arguments(self, args: list[Any], values: list[Array]) -> list[Any]:
        rest = iter(values)
        return [next(rest) if a.dtype.kind == "f" else a for a in args]

    @checks("completeness")
    def test_any_curve_is_complete(self) -> None:
        subject = SUBJECTS["mlp"]
        doi = PathDoi(lambda z, t: t**3 * z + (1 - t**3) * 0.1, 200)
        result = self._over(subject, None, doi, statistic="path")
        change = np.abs(np.asarray(result.quantity) - np.asarray(result.baseline_quantity))
        assert (np.abs(np.asarray(result.residual)) < 1e-3 * change).all()

    # -- contraction -------------------------------------------------------------------------

    @pytest.mark.parametrize("name", ["text", "two_inputs"])
    def test_contracting_is_summing_afterwards(self, name: str) -> None:
        """Also of several quantities and tensors, for each way that multipliers come about."""
        subject = SUBJECTS[name]
        args, kwargs = self.records(name, RECORDS)
        w, doi = self.wrapper(name), LinearDoi(0.1, 3, cut=subject.source)
        ways: list[dict[str, Any]] = [{}, {"multiply_activation": False}, {"statistic": "path"}]
        more: dict[str, Any] = {"contract": -1, "rebatch_size": 4}
        for options in ways:
            whole, found = (
                InternalInfluence(w, (subject.source, None), Several(), doi, **o).attributions(
                    *args, **kwargs
                )
                for o in (options, options | more)
            )
            expected = [[a.sum(-1) for a in self.arrays_of(q)] for q in whole]
            for q, sums in zip(found, expected, strict=True):
                for a, b in zip(self.arrays_of(q), sums, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * np.abs(b).max())
