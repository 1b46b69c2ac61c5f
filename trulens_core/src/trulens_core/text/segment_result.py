"""What the parts of a prompt did for an answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trulens_core.text.agreement import Agreement, agreement
from trulens_core.text.kept import KeptText, same_kind, shaped
from trulens_core.text.tokens import Tokens

Array = np.ndarray[Any, Any]


class Segment(NamedTuple):
    """One part of a prompt and its number."""

    text: str
    value: float


@dataclasses.dataclass(frozen=True, eq=False)
class SegmentsResult(KeptText):
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
        fingerprints: of weights and texts, and the versions, from the file it was loaded from.

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

    _KIND = "segments"
    _TEXTS = "prompt", "answer"

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

        Raises:
            TypeError: where one is given, and no list.
        """
        if isinstance(parts, str | int):
            raise TypeError(f"share takes a list of segments; give [{parts!r}]")
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

    def to_html(self, path: str | Path, title: str = "What the parts of the prompt did") -> None:
        """Write one HTML file, to be explored by mouse and keyboard; it fetches nothing.

        The prompt is shown with its parts coloured, and beside it the parts with their numbers,
        the strongest first; a token of the answer that is pointed at shows its own.

        Args:
            path: of the file, which is written whole or not at all.
            title: of the page.
        """
        from trulens_core.visualizations import segments_page, text_pages  # only when shown

        text_pages.put(path, segments_page.fragment(self), title)

    def _repr_html_(self) -> str:
        from trulens_core.visualizations import segments_page  # only when shown

        return segments_page.fragment(self)

    # -- two results -------------------------------------------------------------------------

    def __sub__(self, other: SegmentsResult) -> SegmentsResult:
        """The difference of two results of the same parts."""
        if not isinstance(other, SegmentsResult):
            return NotImplemented
        self._check_alike(other)

        def less(a: Array | None, b: Array | None) -> Any:
            return None if a is None or b is None else a - b

        return dataclasses.replace(
            self,
            attributions=self.attributions - other.attributions,
            quantity=self.quantity - other.quantity,
            baseline_quantity=less(self.baseline_quantity, other.baseline_quantity),
            residual=less(self.residual, other.residual),
            standard_error=None,
            asked=f"{self.asked} less {other.asked}" if self.asked != other.asked else self.asked,
            method=self.method if self.method == other.method else f"{self.method}, {other.method}",
            fingerprints=None,
        )

    def agreement(self, other: SegmentsResult) -> Agreement:
        """How alike another result of the same parts is: of another method, or removal."""
        same_kind(self, other)
        self._check_alike(other)
        return agreement(self.rows(), other.rows())

    def rows(self) -> Array:
        """The numbers as (targets, segments); one row where the whole answer was asked about."""
        return np.atleast_2d(self.attributions)

    def _check_alike(self, other: SegmentsResult) -> None:
        same = (self.prompt.text, self.spans) == (other.prompt.text, other.spans)
        if not same or self.attributions.shape != other.attributions.shape:
            raise ValueError("the two results are of different prompts, parts or targets")

    # -- kept --------------------------------------------------------------------------------

    def _check(self) -> None:
        rows, n = self.rows(), len(self.segments)
        targets = self.attributions.shape[:-1]
        shaped("attributions", self.attributions, (*targets, n))
        if rows.ndim != 2 or len(self.spans) != n:
            raise ValueError(f"{n} segments have {len(self.spans)} places")
        for name in ("quantity", "baseline_quantity", "residual"):
            if getattr(self, name) is not None:
                shaped(name, getattr(self, name), targets, (len(rows),))
        if self.standard_error is not None:
            shaped("standard_error", self.standard_error, self.attributions.shape)

    def _columns(self) -> Mapping[str, Any]:
        targets, at = np.indices(self.rows().shape).reshape(2, -1)
        found: dict[str, Any] = {} if self.attributions.ndim == 1 else {"target": targets}
        found |= {
            "segment": [self.segments[i] for i in at],
            "start": [self.spans[i][0] for i in at],
            "end": [self.spans[i][1] for i in at],
            "attribution": self.attributions.reshape(-1),
        }
        if self.standard_error is not None:
            found["standard_error"] = self.standard_error.reshape(-1)
        return found

    def _numbers(self) -> Mapping[str, Any]:
        def of_rows(values: Array | None) -> Array | None:
            return None if values is None else np.asarray(values).reshape(-1)

        error = self.standard_error
        return {
            "attributions": self.rows(),
            "quantity": of_rows(self.quantity),
            "baseline_quantity": of_rows(self.baseline_quantity),
            "residual": of_rows(self.residual),
            "standard_error": None if error is None else np.atleast_2d(error),
            "names": {"features": list(self.segments)},
        }

    def _method(self) -> Mapping[str, Any]:
        how = f"{self.method}, {self.removal} by {self.removed_by}"
        return {"name": "explain_segments", "text": f"explain_segments: {self.asked}, {how}"}

    def _lines(self, most: int) -> Iterator[str]:
        yield f"{self.asked}: {float(np.sum(self.quantity)):.4g}"
        yield f"{self.method}, {self.removal} by {self.removed_by}"
        for text, value in self.top(most):
            yield f"{value:+10.4f}  {text}"

    def __str__(self) -> str:
        return "\n".join(self._lines(12))

    def __repr__(self) -> str:
        return f"SegmentsResult({len(self)} segments, {self.method}, removal={self.removal!r})"
