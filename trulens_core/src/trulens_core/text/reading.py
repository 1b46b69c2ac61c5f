"""Prompts, chats and continuations read into tokens, as a tokenizer of Hugging Face reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from trulens_core.models.texts import TextModel
from trulens_core.plugins import get_backend
from trulens_core.text.beside import beside
from trulens_core.text.padding import check_padding
from trulens_core.text.tokens import Ids, Tokens, Turn


class Prompts(NamedTuple):
    """What was given to be continued.

    Attributes:
        texts: each prompt.
        single: whether one was given, and not a list of them.
    """

    texts: list[Tokens]
    single: bool


def read_prompts(
    prompt: Any,
    tokenizer: Any = None,
    *,
    names: Sequence[str] | None = None,
    text: TextModel | None = None,
) -> Prompts:
    """The prompts that were given, as tokens.

    Args:
        prompt: a text; a chat, a list of messages (mappings with "role" and "content"), to which
            the tokenizer's template is applied; ids, (tokens,) or (records, tokens), of NumPy, a
            framework or lists; what a tokenizer gives for texts, a mapping with "input_ids", of
            which what its "attention_mask" leaves out is dropped. Or a list of texts or chats.
        tokenizer: of Hugging Face, or None for ids.
        names: of the tokens of one prompt, where there is no tokenizer.
        text: what the model says of itself: which id pads, where there is no tokenizer.

    Raises:
        ValueError: for a text without a tokenizer, no tokens at all, two tokens at the start that
            both mark it, and ids with padding and no mask.
        TypeError: for what is none of these.

    Example:
        >>> read_prompts([[5, 7, 9]]).texts[0].ids
        array([5, 7, 9])
    """
    if isinstance(prompt, str) or _is_chat(prompt):
        found, single = [_read(prompt, tokenizer)], True
    elif isinstance(prompt, Mapping):
        found, single = _of_mapping(prompt, tokenizer, names, text)
    elif isinstance(prompt, list | tuple) and prompt and all(_is_words(p) for p in prompt):
        found, single = [_read(p, tokenizer) for p in prompt], False
    else:
        rows, single = _rows(prompt, "the prompt")
        check_padding(rows, tokenizer, text)
        found = [_named(ids, tokenizer, names if single else None) for ids in rows]
    for tokens in found:
        _check(tokens, tokenizer, text)
    return Prompts(found, single)


def read_continuation(continuation: Any, prompt: Tokens, tokenizer: Any = None) -> Tokens:
    """A given continuation of a prompt, as tokens.

    A text is read together with the prompt, as the model would have seen it, and must not change
    how that is read. Ids are taken as they are.

    Raises:
        ValueError: for a text that changes how the prompt before it is read, or without a
            tokenizer; for no tokens.
    """
    if isinstance(continuation, Tokens):
        found = continuation
    elif isinstance(continuation, str):
        found = _joined(continuation, prompt, tokenizer)
    else:
        (ids, *others), _ = _rows(continuation, "the continuation")
        if others:
            raise ValueError("one prompt has one continuation; give a list of prompts for several")
        found = _continued(ids, prompt, tokenizer)
    if not len(found):
        raise ValueError("the continuation has no tokens, so that there is nothing to explain")
    return found


def read_alone(text: Any, tokenizer: Any = None) -> Tokens:
    """The text that an encoder-decoder writes, as tokens: by itself, the end of text included."""
    if isinstance(text, Tokens):
        return text
    if not isinstance(text, str):
        (ids, *_), _ = _rows(text, "the continuation")
        return _named(ids, tokenizer, None)
    encoding = _needed(tokenizer, "a text")(text_target=text)
    return _named(np.asarray(encoding["input_ids"], "int64"), tokenizer, None)


def one_each(given: Any, prompts: Prompts, what: str) -> list[Any]:
    """What is given for every prompt, as a list: one for each.

    Raises:
        ValueError: for one text for a list of prompts, and for another number of them.
    """
    if prompts.single:
        return [given]
    n = len(prompts.texts)
    if isinstance(given, str):
        raise ValueError(f"the prompts are a list of {n}; give a list with a {what} for each")
    listed = list(given)
    if len(listed) != n:
        raise ValueError(f"there are {n} prompts and {len(listed)} {what}s")
    return listed


def others_of(prompt: Any, i: int, n: int) -> dict[str, Any]:
    """What a processor gave besides ids, as pictures, of one of the prompts.

    Args:
        prompt: as it was given.
        i: which of the prompts.
        n: how many there are.

    Raises:
        ValueError: where it is not known whose each picture is, and as `beside`.
    """
    found = beside(prompt)
    if n == 1:
        return found
    for name, value in found.items():
        if getattr(value, "shape", (n,))[:1] != (n,):
            raise ValueError(
                f"{name} has {value.shape[0]} rows for {n} prompts, so that it is not known which "
                "are whose; give one prompt at a time"
            )
    return {k: v[i : i + 1] if hasattr(v, "shape") else v for k, v in found.items()}


# -- texts and chats ------------------------------------------------------------------------------


def _is_chat(prompt: Any) -> bool:
    listed = isinstance(prompt, list | tuple) and len(prompt) > 0
    return listed and all(isinstance(m, Mapping) and "role" in m for m in prompt)


def _is_words(prompt: Any) -> bool:
    return isinstance(prompt, str) or _is_chat(prompt)


def _needed(tokenizer: Any, what: str) -> Any:
    if isinstance(tokenizer, str):
        raise TypeError(
            f"the tokenizer is the text {tokenizer!r}; give the tokenizer itself, as "
            "AutoTokenizer.from_pretrained gives it"
        )
    if tokenizer is None:
        raise ValueError(f"{what} needs a tokenizer; give one, or give ids")
    return tokenizer


def _read(prompt: Any, tokenizer: Any) -> Tokens:
    if isinstance(prompt, str):
        return _encoded(prompt, _needed(tokenizer, "a text"), special=True)
    tokenizer = _needed(tokenizer, "a chat")
    if not getattr(tokenizer, "chat_template", None):
        raise ValueError(
            "the tokenizer has no chat template, which says how messages become a text; set "
            "tokenizer.chat_template, or give the text itself"
        )
    last = prompt[-1]["role"]
    text = tokenizer.apply_chat_template(
        list(prompt), tokenize=False, add_generation_prompt=last != "assistant"
    )
    turns = _turns(prompt, text)
    found = _encoded(text, tokenizer, special=False)
    # what the template wrote, and no message, is held as special tokens are
    inside = np.zeros(len(found), bool)
    for turn in turns:
        inside[found.within(turn.start, turn.end)] = True
    return Tokens(found.ids, text, found.offsets, found.special | ~inside, turns)


def _turns(chat: Sequence[Mapping[str, Any]], text: str) -> tuple[Turn, ...]:
    """Where the messages' contents stand in the text that the template made of them."""
    found, at = [], 0
    for message in chat:
        content = message.get("content")
        parts = (
            [content]
            if isinstance(content, str)
            else [
                part["text"]
                for part in content or ()
                if isinstance(part, Mapping) and "text" in part
            ]
        )
        for part in parts:
            written = part.strip()
            start = text.find(written, at)
            if written and start >= 0:
                at = start + len(written)
                found.append(Turn(str(message["role"]), start, at))
    return tuple(found)


