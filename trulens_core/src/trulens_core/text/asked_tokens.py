"""What is asked of the token that follows: a quantity, and tokens as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.quantities import QoI, TokenQoI
from trulens_core.slices import is_index


def token_quantity(quantity: Any, tokenizer: Any, position: Any) -> QoI:
    """The quantity that a short form means, at a position.

    Args:
        quantity: `("contrast", token, other)`, `("log_prob", token)`, `("logit", token)`,
            `("prob", token)`, `"entropy"`, or a `QoI` of the scores, which is itself. A token is
            an id or what it writes.
        tokenizer: of Hugging Face; None where tokens are ids.
        position: of the scores, one or one per record.

    Raises:
        ValueError: for anything else, and for a text that is not one token.
    """
    if isinstance(quantity, QoI):
        return quantity
    if quantity == "entropy":
        return TokenQoI(0, position, "entropy")
    name, *tokens = quantity if isinstance(quantity, tuple | list) and quantity else (quantity,)
    n = {"contrast": 2, "log_prob": 1, "logit": 1, "prob": 1}.get(str(name))
    if n != len(tokens):
        raise ValueError(
            f"quantity is {quantity!r}; it must be ('contrast', token, other), "
            "('log_prob', token), ('logit', token), ('prob', token), 'entropy', or a QoI"
        )
    ids = [token_id(t, tokenizer) for t in tokens]
    against = ids[1] if n == 2 else None
    return TokenQoI(ids[0], position, name, against=against)


def shown_quantity(quantity: Any) -> str:
    """A quantity in words.

    Example:
        >>> shown_quantity(("contrast", "nine", "ten")), shown_quantity(("log_prob", "nine"))
        ('nine over ten', 'log_prob of nine')
    """
    if not isinstance(quantity, tuple | list):
        return str(quantity)
    name, *tokens = quantity
    return f"{tokens[0]} over {tokens[1]}" if name == "contrast" else f"{name} of {tokens[0]}"


def token_id(token: Any, tokenizer: Any) -> int:
    """The id of a token that is given as it is written, or as an id.

    A text may be one token only after a space, as in the middle of a sentence: then that is meant.
    """
    if is_index(token):
        return int(token)
    if tokenizer is None:
        raise ValueError(f"{token!r} is a text, which needs a tokenizer; give an id")
    found = [_ids(text, tokenizer) for text in (token, f" {token}")]
    for ids in found:
        if len(ids) == 1:
            return _known(ids[0], token, tokenizer)
    raise ValueError(
        f"{token!r} is {len(found[0])} tokens, and one is asked for; give one of the ids {found[0]}"
    )


def _known(found: int, token: str, tokenizer: Any) -> int:
    """The id, which is not the one that stands for words that the tokenizer does not know."""
    written = getattr(tokenizer, "all_special_tokens", [])
    if found in getattr(tokenizer, "all_special_ids", []) and token.strip() not in written:
        raise ValueError(
            f"the tokenizer does not know {token!r}, and reads it as a special token, {found}; "
            "give a word that it knows, or an id"
        )
    return found


def _ids(text: str, tokenizer: Any) -> Sequence[int]:
    found: list[int] = np.asarray(tokenizer(text, add_special_tokens=False)["input_ids"]).tolist()
    return found
