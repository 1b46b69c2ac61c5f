"""The pages of patching and of parts of a prompt, in a real browser."""

import base64
import dataclasses
import json
import os
import re
import runpy
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from trulens_core import PatchingResult
from trulens_core.text.tokens import Tokens
from trulens_core.visualizations.text_colors import RAISES, ground

made = runpy.run_path(str(Path(__file__).with_name("text_results.py")))
KINDS = made["KINDS"]
PAGES = pytest.mark.parametrize("name", KINDS)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
# Points, clicks and presses keys, as `did` says, and writes down what is seen after each.
ACTED = """
<script>
const all = (of) => [...document.querySelectorAll(of)];
const send = (e, kind, key) => e.dispatchEvent(key
    ? new KeyboardEvent(kind, {key, bubbles: true, cancelable: true}) : new Event(kind));
const look = () => ({
  colors: all('.tp-p, .ts-s').map((e) => getComputedStyle(e).backgroundColor),
  held: all('[aria-selected=true], [aria-pressed=true]').length,
  on: all('.tp-on, .ts-s.ts-on').map((e) => e.textContent),
  say: document.querySelector('.tp-say, .ts-say').textContent,
  at: all('[tabindex="0"]').map((e) => e.title || e.textContent)});
const seen = {start: look()};
const act = (name, of, i, kind, key) => { send(all(of)[i], kind, key); seen[name] = look(); };
DID
seen.fetched = performance.getEntriesByType('resource').length;
seen.fits = document.documentElement.scrollWidth <= window.innerWidth;
const out = document.createElement('pre');
out.id = 'found'; out.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(seen))));
document.body.appendChild(out);
</script>
"""


