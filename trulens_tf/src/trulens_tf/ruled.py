"""The values at a model's cuts by rules of the backward pass.

The model is evaluated as it is, into the graph of the step. What leads there from the tapped
values to the wanted ones is then emitted once more, each operation by its rule.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from trulens_core.backends import Tap
from trulens_core.errors import UncoveredOperationError
from trulens_core.rules import Applied
from trulens_core.rules.evaluated import evaluated
from trulens_core.rules.planned import Plan
from trulens_core.slices import Cut
from trulens_tf.flat import flatten

Forward = Callable[..., list[list[tf.Tensor]]]


def by_rules(
    forward: Forward,
    taps: Mapping[Cut, Tap],
    rules: Applied,
    layer: Callable[[Any], str],
    at: Callable[[tf.Tensor], tf.Tensor] = lambda t: t,
) -> list[list[tf.Tensor]]:
    """The values at wanted cuts.

    Args:
        forward: evaluates the model with the taps that it is given as `tap`.
        taps: by cut.
        rules: those of the evaluation.
        layer: the name of the layer that an operation of the graph is of.
        at: what a tapped tensor is evaluated for, where that is not the tensor itself.
    """
    if tf.executing_eagerly():
        raise UncoveredOperationError(
            "rules of the backward pass see TensorFlow's operations in a graph only; explain the "
            "model by a method, whose steps are traced"
        )
    sources: list[tf.Tensor] = []

    def noted(tap: Tap, z: list[tf.Tensor]) -> list[tf.Tensor]:
        new = [rules.backend.leaf(t) for t in z] if rules.recording else tap(z)  # type: ignore[attr-defined]
        sources.extend(new)
        return new

    found = forward(tap={cut: functools.partial(noted, tap) for cut, tap in taps.items()})
    flat = flatten(sources, [t for ts in found for t in ts], layer, rules.merge)
    plan = Plan(flat, flat.inputs, lambda _: False, rules.stops)
    if rules.merge:
        rules.left(plan.merge(lambda _: False))
    outputs: Iterator[tf.Tensor] = iter(evaluated(plan, [at(t) for t in sources], rules))
    return [[next(outputs) for _ in ts] for ts in found]
