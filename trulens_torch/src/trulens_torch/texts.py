"""How the language models of transformers read and write tokens."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trulens_core.errors import CutError
from trulens_core.inputs import ModelInputs
from trulens_core.models.texts import TextModel
from trulens_core.slices import Cut

_AT_ONCE = 90_000
"""What a graph keeps for so much stays in a processor's cache from one target to the next."""

Opened = Callable[[], contextlib.AbstractContextManager[None]]


def of_transformers(model: nn.Module, opened: Opened) -> TextModel:
    """What a model that has `get_input_embeddings` says of itself.

    Args:
        model: it.
        opened: a context in which it runs as it does when it is explained.
    """
    config: Any = getattr(model, "config", None)
    text = config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config
    names = {id(module): name for name, module in model.named_modules()}
    several = bool(getattr(config, "is_encoder_decoder", False))
    first: Any = model
    decoder = None
    if several:
        first = model.get_encoder()  # type: ignore[operator]  # a module's own
        decoder = Cut(_named(model.get_decoder().get_input_embeddings(), names))  # type: ignore[operator]
    table = first.get_input_embeddings()
    merging = _merging(model, table)
    embedding = Cut(_named(table, names))
    if merging is not None:
        embedding = Cut(_named(merging, names), "in", accessor=_embeddings_given)
    takes = frozenset(inspect.signature(model.forward).parameters)
    return TextModel(
        embedding,
        decoder,
        accepts=takes,
        start=_of(config, "decoder_start_token_id") if several else None,
        ends=_ends(model, text),
        window=_window(text),
        embed=functools.partial(_embedded, table),
        generate=_Writing(model, opened, several) if hasattr(model, "generate") else None,
        vocabulary=int(table.weight.shape[0]),
        merges=merging is not None,
        pad=_of(text, "pad_token_id"),
        pictures=_pictures(config),
        width=int(table.weight.shape[1]),
        remember=_Remembering(model, opened)
        if "past_key_values" in takes and not several
        else None,
        at_once=_AT_ONCE if table.weight.device.type == "cpu" else None,
    )


def _named(module: nn.Module, names: Mapping[int, str]) -> str:
    name = names.get(id(module))
    if name is None:
        raise CutError(
            "the model's embeddings are no layer of it, so that nothing can be cut there; name the "
            "layer with embeddings="
        )
    return name


def _merging(model: nn.Module, table: nn.Module) -> nn.Module | None:
    """The module that reads text among which something else was put: pictures, sounds."""
    if not any(hasattr(getattr(model, "config", None), f"{k}_config") for k in ("vision", "audio")):
        return None
    holders = [
        m
        for m in model.modules()
        if getattr(m, "embed_tokens", None) is table or getattr(m, "wte", None) is table
    ]
    return holders[-1] if holders else None


def _embeddings_given(given: ModelInputs) -> Any:
    return given.kwargs["inputs_embeds"]


def _of(config: Any, name: str) -> Any:
    return getattr(config, name, None)


def _ends(model: nn.Module, text: Any) -> tuple[int, ...]:
    found = _of(getattr(model, "generation_config", None), "eos_token_id")
    found = _of(text, "eos_token_id") if found is None else found
    if found is None:
        return ()
    return tuple(found) if isinstance(found, list | tuple) else (int(found),)


_PICTURES = tuple(
    f"{kind}_token_{how}" for kind in ("image", "video", "audio") for how in ("id", "index")
)


def _pictures(config: Any) -> tuple[int, ...]:
    """The ids in whose places a model of several kinds of input has something that is no text."""
    found = {_of(config, name) for name in _PICTURES}
    return tuple(sorted(i for i in found if isinstance(i, int)))


_WINDOWS = "sliding_window", "attention_chunk_size", "attention_window_size", "window_size"


def _window(text: Any) -> int | None:
    """How far back attention reaches, where each layer's does not reach to the start."""
    sizes = [_of(text, name) for name in _WINDOWS]
    if _of(text, "use_sliding_window") is False:
        sizes = sizes[1:]
    known = [int(size) for size in sizes if isinstance(size, int)]
    return min(known, default=None)


def _beside(ids: torch.Tensor, table: nn.Module) -> torch.Tensor:
    """Ids on the table's device; where it is offloaded, its hooks move them to where it comes."""
    at = next(table.parameters()).device
    return ids if at.type == "meta" else ids.to(at)


def _embedded(table: nn.Module, ids: torch.Tensor) -> Any:
    """What the embeddings give by themselves.

    A sharded table that no hook of its own gathers, as the model's does when it runs, is gathered
    here: every process asks for the same.
    """
    ids = _beside(ids, table)
    sharded = {n: w for n, w in table.named_parameters() if hasattr(w, "full_tensor")}
    if not sharded or table._forward_pre_hooks:
        return table(ids)
    whole = {name: weight.full_tensor() for name, weight in sharded.items()}
    return torch.func.functional_call(table, whole, (ids,))


class _Writing:
    """The model's own `generate`, for one prompt at a time."""

    def __init__(self, model: nn.Module, opened: Opened, several: bool) -> None:
        self._model, self._opened, self._several = model, opened, several

    def __call__(self, ids: Sequence[int], options: Mapping[str, Any]) -> list[int]:
        device = next(self._model.parameters()).device
        given = torch.tensor([list(ids)], device=device)
        mask = torch.ones_like(given)
        more = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in options.items()}
        with self._opened(), torch.no_grad():
            found = self._model.generate(given, attention_mask=mask, **more)  # type: ignore[operator]
        written: list[int] = found[0].tolist()
        return written[1:] if self._several else written[len(ids) :]


class _Remembering:
    """The keys and values of a text, read once, for what follows the beginnings of it."""

    def __init__(self, model: nn.Module, opened: Opened) -> None:
        self._model, self._opened = model, opened

    def __call__(self, ids: Sequence[int]) -> Callable[[int, int], Mapping[str, Any]] | None:
        device = next(self._model.parameters()).device
        with self._opened(), torch.no_grad():
            found = self._model(input_ids=torch.tensor([list(ids)], device=device), use_cache=True)
        whole: Any = getattr(found, "past_key_values", None)
        if not all(hasattr(whole, name) for name in ("crop", "batch_repeat_interleave")):
            return None
        try:
            copy.deepcopy(whole).crop(-1)
        except RuntimeError:  # of what lies before a window nothing is kept
            return None

        def of(tokens: int, rows: int) -> Mapping[str, Any]:
            cache = copy.deepcopy(whole)
            cache.crop(tokens - len(ids))
            cache.batch_repeat_interleave(rows)
            return {"past_key_values": cache}

        return of
