"""What the parts of a prompt did for an answer."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from trulens_core.text.tokens import Tokens

Array = np.ndarray[Any, Any]


class Segment(NamedTuple):
    """One part of a prompt and its number."""

    text: str
    value: float


@dataclasses.dataclass(frozen=True, eq=False)
class SegmentsResult:
    """What the parts of a prompt did for an answer.

    Attributes:
        attributions: (segments,), or (targets, segments) where each token of the answer was asked
            about by itself.
        segments: what each part says.
        spans: where each stands in the prompt's text.
        prompt: its tokens.
        answer: the tokens of the answer; none where what follows was asked about.
        quantity: with all segments, a number, or one per target.
        baseline_quantity: with none of them.
        residual: what the attributions miss of the difference; None where the method promises
            nothing.
        standard_error: of the attributions; None where nothing was drawn.
        removal: what was asked for, as "delete".
        removed_by: how that was done: by an attention mask, or by shorter texts.
        method: "leave_one_out", "shapley", "kernel_shap" or "lime".
        n_evaluations: how many texts were read.
        asked: the quantity in words.

    Example:
        >>> nothing = Tokens.of_ids([])
        >>> parts = ("it rains", "it is May")
        >>> ends = dict(quantity=np.array(2.0), baseline_quantity=None, residual=None)
        >>> r = SegmentsResult(
        ...     np.array([1.5, 0.5]), parts, ((0, 8), (8, 18)), nothing, nothing, **ends
        ... )
        >>> r["rains"], r.top(1)[0].text, r.share(["it rains"])
        (1.5, 'it rains', 0.75)
    """

    attributions: Array
    segments: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    prompt: Tokens
    answer: Tokens
    quantity: Array
    baseline_quantity: Array | None
    residual: Array | None
    standard_error: Array | None = None
    removal: str = "delete"
    removed_by: str = ""
    method: str = "leave_one_out"
    n_evaluations: int = 0
    asked: str = ""

    def __len__(self) -> int:
        return len(self.segments)

    def total(self) -> Array:
        """The sum over targets, (segments,)."""
        a = self.attributions
        return np.asarray(a if a.ndim == 1 else a.sum(axis=0))

    def __getitem__(self, part: str | int) -> float:
        """The number of the one segment that has this text in it, or of this place.

        Raises:
            KeyError: where none, or several, have it.
        """
        if not isinstance(part, str):
            return float(self.total()[part])
        equal = [i for i, s in enumerate(self.segments) if s == part.strip()]
        found = equal or [i for i, s in enumerate(self.segments) if part in s]
        if len(found) != 1:
            raise KeyError(f"{len(found)} segments have {part!r} in them; give its place")
        return float(self.total()[found[0]])

    def top(self, k: int = 10) -> list[Segment]:
        """The segments with the largest numbers, by size."""
        values = self.total()
        order = np.argsort(-np.abs(values), kind="stable")[:k]
        return [Segment(self.segments[i], float(values[i])) for i in order.tolist()]

    def share(self, parts: Any) -> float:
        """The part that some segments have of all numbers' sizes.

        Args:
            parts: their texts, or places.
        """
        sizes = np.abs(self.total())
        at = [i for i, s in enumerate(self.segments) if s in parts or i in parts]
        return float(sizes[at].sum() / max(float(sizes.sum()), 1e-300))

    def plot(self, *, fig: Any = None, ax: Any = None, most: int = 20) -> Any:
        """Segments as bars, the strongest on top (extra `viz`).

        Args:
            fig: a figure of the caller's to draw on, or a part of one.
            ax: axes of the caller's.
            most: how many bars there is room for; what is left over is one.

        Returns:
            The figure.

        Raises:
            ImportError: where matplotlib is not installed.
        """
        from trulens_core.visualizations.patching import segment_bars

        return segment_bars(self, fig=fig, ax=ax, most=most)

    def __str__(self) -> str:
        how = f"{self.method}, {self.removal} by {self.removed_by}"
        lines = [f"{self.asked}: {float(np.sum(self.quantity)):.4g}", how]
        lines += [f"{value:+10.4f}  {text}" for text, value in self.top(12)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"SegmentsResult({len(self)} segments, {self.method}, removal={self.removal!r})"
