"""Blocks of k points × b records as one graph, in which both numbers are open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optree
import tensorflow as tf

from trulens_core.backends import Backend, Gradients, Step, StepArguments, Want
from trulens_tf.compiling import Compiled


class TracedBlock:
    """A step over rows and all around it: the rows of the points before, their sum after.

    Done eagerly these take as long as one layer, and hold the gradients of all rows once more.

    Args:
        backend: TensorFlow.
        step: evaluates rows.
        want: see `Backend.blockwise`.
        jit_compile: whether XLA compiles the graph.
    """

    def __init__(
        self, backend: Backend, step: Step, want: frozenset[Want], jit_compile: bool
    ) -> None:
        self._backend, self._step, self._want = backend, step, want
        self._compiled = Compiled(self._block, jit_compile, axes=2)

    def __call__(self, arguments: StepArguments, weights: np.ndarray[Any, Any]) -> Gradients:
        """Evaluate a block."""
        got: Gradients = self._compiled(arguments, tf.convert_to_tensor(weights))
        return got

    def _block(self, a: StepArguments, weights: tf.Tensor) -> Gradients:
        k = tf.shape(weights)[0]
        got = self._step(of_rows(a, k))
        return Gradients(
            [_split(q, k) for q in got.quantities],
            [_split(z, k) for z in got.activations],
            [[self._combined(g, weights) for g in gs] for gs in got.gradients],
        )

    def _combined(self, gradient: tf.Tensor | None, weights: tf.Tensor) -> tf.Tensor | None:
        backend = self._backend
        if gradient is None:
            return None
        split = _split(backend.accumulator(gradient), tf.shape(weights)[0])
        return split if "points" in self._want else backend.weighted_sum(split, weights)


def folded(
    block: Callable[[Any, Any], Any], join: Callable[[Any, Any], Any], n: tf.Tensor, size: tf.Tensor
) -> Any:
    """What blocks give, see `Backend.folded`; a block begins when the one before is done."""
    first = tf.minimum(size, n)
    leaves: list[Any]
    leaves, structure = optree.tree_flatten(block(0, first))

    def turn(i: tf.Tensor, *held: tf.Tensor) -> tuple[Any, ...]:
        j = tf.minimum(i + size, n)
        new = optree.tree_leaves(join(structure.unflatten(held), block(i, j)))
        return (j, *map(_shaped, new, held))

    with tf.control_dependencies(leaves):  # else the second would not wait for the first
        begin = tf.identity(first)
    turns = tf.while_loop(lambda i, *_: i < n, turn, (begin, *leaves), parallel_iterations=1)
    return structure.unflatten(turns[1:])


def _shaped(x: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(x, like.shape)


def of_rows(a: StepArguments, k: tf.Tensor) -> StepArguments:
    """The arguments of a step over the rows of k points, in a graph."""
    return a._replace(
        points=[_merged(p) for p in a.points],
        batched=[_repeated(x, k) for x in a.batched],
        per_record=[_repeated(x, k) for x in a.per_record],
        multipliers=[_repeated(m, k) for m in a.multipliers],
    )


def _repeated(x: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
    return tf.tile(x, [k, *[1] * (len(x.shape) - 1)])


def _merged(x: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(x)  # an axis may be empty, so that no length can be left to TensorFlow
    rows = tf.reshape(x, tf.concat([[shape[0] * shape[1]], shape[2:]], axis=0))
    return tf.ensure_shape(rows, [None, *x.shape[2:]])


def _split(x: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(x)
    return tf.reshape(x, tf.concat([[k, shape[0] // k], shape[1:]], axis=0))
