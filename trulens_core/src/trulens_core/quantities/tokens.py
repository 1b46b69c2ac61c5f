"""The quantity of a token that a language model may give next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np  # noqa: F401 - for the example

from trulens_core.errors import QoiCutSupportError
from trulens_core.quantities.base import QoI
from trulens_core.quantities.positions import chosen
from trulens_core.quantities.probabilities import log_probability
from trulens_core.quantities.reading import check_index, indices, shown, single


class TokenQoI(QoI):
    """The score of a token at a position, (records,): y[i, position, token].

    y is (rows, steps, vocabulary): what a language model gives at a position stands for the token
    that follows it. With `log_prob` it is the token's log-probability among all of them there.

    Args:
        tokens: the id of the token, or one per record, (records,).
        position: the step, or one per record, (records,), as where texts are padded at the end.
            Negative ones count from the end.
        log_prob: whether the log-probability is explained in place of the score.

    Raises:
        ValueError: for tokens or positions that are no ints, nor one per record.
        IndexError: when used, for a token or a position that y does not have.
        QoiCutSupportError: when used, for a value that is not of rank 3, or several tensors.

    Example:
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> y = b.from_numpy(np.arange(12.0).reshape(1, 3, 4))
        >>> TokenQoI(2)(y), TokenQoI(2, position=0)(y)
        (Tensor(array([10.])), Tensor(array([2.])))
        >>> TokenQoI([5, 9], position=-1, log_prob=True)
        TokenQoI([5, 9], position=-1, log_prob=True)
    """

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("tokens", "position")

    def __init__(self, tokens: Any, position: Any = -1, log_prob: bool = False) -> None:
        name = type(self).__name__
        self.tokens: Any = indices(tokens, f"{name}: tokens")
        self.position: Any = indices(position, f"{name}: position")
        self.log_prob: bool = bool(log_prob)

    def validate(self, shapes: Sequence[Sequence[int | None]]) -> None:
        if len(shapes) == 1 and len(shapes[0]) == 3:
            check_index(self.position, shapes[0][1], "position")
            check_index(self.tokens, shapes[0][2], "token")

    def __call__(self, y: Any) -> Any:
        y, backend = single(y, self)
        if len(y.shape) != 3:
            raise QoiCutSupportError(
                f"{type(self).__name__} reads scores of shape (records, steps, vocabulary), but "
                f"the value at the target cut has shape {tuple(y.shape)}; ClassQoI and LogProbQoI "
                "read scores without steps"
            )
        self.validate([tuple(y.shape)])
        read = log_probability if self.log_prob else chosen
        there = chosen(y, self.position, 1, backend, "position")
        return read(there, self.tokens, 1, backend, "token")

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({shown(self.tokens)}, position={shown(self.position)}, "
            f"log_prob={self.log_prob})"
        )
