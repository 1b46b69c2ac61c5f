"""A backend that is not ours, from its wheel, beside core and nothing else."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "third_party" / "trulens_autograd"
SOURCES = sorted((FOLDER / "src").rglob("*.py"))
EXPLAINED = """
import autograd.numpy as np
from trulens_autograd import Sequential
from trulens_core import IntegratedGradients, InternalInfluence, list_backends

rng = np.random.default_rng(0)
w1, w2 = rng.standard_normal((5, 4)), rng.standard_normal((4, 3))
model = Sequential({"hidden": lambda x: np.tanh(x @ w1), "scores": lambda h: h @ w2})
x = rng.standard_normal((2, 5))
result = IntegratedGradients(model, qoi=1).explain(x)
assert abs(result.attributions.sum(1) - model(x)[:, 1]).max() < 1e-3
units = InternalInfluence(model, "hidden", 2, "point", multiply_activation=False).attributions(x)
assert abs(units - w2[:, 2]).max() < 1e-12
found = list_backends()["autograd"]
print(list(list_backends()), found.distribution, found.version, found.error)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    dist = tmp_path_factory.mktemp("third-party-dist")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist)
    subprocess.run([*build, FOLDER], check=True, capture_output=True, cwd=dist)
    (built,) = dist.glob("*.whl")
    return built


def test_it_comes_proves_itself_and_goes(new_environment, wheels, wheel):
    environment = new_environment("third-party")
    core = f"{wheels['trulens-nn'].path}[testing]"
    environment.install("-c", ROOT / "constraints.txt", core, wheel)
    assert environment.python("-c", EXPLAINED) == "['autograd'] trulens-autograd 0.1.0 None"

    plugin = ("-m", "pytest", "-q", "-p", "trulens_core.testing.plugin")
    text = environment.python(*plugin, "--trulens-backend", "autograd")
    certificate = text[text.index(" certificate ") :]
    assert "\nCERTIFIED\n" in certificate
    assert "backend autograd: trulens-autograd 0.1.0\n" in certificate
    assert re.search(r"\nframework: autograd \d\S+\nwith: trulens-nn 0\.1\.0, numpy ", certificate)
    assert "not supported: nothing\n" in certificate
    (passed,) = re.findall(r"passed (\d+), failed 0, expected to fail 0", certificate)
    assert int(passed) > 600
    for law in ("completeness", "batch independence", "framework independence", "no trace"):
        assert re.search(rf"(?m)^{law} +\d+ +0 +0 ", certificate)

    environment.uninstall("trulens-autograd")
    code = "from trulens_core import list_backends; print(dict(list_backends()))"
    assert environment.python("-c", code) == "{}"
    gone = environment.python(*plugin, "--trulens-backend", "autograd", check=False)
    assert "passed" not in gone


def test_it_is_small_and_depends_on_core_and_its_framework():
    lines = [line for path in SOURCES for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) < 200
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[a-z-]+", one)[0] for one in project["dependencies"]]
    assert names == ["trulens-nn", "autograd"]
    assert list(project["entry-points"]) == ["trulens.backends"]
