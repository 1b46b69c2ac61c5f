"""The standard distributions by their formulas, and what a user's may return."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trulens_core import (
    ClassQoI,
    Cut,
    DoI,
    DoiError,
    GaussianDoi,
    InternalInfluence,
    LinearDoi,
    ModelInputs,
    PointDoi,
    Points,
    TrulensWarning,
)
from trulens_core.distributions.quadrature import RULES, nodes
from trulens_core.testing.conformance.batches import REPEATABLE
from trulens_core.testing.conformance.compare import arrays
from trulens_core.testing.conformance.harness import Harness

BASELINES: dict[str, tuple[Any, Any]] = {
    "none": (None, 0.0),
    "float": (0.25, 0.25),
    "int": (2, 2.0),
    "NumPy number": (np.float32(0.5), 0.5),
    "record": (np.arange(5.0), np.arange(5.0)),
    "ints": (np.arange(5), np.arange(5.0)),
    "leading axis": (np.arange(5.0)[None], np.arange(5.0)),
    "list of one": ([np.arange(5.0)], np.arange(5.0)),
    "per record": (np.arange(15.0).reshape(3, 5), np.arange(15.0).reshape(3, 5)),
    "ints per record": (np.arange(15).reshape(3, 5), np.arange(15.0).reshape(3, 5)),
}
WRONG: dict[str, Any] = {
    "records": np.zeros((2, 5)),
    "width": np.zeros((3, 4)),
    "rank 1": np.zeros(3),
    "rank 3": np.zeros((3, 5, 1)),
    "letters": np.asarray(["a"]),
    "str": "zeros",
    "object": object(),
}


NOISE = np.asarray(
    [[[1.4377730333055703, 0.8361076567861933]], [[-0.32189906837996946, -1.060209151430146]]]
)


class Distributions(Harness):
    """Points, weights, baselines and seeds."""

    law = "distributions"

    def _explained_over(self, doi: Any, name: str = "mlp", cuts: Any = None, **options: Any) -> Any:
        args, kwargs = self.records(name, 3)
        method = InternalInfluence(
            self.wrapper(name), cuts, ClassQoI(1), doi, return_doi=True, **options
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrulensWarning)
            return method.explain(*args, **kwargs)

    def _points(self, doi: Any, name: str = "mlp", cuts: Any = None) -> Any:
        found = self._explained_over(doi, name, cuts).interventions
        every = [a for _, a in arrays(found, self.backend)]
        return every if len(every) > 1 else every[0]

    @REPEATABLE
    @given(rule=st.sampled_from(RULES), n=st.integers(2, 9), end=st.floats(-2, 2))
    def test_lines(self, rule: Any, n: int, end: float) -> None:
        """αᵢ x + (1 − αᵢ) baseline, the record's end first."""
        (x,), _ = self.records("mlp", 3)
        points = self._points(LinearDoi(end, n, rule=rule))
        alphas, weights = nodes(rule, n)
        expected = np.stack([a * x + (1 - a) * end for a in alphas])
        assert self.close(points, expected)
        assert sum(weights) == pytest.approx(1)
        if rule in ("endpoints", "trapezoid"):
            assert (points[0] == x).all()
            assert (points[-1] == end).all()

    @pytest.mark.parametrize("name", BASELINES)
    def test_baselines(self, name: str) -> None:
        baseline, expected = BASELINES[name]
        last = self._points(LinearDoi(baseline, 3))[-1]
        assert (last == np.broadcast_to(expected, (3, 5))).all()
        if isinstance(baseline, np.ndarray):
            last = self._points(LinearDoi(self.tensor(baseline), 3))[-1]
            assert (last == np.broadcast_to(expected, (3, 5))).all()
            last = self._points(LinearDoi(lambda _: self.tensor(baseline), 3))[-1]
            assert (last == np.broadcast_to(expected, (3, 5))).all()

    def test_baselines_as_functions(self) -> None:
        """Of the value, or of the value and the call's inputs; called with tensors."""
        args, kwargs = self.records("text", 3)
        seen: list[Any] = []

        def of_inputs(z: Any, model_inputs: Any) -> Any:
            seen.append((tuple(z.shape), model_inputs))
            return 0.5 * z

        def of_value(z: Any) -> Any:
            assert self.backend.is_tensor(z)
            return 0.5 * z

        def influence(function: Any) -> Any:
            doi = LinearDoi(function, 3, cut="embedding")
            method = InternalInfluence(self.wrapper("text"), "embedding", 1, doi)
            return method.attributions(*args, **kwargs)

        found = influence(of_inputs)
        assert {shape for shape, _ in seen} == {(3, 7, 6)}
        inputs = seen[-1][1]
        assert isinstance(inputs, ModelInputs)
        assert self.close([inputs.args[0], inputs.kwargs["mask"]], [args[0], kwargs["mask"]])
        assert self.close(influence(of_value), found)

    def test_baselines_of_several_tensors(self) -> None:
        ones = [np.ones(4), 2 * np.ones((3, 3))]
        for baseline in (
            ones,
            tuple(ones),
            {"a": ones[0], "b": ones[1]},
            [1.0, 2.0],
            lambda z: [t * 0 + 1 + i for i, t in enumerate(z)],
        ):
            a, b = self._points(LinearDoi(baseline, 2), "two_inputs")
            assert (a[-1] == 1).all()
            assert (b[-1] == 2).all()
        a, b = self._points(LinearDoi(0.5, 2), "two_inputs")
        assert (a[-1] == 0.5).all()
        assert (b[-1] == 0.5).all()

    @pytest.mark.parametrize("name", WRONG)
    def test_baselines_that_do_not_fit(self, name: str) -> None:
        with pytest.raises(DoiError, match=r"baseline (has shape|is)") as info:
            self._explained_over(LinearDoi(WRONG[name], 3))
        assert isinstance(info.value, ValueError)

    def test_baselines_that_are_too_many(self) -> None:
        with pytest.raises(DoiError, match=r"3 members.*2 tensors"):
            self._explained_over(LinearDoi([0.0, 1.0, 2.0], 3), "two_inputs")

    # -- noise -------------------------------------------------------------------------------

    def test_noise(self) -> None:
        """Of the stated variance and mean 0; the same for all records, another at each point."""
        (x,), _ = self.records("mlp", 3)
        noise = self._points(GaussianDoi(0.25, 400)) - x
        np.testing.assert_allclose(noise, np.broadcast_to(noise[:, :1], noise.shape), atol=1e-12)
        assert abs(noise.mean()) < 0.05
        assert noise.var() == pytest.approx(0.25, rel=0.1)
        assert len(np.unique(noise[:, 0, 0].round(9))) == 400

    def test_noise_depends_on_the_seed_alone(self) -> None:
        first = self._explained_over(GaussianDoi(0.1, 4))
        again = self._explained_over(GaussianDoi(0.1, 4))
        assert self.repeated(again.attributions, first.attributions)
        assert not np.allclose(self._points(GaussianDoi(0.1, 4, seed=1)), first.interventions)
        longer = self._points(GaussianDoi(0.1, 9))
        assert self.close(longer[:4], first.interventions, 0)
        assert self.close(
            self._points(GaussianDoi(0.0, 3)), np.stack([self.records("mlp", 3)[0][0]] * 3)
        )

    def test_noise_is_that_of_every_backend(self) -> None:
        """The first numbers of two points, as they were drawn once and for all."""
        args, _ = self.records("mlp", 3)
        noise = self._points(GaussianDoi(1.0, 2, seed=5)) - args[0]
        assert self.close(noise[:, :1, :2], NOISE, 1e-9, "noise of seed 5")

    def test_noise_differs_between_tensors(self) -> None:
        (a, b), _ = self.records("two_inputs", 3)
        to_a, to_b = self._points(GaussianDoi(1.0, 2), "two_inputs")
        assert not np.allclose((to_a - a)[..., :3], to_b - b)

    # -- points ------------------------------------------------------------------------------

    def test_the_point_itself(self) -> None:
        (x,), _ = self.records("mlp", 3)
        assert (self._points(PointDoi()) == x[None]).all()
        inner = self._points(PointDoi("hidden"), cuts="second")
        assert self.close(inner, self.wrapper("mlp").fprop(x, to_cut="hidden")[None])
        result = self._explained_over(PointDoi())
        assert result.n_points.tolist() == [1, 1, 1]

    def test_distributions_by_themselves(self) -> None:
        """Called with a tensor they give the points that explanations use."""
        (x,), _ = self.records("mlp", 3)
        z = self.tensor(x)
        for doi in (LinearDoi(0.3, 4), GaussianDoi(0.2, 3), PointDoi()):
            given = doi(z)
            points = list(given.points if isinstance(given, Points) else given)
            assert self.close(
                np.stack([self.backend.to_numpy(p) for p in points]), self._points(doi)
            )
        assert isinstance(LinearDoi(rule="gauss-legendre")(z), Points)
        assert self.close(LinearDoi(0.3).baseline(z), np.full_like(x, 0.3))
        assert self.close(LinearDoi(0.3).get_activation_multiplier(z), x - 0.3)
        assert self.close(GaussianDoi(0.3, 2).get_activation_multiplier(z), x)
        assert PointDoi().baseline(z) is None
        assert LinearDoi(cut="hidden").cut() == Cut("hidden")
        assert LinearDoi().cut() is None

    def test_a_users_points(self) -> None:
        """Any iterable of tensors or arrays; weights as they are given."""
        (x,), _ = self.records("mlp", 3)

        class Given(DoI):
            def __init__(self, function: Any) -> None:
                super().__init__()
                self.function = function

            def __call__(self, z: Any) -> Any:
                return self.function(z)

        def influence(function: Any) -> Any:
            return self._explained_over(Given(function)).attributions

        two = influence(lambda z: [z, 0.5 * z])
        for same in (
            lambda z: (z, 0.5 * z),
            lambda z: (a * z for a in (1.0, 0.5)),
            lambda _: [x, 0.5 * x],
            lambda z: [0.5 * z, z],
            lambda z: Points([z, 0.5 * z], [0.5, 0.5]),
            lambda z: Points((p for p in [z, 0.5 * z]), np.asarray([0.5, 0.5]).tolist()),
        ):
            assert self.close(influence(same), two)
        assert self.close(influence(lambda z: Points([z, 0.5 * z], [1, 1])), 2 * two)
        for wrong, message in (
            (lambda _: [], r"points"),
            (lambda z: [z[:, :2]], r"shape \(3, 2\).*\(3, 5\)"),
            (lambda z: [z[:2]], r"shape \(2, 5\).*\(3, 5\)"),
            (lambda _: ["z"], "type str"),
            (lambda z: Points([z], [0.5, 0.5]), "1 points and 2 weights"),
        ):
            with pytest.raises(DoiError, match=message):
                influence(wrong)

    def test_a_users_points_of_several_tensors(self) -> None:
        class Given(DoI):
            def __init__(self, points: Any) -> None:
                super().__init__()
                self.points_ = points

            def __call__(self, z: Any) -> Any:
                return self.points_(z)

        self._explained_over(Given(lambda z: [[t, 2 * t] for t in z]), "two_inputs")
        for wrong, message in (
            (lambda z: [z[0]], "1 list"),
            (lambda z: [[z[0]], [z[1], z[1]]], r"\[1, 2\] points"),
            (lambda z: [[z[1]], [z[0]]], "shape"),
        ):
            with pytest.raises(DoiError, match=message):
                self._explained_over(Given(wrong), "two_inputs")
