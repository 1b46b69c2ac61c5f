"""A step in two graphs: to the values at the target cut, and from their cotangents back.

What stands between them is evaluated eagerly, by whoever calls. The second graph evaluates the
model again: a graph cannot go on from where another one ended. Where that may give other values, as
of a model that draws random numbers, the first says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from trulens_core.backends import BlockStep, Gradients, Halves, StepArguments, Tap, Want
from trulens_core.cache import StepCache
from trulens_tf.repeatable import repeatable

if TYPE_CHECKING:
    from trulens_tf.backend import TensorFlowBackend

Run = Callable[[StepArguments, Tap], list[tf.Tensor]]
"""Evaluates rows with the tap at the source cut, up to the target cut."""

_KEPT = 16


class TwoGraphs:
    """See `Backend.halves`.

    Args:
        backend: TensorFlow, or a session of it.
        run: the model's part of the step.
        want: what is wanted of the gradients.
    """

    def __init__(self, backend: TensorFlowBackend, run: Run, want: frozenset[Want]) -> None:
        self._backend, self._run, self._want = backend, run, want
        self._first = backend.rowwise(self._values)
        self._second = StepCache(_KEPT)
        self._repeatable = True

    def __call__(self, a: StepArguments) -> Halves:
        """The first half, and the second as a function."""
        k = int(a.points[0].shape[0]) if a.points else 1
        got = self._first(a, k)
        activations = [self._backend.split_points(z, k) for z in got.activations]

        def pull(
            cotangents: list[tf.Tensor | None], weights: np.ndarray[Any, Any]
        ) -> list[tf.Tensor | None]:
            given = tuple([c is not None for c in cotangents])
            back: BlockStep = self._second.get(given, lambda: self._back(given))
            known = [c for c in cotangents if c is not None]
            return back(a._replace(cotangents=known), weights).gradients[0]

        return Halves(got.quantities, activations, pull, self._repeatable)

    def _values(self, a: StepArguments) -> Gradients:
        leaves: list[tf.Tensor] = []
        values = [_of_graph(v) for v in self._run(a, self._backend.tap(leaves))]
        self._repeatable = self._repeatable and repeatable(values)
        return Gradients(values, leaves, [])

    def _back(self, given: tuple[bool, ...]) -> BlockStep:
        """The second half for cotangents of some values: which are reached depends on which."""

        def step(a: StepArguments) -> Gradients:
            leaves: list[tf.Tensor] = []
            values = [_of_graph(v) for v in self._run(a, self._backend.tap(leaves))]
            some = [v for v, known in zip(values, given, strict=True) if known]
            cotangents = [tf.cast(c, v.dtype) for c, v in zip(a.cotangents, some, strict=True)]
            return Gradients([], [], [self._backend.pulled(some, leaves, cotangents)])

        return self._backend.blockwise(step, self._want)


def _of_graph(x: tf.Tensor) -> tf.Tensor:
    """`x` as a tensor of the graph, which a variable or a constant in a value is not."""
    return x if tf.is_symbolic_tensor(x) else tf.identity(x)
