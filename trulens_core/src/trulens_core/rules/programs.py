"""A program as one list of operations, whatever framework it was traced by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Key = int
"""A value of a program."""


class Shaped(NamedTuple):
    """What is known of a value before it is computed.

    Attributes:
        shape: its lengths, None those that are open; None where not even their number is known.
        floating: whether it may carry a derivative.
    """

    shape: tuple[int | None, ...] | None
    floating: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """A primitive of a program.

    Attributes:
        name: its name, one of those of `trulens_core.rules.planned` where it does what that says.
        run: it, of the values of `ins`.
        ins: the values that it reads.
        outs: those that it gives.
        avals: what is known of these.
        site: the tap that it is, if it is one.
        layer: the layer that runs it.
        kind: asked for the kind of operation that it is of one value that depends on the source,
            where its name does not tell.
        channels: of a linear operation, by the place of its weights, the axis of the channels in
            what it gives and their axes in the weights; of a normalisation, of no weights.
    """

    name: str
    run: Callable[..., list[Any]]
    ins: Sequence[Key]
    outs: Sequence[Key]
    avals: Sequence[Shaped]
    site: Any = None
    layer: str = ""
    kind: Callable[[], str] | None = None
    channels: Mapping[int, tuple[int, Sequence[int]]] = dataclasses.field(default_factory=dict)

    @property
    def floats(self) -> list[Key]:
        """What it gives that may carry a derivative."""
        return [k for k, a in zip(self.outs, self.avals, strict=True) if a.floating]


@dataclasses.dataclass(frozen=True, eq=False)
class Flat:
    """A program.

    Attributes:
        nodes: its primitives, in order.
        inputs: values that are given.
        outputs: values that it gives.
        constants: values that are known.
        static: a constant as an array, where it is known while the program is planned.
    """

    nodes: Sequence[Node]
    inputs: Sequence[Key]
    outputs: Sequence[Key]
    constants: Mapping[Key, Any]
    static: Callable[[Any], Any] = np.asarray
