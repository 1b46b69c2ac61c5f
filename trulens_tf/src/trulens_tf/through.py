"""A tensor whose cotangent a function changes on the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trulens_core.backends import Backend, checked_cotangent

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

    def back(g: Any, like: tf.Tensor, known: Sequence[tf.Tensor]) -> tf.Tensor:
        g = dense(g, like)
        found = pull(g, *known)
        ranked = not backend.is_tensor(found) or None not in (found.shape.rank, g.shape.rank)
        found = checked_cotangent(backend, found, g) if ranked else found
        return tf.cast(_of_one_shape(found, g), g.dtype)

    def same(x: tf.Tensor, *known: tf.Tensor) -> Any:
        return _guarded(x), lambda g: (back(g, x, known), *[None] * len(known))

    whole = tf.custom_gradient(same)
    given = [tf.convert_to_tensor(x), *map(tf.stop_gradient, held)]
    if tf.inside_function():
        # TensorFlow never forgets such a gradient, nor its graph: so that is not the model's. In a
        # graph of TensorFlow 1 it is: a function there cannot be differentiated once it was run
        whole = tf.function(whole, autograph=False)
    found: tf.Tensor = whole(*given)
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
