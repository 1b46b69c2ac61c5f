"""Attributions that can be differentiated: what may be asked for, and of whom."""

from __future__ import annotations

import dataclasses
from typing import Any

from trulens_core.distributions import DoI
from trulens_core.influence.questions import Question


def in_graph(question: Question) -> Question:
    """The question, of a model whose answers stay in the graph of its weights and inputs.

    Raises:
        ValueError: for what is no derivative of the model, for a number of points that is found on
            the way, and for a baseline through which nothing can be differentiated.
        UnsupportedModelError: of a model on a framework that does not serve it.
    """
    if not question.statistic.gradients:
        raise ValueError(
            "differentiable=True is for methods of gradients; this one evaluates the model for "
            "masks, and what it gives has no derivative"
        )
    if question.rules is not None:
        raise ValueError(
            "differentiable=True and rules= do not go together: what rules pass back is no "
            "derivative of the model, and has none of its own"
        )
    if question.tolerance is not None:
        raise ValueError(
            "differentiable=True takes a number of points, and not tolerance=, which chooses it "
            "by what it finds; give resolution="
        )
    for baseline in _baselines(question.doi):
        if getattr(baseline, "stops_gradient", False):
            raise ValueError(
                f"differentiable=True: the baseline {baseline!r} is computed outside of the graph, "
                "so that its own derivative would be missing; give a function of the framework's "
                "operations, or its value for these records as a constant, baseline=tensor"
            )
    return dataclasses.replace(question, wrapper=question.wrapper.keeping_graph())


def _baselines(doi: DoI) -> list[Any]:
    """The baselines that a distribution was given, as far as it tells."""
    return [getattr(member, "_baseline", None) for member in doi.members()]
