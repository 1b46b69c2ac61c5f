"""The fields of an explained generation, which `GenerationResult` says more of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from trulens_core.text.spans import Spans
from trulens_core.text.tokens import Tokens

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class GenerationFields:
    """What an explained generation holds: see `GenerationResult`."""

    inputs: Tokens
    outputs: Tokens
    attributions: Array
    targets: Spans
    sources: Spans
    quantity: Array | None = None
    baseline_quantity: Array | None = None
    residual: Array | None = None
    held: Array | None = None
    method: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    removal: str | None = None
    standard_error: Array | None = None

    # -- what it is of ------------------------------------------------------------------------

    @property
    def n_prompt(self) -> int:
        """How many columns are of the prompt."""
        return sum(1 for a, _ in self.sources if a < len(self.inputs))

    @property
    def text(self) -> Tokens:
        """Prompt and continuation."""
        return self.inputs + self.outputs

    @property
    def inputs_shown(self) -> list[str]:
        """What each column of the prompt says."""
        return self._sources()[: self.n_prompt]

    @property
    def outputs_shown(self) -> list[str]:
        """What each target says."""
        pieces = self.outputs.pieces
        return ["".join(pieces[a:b]) for a, b in self.targets]

    def _sources(self) -> list[str]:
        pieces = self.text.pieces
        return ["".join(pieces[a:b]) for a, b in self.sources]

    def __len__(self) -> int:
        return len(self.targets)
