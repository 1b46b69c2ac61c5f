"""Word pieces: how a tokenizer marks where words begin, and words put together again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

Marks = Literal["sentencepiece", "bytes", "spaces", "wordpiece", "none"]
"""`▁word`; `Ġword`, the bytes of UTF-8 as letters; ` word`; `##piece` that goes on; no marks."""

_BEGINS: dict[Marks, str] = {"sentencepiece": "▁", "bytes": "Ġ", "spaces": " "}
_SPECIAL = re.compile(r"<[^<>\s]+>|\[[A-Z]+\]")
"""Tokens such as `</s>` and `[SEP]`: never a part of a word."""
_BLANKS = ("\n", "\r", "\t")
_BYTE_BLANKS = ("Ċ", "č", "ĉ")
"""The same three as a byte-level vocabulary writes them."""


@dataclass(frozen=True)
class Piece:
    """One decoded token.

    Attributes:
        text: as it was decoded, its mark included.
        begins: whether a word begins with it.
        spaced: whether a space stands before it.
    """

    text: str
    begins: bool
    spaced: bool


class Group(NamedTuple):
    """Pieces shown as one: their places, their text, and whether a space stands before it."""

    places: tuple[int, ...]
    text: str
    spaced: bool


def marks_of(tokens: Iterable[str]) -> Marks:
    """How these tokens, which one tokenizer gave, mark where words begin.

    Example:
        >>> marks_of(["un", "##believ", "##able"]), marks_of(["It", " is"])
        ('wordpiece', 'spaces')
    """
    found: Marks = "none"
    for token in tokens:
        for marks, sign in _BEGINS.items():
            if token.startswith(sign):
                return marks
        if len(token) > 2 and token.startswith("##") and token[2] != "#":
            found = "wordpiece"
    return found


def pieces(tokens: Sequence[str], marks: Marks) -> list[Piece]:
    """The tokens of one text, each told where it stands."""
    blanks = _BYTE_BLANKS if marks == "bytes" else _BLANKS
    result: list[Piece] = []
    alone = ended = True  # before the first token
    for token in tokens:
        special = _SPECIAL.fullmatch(token) is not None
        spaced = alone or special or _is_spaced(token, marks)
        result.append(Piece(token, spaced or ended or token.startswith(blanks), spaced))
        alone, ended = special, token.endswith(blanks)
    return result


def grouped(found: Sequence[Piece], shown: Sequence[int], marks: Marks, words: bool) -> list[Group]:
    """The pieces at the places `shown`, as words or one by one.

    Args:
        found: all pieces of a text.
        shown: places of those that are not hidden, in order.
        marks: how they mark words.
        words: whether the pieces of a word become one.
    """
    places: list[list[int]] = []
    for i in shown:
        follows = bool(places) and places[-1][-1] == i - 1
        if words and follows and not found[i].begins:
            places[-1].append(i)
        else:
            places.append([i])
    result: list[Group] = []
    for group in places:
        first = group[0]
        spaced = found[first].spaced or (first > 0 and first - 1 not in shown)
        text = _joined([found[i].text for i in group], marks)
        result.append(Group(tuple(group), text, spaced and bool(result)))
    return result


def _is_spaced(token: str, marks: Marks) -> bool:
    if marks == "none":
        return True
    if marks == "wordpiece":
        return not (token.startswith("##") and len(token) > 2)
    return token.startswith(_BEGINS[marks])


def _joined(tokens: list[str], marks: Marks) -> str:
    return _UNMARKED[marks](tokens)


def _from_wordpieces(tokens: list[str]) -> str:
    return "".join(t[2:] if t.startswith("##") and len(t) > 2 else t for t in tokens)


def _from_sentencepieces(tokens: list[str]) -> str:
    text = "".join(tokens)
    return text.removeprefix("▁").replace("▁", " ")


def _from_spaces(tokens: list[str]) -> str:
    return "".join(tokens).removeprefix(" ")


def _from_bytes(tokens: list[str]) -> str:
    """Text of letters that stand for bytes; bytes that are no whole character show as escapes."""
    text, table = "".join(tokens), _byte_of()
    if all(c in table for c in text):
        text = bytes(table[c] for c in text).decode("utf-8", errors="backslashreplace")
    return text.removeprefix(" ")


@cache
def _byte_of() -> dict[str, int]:
    """The byte that each letter of a byte-level vocabulary stands for.

    Printable bytes of Latin-1 stand for themselves, the others are counted from U+0100 on: the
    convention of GPT-2's tokenizer and all that came after it.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [b for b in range(256) if b not in printable]
    table = {chr(b): b for b in printable}
    return table | {chr(0x100 + i): b for i, b in enumerate(others)}


_UNMARKED: dict[Marks, Callable[[list[str]], str]] = {
    "sentencepiece": _from_sentencepieces,
    "bytes": _from_bytes,
    "spaces": _from_spaces,
    "wordpiece": _from_wordpieces,
    "none": "".join,
}
