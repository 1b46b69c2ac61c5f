"""Baselines for models of token ids: which tokens are replaced is said in ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import numpy as np

from trulens_core.backends import Tensor
from trulens_core.inputs import ModelInputs
from trulens_core.plugins import get_backend
from trulens_core.slices import is_index

TokenBaseline = Callable[..., Any]
"""`(z, model_inputs)` to ids or embeddings, as `LinearDoi` takes a baseline."""
InputAccessor = Callable[[ModelInputs], Tensor]
Embed = Callable[[Tensor], Tensor]
Array = np.ndarray[Any, Any]


@overload
def token_baseline(
    keep_tokens: Iterable[int],
    replacement_token: int,
    input_accessor: InputAccessor,
    ids_to_embeddings: None = None,
) -> TokenBaseline: ...
@overload
def token_baseline(
    keep_tokens: Iterable[int],
    replacement_token: int | Sequence[int],
    input_accessor: InputAccessor,
    ids_to_embeddings: Embed,
) -> tuple[TokenBaseline, TokenBaseline]: ...
def token_baseline(
    keep_tokens: Iterable[int],
    replacement_token: int | Sequence[int],
    input_accessor: InputAccessor,
    ids_to_embeddings: Embed | None = None,
) -> TokenBaseline | tuple[TokenBaseline, TokenBaseline]:
    """Baselines in which one token stands in place of all others, such as `[PAD]` or `[MASK]`.

    Law: the baseline of a record depends on that record's ids alone, and is the record itself
    where every token is kept.

    Args:
        keep_tokens: ids that stay, such as those of `[CLS]` and `[SEP]`.
        replacement_token: the id that takes the place of the others; or several ids, for the mean
            of their embeddings (`range(vocabulary_size)`: of all). A mean has no id.
        input_accessor: finds the ids in the `ModelInputs`, as in
            `lambda inputs: inputs.kwargs["input_ids"]`.
        ids_to_embeddings: embeds ids, such as the model's own embedding layer.

    Returns:
        The baseline in ids; with `ids_to_embeddings` the pair (ids, embeddings), of which
        embeddings is for a distribution at the output of the embedding layer. Ids are (records,
        tokens), embeddings (records, tokens, dimensions), of the kind that was given.

    Raises:
        ValueError: for ids that are no ints, or several replacements without `ids_to_embeddings`;
            when used, for an accessor that does not give ids.

    Example:
        >>> from trulens_core import ModelInputs
        >>> ids = token_baseline({101, 102}, 0, lambda inputs: inputs.args[0])
        >>> ids(None, ModelInputs([np.array([[101, 7, 8, 102]])]))
        array([[101,   0,   0, 102]])
    """
    kept = _ids(keep_tokens, "keep_tokens")
    if is_index(replacement_token):
        (new,) = _ids([replacement_token], "replacement_token")
        return _baselines(
            lambda ids: np.where(np.isin(ids, kept), ids, new), input_accessor, ids_to_embeddings
        )
    several = _ids(replacement_token, "replacement_token")
    if not several or ids_to_embeddings is None:
        raise ValueError(
            f"replacement_token holds {len(several)} ids; give one id, or several with "
            "ids_to_embeddings, for the mean of their embeddings"
        )
    return _mean_baselines(kept, several, input_accessor, ids_to_embeddings)


@overload
def token_baseline_swap(
    token_pairs: Iterable[tuple[int, int]],
    input_accessor: InputAccessor,
    ids_to_embeddings: None = None,
) -> TokenBaseline: ...
@overload
def token_baseline_swap(
    token_pairs: Iterable[tuple[int, int]],
    input_accessor: InputAccessor,
    ids_to_embeddings: Embed,
) -> tuple[TokenBaseline, TokenBaseline]: ...
def token_baseline_swap(
    token_pairs: Iterable[tuple[int, int]],
    input_accessor: InputAccessor,
    ids_to_embeddings: Embed | None = None,
) -> TokenBaseline | tuple[TokenBaseline, TokenBaseline]:
    """Baselines in which the two tokens of each pair have changed places; all others stay.

    Law: swapping twice gives the ids back.

    Args:
        token_pairs: pairs of ids; no id may stand in two of them.
        input_accessor: as in `token_baseline`.
        ids_to_embeddings: as in `token_baseline`.

    Returns:
        As `token_baseline`.

    Raises:
        ValueError: for pairs that are not two ints, or an id in two of them.

    Example:
        >>> from trulens_core import ModelInputs
        >>> ids = token_baseline_swap([(7, 8)], lambda inputs: inputs.args[0])
        >>> ids(None, ModelInputs([np.array([[7, 8, 9]])]))
        array([[8, 7, 9]])
    """
    pairs = [_ids(pair, "token_pairs") for pair in token_pairs]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"token_pairs is {pairs}; each must be two ids")
    flat = [t for pair in pairs for t in pair]
    twice = sorted({t for t in flat if flat.count(t) > 1})
    if twice:
        raise ValueError(f"token_pairs has the ids {twice} more than once; to what is not clear")
    return _baselines(lambda ids: _swapped(ids, pairs), input_accessor, ids_to_embeddings)


def _ids(given: Any, name: str) -> list[int]:
    found = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    for token in found:
        if not is_index(token):
            raise ValueError(f"{name} holds {token!r}; token ids are ints")
    return [int(token) for token in found]


def _baselines(
    replaced: Callable[[Array], Array], accessor: InputAccessor, embed: Embed | None
) -> TokenBaseline | tuple[TokenBaseline, TokenBaseline]:
    # z and model_inputs by these names: `DoI` passes what a signature names

    def ids(z: Any = None, model_inputs: ModelInputs | None = None) -> Tensor:
        del z
        given, numbers = _found(accessor, model_inputs)
        return _like(replaced(numbers), given)

    if embed is None:
        return ids

    def embeddings(z: Any = None, model_inputs: ModelInputs | None = None) -> Tensor:
        return _embedded(embed, ids(z, model_inputs))

    return ids, _constant(embeddings)


def _mean_baselines(
    kept: list[int], several: list[int], accessor: InputAccessor, embed: Embed
) -> tuple[TokenBaseline, TokenBaseline]:
    def ids(z: Any = None, model_inputs: ModelInputs | None = None) -> Tensor:
        del z, model_inputs
        raise ValueError(
            "the mean of several tokens' embeddings is no token, and so has no ids; use the second "
            "baseline, embeddings, at the output of the embedding layer"
        )

    def embeddings(z: Any = None, model_inputs: ModelInputs | None = None) -> Tensor:
        del z
        given, numbers = _found(accessor, model_inputs)
        own = _embedded(embed, given)
        rows = _embedded(embed, _like(np.asarray([several]), given))
        xp = np if isinstance(own, np.ndarray) else get_backend(own).xp
        mean = xp.broadcast_to(xp.mean(rows, axis=1, keepdims=True), tuple(own.shape))
        stays = np.broadcast_to(np.isin(numbers, kept)[..., np.newaxis], tuple(own.shape))
        return xp.where(_like(stays, own), own, mean)

    return ids, _constant(embeddings)


def _constant(baseline: TokenBaseline) -> TokenBaseline:
    """A baseline that says that nothing is differentiated through it."""
    vars(baseline)["stops_gradient"] = True
    return baseline


def _found(accessor: InputAccessor, inputs: ModelInputs | None) -> tuple[Tensor, Array]:
    """The ids as they were given, and in NumPy: they are few, and every framework reads those."""
    if inputs is None:
        raise ValueError("a token baseline reads the ids from model_inputs, and none were given")
    given = accessor(inputs)
    if isinstance(given, list):
        given = np.asarray(given)
    numbers = given if isinstance(given, np.ndarray) else get_backend(given).to_numpy(given)
    if numbers.dtype.kind not in "iu":
        raise ValueError(f"input_accessor gave {numbers.dtype}; it must give the token ids")
    return given, numbers


def _swapped(ids: Array, pairs: list[list[int]]) -> Array:
    new = ids.copy()
    for a, b in pairs:
        new[ids == a] = b
        new[ids == b] = a
    return new


def _embedded(embed: Embed, ids: Tensor) -> Tensor:
    values = embed(ids)
    if isinstance(values, np.ndarray):
        return values
    return get_backend(values).stop_gradient(values)


def _like(a: Array, given: Tensor) -> Tensor:
    """An array as a tensor of the kind of `given`, on its device; ids in its type."""
    if isinstance(given, np.ndarray):
        return a if a.dtype.kind == "b" else a.astype(given.dtype)
    backend = get_backend(given)
    tensor = backend.from_numpy(a, like=given)
    return tensor if a.dtype.kind == "b" else backend.cast(tensor, given)