def _encoded(text: str, tokenizer: Any, special: bool) -> Tokens:
    """A text as the tokenizer reads it, with its own special tokens before it, none after."""
    fast = bool(getattr(tokenizer, "is_fast", False))
    more = {"return_offsets_mapping": True} if fast else {}
    encoding = tokenizer(text, add_special_tokens=special, **more)
    ids = np.asarray(encoding["input_ids"], "int64").reshape(-1)
    if not fast:
        return _named(ids, tokenizer, None)
    offsets = [(int(a), int(b)) for a, b in encoding["offset_mapping"]]
    marked = _special(ids, tokenizer) & _as_written(ids, text, offsets, tokenizer)
    # tokens that were added stand nowhere in the text: they are written before and after it
    added = [a == b for a, b in offsets]
    if not any(added):
        return Tokens(ids, text, tuple(offsets), marked)
    if all(added):
        return _named(ids, tokenizer, None)
    first, last = added.index(False), len(added) - added[::-1].index(False)
    ends = [_named(part, tokenizer, None) for part in (ids[:first], ids[last:])]
    between = [(a, max(a, b)) for a, b in offsets[first:last]]
    middle = Tokens(ids[first:last], text, tuple(between), marked[first:last])
    return ends[0] + middle + ends[1]


def _as_written(
    ids: Ids, text: str, offsets: Sequence[tuple[int, int]], tokenizer: Any
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which tokens stand in the text by their own name, or nowhere: others are unknown words."""
    names = tokenizer.convert_ids_to_tokens(ids.tolist())
    pairs = zip(offsets, names, strict=True)
    return np.array([a == b or text[a:b].strip() == name.strip() for (a, b), name in pairs], bool)


def _joined(continuation: str, prompt: Tokens, tokenizer: Any) -> Tokens:
    tokenizer = _needed(tokenizer, "a text")
    whole = _encoded(prompt.text + continuation, tokenizer, special=False)
    n = len(prompt)
    if len(whole) >= n and np.array_equal(whole.ids[:n], prompt.ids):
        return whole[n:]
    # the prompt's special tokens are not always read back as such: then without them
    marked = int(np.argmin(prompt.special)) if not prompt.special.all() else 0
    rest = prompt[marked:]
    whole = _encoded(rest.text + continuation, tokenizer, special=False)
    if np.array_equal(whole.ids[: len(rest)], rest.ids):
        return whole[len(rest) :]
    raise ValueError(
        f"the prompt is read in another way when {continuation[:20]!r} follows it, so that "
        "no token is the first of the continuation; begin it with the space that stands between "
        "them and end the prompt without, or give the continuation as ids"
    )


# -- ids ------------------------------------------------------------------------------------------


def _of_mapping(
    given: Mapping[str, Any],
    tokenizer: Any,
    names: Sequence[str] | None,
    text: TextModel | None,
) -> tuple[list[Tokens], bool]:
    """Ids as a tokenizer gives them, less what is padding."""
    if "input_ids" not in given:
        raise ValueError(f"a prompt that is a mapping has 'input_ids'; found {sorted(given)}")
    rows, single = _rows(given["input_ids"], "the prompt")
    mask = given.get("attention_mask")
    if mask is None:
        check_padding(rows, tokenizer, text)
    else:
        kept, _ = _rows(mask, "attention_mask")
        rows = [ids[np.asarray(m) > 0] for ids, m in zip(rows, kept, strict=True)]
    return [_named(ids, tokenizer, names if single else None) for ids in rows], single


def _rows(given: Any, what: str) -> tuple[list[Ids], bool]:
    """Rows of ids, and whether one was given."""
    nested = isinstance(given, list | tuple) and len(given) > 0 and not np.isscalar(given[0])
    if nested and all(np.ndim(_host(row)) == 1 for row in given):
        return [_ids(_host(row), what) for row in given], False
    array = _host(given)
    if np.ndim(array) == 1:
        return [_ids(array, what)], True
    if np.ndim(array) == 2:
        return [_ids(row, what) for row in array], False
    raise TypeError(
        f"{what} is a {type(given).__name__}; it must be a text, a chat, ids (tokens,) or "
        "(records, tokens), or a list of these"
    )


def _host(given: Any) -> Any:
    if isinstance(given, np.ndarray) or not hasattr(given, "shape"):
        return np.asarray(given)
    return get_backend(given).to_numpy(given)


def _ids(array: Any, what: str) -> Ids:
    found = np.asarray(array)
    if found.dtype.kind not in "iub" and found.size:
        raise TypeError(f"{what} holds {found.dtype}; token ids are ints")
    if found.size and found.min() < 0:
        raise ValueError(f"{what} holds {found.min()}, and token ids are never below 0")
    return found.astype("int64")


_MARKS = ("bos", "eos", "pad", "cls", "sep", "mask")


def _special(ids: Ids, tokenizer: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which tokens mark something. One that stands for unknown words alone is one of the text."""
    marks = list(getattr(tokenizer, "all_special_ids", ()))
    unknown = getattr(tokenizer, "unk_token_id", None)
    others = [getattr(tokenizer, f"{name}_token_id", None) for name in _MARKS]
    if unknown is not None and unknown not in others:
        marks = [i for i in marks if i != unknown]
    return np.isin(ids, marks)


def _named(ids: Ids, tokenizer: Any, names: Sequence[str] | None) -> Tokens:
    """Ids with what each writes, as far as that is known."""
    if tokenizer is None or names is not None:
        return Tokens.of_ids(ids, names)
    return Tokens.of_ids(ids, written(ids, tokenizer), _special(ids, tokenizer))


def _continued(ids: Ids, prompt: Tokens, tokenizer: Any) -> Tokens:
    """Ids that follow a prompt: spaces are told by what stands before."""
    if tokenizer is None:
        return Tokens.of_ids(ids)
    before = prompt.ids[-_BEFORE:]
    names = written(np.concatenate([before, ids]), tokenizer)[len(before) :]
    return Tokens.of_ids(ids, names, _special(ids, tokenizer))


_BEFORE = 6
"""So many tokens tell how the next is written: whether a space stands before it, or which bytes."""


def written(ids: Ids, tokenizer: Any) -> list[str]:
    """What each token adds to the text; what is part of a character is written with its last."""
    found: list[str] = []
    start = 0
    for i in range(len(ids)):
        start = max(start, i - _BEFORE) if found and found[-1] else start
        before = _decoded(ids[start:i], tokenizer)
        after = _decoded(ids[start : i + 1], tokenizer)
        whole = not after.endswith("\ufffd") or i + 1 == len(ids)
        found.append(after[len(_common(before, after)) :] if whole else "")
    return found


def _common(before: str, after: str) -> str:
    kept = before.rstrip("\ufffd")
    n = 0
    while n < min(len(kept), len(after)) and kept[n] == after[n]:
        n += 1
    return after[:n]


def _decoded(ids: Ids, tokenizer: Any) -> str:
    if not len(ids):
        return ""
    text: str = tokenizer.decode(ids.tolist(), clean_up_tokenization_spaces=False)
    return text


def _check(tokens: Tokens, tokenizer: Any, text: TextModel | None) -> None:
    if not len(tokens):
        raise ValueError("the prompt has no tokens")
    size = None if text is None or text.merges else text.vocabulary
    if size is not None and tokens.ids.max() >= size:
        raise ValueError(
            f"the prompt has the id {tokens.ids.max()}, and the model knows {size} ids, from 0 to "
            f"{size - 1}: the tokenizer may be another model's"
        )
    first = getattr(tokenizer, "bos_token_id", None)
    if first is not None and len(tokens) > 1 and (tokens.ids[:2] == first).all():
        raise ValueError(
            f"the prompt begins with two {tokenizer.bos_token!r}: it has one, and the tokenizer "
            "writes another; leave it out of the text, or give ids"
        )
