"""JAX's tensors, its gradient primitive, and how its steps are compiled."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from trulens_core import trees
from trulens_core.backends import (
    Backend,
    BlockStep,
    Gradients,
    Halves,
    Step,
    StepArguments,
    Tap,
    Want,
)
from trulens_jax import differentiation, recorder, taps
from trulens_jax._compat import Tracer
from trulens_jax.through import through

_UNSUPPORTED = "OSUMm"
"""NumPy kinds that JAX has no arrays of."""

_NO_NUMBERS = (
    "within jax.jit, jax.grad and jax.vmap there are no numbers to look at: of what is explained, "
    "give those that are looked for, such as ClassQoI(labels) in place of the predicted class"
)


class JaxBackend(Backend):
    """JAX: steps are compiled, and map over points."""

    name: ClassVar[str] = "jax"
    xp = jnp
    static_shapes: ClassVar[bool] = True
    prefers: ClassVar[Literal["points", "records"]] = "points"
    maps_points: ClassVar[bool] = True
    traces: ClassVar[bool] = True
    splits: ClassVar[bool] = True
    fuses: ClassVar[bool] = True

    def is_tensor(self, x: object) -> bool:
        return isinstance(x, jax.Array)

    def passes_whole(self, x: object) -> bool:
        return callable(x)  # compiled functions and modules among them

    def is_floating(self, x: Any) -> bool:
        return _is_floating(x.dtype)

    def to_numpy(self, x: Any) -> np.ndarray[Any, Any]:
        if self.is_floating(x) and x.dtype not in (np.float16, np.float32, np.float64):
            x = x.astype(np.float32)
        try:
            return np.array(x)
        except jax.errors.TracerArrayConversionError as error:
            error.add_note(_NO_NUMBERS)
            raise

    def from_numpy(self, a: np.ndarray[Any, Any], like: Any = None) -> Any:
        if a.dtype.kind in _UNSUPPORTED:
            raise TypeError(f"has dtype {a.dtype}; JAX has no arrays of that type")
        _check_range(a)
        floating = like is not None and jnp.issubdtype(a.dtype, np.floating)
        dtype = like.dtype if floating else jax.dtypes.canonicalize_dtype(a.dtype)
        return jnp.asarray(np.array(a, dtype))  # a copy, which JAX may keep as it is

    def cast(self, x: Any, like: Any) -> Any:
        return placed(super().cast(x, like), like)

    def placed(self, x: Any, like: Any) -> Any:
        return placed(x, like)

    def softmax(self, x: Any, axis: int) -> Any:
        return jax.nn.softmax(x, axis=axis)

    def sigmoid(self, x: Any) -> Any:
        return jax.nn.sigmoid(x)

    def stop_gradient(self, x: Any) -> Any:
        return jax.lax.stop_gradient(x)

    def through(self, x: Any, pull: Callable[..., Any], *held: Any) -> Any:
        return through(self, x, pull, held)

    def flatten(self, value: Any) -> trees.Tree:
        return taps.flatten(value)

    def weighted_sum(self, x: Any, weights: Any) -> Any:
        with jax.default_matmul_precision("highest"):  # GPUs and TPUs would round to fewer digits
            return super().weighted_sum(x, weights)

    def is_out_of_memory(self, error: BaseException) -> bool:
        exhausted = isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(
            error
        )
        return exhausted or super().is_out_of_memory(error)

    def differentiate(self, run: Callable[[Tap], list[Any]]) -> Gradients:
        return differentiation.differentiate(run)

    def differentiate_each(
        self, run: Callable[[Tap], list[Any]], each: Callable[..., list[Any]]
    ) -> Gradients:
        return differentiation.differentiate(run, each)

    def compiled(self, step: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(step)

    def pure(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _jitted(function)

    def blockwise(self, step: Step, want: frozenset[Want]) -> BlockStep:
        """Points are mapped over: what does not depend on them is computed once."""

        def block(a: StepArguments, weights: Any) -> Gradients:
            got = _over_points(lambda points: step(a._replace(points=points)), a.points)
            sums = [[self._summed(g, weights, want) for g in gs] for gs in got.gradients]
            return Gradients(got.quantities, got.activations, sums)

        return jax.jit(block)

    def halves(
        self, run: Callable[[StepArguments, Tap], list[Any]], want: frozenset[Want]
    ) -> Callable[[StepArguments], Halves]:
        first = jax.jit(lambda a: _first_half(run, a))

        @jax.jit
        def second(pull: Any, cotangents: list[Any], weights: Any) -> list[Any]:
            return [
                None if g is None else self._summed(g, weights, want) for g in pull(cotangents)[0]
            ]

        def half(a: StepArguments) -> Halves:
            values, seen, pull, connections = first(a)

            def back(cotangents: list[Any], weights: Any) -> list[Any]:
                given = [i for i, c in enumerate(cotangents) if c is not None]
                reached = frozenset[int]().union(*(connections.sources[i] for i in given))
                full = [
                    differentiation.cotangent(c, y) for c, y in zip(cotangents, values, strict=True)
                ]
                return differentiation.connected([second(pull, full, weights)], [reached])[0]

            return Halves(values, seen, back)

        return half

    def each_point(
        self, function: Callable[[list[Any]], list[Any]], tensors: Sequence[Any]
    ) -> list[Any]:
        return jax.vmap(function)(list(tensors))

    def _summed(self, g: Any, weights: Any, want: frozenset[Want]) -> Any:
        g = self.accumulator(g)
        if "points" in want:
            return g
        real = (weights != 0).reshape((-1, *[1] * (g.ndim - 1)))
        # what weighs nothing is padding, and 0 × nan would be nan
        return self.weighted_sum(jnp.where(real, g, jnp.zeros_like(g)), weights)


def placed(x: Any, like: Any) -> Any:
    """`x` on the devices of `like`; what is being traced, or NumPy's, has no place."""
    if any(isinstance(a, Tracer) or not isinstance(a, jax.Array) for a in (x, like)):
        return x
    if x.sharding.device_set == like.sharding.device_set:
        return x
    mesh = getattr(like.sharding, "mesh", None)  # all of `x` on each of its devices
    whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()) if mesh else None
    return jax.device_put(x, whole or like.sharding)


