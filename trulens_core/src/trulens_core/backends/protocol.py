"""What core and a framework's backend hand each other: tensors, taps, steps and what they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

Tensor = Any
"""A tensor of any framework."""


class Tap(Protocol):
    """Where `Backend.differentiate` takes hold of the value at the source cut.

    `tap(z)` is called with the tensors at the cut and returns those that go on.
    """

    def __call__(self, z: list[Tensor], /) -> list[Tensor]:
        """The tensors that go on in place of `z`."""


class LoopTap(Tap, Protocol):
    """A tap that can be inside a loop, where it is called before the value is known."""

    def saw(self, z: list[Tensor], /, first: int = 0) -> None:
        """Tell, after the call, what the tensors were; `first` counts those tapped before them."""


class OverwritingTap(Tap, Protocol):
    """A tap that can make do with the memory of the values that it is given."""

    def over(self, z: list[Tensor], /) -> list[Tensor]:
        """The same as a call, for tensors that nobody reads again.

        `Gradients.activations` then have the shapes of the values only.
        """


class Gradients(NamedTuple):
    """What one evaluation gives: of n quantities at a cut of t tensors.

    Attributes:
        quantities: n tensors of shape (rows,).
        activations: the t tensors at the source cut, (rows, …).
        gradients: n lists of t tensors shaped as the activations; None where unconnected. Each is
            the total derivative, through the others too where they are computed from it.

    Example:
        >>> q, z = np.ones(2), np.ones((2, 3))
        >>> Gradients([q], [z], [[z]]).gradients[0][0].shape
        (2, 3)
    """

    quantities: list[Tensor]
    activations: list[Tensor]
    gradients: list[list[Tensor | None]]


class StepArguments(NamedTuple):
    """The arguments of a step, all of them tensors (a tree that every framework can trace).

    Attributes:
        state: the model's weights where the framework wants them as arguments, else empty.
        points: the values that replace those at the cut of the distribution; none: no replacing.
        batched: the other input tensors that have a row per record.
        shared: the input tensors that belong to all records.
        per_record: the quantity's arrays with a row per record.
        scalars: the quantity's other arrays.
        cotangents: of the values at the target cut, in the second half of a step.
        multipliers: what gradients are multiplied with before they are contracted, (b, …).
    """

    state: Any
    points: list[Tensor]
    batched: list[Tensor]
    shared: list[Tensor]
    per_record: list[Tensor]
    scalars: list[Tensor]
    cotangents: Sequence[Tensor] = ()
    multipliers: Sequence[Tensor] = ()


class Halves(NamedTuple):
    """The first half of a step: k points × b records as far as the target cut.

    Attributes:
        values: the tensors at the target cut, k·b rows point by point. Where points are mapped
            over, each point's own, (k, b, …). Tensors without a row per record may be among them.
        activations: those at the source cut, (k, b, …), in the order of tapping.
        pull: the second half. Given a cotangent per value, in its shape or None, and the weights of
            the points, (k,) in NumPy, it gives the gradients at the source cut, as a `BlockStep`
            does; None where unconnected.
        joined: whether the second half is of the same values. Not so where it evaluates the model
            again and that may give others, as of one that draws random numbers.
    """

    values: list[Tensor]
    activations: list[Tensor]
    pull: Callable[[list[Tensor | None], np.ndarray[Any, Any]], list[Tensor | None]]
    joined: bool = True


class Unrepeatable(Exception):  # noqa: N818 - no error: the work is done step by step instead
    """A program draws random numbers, changes variables or runs Python."""


Step = Callable[[StepArguments], Gradients]
"""Evaluates rows: every tensor in `points`, `batched` and `per_record` has a row per row."""

Want = Literal["quantities", "activations", "points"]
BlockStep = Callable[[StepArguments, np.ndarray[Any, Any]], Gradients]
"""Evaluates k points × b records: `points` are (k, b, …), the rest has b rows, weights are (k,)."""
