"""A function that changes a cotangent on the way back, which rules are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trulens_core.backends import Backend, Gradients, StepArguments
from trulens_core.testing.conformance.compare import Array
from trulens_core.testing.conformance.harness import Harness

RNG = np.random.default_rng(12)
X, A, B, V = (RNG.standard_normal((3, 4)) for _ in range(4))
COUNTS = np.arange(4, dtype="int32")
ODD = np.asarray([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, -1.5, 3.0])
NOT_SERVED = "rules of the backward pass: not served"
"""Why these tests do not apply to a backend that leaves `through` as it is, which is no defect."""


def positive(g: Array) -> Array:
    """What guided backpropagation lets through; not linear."""
    return np.where(g > 0, g, 0.0)


class Through(Harness):
    """`through` is its first argument, whose cotangent is pulled once, as a whole."""

    law = "`through` pulls"

    def _through(self, *arguments: Any) -> Any:
        if type(self.backend).through is Backend.through:
            pytest.skip(NOT_SERVED)
        return self.backend.through(*arguments)

    def _positive(self, g: Any) -> Any:
        return self.backend.xp.where(g > 0, g, self.backend.xp.zeros_like(g))

    def _total(self, terms: Any) -> Any:
        return self.backend.xp.sum(terms, axis=1)

    def _pulled(self, run: Callable[..., list[Any]], *arrays: Array) -> Any:
        """The gradients of quantities, functions of tapped tensors."""
        given = list(map(self.tensor, arrays))
        return self.backend.differentiate(lambda tap: run(*tap(given))).gradients

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_through_is_the_value_itself(self, dtype: str) -> None:
        """To the bit and in its type, whether it is differentiated or not."""
        x = ODD.astype(dtype)
        plain = self._through(self.tensor(x), self._positive)
        found = self.backend.differentiate(
            lambda tap: [self._through(*tap([self.tensor(x)]), self._positive)]
        )
        for value in map(self.backend.to_numpy, (plain, found.quantities[0])):
            assert value.dtype == x.dtype
            assert value.tobytes() == x.tobytes(), f"through({x}) is {value}"

    @pytest.mark.parametrize("dtype", ["int32", "bool"])
    def test_through_integers_nothing_is_pulled(self, dtype: str) -> None:
        x = COUNTS.astype(dtype)
        value = self.backend.to_numpy(self._through(self.tensor(x), self._positive))
        assert value.dtype == x.dtype
        assert (value == x).all()

    def test_through_pulls(self) -> None:
        """Whatever the function is, linear or not; what comes before gets its derivative."""
        a = self.tensor(A)
        for pull, expected in ((lambda g: g * 3.0, 3 * A), (self._positive, positive(A))):
            found = self._pulled(lambda x, p=pull: [self._total(self._through(x * x, p) * a)], X)
            assert self.close(found, [[expected * 2 * X]], what="a cotangent that was pulled")

    def test_through_keeps_the_type(self) -> None:
        """What the function gives is cast."""
        xp, a = self.backend.xp, self.tensor(A)
        for dtype, other in (("float64", xp.float32), ("float32", xp.float64)):
            found = self._pulled(
                lambda x, t=other: [
                    self._total(self._through(x, lambda g: xp.astype(g, t)) * xp.astype(a, x.dtype))
                ],
                X.astype(dtype),
            )
            assert self.backend.to_numpy(found[0][0]).dtype == dtype
            assert self.close(found, [[A.astype("float32").astype(dtype)]], 0.0)

    def test_through_holds_tensors_of_any_type(self) -> None:
        backend, a = self.backend, self.tensor(A)

        def pull(g: Any, v: Any, mask: Any, counts: Any) -> Any:
            return backend.xp.where(mask, g * v, g * backend.cast(counts, g))

        held = list(map(self.tensor, (V, V > 0, COUNTS)))
        found = self._pulled(lambda x: [self._total(self._through(x, pull, *held) * a)], X)
        assert self.close(found, [[A * np.where(V > 0, V, COUNTS)]])

    def test_through_passes_nothing_to_what_is_held(self) -> None:
        """Also where it comes from the tap, as a quotient with the value in it does."""

        def run(x: Any, v: Any) -> list[Any]:
            return [self._total(self._through(x, lambda g, h: g * h, v * v))]

        assert self.close(self._pulled(run, X, V)[0][0], V * V)
        assert self._pulled(run, X, V)[0][1] is None
        found = self._pulled(lambda x: [self._total(self._through(x, lambda g, h: g * h, x))], X)
        assert self.close(found, [[X]])

    def test_through_pulls_the_sum_over_its_users(self) -> None:
        """Each user's share, pulled by itself, would be another number."""
        a, b = self.tensor(A), self.tensor(B)

        def run(x: Any) -> list[Any]:
            y = self._through(x, self._positive)
            return [self._total(y * a) + self._total(y * b)]

        what = "the cotangents of two users, summed and then pulled"
        assert self.close(self._pulled(run, X), [[positive(A + B)]], what=what)

    def test_through_leaves_other_users_alone(self) -> None:
        a, b = self.tensor(A), self.tensor(B)

        def run(x: Any) -> list[Any]:
            z = x * 1.0
            y = self._through(z, self._positive)
            return [self._total(y * a) + self._total(z * b)]

        assert self.close(self._pulled(run, X), [[positive(A) + B]])

    def test_through_pulls_in_turn(self) -> None:
        """The last one first."""
        a = self.tensor(A)

        def run(x: Any) -> list[Any]:
            first = self._through(x, self._positive)
            return [self._total(self._through(first, lambda g, v: g * v, self.tensor(V)) * a)]

        assert self.close(self._pulled(run, X), [[positive(A * V)]])

    def test_through_pulls_for_each_quantity(self) -> None:
        a, b = self.tensor(A), self.tensor(B)

        def run(x: Any) -> list[Any]:
            y = self._through(x, self._positive)
            return [self._total(y * a), self._total(y * b), self._total(x * a)]

        assert self.close(self._pulled(run, X), [[positive(A)], [positive(B)], [A]])

    def test_through_refuses_another_shape(self) -> None:
        """Where it would be broadcast it is an error, too."""
        for pull in (lambda g: g[:1], lambda g: g[:, 0], self._total):
            with pytest.raises(ValueError, match="shape"):
                self._pulled(lambda x, p=pull: [self._total(self._through(x, p))], X)

    def test_through_in_a_step(self) -> None:
        """As the framework compiles it: over rows, and over points of records."""
        backend = self.backend

        def step(a: StepArguments) -> Gradients:
            def run(tap: Any) -> list[Any]:
                (x,) = tap(a.points)
                held = backend.stop_gradient(x * a.batched[0])
                y = self._through(x, lambda g, v: self._positive(g * v), held)
                return [self._total(y * y)]

            return backend.differentiate(run)

        def expected(x: Array) -> Array:
            return positive(2 * x * x * V)

        points = [self.tensor(X)]
        arguments = StepArguments((), points, [self.tensor(V)], [], [], [])
        found = backend.compiled(step)(arguments)
        assert self.close(found.gradients, [[expected(X)]])
        stacked, weights = np.stack([X, A, B]), np.asarray([0.5, -1.0, 2.0], "float32")
        arguments = arguments._replace(points=[self.tensor(stacked)])
        found = backend.blockwise(step, frozenset())(arguments, weights)
        sums = sum(w * expected(x) for w, x in zip(weights, stacked, strict=True))
        assert self.close(found.gradients, [[sums]], what="of points, each pulled by itself")
