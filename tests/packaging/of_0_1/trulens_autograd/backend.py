"""autograd's arrays and its gradient."""

from types import SimpleNamespace

import autograd.numpy as anp
import numpy as np
from autograd.core import VJPNode, add_outgrads
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.util import toposort

from trulens_core import Backend
from trulens_core.backends import Gradients

TRACE = -0.5
"""autograd counts its traces from 0, for the whole process: ours is outside of all of them."""


def take(x, indices, axis):
    """The slices of `x` at `indices` along `axis`; autograd differentiates indexing."""
    return x[(slice(None),) * (axis % x.ndim) + (np.asarray(indices),)]


def take_along_axis(x, indices, axis):
    """The elements of `x` at `indices` along `axis`."""
    axis %= x.ndim
    place = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    place[axis] = np.asarray(indices)
    return x[tuple(place)]


def add_up(x, axis=None, keepdims=False):
    """The sum; of everything it is an array, where NumPy gives a number."""
    total = anp.sum(x, axis=axis, keepdims=True)
    return total if keepdims else anp.squeeze(total, axis=axis)


XP = SimpleNamespace(
    **vars(anp)
    | {
        "take": take,
        "take_along_axis": take_along_axis,
        "sum": add_up,
        "concat": lambda arrays, axis=0: anp.concatenate(arrays, axis=axis),
        "permute_dims": anp.transpose,
        "astype": lambda x, dtype: x.astype(dtype),
    }
)
"""autograd's NumPy under array-API names; what it lacks or cannot differentiate is added."""


class AutogradBackend(Backend):
    """HIPS autograd: NumPy with reverse-mode derivatives."""

    name = "autograd"
    xp = XP
    channel_axis = 1

    def is_tensor(self, x):
        """Arrays of real numbers, and those that are being differentiated."""
        return isinstance(x, ArrayBox) or (isinstance(x, np.ndarray) and x.dtype.kind in "fiub")

    def to_numpy(self, x):
        """A copy."""
        return np.array(x)

    def from_numpy(self, a, like=None):
        """The array, no subclass of it, in the floating type of `like`."""
        if not self.is_tensor(a):
            raise TypeError(f"has dtype {a.dtype}; autograd differentiates real numbers")
        floating = like is not None and a.dtype.kind == "f"
        return np.asarray(a, like.dtype if floating else a.dtype.newbyteorder("="))

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
        """One evaluation, recorded from the tap on, which is then walked back."""
        values, roots = [], []

        def tap(z):
            new = [(self.stop_gradient(t), VJPNode.new_root()) for t in z]
            values.extend(t for t, _ in new)
            roots.extend(root for _, root in new)
            return [ArrayBox(t, TRACE, root) for t, root in new]

        quantities = run(tap)
        plain = [self.stop_gradient(q) for q in quantities]
        return Gradients(plain, values, [_pulled_back(q, roots) for q in quantities])


def _pulled_back(quantity, roots):
    """The gradients of Σ quantity at the roots; None where it does not depend on one."""
    if not isinstance(quantity, ArrayBox):
        return [None] * len(roots)
    found = {quantity._node: (np.ones_like(quantity._value), False)}
    for node in toposort(quantity._node):
        for parent, gradient in zip(node.parents, node.vjp(found[node][0]), strict=True):
            found[parent] = add_outgrads(found.get(parent), gradient)
    return [found[root][0] if root in found else None for root in roots]


BACKEND = AutogradBackend()
