"""The demo on Keras runs, and says what it should."""

import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from matplotlib.image import imread

DEMO = Path(__file__).parents[2] / "examples" / "demo_keras.py"
pytestmark = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="the demo is on TensorFlow"
)


def test_the_demo(tmp_path):
    folder = tmp_path / "new" / "folder"
    command = [sys.executable, "-W", "error", DEMO, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    said = {
        "recognised": r"It recognises ([\d.]+)%",
        "missing": r"but for ([\d.]+)% at most",
        "cheating": r"the corner has (\d+)%",
        "honest": r"and (-?\d+)% for the first network",
    }
    found = {name: float(re.search(text, done.stdout)[1]) for name, text in said.items()}
    assert found["recognised"] > 95
    assert found["missing"] < 3
    assert found["cheating"] > 40
    assert abs(found["honest"]) < 15
    pictures = sorted(folder.glob("keras_*.png"))
    assert [p.name for p in pictures] == re.findall(r"keras_\w+\.png", done.stdout)
    assert len(pictures) == 5
    for picture in pictures:
        assert imread(picture)[..., :3].std() > 0.05
