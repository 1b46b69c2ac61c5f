"""MLX's arrays and its vector-Jacobian products."""

from types import SimpleNamespace

import mlx.core as mx
import numpy as np

from trulens_core import Backend
from trulens_core.backends import checked_cotangent, differentiate_by_vjp


def take_along_axis(x, indices, axis):
    """MLX would differentiate by the indices, and cannot, where they come of what is tapped."""
    return mx.take_along_axis(x, mx.stop_gradient(indices), axis)


def exp(x):
    """Of float64 in float64, which MLX's own computes in float32."""
    return mx.power(mx.array(np.e, x.dtype), x)


def argmax(x, axis=None, keepdims=False):
    """As signed integers."""
    return mx.argmax(x, axis=axis, keepdims=keepdims).astype(mx.int32)


XP = SimpleNamespace(
    **vars(mx) | {"take_along_axis": take_along_axis, "exp": exp, "argmax": argmax}
)
"""MLX has the names of the array API itself."""


def vjp(function, *primals):
    """The outputs, and what pulls cotangents back: MLX is lazy, and computes either once asked."""

    def pull(cotangents):
        return mx.vjp(function, list(primals), cotangents)[1]

    return function(*primals), pull


class MlxBackend(Backend):
    """MLX: lazy arrays, and functions of them that are differentiated."""

    name = "mlx"
    xp = XP
    channel_axis = -1

    def is_tensor(self, x):
        """MLX's arrays, also those that a function is differentiated at."""
        return isinstance(x, mx.array)

    def to_numpy(self, x):
        """A copy; bfloat16, which NumPy lacks, as float32."""
        return np.array(x.astype(mx.float32) if x.dtype == mx.bfloat16 else x)

    def from_numpy(self, a, like=None):
        """An array of the same type, floating ones of that of `like`."""
        if self.is_tensor(a):
            x = a
        elif a.dtype.kind in "fiub":
            dtype = getattr(mx, a.dtype.name + "_" * (a.dtype.kind == "b"))
            x = mx.array(np.array(a, a.dtype.newbyteorder("="), order="C"), dtype=dtype)
        else:
            raise TypeError(f"has dtype {a.dtype}, which MLX has no arrays of")
        floating = like is not None and self.is_floating(x)
        return x.astype(like.dtype) if floating else x

    def softmax(self, x, axis):
        """exp(x) / Σ exp(x)."""
        e = exp(x - mx.stop_gradient(mx.max(x, axis=axis, keepdims=True)))
        return e / mx.sum(e, axis=axis, keepdims=True)

    def sigmoid(self, x):
        """1 / (1 + exp(−x)), as it does not overflow."""
        e = exp(mx.where(x > 0, -x, x))
        return mx.where(x > 0, 1 / (1 + e), e / (1 + e))

    def stop_gradient(self, x):
        """The same numbers."""
        return mx.stop_gradient(x)

    def differentiate(self, run):
        """By vector-Jacobian products alone."""
        return differentiate_by_vjp(vjp, run, self)

    def through(self, x, pull, *held):
        """The array, and on the way back what `pull` gives, checked, in its type."""

        @mx.custom_function
        def same(x):
            return x

        @same.vjp
        def _(_primals, g, _output):
            held_still = [mx.stop_gradient(h) for h in held]
            return checked_cotangent(self, pull(g, *held_still), g).astype(g.dtype)

        return same(x)


BACKEND = MlxBackend()
