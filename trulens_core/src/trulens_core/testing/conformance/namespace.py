"""The functions of `Backend.xp` that core uses, and the backend's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trulens_core.testing.conformance.harness import Harness

RNG = np.random.default_rng(11)
X = RNG.standard_normal((3, 4, 2))
TIES = np.asarray([[1.0, 2.0, 2.0], [3.0, 3.0, 0.0]])
INDEX = np.asarray([2, 0, 2], "int32")
ALONG = RNG.integers(4, size=(3, 1, 2)).astype("int32")

Function = Callable[..., Any]
FUNCTIONS: dict[str, tuple[Function, tuple[Any, ...]]] = {
    "sum": (lambda xp, x: xp.sum(x), (X,)),
    "mean": (lambda xp, x: xp.mean(x, axis=0), (X,)),
    "sum of an axis": (lambda xp, x: xp.sum(x, axis=1), (X,)),
    "sum of an axis kept": (lambda xp, x: xp.sum(x, axis=1, keepdims=True), (X,)),
    "sum kept": (lambda xp, x: xp.sum(x, axis=(1, 2), keepdims=True), (X,)),
    "mean of an axis kept": (lambda xp, x: xp.mean(x, axis=1, keepdims=True), (X,)),
    "mean kept": (lambda xp, x: xp.mean(x, axis=(1, 2), keepdims=True), (X,)),
    "maximum": (lambda xp, x: xp.maximum(x, xp.zeros_like(x)), (X,)),
    "sum of axes": (lambda xp, x: xp.sum(x, axis=(1, 2)), (X,)),
    "reshape": (lambda xp, x: xp.reshape(x, (-1, 2)), (X,)),
    "reshape to rows": (lambda xp, x: xp.reshape(x, (x.shape[0], -1)), (X,)),
    "reshape of one integer": (lambda xp, i: xp.reshape(i[0], (1,)), (INDEX,)),
    "expand_dims": (lambda xp, x: xp.expand_dims(x, axis=0), (X,)),
    "expand_dims of integers": (lambda xp, i: xp.expand_dims(i, axis=0), (INDEX,)),
    "squeeze": (lambda xp, x: xp.squeeze(x[:, :1], axis=1), (X,)),
    "permute_dims": (lambda xp, x: xp.permute_dims(x, (2, 0, 1)), (X,)),
    "broadcast_to": (lambda xp, x: xp.broadcast_to(x[:1], (5, 4, 2)), (X,)),
    "broadcast_to of integers": (lambda xp, i: xp.broadcast_to(i, (2, 3)), (INDEX,)),
    "concat of a tuple": (lambda xp, x: xp.concat((x, x[:1]), axis=0), (X,)),
    "concat": (lambda xp, x: xp.concat([x, x[:, 1:]], axis=1), (X,)),
    "stack": (lambda xp, x: xp.stack([x, 2 * x]), (X,)),
    "stack last": (lambda xp, x: xp.stack([x[0], x[1]], axis=1), (X,)),
    "matmul": (lambda xp, x: xp.matmul(xp.reshape(x, (4, 6)), xp.reshape(x, (6, 4))), (X,)),
    "abs": (lambda xp, x: xp.abs(x - 0.1), (X,)),
    "exp": (lambda xp, x: xp.exp(x), (X,)),
    "log": (lambda xp, x: xp.log(x * x + 0.5), (X,)),
    "sqrt": (lambda xp, x: xp.sqrt(x * x + 0.5), (X,)),
    "sign": (lambda xp, x: xp.sign(x - x[:1]), (X,)),
    "where": (lambda xp, x: xp.where(x > 0, x, -x), (X,)),
    "where of integers": (lambda xp, i: xp.where(i < 1, i + 4, i), (INDEX,)),
    "where of one integer": (lambda xp, i: xp.where(i[0] < 3, i[0] + 4, i[0]), (INDEX,)),
    "where of one row": (lambda xp, x: xp.where(xp.abs(x[0]) > 0.5, x, xp.zeros_like(x)), (X,)),
    "isfinite": (lambda xp, x: xp.isfinite(x), (np.asarray([1.0, np.nan, np.inf, -np.inf]),)),
    "all": (lambda xp, x: xp.all(xp.isfinite(x), axis=(1, 2)), (np.where(X > 1.5, np.nan, X),)),
    "all kept": (lambda xp, x: xp.all(x > 0, axis=(1, 2), keepdims=True), (X,)),
    "zeros_like": (lambda xp, x: xp.zeros_like(x), (X,)),
    "full_like": (lambda xp, x: xp.full_like(x, 0.5), (X,)),
    "take": (lambda xp, x, i: xp.take(x, i, axis=1), (X, INDEX)),
    "take of integers": (lambda xp, i: xp.take(i, i, axis=0), (INDEX,)),
    "take_along_axis": (lambda xp, x, i: xp.take_along_axis(x, i, axis=1), (X, ALONG)),
    "argmax": (lambda xp, x: xp.argmax(x, axis=1), (X,)),
    "argmax kept": (lambda xp, x: xp.argmax(x, axis=1, keepdims=True), (X,)),
    "argmax with ties": (lambda xp, x: xp.argmax(x, axis=1), (TIES,)),
    "take_along_axis of a row": (
        lambda xp, x, i: xp.take_along_axis(
            x, i[:1] + xp.astype(xp.zeros_like(x[:, slice(0, 1)]), i.dtype), axis=1
        ),
        (X, ALONG),
    ),
    "take_along_axis at argmax": (
        lambda xp, x: xp.take_along_axis(x, xp.argmax(x, axis=1, keepdims=True), axis=1),
        (X,),
    ),
    "isdtype": (lambda xp, x: x * float(xp.isdtype(x.dtype, "real floating")), (X,)),
    "isdtype of types": (
        lambda xp, x: x * (1.0 + xp.isdtype(x.dtype, (xp.float32, xp.float64))),
        (X,),
    ),
    "isdtype of integers": (lambda xp, i: i + int(xp.isdtype(i.dtype, "integral")), (INDEX,)),
    "astype of booleans": (lambda xp, x: x * xp.astype(x > 0, x.dtype), (X,)),
    "astype of one integer": (lambda xp, x, i: x * xp.astype(i[0], x.dtype), (X, INDEX)),
    "astype of integers": (lambda xp, x, i: x * xp.astype(i, x.dtype), (X, ALONG)),
    "astype": (lambda xp, x: xp.astype(x, xp.float32), (X,)),
    "float32": (lambda xp, x: x if x.dtype == xp.float32 else xp.astype(x, xp.float32), (X,)),
    "float64": (lambda xp, x: x if x.dtype == xp.float64 else xp.astype(x, xp.float64), (X,)),
    "arithmetic": (lambda _, x: (1 - x) * 2.0 / (x * x + 1) - -x, (X,)),
    "comparison": (lambda _, x: x < 0.5, (X,)),
    "indexing": (lambda _, x: x[1:, ..., 0][:, None, -1], (X,)),
}
"""By name, a function over xp and its arguments; it must equal itself over NumPy."""
NUMBERS: dict[str, tuple[Function, tuple[Any, ...]]] = {
    "a sum as a number": (lambda xp, x: float(xp.sum(xp.abs(x))), (X,)),
    "an index as a number": (lambda _, i: int(i[0]), (INDEX,)),
    "a finding as a number": (lambda xp, x: bool(xp.all(xp.isfinite(x))), (X,)),
}
"""The same, which give a number of Python's; nothing is differentiated."""
CONSTANT = {"sign", "zeros_like", "full_like"}


