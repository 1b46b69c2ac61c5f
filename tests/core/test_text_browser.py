"""Texts and results in a real browser: where they stand, and in which colours.

Needs chromium (Debian: `apt-get install chromium fonts-dejavu-core`). Without it these tests are
skipped, except where CI or TRULENS_TEST_BROWSER is set: there it is an error that it is missing.
"""

import json
import os
import re
import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.image import imread

from trulens_core import AttributionResult
from trulens_core.visualizations import HTML
from trulens_core.visualizations.text_colors import edge, ground
from trulens_core.visualizations.text_lines import Column, TextLine, Token

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--force-device-scale-factor=1",
    "--window-size=900,700",
]
# Writes down where each part of the picture stands.
MEASURE = """
<script>
const at = (kind) => [...document.querySelectorAll(kind)].map((e) => {
  const r = e.getClientRects()[0];
  return {text: e.textContent, x: r.left, y: r.top, right: r.right, bottom: r.bottom,
          width: e.naturalWidth || 0};
});
const found = {tokens: at('.trulens-token'), cells: at('.trulens-cell'), labels: at('b'),
               images: at('img'), cards: at('.trulens-text, .trulens-result'),
               title: document.title,
               scroll: document.documentElement.scrollWidth, wide: window.innerWidth};
const written = document.createElement('pre');
written.id = 'found';
written.textContent = JSON.stringify(found).replace(/[^ -~]/g,
  (c) => '\\\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
written.hidden = true;
document.body.appendChild(written);
</script>
"""
PAGES = {"light": "background:#ffffff;color:#000000", "dark": "background:#111111;color:#dddddd"}


@pytest.fixture(scope="session")
def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if os.environ.get("CI") or os.environ.get("TRULENS_TEST_BROWSER"):
        pytest.fail("chromium should be here: apt-get install chromium fonts-dejavu-core")
    pytest.skip("chromium is not installed")


class Page:
    """A page, measured, and its pixels."""

    def __init__(self, found, pixels):
        self.__dict__.update(found)
        self.pixels = pixels

    def color(self, x, y):
        return tuple(int(c) for c in self.pixels[round(y), round(x)])


