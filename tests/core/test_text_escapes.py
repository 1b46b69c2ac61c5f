"""What cannot be seen, or changes what is around it, shows as an escape."""

import html
import sys
import unicodedata

import pytest

from trulens_core.visualizations.text_escapes import in_html, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x00\x1b[31m\x7f\x9b", r"\x00\x1b[31m\x7f\x9b"),
        ("\u202eevil\u202c\u2066x\u2069\u200f\u061c", r"\u202eevil\u202c\u2066x\u2069\u200f\u061c"),
        ("\u2028\u2029\ufeff\u200b\xad", r"\u2028\u2029\ufeff\u200b\xad"),
        ("\ud800\ufffe\U000e0041\ue000", r"\ud800\ufffe\U000e0041\ue000"),
    ],
)
def test_controls_are_escapes(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text", ["plain", "naïve", "שלום", "日本語", "👩\u200d🔬", "क\u094d\u200dष", "\\n"]
)
def test_what_is_seen_stays(text):
    assert visible(text) == text


def test_no_character_of_unicode_moves_or_breaks_what_is_around_it():
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = visible(everything)
    shown.encode("utf-8")
    left = {unicodedata.category(c) for c in set(shown) - {"\u200c", "\u200d"}}
    assert left.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    strong = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert strong.isdisjoint(unicodedata.bidirectional(c) for c in set(shown))


@pytest.mark.parametrize("text", ["<script>&\"'", "é 日本 👍", "a\u202eb"])
def test_html_is_ascii_and_reads_as_what_is_visible(text):
    written = in_html(text)
    assert written.isascii()
    assert set("<>\"'").isdisjoint(written)
    assert html.unescape(written) == visible(text)
