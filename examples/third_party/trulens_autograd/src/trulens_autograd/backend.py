"""autograd's arrays and its gradient."""

from types import SimpleNamespace

import autograd.numpy as anp
import numpy as np
from autograd.core import VJPNode, backward_pass
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.tracer import trace

from trulens_core import Backend
from trulens_core.backends import Gradients


def take(x, indices, axis):
    """The slices of `x` at `indices` along `axis`; autograd differentiates indexing."""
    return x[(slice(None),) * (axis % x.ndim) + (np.asarray(indices),)]


def take_along_axis(x, indices, axis):
    """The elements of `x` at `indices` along `axis`."""
    axis %= x.ndim
    place = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    place[axis] = np.asarray(indices)
    return x[tuple(place)]


class _Namespace(SimpleNamespace):
    """autograd's NumPy under array-API names; what it lacks or cannot differentiate is given."""

    def __getattr__(self, name):
        return getattr(anp, name)


XP = _Namespace(
    take=take,
    take_along_axis=take_along_axis,
    concat=lambda arrays, axis=0: anp.concatenate(arrays, axis=axis),
    permute_dims=anp.transpose,
    astype=lambda x, dtype: x.astype(dtype),
    unstack=lambda x, axis=0: tuple(take(x, i, axis) for i in range(x.shape[axis])),
)


class AutogradBackend(Backend):
    """HIPS autograd: NumPy with reverse-mode derivatives."""

    name = "autograd"
    xp = XP

    def is_tensor(self, x):
        """Arrays, and arrays that are being differentiated."""
        return isinstance(x, np.ndarray | ArrayBox)

    def to_numpy(self, x):
        """A copy."""
        return np.array(x)

    def from_numpy(self, a, like=None):
        """The array itself, in the floating type of `like`."""
        if a.dtype.kind not in "fiubc":
            raise TypeError(f"has dtype {a.dtype}; autograd differentiates numbers")
        return a.astype(like.dtype, copy=False) if like is not None and a.dtype.kind == "f" else a

    def softmax(self, x, axis):
        """exp(x) / Σ exp(x)."""
        e = anp.exp(x - self.stop_gradient(anp.max(x, axis=axis, keepdims=True)))
        return e / anp.sum(e, axis=axis, keepdims=True)

    def sigmoid(self, x):
        """1 / (1 + exp(−x)), without overflow."""
        return anp.exp(-anp.logaddexp(0.0, -x))

    def stop_gradient(self, x):
        """The array inside the box."""
        while isinstance(x, ArrayBox):
            x = x._value
        return x

    def differentiate(self, run):
        """One evaluation for the values, then one for each quantity and tensor."""
        z = []

        def record(values):
            z.extend(values)
            return values

        quantities = run(record)

        def gradient(i, j):
            def quantity(t):
                rest = iter([*z[:j], t, *z[j + 1 :]])
                return anp.sum(run(lambda values: [next(rest) for _ in values])[i])

            value, end = trace(VJPNode.new_root(), quantity, z[j])
            return None if end is None else backward_pass(np.ones_like(value), end)

        return Gradients(
            quantities,
            z,
            [[gradient(i, j) for j in range(len(z))] for i in range(len(quantities))],
        )


BACKEND = AutogradBackend()
