"""A program evaluated by rules of the backward pass."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax

from trulens_core.backends import Tap
from trulens_core.rules import Applied
from trulens_core.rules.evaluated import evaluated
from trulens_core.rules.planned import Plan
from trulens_core.slices import Cut
from trulens_jax.flat import flatten


def after_taps(
    forward: Callable[..., list[list[Any]]], taps: Mapping[Cut, Tap], rules: Applied
) -> list[list[Any]]:
    """The values at wanted cuts of a model that runs on JAX but is no program: it is made one.

    What comes after the tapped values is traced as a function of these.

    Args:
        forward: evaluates the model with the taps that it is given as `tap`.
        taps: by cut.
        rules: those of the evaluation.
    """
    seen: list[list[Any]] = []

    def note(tap: Tap, z: list[Any]) -> list[Any]:
        seen.append(tap(z))
        return seen[-1]

    forward(tap={cut: functools.partial(note, tap) for cut, tap in taps.items()})
    tapped = [z for zs in seen for z in zs]
    sizes: list[int] = []

    def after(values: list[Any]) -> list[Any]:
        rest = iter(values)

        def given(z: list[Any]) -> list[Any]:
            return [next(rest) for _ in z]

        found = forward(tap=dict.fromkeys(taps, given))
        sizes[:] = [len(ts) for ts in found]
        return [t for ts in found for t in ts]

    closed = jax.make_jaxpr(after)(tapped)
    flat = flatten(closed.jaxpr, closed.consts)
    plan = Plan(flat, flat.inputs, lambda _: False, rules.stops)
    if rules.merge:
        rules.left(plan.merge(lambda _: False))
    outputs = iter(evaluated(plan, tapped, rules))
    return [[next(outputs) for _ in range(n)] for n in sizes]
