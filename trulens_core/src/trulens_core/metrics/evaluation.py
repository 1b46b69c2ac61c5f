"""What `evaluate` found: a table, which method wins by how much, a figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from trulens_core.metrics.scores import Array, Score, number, standard_error
from trulens_core.optional import require

_ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}
_CLEAR = 2.0
"""How many standard errors a lead has to be, to be said to be clear."""


class Winner(NamedTuple):
    """Which explanation is best by a metric.

    Attributes:
        metric: which.
        name: of the best one.
        second: the next one.
        lead: the mean difference of the two over the same records, in favour of the best.
        standard_error: of the lead, of pairs.
        share: of the records, in which the best one is better; equals count half.
        over_guess: the lead over the best explanation that knows nothing; NaN without one.
        over_guess_error: its standard error.

    Example:
        >>> print(Winner("Deletion", "a", "b", 0.5, 0.1, 0.9, 2.0, 0.1))
        Deletion: a leads b by 0.5 ± 0.1, in 90 % of the records
    """

    metric: str
    name: str
    second: str
    lead: float
    standard_error: float
    share: float
    over_guess: float
    over_guess_error: float

    @property
    def clear(self) -> bool:
        """Whether the lead is more than two standard errors."""
        return self.lead > _CLEAR * self.standard_error

    @property
    def knows(self) -> bool:
        """Whether it is better than what knows nothing, by more than two standard errors."""
        return not self.over_guess <= _CLEAR * self.over_guess_error

    def __str__(self) -> str:
        lead = number(self.lead, self.standard_error)
        said = f"{self.metric}: {self.name} leads {self.second} by {lead}"
        said += f", in {self.share:.0%} of the records".replace("%", " %")
        if not self.clear:
            said += " (not clear: within two standard errors)"
        if not self.knows:
            said += "; not clearly better than what knows nothing of the model"
        return said


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Scores of several explanations by several metrics; printed, a table.

    Attributes:
        scores: by the names of explanations, then of metrics.
        metrics: the names of the metrics, in order.
        guesses: the names of the explanations that know nothing of the model.
        agreement: names, means and standard errors of the rank correlation of each two.

    Example:
        >>> score = Score("Deletion", np.array([1.0, 2.0]), "lower")
        >>> print(Evaluation({"a": {"Deletion": score}}, ("Deletion",)))
           Deletion ↓
        a  1.5 ± 0.5*
        means ± standard errors over 2 records; * the best
    """

    scores: Mapping[str, Mapping[str, Score]]
    metrics: tuple[str, ...]
    guesses: tuple[str, ...] = ()
    agreement: tuple[list[str], Array, Array] | None = None

    @property
    def n_records(self) -> int:
        """How many records were judged."""
        return len(next(iter(next(iter(self.scores.values())).values())))

    def table(self) -> list[list[str]]:
        """What is printed, as rows of cells: names of metrics first; * marks the best."""
        rows = [["", *(m + _ARROWS[self._better(m)] for m in self.metrics)]]
        best = {m: self._order(m)[:1] for m in self.metrics}
        for name, own in self.scores.items():
            cells = [_cell(own.get(m)) + "*" * (best[m] == [name]) for m in self.metrics]
            rows.append([name, *cells])
        return rows

    def _repr_html_(self) -> str:
        from trulens_core.visualizations.evaluation_html import as_html  # only when shown

        return as_html(self)

    def __repr__(self) -> str:
        rows = self.table()
        widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
        lines = [
            "  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows
        ]
        lines.append(f"means ± standard errors over {self.n_records} records; * the best")
        winners = [str(w) for w in self.winners()]
        return "\n".join([*lines, *winners])

    def _better(self, metric: str) -> Any:
        found = [own[metric].better for own in self.scores.values() if metric in own]
        return found[0] if found else None

    def _order(self, metric: str, among: Sequence[str] | None = None) -> list[str]:
        """The explanations that a metric judged, the best first; none where neither is better."""
        better = self._better(metric)
        names = self.methods if among is None else among
        held = {n: self.scores[n][metric].mean for n in names if metric in self.scores[n]}
        known = [n for n, mean in held.items() if not np.isnan(mean)]
        if better is None:
            return []
        return sorted(known, key=lambda n: held[n] * (1 if better == "lower" else -1))

    @property
    def methods(self) -> list[str]:
        """The names of what was judged, but for what knows nothing."""
        return [n for n in self.scores if n not in self.guesses]

    def winner(self, metric: str) -> Winner:
        """Which explanation is best by a metric, and by how much.

        Of one alone, beside the best of those that know nothing.

        Args:
            metric: its name.

        Raises:
            ValueError: for a metric by which nothing is better, or that judged only one.
        """
        if metric not in self.metrics:
            raise ValueError(f"there is no metric {metric!r}; there are {list(self.metrics)}")
        order, guesses = self._order(metric), self._order(metric, self.guesses)
        if not order or len(order) + len(guesses) < 2:
            raise ValueError(f"{metric} has nothing to compare")
        second = order[1] if len(order) > 1 else guesses[0]
        gain = self._gain(metric, order[0], second)
        known = gain[~np.isnan(gain)]
        over = self._gain(metric, order[0], guesses[0]) if guesses else np.array([np.nan])
        share = ((known > 0) + 0.5 * (known == 0)).mean() if len(known) else np.nan
        return Winner(
            metric,
            order[0],
            second,
            float(known.mean()) if len(known) else float("nan"),
            standard_error(gain),
            float(share),
            float(over[~np.isnan(over)].mean()) if not np.isnan(over).all() else float("nan"),
            standard_error(over),
        )

    def winners(self) -> list[Winner]:
        """The best by each metric that can tell."""
        found = []
        for metric in self.metrics:
            judged = len(self._order(metric)) + len(self._order(metric, self.guesses))
            if self._order(metric) and judged > 1:
                found.append(self.winner(metric))
        return found

    def _gain(self, metric: str, a: str, b: str) -> Array:
        """By how much a is better than b, (records,)."""
        off = self.scores[a][metric].values - self.scores[b][metric].values
        return -off if self._better(metric) == "lower" else off

    def to_frame(self) -> Any:
        """A pandas DataFrame (extra `table`), a row per explanation and metric.

        Its columns are explanation, metric, mean, standard_error, better and records.

        Raises:
            ImportError: where pandas is not installed.
        """
        rows = [
            (name, m, s.mean, s.standard_error, s.better, len(s))
            for name, own in self.scores.items()
            for m, s in own.items()
        ]
        columns = ["explanation", "metric", "mean", "standard_error", "better", "records"]
        return require("pandas", "table").DataFrame(rows, columns=columns)

    def plot(self, fig: Any = None) -> Any:
        """A figure (extra `viz`): curves, and each metric's means with their standard errors.

        Args:
            fig: the figure to draw on; None is a new one.

        Returns:
            The figure.
        """
        from trulens_core.visualizations.evaluations import draw

        return draw(self, fig)


def _cell(score: Score | None) -> str:
    return "-" if score is None else number(score.mean, score.standard_error)
