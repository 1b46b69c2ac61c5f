"""A tensor whose cotangent a function changes on the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trulens_core.backends import Backend
from trulens_core.cotangents import checked

_LOST = (
    "`through` of trulens: TensorFlow has lost what changes this gradient, as tf.vectorized_map "
    "does when it is differentiated from outside; differentiate inside it, or take tf.map_fn"
)


def through(
    backend: Backend, x: tf.Tensor, pull: Callable[..., tf.Tensor], held: Sequence[tf.Tensor]
) -> tf.Tensor:
    """See `Backend.through`.

    Inside `tf.vectorized_map` it works where the gradient is taken inside too, else it raises. So
    does one that holds tensors in a graph that was imported: they are those of the other graph.
    """
    x = tf.convert_to_tensor(x)
    known = [tf.stop_gradient(h) for h in held]

    def back(g: Any) -> tf.Tensor:
        g = dense(g, x)
        found = pull(g, *known)
        ranked = not backend.is_tensor(found) or None not in (found.shape.rank, g.shape.rank)
        found = checked(backend, found, g) if ranked else found
        return tf.cast(_of_one_shape(found, g), g.dtype)

    found: tf.Tensor = tf.custom_gradient(lambda x: (_guarded(x), back))(x)
    return found


def _guarded(x: tf.Tensor) -> tf.Tensor:
    """`x`, by an operation that no gradient goes through unless TensorFlow has lost `back`.

    `tf.vectorized_map` does, and would pass the cotangent as it is.
    """
    guarded: tf.Tensor = tf.raw_ops.PreventGradient(input=x, message=_LOST)
    return guarded


def _of_one_shape(x: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
    """`x`; where lengths are open, it fails when it is computed with others than those of `g`."""
    if x.shape.is_fully_defined() and g.shape.is_fully_defined():
        return x
    message = "through: `pull` gave a tensor of another shape than that of the cotangent and of `x`"
    with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(x), tf.shape(g), message)]):
        return tf.identity(x)


def dense(gradient: Any, like: tf.Tensor) -> Any:
    """A gradient as a tensor; of rows that were gathered it comes as their sum."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    return tf.math.unsorted_segment_sum(
        gradient.values, gradient.indices, tf.shape(like, out_type=gradient.indices.dtype)[0]
    )
