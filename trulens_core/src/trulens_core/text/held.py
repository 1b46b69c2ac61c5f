"""Which tokens of a text keep their own place, and get nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from trulens_core.slices import is_index
from trulens_core.text.tokens import Tokens

Held = np.ndarray[Any, np.dtype[np.bool_]]


def held_tokens(prompt: Tokens, continuation: Tokens, hold: Any, attribute: Any) -> Held:
    """Which tokens of prompt and continuation are held.

    Args:
        prompt: of n tokens.
        continuation: the tokens after it.
        hold: "special"; None; or places of tokens, negative ones from the end.
        attribute: None is all; "prompt"; or spans of tokens (start, end), the rest being held.

    Raises:
        ValueError: for anything else, for spans that are none of this text, and for places that
            are no ints.
        IndexError: for a place that the text does not have.

    Example:
        >>> a, b = Tokens.of_ids([1, 2]), Tokens.of_ids([3])
        >>> held_tokens(a, b, [0], "prompt")
        array([ True, False,  True])
    """
    n = len(prompt) + len(continuation)
    found = np.zeros(n, bool)
    if isinstance(hold, str):
        if hold != "special":
            raise ValueError(f"hold is {hold!r}; it must be 'special', None or places of tokens")
        found = np.concatenate([prompt.special, continuation.special])
    elif hold is not None:
        found[_places(hold, n)] = True
    return found if attribute is None else found | ~_free(attribute, len(prompt), n)


def _places(hold: Iterable[Any], n: int) -> list[int]:
    places = list(hold)
    if not all(map(is_index, places)):
        raise ValueError(f"hold is {hold!r}; places of tokens are ints, from 0 to {n - 1}")
    outside = [p for p in places if not -n <= p < n]
    if outside:
        raise IndexError(f"hold has the place {outside[0]}, and the text has {n} tokens")
    return [int(p) for p in places]


def _free(attribute: Any, n_prompt: int, n: int) -> Held:
    """Which tokens may get something."""
    found = np.zeros(n, bool)
    if isinstance(attribute, str):
        if attribute != "prompt":
            raise ValueError(f"attribute is {attribute!r}; it must be 'prompt', None or spans")
        found[:n_prompt] = True
        return found
    for span in attribute:
        fits = isinstance(span, list | tuple) and len(span) == 2 and all(map(is_index, span))
        if not fits or not 0 <= span[0] < span[1] <= n:
            raise ValueError(
                f"attribute has {span!r}; spans are (start, end) of the text's {n} tokens"
            )
        found[span[0] : span[1]] = True
    return found