@pytest.fixture
def browse(chromium, tmp_path):
    def open_page(body, style=PAGES["light"]):
        page, picture = tmp_path / "page.html", tmp_path / "page.png"
        start = f'<!doctype html><title>page</title><body style="{style}">'
        page.write_text(f"{start}{body}{MEASURE}", encoding="ascii")  # no charset is declared

        command = [
            chromium,
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--screenshot={picture}",
            "--dump-dom",
            page.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
        dom = done.stdout.decode("utf-8")
        written = re.search(r'<pre id="found"[^>]*>(.*?)</pre>', dom, re.DOTALL)[1]
        for name, sign in (("lt", "<"), ("gt", ">"), ("amp", "&")):
            written = written.replace(f"&{name};", sign)
        pixels = np.rint(255 * imread(picture)[..., :3]).astype(int)
        return Page(json.loads(written), pixels)

    return open_page


def line(*tokens, label="positive"):
    return TextLine((Column(tuple(Token(*t) for t in tokens)),), label)


def close(found, expected):
    return max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= 2


VALUES = [0.9, -0.9, 0.5, -0.4, 0.2, -0.1, 0.0]
LINE = line(*((f"word{i}", v) for i, v in enumerate(VALUES)))


@pytest.mark.parametrize("style", PAGES.values(), ids=PAGES)
def test_tokens_have_their_colours_on_every_page(browse, style):
    page = browse(HTML().render([LINE]), style)
    assert [t["text"] for t in page.tokens] == [f"word{i}" for i in range(len(VALUES))]
    for token, value in zip(page.tokens, VALUES, strict=True):
        expected = ground(value / 0.9)
        assert close(page.color(token["x"] + 1, token["y"] + 3), expected), token
        inside = page.pixels[
            round(token["y"]) + 3 : round(token["bottom"]) - 4,
            round(token["x"]) + 1 : round(token["right"]) - 1,
        ]
        assert inside.max(axis=-1).min() < 0x60  # there is dark ink
        assert close(inside.reshape(-1, 3)[inside.sum(axis=-1).argmax()], expected)


@pytest.mark.parametrize("style", PAGES.values(), ids=PAGES)
def test_what_raises_is_underlined_solid_and_what_lowers_dashed(browse, style):
    page = browse(HTML().render([LINE]), style)
    for token, value in zip(page.tokens, VALUES, strict=True):
        y = round(token["bottom"]) - 1
        xs = range(round(token["x"]) + 1, round(token["right"]) - 1)
        hits = [close(page.color(x, y), edge(value)) for x in xs]
        share = sum(hits) / len(hits)
        if value > 0:
            assert share == 1
        else:
            assert (0.2 < share < 0.9) if value else share == 0


@pytest.mark.parametrize("style", PAGES.values(), ids=PAGES)
def test_around_the_tokens_is_the_card_s_own_ground(browse, style):
    page = browse(HTML().render([LINE]), style)
    (card,) = page.cards
    assert page.color(card["x"] + 4, card["y"] + 4) == (255, 255, 255)
    outside = page.color(card["x"] - 4, card["y"] + 4)
    assert outside == ((255, 255, 255) if "ffffff" in style else (0x11, 0x11, 0x11))
    (label,) = page.labels
    inside = page.pixels[
        round(label["y"]) : round(label["bottom"]), round(label["x"]) : round(label["right"])
    ]
    assert inside.max(axis=-1).min() < 0x40


def test_pieces_touch_and_words_do_not(browse):
    tokens = [("un", 1.0), ("believ", 0.5, False), ("able", 0.2, False), ("film", -1.0)]
    un, believ, able, film = browse(HTML().render([line(*tokens)])).tokens
    assert un["right"] == pytest.approx(believ["x"])
    assert believ["right"] == pytest.approx(able["x"])
    assert film["x"] - able["right"] > 2
    assert len({t["y"] for t in (un, believ, able, film)}) == 1


def test_nothing_in_a_text_is_run(browse):
    evil = '<script>document.title="run"</script><img src=x onerror="document.title=1">'
    page = browse(HTML().render([line((evil, 1.0), ('"onmouseover="', 1.0), label=evil)]))
    assert page.title == "page"
    assert page.images == []
    assert [t["text"] for t in page.tokens] == [evil, '"onmouseover="']


def test_characters_are_right_without_a_charset(browse):
    words = ["naïve", "日本語", "\U0001f44d", "a\u202eb", "tab\t"]
    page = browse(HTML().render([line(*((w, 1.0) for w in words))]))
    expected = ["naïve", "日本語", "\U0001f44d", r"a\u202eb", r"tab\t"]
    assert [t["text"] for t in page.tokens] == expected


def test_directions_stay_where_they_belong(browse):
    hebrew = [("זה", 1.0), ("סרט", -1.0), ("טוב", 0.5)]
    evil = [("one\u202e", 1.0), ("two", -1.0), ("three\u2067", 0.5), ("four", 0.5)]
    page = browse(HTML().render([line(*hebrew, label="עברית"), line(*evil)]))
    xs = [t["x"] for t in page.tokens]
    assert xs[:3] == sorted(xs[:3], reverse=True)
    assert xs[3:] == sorted(xs[3:])
    assert page.labels[0]["right"] < min(xs[:3])


def test_classes_stand_side_by_side(browse):
    columns = tuple(
        Column(tuple(Token(f"word{i}", s * (i - 5.0)) for i in range(12)), name)
        for name, s in (("bad", 1), ("fair", 0.1), ("good", -1))
    )
    page = browse(HTML().render([TextLine(columns, "good")]))
    groups = [page.tokens[12 * i : 12 * i + 12] for i in range(3)]
    tops = {group[0]["y"] for group in groups}
    assert len(tops) == 1
    for left, right in pairwise(groups):
        assert max(t["right"] for t in left) < min(t["x"] for t in right)
    weak = groups[1][11]
    assert close(page.color(weak["x"] + 1, weak["y"] + 3), ground(0.1))  # one scale for all


def test_long_texts_break_and_stay_inside(browse):
    long = line(("x" * 300, 1.0), *(("word", 0.5) for _ in range(200)))
    both = TextLine((*long.columns, *long.columns), "two")
    page = browse(f'<div style="width:300px">{HTML().render([long, both])}</div>')
    assert page.scroll <= page.wide
    (card,) = page.cards
    assert all(t["right"] <= card["right"] for t in page.tokens)


@pytest.mark.parametrize("style", PAGES.values(), ids=PAGES)
def test_a_result_of_a_table_has_coloured_numbers(browse, style):
    values = np.array([[0.5, -1.0, 0.25], [3.0, 0.0, np.nan]])
    result = AttributionResult(values, quantity=np.array([1.5, 2.5]))
    page = browse(result._repr_html_(), style)
    cells = {(c["text"]): c for c in page.cells}
    assert {"1.5", "2.5", "quantity"} <= set(cells)
    for text, fraction in (("-1", -1), ("+0.5", 0.5), ("+0.25", 0.25), ("+3", 1), ("+nan", np.nan)):
        assert close(page.color(cells[text]["x"] + 1, cells[text]["y"] + 2), ground(fraction)), text


def test_a_result_of_images_shows_them(browse):
    values = np.zeros((1, 1, 4, 4))
    values[0, 0, 0, 0], values[0, 0, 3, 3] = 1.0, -1.0
    page = browse(AttributionResult(values)._repr_html_(), PAGES["dark"])
    (image,) = page.images
    assert image["width"] == 4  # it was read
    red, middle, blue = (
        page.color(image["x"] + f * 240, image["y"] + f * 240) for f in (0.1, 0.5, 0.9)
    )
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    assert min(middle) > 240


def test_a_result_of_a_text_shows_positions(browse):
    values = np.zeros((1, 5, 8))
    values[0, 2], values[0, 4] = 1.0, -1.0
    page = browse(AttributionResult(values)._repr_html_())
    assert [t["text"] for t in page.tokens] == list("01234")
    for i, fraction in enumerate((0, 0, 1, 0, -1)):
        token = page.tokens[i]
        assert close(page.color(token["x"] + 1, token["y"] + 3), ground(fraction))
