"""What a kind of segments is: a recipe for the regions of a value's records."""

from __future__ import annotations

from abc import ABC, abstractmethod

from trulens_core.segments.axes import Value
from trulens_core.segments.regions import Regions


class Recipe(ABC):
    """A kind of segments with its choices. It never changes, and equals one of the same choices."""

    @abstractmethod
    def regions(self, value: Value) -> tuple[Regions, ...]:
        """The regions of each record of a value; the same object where they are the same."""
