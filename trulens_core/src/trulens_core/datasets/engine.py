"""Who explains the batches: this process, or others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from trulens_core.datasets.beside import ahead
from trulens_core.datasets.sources import Batch
from trulens_core.datasets.work import Explained, Work


class Engine(ABC):
    """Explains batches, in any order, each once."""

    @abstractmethod
    def explained(self, work: Work, batches: Iterator[Batch]) -> Iterator[Explained]:
        """What comes of the batches.

        Args:
            work: what is done with each.
            batches: those that are needed; they are taken as the work goes on.
        """


class Local(Engine):
    """This process, one batch after the other; the next ones are read meanwhile.

    Args:
        prefetch: how many batches are read before they are needed; 0: none, by no thread.

    Example:
        >>> Local(prefetch=4).prefetch
        4
    """

    def __init__(self, prefetch: int = 2) -> None:
        self.prefetch: int = prefetch

    def explained(self, work: Work, batches: Iterator[Batch]) -> Iterator[Explained]:
        read = ((batch, batch.read()) for batch in batches)
        for batch, records in ahead(read, self.prefetch):
            yield work.of(batch, records)
