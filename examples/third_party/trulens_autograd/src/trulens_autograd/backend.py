"""autograd's arrays and its gradient."""

from types import SimpleNamespace

import autograd.numpy as anp
import numpy as np
from autograd.core import VJPNode, add_outgrads, defvjp, primitive, toposort
from autograd.numpy.numpy_boxes import ArrayBox

from trulens_core import Backend
from trulens_core.backends import Gradients, checked_cotangent

TRACE = -0.5
"""autograd counts its traces from 0, for the whole process: ours is outside of all of them."""


def take_along_axis(x, indices, axis):
    """The elements of `x` at `indices` along `axis`."""
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
        "take": lambda x, i, axis: x[(slice(None),) * (axis % x.ndim) + (np.asarray(i),)],
        "take_along_axis": take_along_axis,
        "sum": add_up,
        "concat": lambda arrays, axis=0: anp.concatenate(arrays, axis=axis),
        "permute_dims": anp.transpose,
        "astype": lambda x, dtype: x.astype(dtype),
    }
)
"""autograd's NumPy under array-API names; what it lacks or cannot differentiate is added."""

pulled = primitive(lambda x, _: x)  # the array, whose gradient goes on as the function says
defvjp(pulled, lambda _y, _x, back: back)


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

    def through(self, x, pull, *held):
        """The array, and on the way back what `pull` gives, checked, in its type."""
        held = [self.stop_gradient(h) for h in held]
        return pulled(x, lambda g: checked_cotangent(self, pull(g, *held), g).astype(g.dtype))

    def differentiate(self, run):
        """One evaluation, recorded from the tap on, which is then walked back."""
        boxes = []

        def tap(z):
            new = [t + -0.0 if isinstance(t, ArrayBox) else recorded(t) for t in z]
            boxes.extend(new)
            return new

        quantities = run(tap)
        plain = [[self.stop_gradient(t) for t in ts] for ts in (quantities, boxes)]
        return Gradients(*plain, [_pulled_back(q, boxes) for q in quantities])


def recorded(x):
    """The array, with a record of what is computed from it."""
    return ArrayBox(x, TRACE, VJPNode.new_root())


def _pulled_back(quantity, boxes):
    """The gradients of Σ quantity at the boxes; None where it does not depend on one."""
    if not isinstance(quantity, ArrayBox):
        return [None] * len(boxes)
    found = {quantity._node: (np.ones_like(quantity._value), False)}
    for node in toposort(quantity._node):
        for parent, gradient in zip(node.parents, node.vjp(found[node][0]), strict=True):
            found[parent] = add_outgrads(found.get(parent), gradient)
    return [found[box._node][0] if box._node in found else None for box in boxes]


BACKEND = AutogradBackend()
