"""What a tokenizer returned, read as the inputs of a model, as token ids and as attributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from trulens_core.inputs import ModelInputs
from trulens_core.visualizations.images import Array, as_array


def as_inputs(tokenized: Any) -> ModelInputs:
    """The inputs of a model: a mapping is keyword arguments, a list positional ones.

    Example:
        >>> as_inputs({"input_ids": np.zeros((1, 2))}).kwargs.keys()
        dict_keys(['input_ids'])
    """
    if isinstance(tokenized, ModelInputs):
        return tokenized
    if isinstance(tokenized, Mapping):
        return ModelInputs((), tokenized)
    return ModelInputs(tokenized if isinstance(tokenized, list | tuple) else (tokenized,))


def token_ids(tokenized: Any, accessor: Callable[[Any], Any] | None) -> Array:
    """The ids, (records, tokens).

    Args:
        tokenized: what the tokenizer returned.
        accessor: finds the ids in it; None: `input_ids`, or the first integers of rank 2.
    """
    found = _first_ids(as_inputs(tokenized)) if accessor is None else accessor(tokenized)
    ids = as_array(found, "the token ids")
    if ids.ndim != 2 or ids.dtype.kind not in "iu":
        raise ValueError(
            f"the token ids have shape {ids.shape} and dtype {ids.dtype}; they must be ints, "
            "(records, tokens): find them with input_accessor="
        )
    return ids


def _first_ids(inputs: ModelInputs) -> Any:
    if "input_ids" in inputs.kwargs:
        return inputs.kwargs["input_ids"]
    for leaf in inputs.leaves:
        if len(getattr(leaf.value, "shape", ())) == 2 and "int" in str(leaf.value.dtype):
            return leaf.value
    raise ValueError(
        "the tokenizer's result holds no ints of shape (records, tokens); find the token ids with "
        "input_accessor="
    )


def per_token(
    attributions: Any, aggregate: Callable[[Any], Any] | None, shape: tuple[int, ...]
) -> Array:
    """One number per token, (records, tokens).

    Args:
        attributions: (records, tokens), or (records, tokens, ...).
        aggregate: from one token's attributions, of the caller's kind of array, to a number; None
            is their sum.
        shape: of the ids.
    """
    if isinstance(attributions, Mapping) and len(attributions) == 1:
        (attributions,) = attributions.values()
    found = getattr(attributions, "shape", None)
    if found is None or tuple(found[:2]) != shape:
        what = type(attributions).__name__ if found is None else f"shape {tuple(found)}"
        raise ValueError(
            f"the attributions are of {what}; for token ids of shape {shape} they must be (records,"
            " tokens) or (records, tokens, ...), as at the output of an embedding layer"
        )
    if aggregate is None or len(found) == 2:
        values = as_array(attributions, "the attributions").astype(np.float64)
        return np.asarray(values.reshape(*shape, -1).sum(axis=-1))
    return np.array([[_number(aggregate(token)) for token in row] for row in attributions])


def _number(value: Any) -> float:
    number = as_array(value, "the result of attr_aggregate") if hasattr(value, "shape") else value
    if np.size(number) != 1:
        raise ValueError(
            f"attr_aggregate gave shape {np.shape(number)}; it must give one number per token"
        )
    return float(np.reshape(number, ()))
