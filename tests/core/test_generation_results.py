"""Explained generations: reading, sums, texts, files, views, and the page in a real browser."""

import base64
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from trulens_core import GenerationResult, explain_generation
from trulens_core.testing import small_writer
from trulens_core.text.reading import read_prompts
from trulens_core.text.spans import spans_of
from trulens_core.text.tokens import Tokens
from trulens_core.visualizations.text_colors import ground

NAMES = ["A ", "fo", "x", ". ", "<b>", "\n", "A "]


@pytest.fixture
def result():
    """Seven tokens of a prompt, three of a continuation, numbers that tell them apart."""
    inputs = Tokens.of_ids(range(7), NAMES)
    outputs = Tokens.of_ids(range(3), ["do", "gs", " & co"])
    values = np.arange(30.0).reshape(3, 10) - 12
    values[0, 7:] = values[1, 8:] = 0
    return GenerationResult(
        inputs,
        outputs,
        values,
        targets=((0, 1), (1, 2), (2, 3)),
        sources=tuple((i, i + 1) for i in range(10)),
        quantity=np.asarray([-1.0, -2.0, -3.5]),
        residual=np.asarray([0.1, 0.0, 0.2]),
        held=np.arange(10) == 4,
        method={"name": "IntegratedGradients", "quantity": "log_prob", "baseline": "mean"},
    )


@pytest.mark.parametrize("unit", ["words", "sentences", "lines", "tokens"])
def test_sums_survive(result, unit):
    found = result.by(unit)
    np.testing.assert_allclose(found.attributions.sum(), result.attributions.sum())
    np.testing.assert_allclose(found.quantity.sum(), result.quantity.sum())
    np.testing.assert_allclose(found.total().residual, [0.3])
    assert found.sources[0][0] == 0
    assert found.sources[-1][1] == 10
    assert "".join(found.inputs_shown) == "".join(NAMES)


def test_words(result):
    found = result.by("words")
    assert found.inputs_shown == ["A ", "fox. ", "<b>", "\nA "]
    assert found.outputs_shown == ["dogs", " & co"]
    np.testing.assert_allclose(found.attributions[0, 1], result.attributions[:2, 1:4].sum())
    columns = result.by([(1, 3)])
    assert columns.attributions.shape == (3, 9)
    one = result.by("words", rows="tokens")
    assert one.attributions.shape[0] == 3


def test_blanks_that_are_no_tokens_are_shown():
    """Tokenizers of words leave them out; text that is slices of a text has them too."""
    offsets = ((0, 3), (3, 6), (7, 11), (12, 16))
    whole = Tokens(np.arange(4), "<s>the shop said", offsets, np.arange(4) == 0)
    assert whole.pieces == ["<s>", "the", " shop", " said"]
    prompt, written = whole[:3], whole[3:]
    assert (prompt.text, written.text, written.offsets) == ("<s>the shop", " said", ((1, 5),))
    assert ((prompt + written).text, (prompt + written).offsets) == (whole.text, whole.offsets)
    values = np.arange(4.0)[None]
    spans = tuple((i, i + 1) for i in range(4))
    told = GenerationResult(prompt, written, values, targets=((0, 1),), sources=spans)
    page = re.sub(
        "<[^>]*>", "", re.search("<div class='tg-text'>(.*?)</div>", told._repr_html_())[1]
    )
    assert page == "&lt;s&gt;the shop said"
    assert str(told).startswith("an explanation of 1 target, by 4 stretches")


def test_by_text(result):
    np.testing.assert_allclose(result["fox"], result.attributions[:, 1:3].sum(1))
    np.testing.assert_allclose(result["A"], result.attributions[:, [0, 6]].sum(1))  # both
    assert result["fox", "dogs"] == result.attributions[:2, 1:3].sum()
    for absent in ("cat", 3, ("fox", "cat"), ""):
        with pytest.raises(KeyError):
            result[absent]


def test_two_results(result):
    twice = GenerationResult(**{**vars(result), "attributions": 2 * result.attributions})
    np.testing.assert_array_equal((twice - result).attributions, result.attributions)
    told = twice.agreement(result)
    np.testing.assert_allclose(told.correlation, 1)
    np.testing.assert_allclose(told.ranks, 1)
    np.testing.assert_allclose(told.largest, 1)
    with pytest.raises(ValueError, match="of different texts or stretches"):
        result - result.by("words")


def test_units_that_are_none(result):
    with pytest.raises(ValueError, match="is no unit of a text"):
        result.by("verses")
    with pytest.raises(ValueError, match="in order, that share none"):
        result.by([(3, 2)])


def test_sentences_lines_and_turns():
    told = Tokens.of_ids(range(6), ["One", " two.", " Three", "\n", "four", "!"])
    assert spans_of(told, "sentences") == ((0, 2), (2, 4), (4, 6))
    assert spans_of(told, "lines") == ((0, 4), (4, 6))
    assert spans_of(told, "turns") == tuple((i, i + 1) for i in range(6))


