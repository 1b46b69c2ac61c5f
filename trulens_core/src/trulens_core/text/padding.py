"""Ids that were padded, and nothing says so."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.errors import TrulensWarning
from trulens_core.models.texts import TextModel
from trulens_core.text.tokens import Ids


def check_padding(rows: Sequence[Ids], tokenizer: Any, text: TextModel | None = None) -> None:
    """See that ids without a mask hold no padding at their ends, which would be read as text.

    Args:
        rows: the ids of each text.
        tokenizer: which knows the id that pads; None: the model may.
        text: what the model says of itself.

    Raises:
        ValueError: where there is padding.

    Warns:
        TrulensWarning: where the id that pads also begins or ends texts, so that it may be meant.

    Example:
        >>> check_padding([np.array([3, 1, 2])], None)
    """
    pad = getattr(tokenizer, "pad_token_id", None)
    pad = text.pad if pad is None and text is not None else pad
    padded = [i for i, ids in enumerate(rows) if len(ids) and pad in (ids[0], ids[-1])]
    if pad is None or not padded:
        return
    told = f"text {padded[0]} begins or ends with the id {pad}, which pads, and no attention_mask"
    do = "give what the tokenizer gave, with its attention_mask, or each text's own ids in a list"
    if pad not in _marks(tokenizer, text):
        raise ValueError(f"{told} says that it is no text of its own; {do}")
    many = len(rows) > 1 and len(set(map(len, rows))) == 1
    if many and any(_run(rows[i], int(pad)) for i in padded):
        warnings.warn(
            f"{told} is given; it also marks the end of a text, and is read as that; if it is "
            f"padding, {do}",
            TrulensWarning,
            stacklevel=4,
        )


def _marks(tokenizer: Any, text: TextModel | None) -> set[int]:
    """The ids that begin or end a text."""
    own = {getattr(tokenizer, f"{name}_token_id", None) for name in ("bos", "eos")}
    return {i for i in own if i is not None} | set(text.ends if text is not None else ())


def _run(ids: Ids, pad: int) -> bool:
    """Whether it ends with the id, or begins with two of them: one may be the start of the text."""
    return bool(ids[-1] == pad or np.all(ids[:2] == pad))
