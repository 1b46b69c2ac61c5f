"""What an explanation of a generated text gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trulens_core.text.agreement import Agreement, agreement
from trulens_core.text.fields import GenerationFields
from trulens_core.text.kept import KeptText, same_kind, shaped
from trulens_core.text.spans import Spans, spans_of
from trulens_core.text.tokens import Tokens

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class GenerationResult(KeptText, GenerationFields):
    """Numbers of a text's tokens for each token that a model wrote after it.

    Law: columns and rows of tokens that belong together add up (`by`, `total`), so that what is
    complete stays so.

    Attributes:
        inputs: the prompt.
        outputs: the continuation.
        attributions: (targets, sources): a row for each target, a column for each source.
        targets: the spans of `outputs` that rows explain.
        sources: the spans of prompt and continuation together that columns are.
        quantity: of each target, at the text.
        baseline_quantity: of each target, at the baseline; None where the method has none.
        residual: quantity − baseline quantity − the row's sum; None where that is not to be 0.
        held: which tokens of prompt and continuation kept their place, and have exactly 0.
        method: what was asked, as data.
        removal: how segments were taken out, where they were.
        standard_error: of the attributions, where points are drawn at random; None of sums, whose
            terms are drawn together.
        fingerprints: of weights and texts, and the versions, from the file it was loaded from.

    Example:
        >>> from trulens_core import explain_generation
        >>> from trulens_core.testing import small_writer
        >>> model, ids = small_writer()
        >>> r = explain_generation(model, None, ids, [3, 1], names=["It ", "is ", "so", "."])
        >>> r.total().attributions.shape, r.by("words").inputs_shown
        ((1, 6), ['It ', 'is ', 'so.'])
    """

    _KIND = "generation"
    _TEXTS = "inputs", "outputs"
    _APART = "fingerprints", "method"

    # -- views --------------------------------------------------------------------------------

    def __str__(self) -> str:
        return "\n".join(self._terminal().lines(self))

    def __repr__(self) -> str:
        rows, columns = self.attributions.shape
        return f"GenerationResult({self.outputs.text!r}: {rows} targets, {columns} sources)"

    def __rich__(self) -> Any:
        """The text coloured, for `rich.print` (needs rich)."""
        return self._terminal().styled(self)

    @staticmethod
    def _terminal() -> Any:
        from trulens_core.visualizations import generation_terminal  # only when shown

        return generation_terminal

    def _repr_html_(self) -> str:
        from trulens_core.visualizations import generation_page  # only when shown

        return generation_page.fragment(self)

    def to_html(self, path: str | Path, title: str = "What it was written from") -> None:
        """Write one HTML file, to be explored by mouse and keyboard; it fetches nothing."""
        from trulens_core.visualizations import generation_page, text_pages  # only when shown

        text_pages.put(path, generation_page.fragment(self), title)

    def plot(self, fig: Any = None) -> Any:
        """A heat map, targets by sources, as a matplotlib figure (needs matplotlib).

        Args:
            fig: the figure to draw on; a new one if not given.
        """
        from trulens_core.visualizations import generation_heat  # only when drawn

        return generation_heat.heat_map(self, fig)

    # -- sums ---------------------------------------------------------------------------------

    def by(self, unit: Any, rows: Any = None) -> GenerationResult:
        """Sums over tokens that belong together; what is complete stays so.

        Args:
            unit: "words", "sentences", "lines", "turns", or spans of the whole text's tokens.
            rows: the same for the targets; None is `unit`, or each as it is where that is spans.
        """
        n = len(self.inputs)
        if isinstance(unit, str):
            within = spans_of(self.inputs, unit), spans_of(self.outputs, unit)
            units = (*within[0], *((a + n, b + n) for a, b in within[1]))
        else:
            units = spans_of(self.text, unit)
        rows = unit if rows is None and isinstance(unit, str) else rows
        columns = _members(self.sources, units)
        found = self._with_columns(tuple(s for s, _ in columns), [m for _, m in columns])
        if rows is None:
            return found
        listed = _members(self.targets, spans_of(self.outputs, rows))
        return found._with_rows(tuple(s for s, _ in listed), [m for _, m in listed])

    def total(self) -> GenerationResult:
        """One row: the sum over all targets."""
        whole = (self.targets[0][0], self.targets[-1][1])
        return self._with_rows((whole,), [list(range(len(self)))])

    def _with_columns(self, spans: Spans, members: Sequence[Sequence[int]]) -> GenerationResult:
        sums = [self.attributions[:, list(m)].sum(1) for m in members]
        return dataclasses.replace(
            self, attributions=np.stack(sums, 1), sources=spans, standard_error=None
        )

    def _with_rows(self, spans: Spans, members: Sequence[Sequence[int]]) -> GenerationResult:
        def summed(values: Array | None) -> Any:
            return None if values is None else np.stack([values[list(m)].sum(0) for m in members])

        return dataclasses.replace(
            self,
            attributions=summed(self.attributions),
            targets=spans,
            quantity=summed(self.quantity),
            baseline_quantity=summed(self.baseline_quantity),
            residual=summed(self.residual),
            standard_error=None,
        )

    # -- by text ------------------------------------------------------------------------------

    def __getitem__(self, words: Any) -> Any:
        """What a stretch of the text, given by its words, does: r["fox"], (targets,).

        With a second text, what it does to that stretch of the continuation, a number: r["fox",
        "dog"]. A stretch that stands several times counts with all of them.

        Raises:
            KeyError: for words that do not stand there.
        """
        of, to = words if isinstance(words, tuple) else (words, None)
        values = self.attributions[:, self._found(of, self.text, self.sources)].sum(1)
        if to is None:
            return values
        return float(values[self._found(to, self.outputs, self.targets)].sum())

    def _found(self, words: Any, tokens: Tokens, spans: Spans) -> list[int]:
        places = set(tokens.places_of(words))
        found = [i for i, (a, b) in enumerate(spans) if places.intersection(range(a, b))]
        if not found:
            raise KeyError(f"{words!r} does not stand in {tokens.text[:80]!r}")
        return found

    # -- two results --------------------------------------------------------------------------

    def __sub__(self, other: GenerationResult) -> GenerationResult:
        """The difference of two explanations of one text, column by column.

        Of two quantities it is, for linear methods, the explanation of their difference.
        """
        if not isinstance(other, GenerationResult):
            return NotImplemented
        self._check_alike(other)

        def less(a: Array | None, b: Array | None) -> Array | None:
            return None if a is None or b is None else a - b

        return dataclasses.replace(
            self,
            attributions=self.attributions - other.attributions,
            quantity=less(self.quantity, other.quantity),
            baseline_quantity=less(self.baseline_quantity, other.baseline_quantity),
            residual=less(self.residual, other.residual),
            standard_error=None,
            method={"text": "a difference", "of": [dict(self.method), dict(other.method)]},
        )

    def agreement(self, other: GenerationResult) -> Agreement:
        """How alike another explanation of the same text is, row by row."""
        same_kind(self, other)
        self._check_alike(other)
        return agreement(self.attributions, other.attributions)

    # -- kept ---------------------------------------------------------------------------------

    def _check(self) -> None:
        rows, columns = len(self.targets), len(self.sources)
        shaped("attributions", self.attributions, (rows, columns))
        for name in ("quantity", "baseline_quantity", "residual"):
            if getattr(self, name) is not None:
                shaped(name, getattr(self, name), (rows,))
        if self.standard_error is not None:
            shaped("standard_error", self.standard_error, (rows, columns))
        if self.held is not None:
            shaped("held", self.held, (len(self.text),))
        for spans, n in ((self.targets, len(self.outputs)), (self.sources, len(self.text))):
            if any(not 0 <= a < b <= n for a, b in spans):
                raise ValueError(f"a span lies outside of {n} tokens")
        if not isinstance(self.method, Mapping):
            raise ValueError("method is no mapping")

    def _columns(self) -> Mapping[str, Any]:
        rows, columns = np.indices(self.attributions.shape).reshape(2, -1)
        said, asked = self._sources(), self.outputs_shown
        found = {
            "target": rows,
            "of": [asked[i] for i in rows],
            "source": columns,
            "text": [said[j] for j in columns],
            "written": columns >= self.n_prompt,
            "attribution": self.attributions.reshape(-1),
        }
        if self.standard_error is not None:
            found["standard_error"] = self.standard_error.reshape(-1)
        return found

    def _numbers(self) -> Mapping[str, Any]:
        return {
            "attributions": self.attributions,
            "quantity": self.quantity,
            "baseline_quantity": self.baseline_quantity,
            "residual": self.residual,
            "standard_error": self.standard_error,
            "names": {"tokens": [self._sources()] * len(self)},
        }

    def _method(self) -> Mapping[str, Any]:
        return {"name": "explain_generation", **self.method}

    def _lines(self, most: int) -> Iterator[str]:
        found = list(self._terminal().lines(self))
        yield from found[: 2 + most]
        if len(self) > most:
            yield f"and {len(self) - most} more targets"

    def _check_alike(self, other: GenerationResult) -> None:
        same = np.array_equal(self.text.ids, other.text.ids) and self.sources == other.sources
        if not same or self.targets != other.targets:
            raise ValueError(
                "the two results are of different texts or stretches; take both by('words'), or "
                "explain the same continuation"
            )


def _members(spans: Spans, units: Spans) -> list[tuple[tuple[int, int], list[int]]]:
    """Which spans make up each unit; a span belongs to the unit in which it begins."""
    found: list[tuple[tuple[int, int], list[int]]] = []
    for start, end in units:
        own = [i for i, (a, _) in enumerate(spans) if start <= a < end]
        if own:
            found.append(((spans[own[0]][0], spans[own[-1]][1]), own))
    return found
