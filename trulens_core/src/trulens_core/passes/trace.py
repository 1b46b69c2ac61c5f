"""What an evaluation leaves behind in a model, where it leaves anything."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator


@dataclasses.dataclass
class Trace:
    """What an evaluation that was put aside did to the model.

    Attributes:
        drew: whether it drew random numbers, so that no two evaluations can be compared.
        wrote: whether it wrote what a later evaluation may read.
        chose: whether values told which places it took or wrote.
    """

    drew: bool = False
    wrote: bool = False
    chose: bool = False


@contextlib.contextmanager
def aside(context: contextlib.AbstractContextManager[object]) -> Iterator[Trace]:
    """`CutModel.aside` by a context that puts back, of a model that is not watched besides."""
    with context:
        yield Trace(wrote=True)  # as it may have