@functools.cache
def _is_floating(dtype: Any) -> bool:
    return bool(jnp.issubdtype(dtype, np.floating))


@functools.cache
def _jitted(function: Callable[..., Any]) -> Callable[..., Any]:
    return jax.jit(functools.partial(function, BACKEND))


def _over_points(function: Callable[[list[Any]], Any], points: list[Any]) -> Any:
    """`function` at each of k points; without points, at the one that is there already."""
    if points:
        return jax.vmap(function)(points)
    return jax.tree.map(lambda x: jnp.expand_dims(x, 0), function([]))


def _first_half(run: Callable[[StepArguments, Tap], list[Any]], a: StepArguments) -> Any:
    k = a.points[0].shape[0] if a.points else 1
    shapes = [jax.ShapeDtypeStruct(p.shape[1:], p.dtype) for p in a.points]
    step = differentiation.traced(lambda points, tap: run(a._replace(points=points), tap), shapes)

    def values(eps: list[Any]) -> Any:
        return jax.vmap(step)(a.points, eps)

    eps = recorder.minus_zeros(step.eps, leading=(k,))
    y, pull, seen = jax.vjp(values, eps, has_aux=True)
    return y, seen, pull, step.connections


def _check_range(a: np.ndarray[Any, Any]) -> None:
    """Raise where 64-bit integers do not fit the 32 bits that JAX stores them in."""
    narrow = jax.dtypes.canonicalize_dtype(a.dtype)
    if a.dtype.kind not in "iu" or narrow == a.dtype or not a.size:
        return
    limits = np.iinfo(narrow)
    low, high = int(a.min()), int(a.max())
    if low < limits.min or high > limits.max:
        raise ValueError(
            f"holds {low if low < limits.min else high}, which {narrow.name} cannot hold, and "
            "JAX stores integers in 32 bits unless jax_enable_x64 is on; it would change silently"
        )


BACKEND = JaxBackend()
