"""The demo runs, and says what it should."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

DEMO = Path(__file__).parents[2] / "examples" / "demo_torch.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "new"
    command = [sys.executable, "-W", "error", DEMO, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = (folder / "report.md").read_text("utf-8")
    printed = done.stdout
    assert [x for x in report.splitlines() if x and x not in printed] == [
        x for x in report.splitlines() if x.startswith("![")
    ]
    assert str(folder) in printed
    return folder


def number(report, before, after):
    found = re.search(rf"{re.escape(before)}\s+(-?[\d.]+){re.escape(after)}", report)
    assert found, before
    return float(found[1])


def test_the_numbers_tell_the_story(folder):
    report = (folder / "report.md").read_text("utf-8")
    assert number(report, "It recognises", "% of 400 digits") > 95
    missing = [float(x) for x in re.findall(r"([+-][\d.]+)%  ", report)]
    assert len(missing) == 5
    assert max(map(abs, missing)) < 2
    strongest = number(report, "largest share black costs", "% of the score")
    assert strongest > number(report, "chosen at random cost", "%") + 15
    assert number(report, "of what speaks for 8, the corner has", "%") > 40
    assert abs(number(report, "for the first network, it has", "%")) < 15


def test_the_pictures(folder):
    report = (folder / "report.md").read_text("utf-8")
    named = re.findall(r"!\[.+\]\((.+)\)", report)
    assert named == ["scores.png", "difference.png", "channel.png", "cheat.png"]
    for name in named:
        pixels = imread(folder / name)
        assert min(pixels.shape[:2]) > 600
        assert pixels[..., :3].std() > 0.1