def test_terminal(result):
    rich = pytest.importorskip("rich.console")
    lines = str(result).splitlines()
    assert lines[0] == "IntegratedGradients of 3 targets, by 10 stretches of the text"
    assert lines[2].split()[:2] == ["do", "-1"]
    console = rich.Console(width=80, force_terminal=True, color_system="truecolor")
    with console.capture() as got:
        console.print(result)
    text = got.get()
    assert "\x1b[" in text
    assert "fo" in text


def test_heat_map(result):
    figure = result.plot()
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), result.attributions)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["do", "gs", "& co"]
    assert axes.images[0].get_clim() == (-17, 17)


def test_the_labels_of_a_short_heat_map_are_inside(result):
    figure = result.by([(0, 10)]).plot()
    figure.draw_without_rendering()
    axes = figure.axes[0]
    for label in (axes.xaxis.label, axes.yaxis.label, figure.axes[1].yaxis.label):
        box = label.get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, label.get_text()
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, label.get_text()


def test_names_of_a_prompt_without_a_tokenizer():
    model, ids = small_writer()
    found = explain_generation(model, None, ids, generate={"max_new_tokens": 3})
    assert len(found.outputs) == 3
    assert found.inputs.text == " 5 2 6 1"
    with pytest.raises(ValueError, match="names has 1 names of 4 tokens"):
        explain_generation(model, None, ids, [1], names=["a"])
    with pytest.raises(TypeError, match="has no generate"):
        explain_generation(model, None, ids, generate={"num_beams": 3})
    with pytest.raises(TypeError, match="token ids are ints"):
        read_prompts([0.5, 1.0])


# -- the page ----------------------------------------------------------------------------------

ACTED = """
<script>
const box = document.querySelector('.trulens-generation');
const buttons = [...box.querySelectorAll('.tg-t')];
const look = () => ({colors: [...box.querySelectorAll('[data-s]')].map(
    (e) => getComputedStyle(e).backgroundColor), say: box.querySelector('.tg-say').textContent,
  pressed: buttons.map((b) => b.getAttribute('aria-pressed')),
  focus: buttons.indexOf(document.activeElement)});
const send = (i, kind, more) => buttons[i].dispatchEvent(
    more ? new KeyboardEvent(kind, {key: more, bubbles: true}) : new MouseEvent(kind));
const found = {start: look()};
send(1, 'mouseenter'); found.over = look();
send(1, 'mouseleave'); found.left = look();
buttons[0].focus(); send(0, 'focus'); found.focused = look();  // a hidden page has no focus
send(0, 'keydown', 'ArrowRight'); found.right = look();
buttons[2].click(); send(1, 'blur'); found.pinned = look();
send(2, 'keydown', 'Escape'); found.escaped = look();
found.fetched = performance.getEntriesByType('resource').length;
const out = document.createElement('pre');
out.id = 'found'; out.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(found))));
document.body.appendChild(out);
</script>
"""
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


def test_the_page_fetches_nothing_and_escapes_what_it_shows(result):
    text = result._repr_html_()
    for sign in ("http", "url(", "@import", " src=", "<link"):
        assert sign not in text
    assert "&lt;b&gt;" in text
    assert "<b>" not in text.replace("<b style", "")
    assert "<noscript" not in text


def test_the_page_in_a_browser(result, tmp_path):
    """Hovering, focus, keys and clicks change the colours to those of that row."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        if os.environ.get("CI") or os.environ.get("TRULENS_TEST_BROWSER"):
            pytest.fail("chromium should be here: apt-get install chromium fonts-dejavu-core")
        pytest.skip("chromium is not installed")
    page = tmp_path / "page.html"
    result.to_html(page)
    page.write_text(page.read_text("utf-8").replace("</body>", ACTED + "</body>"), "utf-8")
    done = subprocess.run(
        [chromium, *FLAGS, f"--user-data-dir={tmp_path}/user", "--dump-dom", page.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    written = re.search(r'<pre id="found">(.*?)</pre>', done.stdout.decode(), re.DOTALL)[1]
    found = json.loads(base64.b64decode(written))

    def expected(row):
        largest = np.abs(row).max()
        return [ground(v / largest) for v in row]

    def close(colors, row):
        numbers = [tuple(map(int, re.findall(r"\d+", c)[:3])) for c in colors]
        return np.abs(np.asarray(numbers) - expected(row)).max() <= 1

    rows, total = result.attributions, result.attributions.sum(0)
    assert close(found["start"]["colors"], total)
    assert close(found["over"]["colors"], rows[1])
    assert found["over"]["say"].startswith("“gs”, log_prob -2, residual 0. Strongest: ")
    assert close(found["left"]["colors"], total)
    assert found["left"]["say"] == found["start"]["say"]
    assert close(found["focused"]["colors"], rows[0])
    assert found["right"]["focus"] == 1
    assert close(found["right"]["colors"], rows[1])
    assert close(found["pinned"]["colors"], rows[2])
    assert found["pinned"]["pressed"] == ["false", "false", "true"]
    assert close(found["escaped"]["colors"], total)
    assert found["fetched"] == 0
