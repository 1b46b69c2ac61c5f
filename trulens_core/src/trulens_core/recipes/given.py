"""What `explain` is given, as a model's inputs: arrays, tables, texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trulens_core.errors import CutError
from trulens_core.inputs import ModelInputs
from trulens_core.models import ModelWrapper
from trulens_core.optional import require
from trulens_core.results.arrays import host, is_array
from trulens_core.slices import Cut


@dataclasses.dataclass(frozen=True)
class Given:
    """A model's inputs, and what they told.

    Attributes:
        inputs: of the model.
        names: of features and tokens.
        at: where variables live, where that is not the input.
        why: what was chosen, in words.
        tokens: which positions are a text's own, 1 or 0, (records, tokens).
    """

    inputs: ModelInputs
    names: dict[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    at: Cut | None = None
    why: tuple[str, ...] = ()
    tokens: np.ndarray[Any, Any] | None = None


def read(x: Any, wrapper: ModelWrapper, tokenizer: Any) -> Given:
    """The inputs that x means."""
    if _are_texts(x):
        return _texts([x] if isinstance(x, str) else list(x), wrapper, tokenizer)
    if hasattr(x, "columns") and hasattr(x, "to_numpy"):
        return _table(x, wrapper.backend.has_gradients)
    if isinstance(x, ModelInputs):
        inputs = x
    elif isinstance(x, Mapping):
        inputs = ModelInputs((), dict(x))
    else:
        inputs = ModelInputs.of_call((x,), {})
    return _ids(inputs, wrapper)


def read_pictures(x: Any, wrapper: ModelWrapper, processor: Any) -> Given:
    """Pictures as a model takes them, by what prepares them for it."""
    several = list(x) if isinstance(x, list | tuple) else [x]
    found = dict(processor([_picture(one) for one in several], return_tensors="np"))
    first = list(found) == list(wrapper.parameters[:1])  # the answer is then an array, not a dict
    inputs = ModelInputs(list(found.values())) if first else ModelInputs((), found)
    return Given(inputs, why=("of pictures as its pipeline prepares them",))


def _picture(x: Any) -> Any:
    """A picture in three colours; a path is opened."""
    if isinstance(x, str | Path):
        with require("PIL.Image", "viz").open(x) as file:
            return file.convert("RGB")
    return x.convert("RGB") if hasattr(x, "convert") else x


def _are_texts(x: Any) -> bool:
    return isinstance(x, str) or (
        isinstance(x, list | tuple) and bool(x) and all(isinstance(t, str) for t in x)
    )


def _table(x: Any, as_numbers: bool) -> Given:
    """A DataFrame, with the names of its columns.

    As numbers, or as it is: a function is called with the columns that it was fitted to.
    """
    kinds = zip(x.columns, x.dtypes, strict=True)
    wrong = [str(c) for c, t in kinds if getattr(t, "kind", "O") not in "biuf"]
    if wrong and as_numbers:
        raise ValueError(
            f"the columns {', '.join(wrong)} hold no numbers; encode them as the model takes them"
        )
    held = np.asarray(x.to_numpy(), "float32") if as_numbers else x
    return Given(ModelInputs([held]), {"features": [str(c) for c in x.columns]})


def _texts(texts: list[str], wrapper: ModelWrapper, tokenizer: Any) -> Given:
    if tokenizer is None:
        raise ValueError("texts need a tokenizer: explain(model, texts, tokenizer=tokenizer)")
    found = dict(_tokenized(texts, tokenizer))
    alone = len(found) == 1 and "input_ids" not in wrapper.parameters
    inputs = ModelInputs([found["input_ids"]]) if alone else ModelInputs((), found)
    given = _ids(inputs, wrapper)
    ids = host(found["input_ids"])
    own = np.ones(ids.shape) * host(found.get("attention_mask", np.ones(ids.shape)))
    own[np.isin(ids, list(getattr(tokenizer, "all_special_ids", ())))] = 0
    name = _names_of_ids(tokenizer)
    rows = [[name(int(i)) for i in row] for row in ids]
    return dataclasses.replace(given, names={"tokens": rows}, tokens=own)


def _names_of_ids(tokenizer: Any) -> Callable[[int], str]:
    """Hugging Face's name of an id, that of a layer of Keras, or the number."""
    name = getattr(tokenizer, "convert_ids_to_tokens", None)
    known = getattr(tokenizer, "get_vocabulary", None)
    if name is not None:
        return name  # type: ignore[no-any-return]  # of the tokenizer's
    words = list(known()) if known is not None else []
    return lambda i: str(words[i]) if i < len(words) else str(i)


def _tokenized(texts: list[str], tokenizer: Any) -> Mapping[str, Any]:
    """Padded on the right, as arrays, which every framework takes."""
    if hasattr(tokenizer, "convert_ids_to_tokens"):
        found: Any = tokenizer(
            texts, padding=True, truncation=True, padding_side="right", return_tensors="np"
        )
    else:
        found = tokenizer(texts)
    if is_array(found) and len(found.shape) == 2:
        return {"input_ids": host(found)}
    if not isinstance(found, Mapping) or "input_ids" not in found:
        raise ValueError(
            "the tokenizer gives no mapping with input_ids, nor an array of ids, (texts, tokens)"
        )
    return found


def _integers(value: Any) -> bool:
    kind = str(value.dtype)
    return "int" in kind or "bool" in kind


def _ids(inputs: ModelInputs, wrapper: ModelWrapper) -> Given:
    """Token ids are explained where they are embedded."""
    if not wrapper.backend.has_gradients:
        return Given(inputs)  # integers are numbers there
    held = [x for x in inputs.leaves if is_array(x.value)]
    chosen = [x for x in held if isinstance(x.name, int)] or held
    ids = [x for x in held if x.name == "input_ids"] or chosen  # beside them are masks
    if not ids or not all(_integers(x.value) for x in ids):
        return Given(inputs)
    layers = wrapper.embeddings()
    if not layers:
        raise CutError(
            "the inputs hold integers alone, and the model has no embedding layer; give numbers "
            "that are no ids, such as pixels, as floats"
        )
    layer = next((n for n in layers if "word" in n or "token" in n or "wte" in n), layers[0])
    return Given(inputs, at=Cut(layer), why=(f"at the embeddings {layer!r} of token ids",))
