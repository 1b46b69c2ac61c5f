"""The page to leaf through a result: what it holds, and that it works in a browser."""

import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from trulens_core import AttributionResult, ModelInputs

R = np.random.default_rng(0)
EVIL = "</script><script>alert(1)</script>"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=700,700"]
# Presses keys, points at a pixel, and writes down what is seen then.
ACT = """
<script>
const seen = [];
const note = () => seen.push([...document.querySelectorAll('article')].filter(a => !a.hidden)
  .map(a => a.getAttribute('aria-label')).join());
const press = (key) => document.dispatchEvent(new KeyboardEvent('keydown', {key: key}));
note(); press('ArrowRight'); note(); press('End'); note(); press('ArrowRight'); note();
press('Home'); note();
const image = document.querySelector('article:not([hidden]) img');
const box = image.getBoundingClientRect();
image.dispatchEvent(new MouseEvent('mousemove', {bubbles: true,
  clientX: box.left + box.width * 0.3, clientY: box.top + box.height * 0.9}));
seen.push(document.getElementById('value').textContent);
seen.push(String(document.documentElement.scrollWidth <= window.innerWidth));
document.body.innerHTML = '<pre id="seen">' + seen.join('|') + '</pre>';
</script>
"""


def images():
    values, x = R.normal(size=(3, 1, 8, 8)), R.random((3, 3, 8, 8))
    return AttributionResult(values, inputs=ModelInputs([x]), quantity=np.arange(3.0))


def test_a_page_needs_nothing_else_and_holds_what_was_said():
    table = AttributionResult(R.normal(size=(3, 30)), target=np.array([0, 1, 0]))
    table = table.named(features=[EVIL, *map(str, range(29))], classes=[EVIL, "b"])
    page = table.to_html()
    assert page.isascii()
    assert EVIL not in page
    assert page.count("<script>") == 1
    assert not re.findall(r"(?:https?:)?//\w", page.replace("<!DOCTYPE html>", ""))
    assert page.count("<article") == 3
    assert page.count("<article") - page.count(" hidden>") == 1
    assert page.count('class="row"') == 45
    for record in range(3):
        name, value = table.top(1)[record][0][:2]
        assert f"{value:+.6g}" in page, name
    assert "15 others" not in page
    assert page.count("16 others") >= 3


def test_a_page_is_written_and_shows_others_beside(tmp_path):
    one = images()
    page = one.to_html(tmp_path / "x.html", beside={"half": images()}, records=[2])
    assert (tmp_path / "x.html").read_text() == page
    assert page.count("<article") == 1
    assert page.count("<section>") == 2
    assert page.count("<img") == 6
    assert "1 of 3 records" in page
    with pytest.raises(ValueError, match=r"has 3 records, and those beside it \{'few': 1\}"):
        one.to_html(beside={"few": one[0]})
    assert AttributionResult(np.zeros((300, 2))).to_html().count("<article") == 200


def test_a_series_is_a_strip_for_each_channel():
    values = R.normal(size=(2, 9, 2))
    page = AttributionResult(values).named(features=["pulse", "<b>"]).to_html()
    assert re.findall(r'<img alt="([^"]*)"', page) == ["pulse", "&lt;b&gt;"] * 2
    assert page.count("steps 0 to 8") == 2
    assert f"{values[0, :, 0].sum():+.3g}" in page
    assert "under the strips" in page
    embeddings = AttributionResult(R.normal(size=(1, 4, 32))).to_html()
    assert len(re.findall(r'"trulens-token"', embeddings)) == 4


def test_texts_are_a_part_of_it():
    text = AttributionResult(np.array([[1.0, 2.0, -0.5]])).named(tokens=[["un", "##like", "<b>"]])
    page = text.to_html(words=True, hidden_tokens=["<b>"])
    assert re.findall(r'"trulens-token"[^>]*>([^<]*)<', page) == ["unlike"]
    assert "<b>" not in page


def test_keys_and_pointer_in_a_browser(tmp_path):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        if os.environ.get("CI") or os.environ.get("TRULENS_TEST_BROWSER"):
            pytest.fail("chromium should be here: apt-get install chromium fonts-dejavu-core")
        pytest.skip("chromium is not installed")
    shown = images()
    page = tmp_path / "page.html"
    page.write_text(shown.to_html().replace("</body>", ACT + "</body>"))
    done = subprocess.run(
        [chromium, *FLAGS, f"--user-data-dir={tmp_path}/user", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    seen = re.findall(r'<pre id="seen">(.*?)</pre>', done.stdout)
    *records, value, fits = seen[0].split("|")
    assert [r.split()[1] for r in records] == ["0", "1", "2", "2", "0"]
    assert fits == "true"
    place, _, number = value.partition(": ")
    assert place == "row 7, column 2"
    expected = shown.attributions[0, 0, 7, 2]
    largest = np.abs(shown.attributions[0]).max()
    assert abs(float(number.removesuffix(" or more")) - expected) < 0.006 * largest
