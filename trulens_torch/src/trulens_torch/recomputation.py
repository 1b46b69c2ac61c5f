"""Parts of a model that are computed again in its backward pass (torch.utils.checkpoint)."""

from __future__ import annotations

from typing import Any

import torch

from trulens_core.errors import NotDifferentiableError
from trulens_core.passes import Place

ADVICE = "cut outside that part, or switch checkpointing off to explain"


class Again:
    """What went on from a layer in a pass, to go on from it again when it is computed again.

    Without it a recomputation would start from the unmodified value, and the gradient be that of
    neither.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._put: list[Any] = []

    def put(self, value: Any) -> Any:
        """`value`, which goes on now."""
        self._put.append(value)
        return value

    def value(self) -> Any:
        """What goes on in a call that is not the pass's; None, what comes, unless in a backward."""
        if torch._C._current_graph_task_id() == -1:  # as torch.utils.checkpoint tells it
            return None
        if len(self._put) > 1:
            raise NotDifferentiableError(
                f"the layer {self._place[0]!r} is called {len(self._put)} times in a part of the "
                "model that its backward pass computes again (torch.utils.checkpoint), and it "
                f"cannot be told which call it is; {ADVICE}"
            )
        return self._put[0] if self._put else None