def browsed(result, tmp_path, did, width=900):
    """What is seen on the page after each act."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        if os.environ.get("CI") or os.environ.get("TRULENS_TEST_BROWSER"):
            pytest.fail("chromium should be here: apt-get install chromium fonts-dejavu-core")
        pytest.skip("chromium is not installed")
    page = tmp_path / "page.html"
    result.to_html(page)
    acted = ACTED.replace("DID", "\n".join(did))
    page.write_text(page.read_text("utf-8").replace("</body>", acted + "</body>"), "utf-8")
    command = [chromium, *FLAGS, f"--window-size={width},700", "--dump-dom", page.as_uri()]
    command.insert(1, f"--user-data-dir={tmp_path}/user")
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    written = re.search(r'<pre id="found">(.*?)</pre>', done.stdout.decode(), re.DOTALL)[1]
    seen = json.loads(base64.b64decode(written))
    assert seen["fetched"] == 0
    assert seen["fits"]
    return seen


def close(seen, expected):
    numbers = [tuple(map(int, re.findall(r"\d+", c)[:3])) for c in seen["colors"]]
    return np.abs(np.asarray(numbers) - [ground(v) for v in expected]).max() <= 1


@PAGES
def test_a_page_fetches_nothing_and_escapes_what_it_shows(name, tmp_path):
    KINDS[name].to_html(tmp_path / "x.html", title="<i>")
    page = (tmp_path / "x.html").read_text("utf-8")
    for sign in (
        "http:",
        "https:",
        "url(",
        "@import",
        " src=",
        "<link",
        "<cat>",
        "<rains>",
        "<i>l",
    ):
        assert sign not in page
    assert "default-src 'none'" in page
    assert "<title>&lt;i&gt;</title>" in page
    fragment = KINDS[name]._repr_html_()
    assert fragment in page
    assert fragment.count("<div") == fragment.count("</div>")
    assert "&lt;cat&gt;" in page or "&lt;rains&gt;" in page


def test_the_map_in_a_browser(tmp_path):
    """A cell colours the text as its layer does; keys, clicks and Escape work."""
    result = KINDS["patching"]
    seen = browsed(
        result,
        tmp_path,
        [
            "act('over', 'td[tabindex]', 1, 'mouseenter');",
            "act('left', 'td[tabindex]', 1, 'mouseleave');",
            "act('focused', 'td[tabindex]', 0, 'focus');",
            "act('down', 'td[tabindex]', 0, 'keydown', 'ArrowDown');",
            "act('end', 'td[tabindex]', 4, 'keydown', 'End');",
            "act('held', 'td[tabindex]', 7, 'click');",
            "act('still', 'td[tabindex]', 1, 'mouseleave');",
            "act('free', 'td[tabindex]', 7, 'keydown', 'Escape');",
        ],
    )
    values = result.attributions[::-1]  # the last layer on top
    largest = np.abs(values).max()
    first = values[np.unravel_index(np.abs(values).argmax(), values.shape)[0]]
    assert close(seen["start"], first / largest)
    assert close(seen["over"], values[0] / largest)
    assert seen["over"]["on"] == ["<cat>"]
    said = seen["over"]["say"]
    assert said.startswith("body.h.1, token 1 “<cat>” (corrupted: “dog”): ")
    number = float(said.rpartition(": ")[2].replace("\u2212", "-"))
    assert abs(number - values[0, 1]) < 0.003 * largest
    assert seen["left"] == seen["start"]
    assert close(seen["focused"], values[0] / largest)
    assert close(seen["down"], values[1] / largest)
    assert seen["end"]["say"].startswith("body.h.0, token 3 “?”: ")
    assert [len(seen[k]["at"]) for k in ("start", "down", "end")] == [1, 1, 1]  # one Tab stop
    assert seen["held"]["held"] == 1
    assert close(seen["still"], values[1] / largest)
    assert seen["free"]["held"] == 0
    assert close(seen["free"], first / largest)


def test_a_head_colours_the_text_by_its_own_numbers(tmp_path):
    result = KINDS["patching, heads"]
    seen = browsed(result, tmp_path, ["act('over', 'td[tabindex]', 4, 'mouseenter');"], width=500)
    assert close(seen["over"], result.attributions[0, :, 1] / np.abs(result.attributions).max())
    assert seen["over"]["say"].startswith("body.h.0, head 1: ")


def test_a_long_prompt_has_the_strongest_tokens_in_its_table(tmp_path):
    n = 300
    values = np.random.default_rng(1).normal(size=(2, n))
    values[0, 250] = 50.0
    a, b = Tokens.of_ids(np.arange(n)), Tokens.of_ids([9, *range(1, n)])
    result = PatchingResult(values, a, b, ("h.0", "h.1"), 1.0, 0.0, "layers", 1)
    page = result._repr_html_()
    assert page.count("<td tabindex") == 160
    assert "the 80 largest of 300" in page
    seen = browsed(result, tmp_path, [], width=500)
    assert len(seen["start"]["colors"]) == n
    assert close(seen["start"], values[0] / 50)


def test_parts_of_a_prompt_in_a_browser(tmp_path):
    result = KINDS["segments"]
    seen = browsed(
        result,
        tmp_path,
        [
            "act('over', '.ts-s', 1, 'mouseenter');",
            "act('left', '.ts-s', 1, 'mouseleave');",
            "act('bar', '.ts-row', 0, 'mouseenter');",
            "act('off', '.ts-row', 0, 'mouseleave');",
            "act('next', '.ts-s', 0, 'keydown', 'ArrowRight');",
            "act('held', '.ts-s', 2, 'click');",
            "act('still', '.ts-s', 0, 'mouseleave');",
            "act('free', '.ts-s', 2, 'keydown', 'Escape');",
        ],
    )
    a = result.attributions
    assert all(close(seen[k], a / np.abs(a).max()) for k in ("start", "over", "free"))
    assert (seen["over"]["on"], seen["left"]["on"]) == (["Do"], [])
    assert seen["over"]["say"].startswith("“Do”: ")
    assert seen["over"]["say"].endswith(" ± 0.25")
    assert seen["bar"]["on"] == [result.top(1)[0].text]
    assert seen["next"]["on"] == ["Do"]
    assert seen["still"]["on"] == ["we"]
    assert seen["free"]["on"] == []


def test_a_token_of_the_answer_shows_what_it_rests_on(tmp_path):
    result = KINDS["segments, each"]
    seen = browsed(
        result,
        tmp_path,
        [
            "act('over', '.ts-t', 1, 'mouseenter');",
            "act('left', '.ts-t', 1, 'mouseleave');",
            "act('held', '.ts-t', 0, 'click');",
            "act('still', '.ts-t', 1, 'mouseleave');",
            "act('free', '.ts-t', 0, 'keydown', 'Escape');",
        ],
        width=400,
    )
    rows, total = result.attributions, result.total()
    assert close(seen["start"], total / np.abs(total).max())
    assert close(seen["over"], rows[1] / np.abs(rows[1]).max())
    assert seen["over"]["say"] == "Of “pe” alone"
    assert close(seen["left"], total / np.abs(total).max())
    assert close(seen["still"], rows[0] / np.abs(rows[0]).max())
    assert seen["held"]["held"] == 1
    assert close(seen["free"], total / np.abs(total).max())


def test_pages_are_readable_without_their_script():
    """The colours of tokens and cells, and the bars, are written in the page itself."""
    result = KINDS["patching"]
    page = result._repr_html_().partition("<script")[0]
    strong = "background:#{:02x}{:02x}{:02x};border-bottom:3px".format(*RAISES)
    assert page.count(strong) >= 1 or "#6fb1ff;border-bottom:3px dashed" in page
    for value in result.attributions.reshape(-1):
        assert f"title='{value:+.3g}'" in page
    segments = KINDS["segments"]
    page = segments._repr_html_().partition("<script")[0]
    for value in segments.attributions:
        assert f"<span>{value:+.3g}</span>" in page


def test_the_bars_of_long_parts_begin_as_these_do():
    segments = KINDS["segments"]
    long = [f"Document {i}: " + "the museum opens $ " * 9 + str(i) for i in range(4)]
    figure = dataclasses.replace(segments, segments=tuple(long)).plot()
    figure.canvas.draw()
    axes = figure.axes[0]
    names = [t.get_text() for t in axes.get_yticklabels()]
    order = np.argsort(-np.abs(segments.attributions))
    assert [n[:12] for n in names] == [f"Document {i}: " for i in order]
    assert all(n.endswith(" …") and n.count("\n") == 1 for n in names)
    boxes = [t.get_window_extent() for t in axes.get_yticklabels()]
    assert min(b.x0 for b in boxes) >= 0
    assert all(a.y0 >= b.y1 for a, b in pairwise(boxes))
    assert "orange raises, blue lowers" in axes.get_xlabel()
