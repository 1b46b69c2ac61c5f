"""What a processor gives a model besides ids: pictures stay, what belongs to tokens does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trulens_core.results.arrays import host

_APART = "input_ids", "attention_mask"
_OF_TOKENS = "position_ids", "cache_position", "past_key_values", "inputs_embeds", "labels"


def beside(prompt: Any) -> dict[str, Any]:
    """The arguments of the model besides ids that a prompt brings, none where it is no mapping.

    Types of tokens that are all 0 say nothing, and go.

    Raises:
        ValueError: for what the prompt's tokens have, and those that follow them do not.

    Example:
        >>> sorted(beside({"input_ids": [5, 7], "pixel_values": np.zeros((1, 3))}))
        ['pixel_values']
    """
    if not isinstance(prompt, Mapping):
        return {}
    found = {str(k): v for k, v in prompt.items() if k not in _APART and v is not None}
    taken = [name for name in _OF_TOKENS if name in found]
    if taken:
        raise ValueError(
            f"the prompt has {taken[0]}, which is of its own tokens, and the text is read with "
            "what follows, or with parts left out; leave it out, as places are counted from the "
            "ids and the attention_mask"
        )
    types = found.get("token_type_ids")
    if types is not None and not np.any(host(types)):
        del found["token_type_ids"]
    return found