class Namespace(Harness):
    """Each function that core uses, its types and its gradient."""

    law = "functions of xp"

    def _applied(self, name: str, dtype: str) -> tuple[Any, Any]:
        function, given = FUNCTIONS[name]
        arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in given]
        found = function(self.backend.xp, *map(self.tensor, arrays))
        return found, function(np, *arrays)

    @pytest.mark.parametrize("name", FUNCTIONS)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_functions(self, name: str, dtype: str) -> None:
        found, expected = self._applied(name, dtype)
        assert self.backend.is_tensor(found)
        array = self.backend.to_numpy(found)
        assert array.shape == expected.shape
        assert array.dtype.kind == expected.dtype.kind
        if expected.dtype.kind == "f":
            assert array.dtype == expected.dtype, f"{name} of {dtype} is {array.dtype}"
        what = f"xp: {name} of {dtype}"
        assert self.close(array, expected, 1e-6 if dtype == "float32" else 1e-14, what)

    def test_what_is_asked_of_a_tensor(self) -> None:
        """`float(tensor)`, `int(tensor)` and `bool(tensor)` of what has no axes."""
        for name, (function, given) in NUMBERS.items():
            found = function(self.backend.xp, *map(self.tensor, given))
            assert found == pytest.approx(function(np, *given), rel=1e-12), name
        assert not bool(self.backend.xp.all(self.tensor(X) > 0))

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_gradients_of_functions(self, name: str) -> None:
        """Of Σ cos(i) f(x)ᵢ, against differences over NumPy; none through what is constant."""
        function, (x, *rest) = FUNCTIONS[name]
        if x.dtype.kind != "f" or function(np, x, *rest).dtype.kind != "f":
            return
        backend, step = self.backend, 1e-6
        weights = np.cos(np.arange(function(np, x, *rest).size))

        def of(xp: Any, z: Any, given: Any, w: Any) -> Any:
            out = xp.astype(function(xp, z, *given), xp.float64)
            return xp.sum(xp.reshape(out, (-1,)) * w)

        def run(tap: Any) -> list[Any]:
            (z,) = tap([self.tensor(x)])
            total = of(backend.xp, z, list(map(self.tensor, rest)), self.tensor(weights))
            return [backend.xp.reshape(total, (1,))]

        ((gradient,),) = backend.differentiate(run).gradients
        if name in CONSTANT:
            assert gradient is None or not backend.to_numpy(gradient).any()
            return
        expected = np.zeros_like(x)
        for place in np.ndindex(*x.shape):
            up, down = x.copy(), x.copy()
            up[place] += step
            down[place] -= step
            expected[place] = (of(np, up, rest, weights) - of(np, down, rest, weights)) / (2 * step)
        if name in ("astype", "float32"):  # differences of float32 are none
            expected = weights.reshape(x.shape)
        np.testing.assert_allclose(backend.to_numpy(gradient), expected, rtol=1e-6, atol=1e-7)


