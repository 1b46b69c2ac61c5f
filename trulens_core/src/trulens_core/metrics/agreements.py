"""Whether two explanations say the same: correlations of ranks, and the greatest in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from trulens_core.distributions.quadrature import positive_int
from trulens_core.inputs import ModelInputs
from trulens_core.metrics.explained import Explained, finite, fit
from trulens_core.metrics.faithfulness import correlation
from trulens_core.metrics.metric import Metric
from trulens_core.metrics.scores import Array, Better, Score
from trulens_core.results import arrays

Similarity = Literal["rank", "pearson", "top"]


class Agreement(Metric):
    """How much an explanation says what another one says, of each record.

    "rank" is Spearman's correlation of ranks, "pearson" that of numbers: 1 where they agree, 0 at
    chance. "top" is the share of the k greatest that they have in common, k/n at chance.

    Args:
        other: a method, a result, a function or an array, as explanations are given.
        kind: how they are compared.
        k: of "top": how many, or a share of the elements.
        absolute: whether sizes are compared, whatever the signs.

    Raises:
        ValueError: for another kind; when used, for explanations that do not fit one another.

    Example:
        >>> a, b = np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 4.0, 9.0]])
        >>> Agreement(b).score(a).values, Agreement(b, kind="top", k=1).score(a).values
        (array([1.]), array([1.]))
    """

    better: ClassVar[Better] = None

    def __init__(
        self,
        other: Any,
        *,
        kind: Similarity = "rank",
        k: int | float = 0.1,
        absolute: bool = False,
    ) -> None:
        self._other = other
        self.kind: Similarity = checked(kind)
        self.k: int | float = positive_int(k, "k") if isinstance(k, int) else float(k)
        self.absolute: bool = bool(absolute)

    def _score(self, explained: Explained) -> Score:
        other = Explained.read(self._other, explained.inputs)
        a, b = explained.values, other.values
        if a.shape != b.shape:
            a, b = (fit(a, b), b) if a.size < b.size else (a, fit(b, a))
        if self.absolute:
            a, b = np.abs(a), np.abs(b)
        return self._of(similarity(a, b, self.kind, self.k))


def similarity(a: Array, b: Array, kind: Similarity, k: int | float = 0.1) -> Array:
    """How alike the records' numbers are, (records,); NaN where one does not vary or is none."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    known = finite(a) & finite(b)
    if not known.all():
        found = np.full(len(a), np.nan)
        found[known] = similarity(a[known], b[known], kind, k) if known.any() else []
        return found
    if kind == "top":
        n = a.shape[1]
        count = min(n, k) if isinstance(k, int) else max(1, round(k * n))
        return _in_common(a, b, count)
    if kind == "rank":
        a, b = average_ranks(a), average_ranks(b)
    return correlation(a, b)


def checked(kind: Similarity) -> Similarity:
    """The kind of similarity, if it is one."""
    if kind not in get_args(Similarity):
        raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(get_args(Similarity))}")
    return kind


def average_ranks(table: Array) -> Array:
    """The ranks in each row from 1 on, equals having the mean of theirs.

    Example:
        >>> average_ranks(np.array([[5.0, 1.0, 5.0]]))
        array([[2.5, 1. , 2.5]])
    """
    return np.stack([arrays.average_ranks(row) for row in table])


def _in_common(a: Array, b: Array, k: int) -> Array:
    shares = [_greatest(x, k) for x in (a, b)]
    return np.asarray(np.minimum(*shares).sum(axis=1) / k)


def _greatest(table: Array, k: int) -> Array:
    """1 for the k greatest of each row; equals at the border share what is left."""
    bound = np.partition(table, table.shape[1] - k, axis=1)[:, [table.shape[1] - k]]
    above, equal = table > bound, table == bound
    left = (k - above.sum(axis=1, keepdims=True)) / equal.sum(axis=1, keepdims=True)
    return np.asarray(above + equal * left)


def agreement(
    explanations: Mapping[str, Any],
    *model_args: Any,
    kind: Similarity = "rank",
    k: int | float = 0.1,
    absolute: bool = False,
    **model_kwargs: Any,
) -> tuple[list[str], Array, Array]:
    """How much each two of several explanations agree.

    Args:
        explanations: by name, in any form that metrics take.
        *model_args: the records, as the model's arguments.
        kind: see `Agreement`, as are `k` and `absolute`.
        k: of "top".
        absolute: whether sizes are compared.
        **model_kwargs: keyword arguments of the model.

    Returns:
        The names, the means over records (names, names), and their standard errors.

    Example:
        >>> names, means, _ = agreement({"a": np.eye(3), "b": -np.eye(3)})
        >>> means.round(9).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    given = bool(model_args or model_kwargs)
    inputs = ModelInputs.of_call(model_args, model_kwargs) if given else None
    read = {name: Explained.read(e, inputs) for name, e in explanations.items()}
    means, errors = np.ones((2, len(read), len(read)))
    for i, a in enumerate(read.values()):
        for j, b in enumerate(read.values()):
            score = Agreement(b, kind=kind, k=k, absolute=absolute)._score(a)
            means[i, j], errors[i, j] = score.mean, score.standard_error
    return list(read), means, errors
