"""Records of a run a block at a time, which is all that numbers over all records need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from trulens_core.datasets.keep import PLACES
from trulens_core.results.arrays import Array
from trulens_core.results.tables import by_channel


class Block(NamedTuple):
    """Records that follow one another, those that failed left out; arrays by name."""

    numbers: Array
    columns: dict[str, Array]


class Blocks(Protocol):
    """What a run is here."""

    def blocks(self, *names: str) -> Iterator[Block]:
        """The records, a block at a time."""

    @property
    def arrays(self) -> Mapping[str, Any]:
        """The arrays by name."""

    @property
    def attributed(self) -> list[str]:
        """The names of those of attributions."""

    @property
    def names(self) -> Mapping[str, Any]:
        """Of features, classes and so on."""

    @property
    def channel_axis(self) -> int | None:
        """That of channels."""


def wanted(run: Blocks, *others: str) -> list[str]:
    """The arrays of attributions, where in a record they are, and others.

    Raises:
        KeyError: for one that the run does not have.
    """
    for name in others:
        if name not in run.arrays:
            hint = "; give labels= to explain_dataset" if name == "label" else ""
            raise KeyError(f"the run has no {name}{hint}")
    places = [n for n in run.arrays if n.endswith(PLACES)]
    return [*run.attributed, *places, *others]


def per_unit(run: Blocks, block: Block) -> Array:
    """Attributions of one array, (records, units), added up over a channel's places.

    Raises:
        ValueError: for a run of several arrays.
    """
    if len(run.attributed) != 1:
        raise ValueError(
            f"the run has the attributions {', '.join(run.attributed)}, and units are of one array"
        )
    x = block.columns[run.attributed[0]].astype("float64")
    if x.ndim <= 2:
        return x.reshape(len(x), -1)
    axis = run.channel_axis
    if x.ndim == 3 or axis is None:
        axis = x.ndim - 1
    return np.asarray(by_channel(x, axis % x.ndim))


def of_class(block: Block, by: str, cl: int | None) -> Array:
    """Which records of a block are of a class."""
    n = len(block.numbers)
    return np.ones(n, bool) if cl is None else np.asarray(block.columns[by] == cl)