class BackendFunctions(Harness):
    """What a backend has beside `xp`."""

    law = "functions of the backend"

    def _gradients(self, function: Any, *arrays: Any) -> Any:
        """Quantities, activations and gradients of a function of tapped tensors."""
        return self.backend.differentiate(
            lambda tap: function(*tap(list(map(self.tensor, arrays))))
        )

    def test_gradients_of_several_quantities(self) -> None:
        """Each of its sum over rows, at each tensor; None where nothing is connected."""
        x, y = X[:, :, 0], X[:, :2, 1]
        found = self._gradients(
            lambda a, b: [a[:, 0] * a[:, 1], b[:, 1] * 3.0, a[:, 0] * b[:, 0]], x, y
        )
        assert self.close(found.quantities, [x[:, 0] * x[:, 1], y[:, 1] * 3, x[:, 0] * y[:, 0]])
        assert self.close(found.activations, [x, y])
        zeros, ones = np.zeros(3), np.ones(3)
        expected: list[list[Any]] = [
            [np.stack([x[:, 1], x[:, 0], zeros, zeros], 1), None],
            [None, np.stack([zeros, 3 * ones], 1)],
            [np.stack([y[:, 0], zeros, zeros, zeros], 1), np.stack([x[:, 0], zeros], 1)],
        ]
        for row, wanted in zip(found.gradients, expected, strict=True):
            assert [g is None for g in row] == [w is None for w in wanted]
            pairs = zip(row, wanted, strict=True)
            assert all(self.close(g, w) for g, w in pairs if w is not None)

    def test_gradients_of_one_quantity_after_the_other(self) -> None:
        """`each` is given one quantity's at a time, and its answer takes their place."""
        x, y = X[:, :, 0], X[:, :2, 1]

        def run(tap: Any) -> list[Any]:
            a, b = tap([self.tensor(x), self.tensor(y)])
            return [a[:, 0] * a[:, 1], b[:, 1] * 3.0, a[:, 0] * b[:, 0]]

        def each(gs: list[Any]) -> list[Any]:
            return [None if g is None else self.backend.xp.sum(g * g, axis=1) for g in gs]

        found = self.backend.differentiate_each(run, each)
        whole = self.backend.differentiate(run)
        assert self.close(found.quantities, whole.quantities)
        for row, gradients in zip(found.gradients, whole.gradients, strict=True):
            assert [g is None for g in row] == [g is None for g in gradients]
            pairs = zip(row, gradients, strict=True)
            assert all(self.close(a, (b * b).sum(1)) for a, b in self._known(pairs))

    def _known(self, pairs: Any) -> Any:
        return [(a, self.backend.to_numpy(b)) for a, b in pairs if a is not None]

    def test_a_tap_that_is_reached_twice(self) -> None:
        """Values and gradients are listed in the order of reaching."""
        x, y = X[:, 0], X[:, 1, :1]

        def run(tap: Any) -> list[Any]:
            (a,) = tap([self.tensor(x)])
            (b,) = tap([self.tensor(y)])
            return [a[:, 0] * b[:, 0] * b[:, 0]]

        found = self.backend.differentiate(run)
        assert self.close(found.activations, [x, y])
        first = np.stack([y[:, 0] ** 2, np.zeros(3)], 1)
        assert self.close(found.gradients, [[first, 2 * x[:, :1] * y]])

    def test_no_gradient_is_given_through(self) -> None:
        """Nor is one kept: tensors given to a tap stay what they were."""
        stop = self.backend.stop_gradient
        x = X[:, 0]
        found = self._gradients(lambda a: [a[:, 0] * stop(a)[:, 1], stop(a[:, 0])], x)
        assert self.close(found.gradients[0], [np.stack([x[:, 1], np.zeros(3)], 1)])
        assert found.gradients[1] == [None]
        again = self._gradients(lambda _: [self.tensor(np.ones(3)) * 2.0], x)
        assert again.gradients == [[None]]

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_softmax_and_sigmoid(self, dtype: str) -> None:
        """By stable functions, far from 0 too, and so are their gradients."""
        x = np.asarray([[-500.0, 0.0, 500.0], [-20.0, 1.0, 3.0]], dtype)
        small = np.exp(-np.abs(x.astype("float64")))
        s = np.where(x >= 0, 1 / (1 + small), small / (1 + small))
        backend = self.backend
        tolerance = 1e-6 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(
            backend.to_numpy(backend.sigmoid(self.tensor(x))), s, rtol=tolerance, atol=1e-40
        )
        slopes = self._gradients(lambda a: [backend.xp.sum(backend.sigmoid(a), axis=1)], x)
        slope = small / (1 + small) ** 2
        np.testing.assert_allclose(
            backend.to_numpy(slopes.gradients[0][0]), slope, rtol=10 * tolerance, atol=1e-40
        )
        for axis in (0, 1):
            powers = np.exp(x.astype("float64") - x.max(axis, keepdims=True))
            p = powers / powers.sum(axis, keepdims=True)
            found = backend.to_numpy(backend.softmax(self.tensor(x), axis))
            np.testing.assert_allclose(found, p, rtol=1e-5, atol=1e-38)
            assert found.dtype == dtype

    @pytest.mark.parametrize(
        "dtype", ["float16", "float32", "float64", "int32", "int64", "uint8", "bool"]
    )
    def test_arrays_and_tensors(self, dtype: str) -> None:
        """To a tensor and back, types and all; with `like` floats take its type."""
        backend = self.backend
        a = (X * 3).astype(dtype)
        t = backend.from_numpy(a.copy())
        assert backend.is_tensor(t)
        assert backend.is_tensor(a) == isinstance(t, np.ndarray)  # some have no others
        assert backend.is_floating(t) == (a.dtype.kind == "f")
        back = backend.to_numpy(t)
        assert back.dtype == dtype, f"{dtype} made a tensor, and that an array, is {back.dtype}"
        assert (back == a).all()
        back[...] = 0
        assert (backend.to_numpy(t) == a).all()
        for like in ("float32", "float64"):
            reference = self.tensor(X.astype(like))
            other = backend.from_numpy(a, like=reference)
            assert backend.to_numpy(other).dtype == (like if a.dtype.kind == "f" else dtype)
            cast = backend.cast(t, reference)
            assert cast.dtype == reference.dtype
            assert backend.cast(cast, reference) is cast

    def test_types_for_sums(self) -> None:
        """At least float32, and wider where the tensor is; sums of float64 are of float64."""
        for given, wide in (("float16", "float32"), ("float32", "float32"), ("float64", "float64")):
            x = X.astype(given)
            found = self.backend.to_numpy(self.backend.accumulator(self.tensor(x)))
            assert found.dtype == wide
            assert (found == x).all(), f"{given} made ready for sums is less exact"

    def test_devices_are_kept(self) -> None:
        """What takes a tensor's type takes its device too; on the only one, where there is one."""
        backend, x = self.backend, self.tensor(X)
        other = self.elsewhere(x)
        other = x if other is None else other
        for found in (
            backend.from_numpy(X, like=other),
            backend.cast(x, other),
            backend.placed(x, other),
            backend.given(x, other),
            backend.filled(other, 1.0),
        ):
            device, expected = (getattr(t, "device", None) for t in (found, other))
            assert device == expected, f"a tensor on {device} in the place of {expected}"

    def test_rows_and_points(self) -> None:
        """Row p·b + r is point p of record r."""
        backend, x = self.backend, self.tensor(X)
        what = "copies of all rows, point by point"
        assert self.close(backend.repeat(x, 3), np.concatenate([X, X, X]), 0.0, what)
        assert self.close(backend.repeat(x, 1), X, 0.0)
        rows = backend.repeat(x, 2)
        assert self.close(backend.split_points(rows, 2), np.stack([X, X]), 0.0)

    def test_weights_of_points(self) -> None:
        weights, both = np.asarray([0.5, -1.0]), np.stack([X, X**2])
        found = self.backend.weighted_sum(self.tensor(both), self.tensor(weights))
        assert self.close(found, 0.5 * X - X**2, what="a sum over points, with their weights")

    def test_containers_are_taken_apart(self) -> None:
        """And put together again, tensors or not."""
        x, y = self.tensor(X), self.tensor(TIES)
        for value in ((x, [y, {"a": x, "b": "text"}], None), {"a": (x,)}, x, [None, 3, x]):
            tree = self.backend.flatten(value)
            assert sum(map(self.backend.is_tensor, tree.leaves)) >= 1
            again = tree.unflatten(tree.leaves)
            assert type(again) is type(value)
            assert self.backend.flatten(again).key == tree.key
            same = zip(self.backend.flatten(again).leaves, tree.leaves, strict=True)
            assert all(a is b for a, b in same)
