"""What matters over all records of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from trulens_core.datasets.blocks import Blocks, wanted
from trulens_core.optional import require
from trulens_core.results.arrays import Array

_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Means:
    """Of some records.

    Attributes:
        n: how many.
        mean: of the attributions, by the name of their array, each shaped as a record's.
        mean_abs: of their sizes, alike.
    """

    n: int
    mean: Mapping[str, Array]
    mean_abs: Mapping[str, Array]


@dataclasses.dataclass(frozen=True, repr=False)
class Summary:
    """What `Run.summary` gives.

    Attributes:
        all: of all records.
        classes: of each class, where these were asked for.
        quantity: the mean of the quantity; None where it is not one number per record.
        residual: the largest residual in size as a part of the largest quantity; None where there
            is no residual.
        features: the names of features, where they are known.
    """

    all: Means
    classes: Mapping[int, Means]
    quantity: float | None
    residual: float | None
    features: tuple[str, ...] = ()

    @property
    def mean_abs(self) -> Array:
        """The mean size over all records, of the first array of attributions."""
        return next(iter(self.all.mean_abs.values()))

    @property
    def mean(self) -> Array:
        """The mean over all records, of the first array of attributions."""
        return next(iter(self.all.mean.values()))

    def top(self, k: int = _SHOWN) -> list[tuple[str, float]]:
        """The places of the largest mean size, each with it, the largest first.

        Args:
            k: how many.
        """
        x = self.mean_abs.reshape(-1)
        order = np.argsort(-x, kind="stable")[:k]
        return [(self._name(int(i)), float(x[i])) for i in order]

    def _name(self, i: int) -> str:
        shape = self.mean_abs.shape
        if len(self.features) == self.mean_abs.size:
            return self.features[i]
        return str(i) if len(shape) == 1 else str(tuple(map(int, np.unravel_index(i, shape))))

    def to_frame(self) -> Any:
        """A pandas DataFrame, a row per feature (extra `table`).

        Raises:
            ImportError: where pandas is not installed.
        """
        pandas = require("pandas", "table")
        columns = {"mean": self.mean.reshape(-1), "mean |a|": self.mean_abs.reshape(-1)}
        for cl, means in self.classes.items():
            columns[f"mean |a| of {cl}"] = next(iter(means.mean_abs.values())).reshape(-1)
        names = [self._name(i) for i in range(self.mean_abs.size)]
        return pandas.DataFrame(columns, index=names)

    def lines(self) -> Iterator[str]:
        """It in words, a line each."""
        yield f"{self.all.n} records"
        if self.quantity is not None:
            yield f"mean quantity {self.quantity:.4g}"
        if self.residual is not None:
            yield f"largest residual {self.residual:.2%} of the largest quantity"
        yield from (f"{name:>16}  {value:.4g}" for name, value in self.top())
        for cl, means in self.classes.items():
            yield f"class {cl}: {means.n} records"

    def __repr__(self) -> str:
        return "\n".join(self.lines())


class _Sums:
    """Running sums of attributions."""

    def __init__(self) -> None:
        self.n = 0
        self._sums: dict[str, list[Any]] = {}

    def add(self, columns: Mapping[str, Array], chosen: Array) -> None:
        self.n += int(chosen.sum())
        for name, x in columns.items():
            wide = x[chosen].astype("float64")
            new = [wide.sum(0), np.abs(wide).sum(0)]
            old = self._sums.get(name)
            self._sums[name] = (
                new if old is None else [a + b for a, b in zip(old, new, strict=True)]
            )

    def means(self) -> Means:
        n = max(1, self.n)
        mean, size = ({k: v[i] / n for k, v in self._sums.items()} for i in (0, 1))
        return Means(self.n, mean, size)


def summary(run: Blocks, by: str | None) -> Summary:
    """What `Run.summary` does."""
    others = [n for n in ("quantity", "residual") if n in run.arrays]
    classes: dict[int, _Sums] = {}
    every, quantities, worst, largest = _Sums(), 0.0, 0.0, 0.0
    for block in run.blocks(*wanted(run, *others, *([by] if by else []))):
        columns = {n: block.columns[n] for n in run.attributed}
        every.add(columns, np.ones(len(block.numbers), bool))
        if by:
            of = block.columns[by]
            for cl in np.unique(of):
                classes.setdefault(int(cl), _Sums()).add(columns, of == cl)
        q, r = (block.columns.get(n) for n in ("quantity", "residual"))
        if q is not None and q.size:
            quantities += float(q.sum(dtype="float64"))
            largest = max(largest, float(np.abs(q).max()))
        if r is not None and r.size:
            worst = max(worst, float(np.abs(r).max()))
    one = "quantity" in run.arrays and len(run.arrays["quantity"].shape) == 1
    return Summary(
        every.means(),
        {cl: sums.means() for cl, sums in sorted(classes.items())},
        quantities / max(1, every.n) if one else None,
        worst / max(largest, float(np.finfo("float64").tiny)) if "residual" in others else None,
        tuple(map(str, run.names.get("features", ()))),
    )
