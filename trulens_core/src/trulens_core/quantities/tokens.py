"""Quantities of the tokens that a language model may give next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, get_args

import numpy as np  # noqa: F401 - for the example

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import QoiCutSupportError, QoiError
from trulens_core.quantities.base import QoI
from trulens_core.quantities.positions import chosen
from trulens_core.quantities.probabilities import entropy, log_probability
from trulens_core.quantities.reading import as_array, as_tensor, check_index, indices, shown, single

OfToken = Literal["logit", "log_prob", "prob", "entropy", "contrast"]


class TokenQoI(QoI):
    """A number for a token at a position, (records,), or for several, (records, targets).

    y is (rows, steps, vocabulary): what a language model gives at a position stands for the token
    that follows it.

        logit     y[i, position, token]
        log_prob  log softmax(y[i, position])[token]
        prob      softmax(y[i, position])[token]
        entropy   −Σ p log p of p = softmax(y[i, position]), whichever token it is
        contrast  y[i, position, token] − y[i, position, other token], which is the difference of
                  their log-probabilities too

    Args:
        tokens: the id of the token, one per record, (records,), or several, (records, targets);
            those are as many quantities, explained by one forward pass.
        position: the step: one for all, one per record, or one for each token. Negative ones count
            from the end. Or, for several tokens, a slice of as many steps.
        quantity: which number, by its name above; or a function of the scores at the positions,
            (rows, targets, vocabulary), that gives (rows, targets).
        valid: which of several targets count, (records, targets); the others are 0. It is for
            records with fewer targets than others.
        against: for "contrast", the ids of the other tokens, shaped as `tokens`.
        groups: weights, (records, targets) for one sum of the targets in their place, (records,),
            which one backward pass explains; (records, targets, n) for n sums.

    Raises:
        ValueError: for tokens or positions that are no ints, or do not fit one another; for a
            quantity that is not known.
        IndexError: when used, for a token or a position that y does not have.
        QoiCutSupportError: when used, for a value that is not of rank 3, or several tensors.
        QoiError: when used, for a function that does not give (rows, targets).

    Example:
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> y = b.from_numpy(np.arange(12.0).reshape(1, 3, 4))
        >>> TokenQoI(2)(y), TokenQoI(2, position=0)(y)
        (Tensor(array([10.])), Tensor(array([2.])))
        >>> TokenQoI([[2, 3]], [[0, 1]])(y)
        Tensor(array([[2., 7.]]))
        >>> TokenQoI([5, 9], position=-1, quantity="log_prob")
        TokenQoI([5, 9], position=-1, quantity='log_prob')
    """

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("tokens", "position", "valid", "against", "groups")

    def __init__(
        self,
        tokens: Any,
        position: Any = -1,
        quantity: OfToken | Callable[[Any], Any] = "logit",
        *,
        valid: Any = None,
        against: Any = None,
        groups: Any = None,
    ) -> None:
        name = type(self).__name__
        self.tokens: Any = indices(tokens, f"{name}: tokens", per_position=True)
        self.steps: slice | None = position if isinstance(position, slice) else None
        self.position: Any = None
        if self.steps is None:
            self.position = indices(position, f"{name}: position", per_position=True)
        self.quantity: Any = _known(quantity)
        self.several: bool = self.tokens.ndim == 2
        self.valid: Any = None if valid is None else as_array(valid).astype("float32")
        self.against: Any = None
        if against is not None:
            self.against = indices(against, f"{name}: against", per_position=True)
        self.groups: Any = None if groups is None else as_array(groups).astype("float32")
        self._check(name)

    def _check(self, name: str) -> None:
        if (self.quantity == "contrast") != (self.against is not None):
            raise ValueError(
                f"{name}: against= holds the other tokens of quantity='contrast', and of no other"
            )
        shape = self.tokens.shape
        if self.against is not None and self.against.shape != shape:
            raise ValueError(
                f"{name}: tokens have shape {shape}, but the tokens that they are compared with "
                f"have shape {self.against.shape}"
            )
        at = None if self.position is None else self.position.shape
        if len(shape) > 2 or (at is not None and len(at) >= 2 and at != shape):
            raise ValueError(
                f"{name}: tokens of shape {shape} need one axis for records and one for targets, "
                f"and positions of the same shape, or one per record; found {at}"
            )
        if self.steps is not None and not self.several:
            raise ValueError(f"{name}: a slice of positions is for tokens (records, targets)")
        for what, array, ranks in (("valid", self.valid, (2,)), ("groups", self.groups, (2, 3))):
            if array is not None and (array.ndim not in ranks or array.shape[:2] != shape):
                raise ValueError(
                    f"{name}: {what} begins with the axes (records, targets) of tokens that have "
                    f"both; found {array.shape} for tokens of shape {shape}"
                )

    def validate(self, shapes: Sequence[Sequence[int | None]]) -> None:
        if len(shapes) == 1 and len(shapes[0]) == 3:
            if self.position is not None:
                check_index(self.position, shapes[0][1], "position")
            check_index(self.tokens, shapes[0][2], "token")
            if self.against is not None:
                check_index(self.against, shapes[0][2], "token")

    def __call__(self, y: Any) -> Any:
        y, backend = single(y, self)
        if len(y.shape) != 3:
            raise QoiCutSupportError(
                f"{type(self).__name__} reads scores of shape (records, steps, vocabulary), but "
                f"the value at the target cut has shape {tuple(y.shape)}; ClassQoI and LogProbQoI "
                "read scores without steps"
            )
        self.validate([tuple(y.shape)])
        if not self.several:
            there = chosen(y, self.position, 1, backend, "position")
            return self._of(there, self.tokens, self.against, backend)
        there = self._scores(y, backend)
        found = self._of(there, self.tokens, self.against, backend)
        xp = backend.xp
        if self.valid is not None:
            valid = as_tensor(self.valid, found, backend)
            found = xp.where(valid > 0.0, found, xp.zeros_like(found))
        if self.groups is None:
            return found
        groups = as_tensor(self.groups, found, backend)
        if len(groups.shape) == 3:
            found = xp.expand_dims(found, axis=2)
        return xp.sum(found * groups, axis=1)

    def _scores(self, y: Tensor, backend: Backend) -> Tensor:
        """The scores at the position of each target, (rows, targets, vocabulary)."""
        if self.steps is None:
            return _at_positions(y, self.position, self.tokens, backend)
        there = y[:, self.steps, :]
        if there.shape[1] not in (None, self.tokens.shape[1]):
            raise QoiError(
                f"{type(self).__name__}: {self.steps} are {there.shape[1]} of the {y.shape[1]} "
                f"steps, for {self.tokens.shape[1]} tokens"
            )
        return there

    def _of(self, scores: Tensor, tokens: Any, against: Any, backend: Backend) -> Tensor:
        """The number of each token, of the scores (rows, …, vocabulary) where it stands."""
        axis, q = len(scores.shape) - 1, self.quantity
        if callable(q):
            found = q(scores)
            if not backend.is_tensor(found) or not _alike(found.shape, scores.shape[:axis]):
                raise QoiError(
                    f"{type(self).__name__}: the function gave {_shape(found)} of scores of shape "
                    f"{tuple(scores.shape)}; it must give a number for each position, that shape "
                    "without its last axis"
                )
            return found
        if q == "entropy":
            return entropy(scores, axis, backend)
        if q in ("log_prob", "prob"):
            found = log_probability(scores, tokens, axis, backend, "token")
            return found if q == "log_prob" else backend.xp.exp(found)
        found = chosen(scores, tokens, axis, backend, "token")
        return found if q == "logit" else found - chosen(scores, against, axis, backend, "token")

    def __repr__(self) -> str:
        at = shown(self.position) if self.steps is None else self.steps
        return (
            f"{type(self).__name__}({shown(self.tokens)}, position={at}, "
            f"quantity={self.quantity!r})"
        )


def _known(quantity: Any) -> Any:
    if callable(quantity) or quantity in get_args(OfToken):
        return quantity
    names = ", ".join(map(repr, get_args(OfToken)))
    raise ValueError(f"quantity is {quantity!r}; it must be {names}, or a function of scores")


def _at_positions(y: Tensor, position: Any, tokens: Any, backend: Backend) -> Tensor:
    """The scores at the position of each target, (rows, targets, vocabulary)."""
    xp = backend.xp
    index = backend.places(as_tensor(position, y, backend), y, 1, "position")
    if len(index.shape) < 2:  # one for all targets, or for those of each record
        index = xp.reshape(index, (-1, 1)) + xp.zeros_like(as_tensor(tokens, y, backend))
    first = y[:, 0:1, :]
    index = xp.expand_dims(index, axis=2) + xp.astype(xp.zeros_like(first), index.dtype)
    return xp.take_along_axis(y, index, axis=1)


def _alike(found: Sequence[int | None], asked: Sequence[int | None]) -> bool:
    """Whether two shapes are one, as far as they are known in a trace."""
    same = [a == b or a is None or b is None for a, b in zip(found, asked, strict=False)]
    return len(found) == len(asked) and all(same)


def _shape(found: Any) -> str:
    return f"shape {tuple(found.shape)}" if hasattr(found, "shape") else type(found).__name__
