"""A backend that is not ours, made by following the page on it, beside core and nothing else."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from trulens_core.testing.conformance import Conformance

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "third_party" / "trulens_autograd"
SOURCES = sorted((FOLDER / "src").rglob("*.py"))
PAGE = (ROOT / "docs" / "add-a-backend.md").read_text()
FILES = re.findall(r'(?ms)^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE)
COMMANDS = re.findall(r"(?ms)^```sh\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", PAGE)
PYTEST = ("-m", "pytest", "-q", "-p", "trulens_core.testing.plugin", "--trulens-backend")


def written():
    """The files on the page; one that is shown in parts is put together."""
    found = {}
    for name, text in FILES:
        found[name] = f"{found[name]}\n{text}" if name in found else text
    return found


class Reader:
    """Types what the page says into a new environment."""

    def __init__(self, environment, core, build):
        self.environment, self.core, self.build = environment, core, build
        self.folder = environment.folder / "my_backend"

    def types(self, line):
        """What a line prints."""
        program, *words = shlex.split(line)
        return getattr(self, program)(*words) or ""

    def mkdir(self, *_):
        for name, text in written().items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)

    def pip(self, command, *what):
        if command == "uninstall":
            return self.environment.uninstall(*[x for x in what if x != "--yes"])
        ours = {"./trulens_core[testing]": lambda: self.core}
        ours["./my_backend"] = lambda: self.build(self.folder)
        wheels = [ours.get(name, lambda name=name: name)() for name in what]
        return self.environment.install("-c", ROOT / "constraints.txt", *wheels)

    def python(self, *arguments):
        return self.environment.python(*arguments)

    def pytest(self, *arguments):
        return self.environment.python("-m", "pytest", *arguments)


@pytest.fixture
def reader(new_environment, wheels, build):
    core = f"{wheels['trulens-nn'].path}[testing]"
    return Reader(new_environment("third-party"), core, build)


def test_the_commands_of_the_page(reader):
    """From nothing to a certificate and away again; each prints what the page says."""
    assert len(COMMANDS) == 5
    for commands, expected in COMMANDS:
        printed = "\n".join(map(reader.types, commands.splitlines())).splitlines()
        for line in expected.splitlines():
            pattern = ".*".join(map(re.escape, line.split("…")))
            assert any(re.fullmatch(pattern, x.rstrip()) for x in printed), (line, printed)
        if "pytest" in commands:
            (passed,) = re.findall(r"passed (\d+), failed 0", "\n".join(printed))
            assert int(passed) > 600
    environment = reader.environment
    code = "from trulens_core import list_backends; print(dict(list_backends()))"
    assert environment.python("-c", code) == "{}"
    assert "passed" not in environment.python(*PYTEST, "autograd", check=False)


def test_the_files_of_the_page_are_the_example():
    files = written()
    assert "print" in files.pop("explain.py")
    example = [FOLDER / "pyproject.toml", *SOURCES]
    assert sorted(files) == sorted(str(path.relative_to(FOLDER)) for path in example)
    for path in example:
        text = files[str(path.relative_to(FOLDER))]
        shown, there = ([x for x in t.splitlines() if x.strip()] for t in (text, path.read_text()))
        assert shown == there, path


def test_it_is_small_and_depends_on_core_and_its_framework():
    lines = [line for path in SOURCES for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) < 200
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[a-z-]+", one)[0] for one in project["dependencies"]]
    assert names == ["trulens-nn", "autograd"]
    assert list(project["entry-points"]) == ["trulens.backends"]


def test_the_page_lists_the_functions_that_core_uses():
    core = ROOT / "trulens_core" / "src" / "trulens_core"
    sources = [path for path in core.rglob("*.py") if "testing" not in path.parts]
    used = {name for path in sources for name in re.findall(r"\bxp\.(\w+)", path.read_text())}
    (listed,) = re.findall(r"(?m)((?:^> .*\n)+)", PAGE)
    assert set(re.findall(r"`(\w+)`", listed)) == used


def test_the_page_names_what_there_is():
    """Tests of the suite, and members of the classes that a backend overrides."""
    from trulens_core import Backend, BackendDescription, ModelWrapper
    from trulens_core.passes import CutModel

    named = set(re.findall(r"\b(test_\w+)", PAGE))
    assert len(named) > 8
    assert [name for name in named if not hasattr(Conformance, name)] == []
    for kind in (Backend, CutModel, ModelWrapper):
        public = {n for n in vars(kind) if not n.startswith("_")}
        hooks = public - {n for n, f in vars(kind).items() if getattr(f, "__final__", False)}
        assert [n for n in sorted(hooks) if not re.search(rf"\b{n}\b", PAGE)] == []
    fields = BackendDescription.__dataclass_fields__
    assert [name for name in fields if f"`{name}" not in PAGE] == []


OF_BEFORE = """
import sys, warnings
sys.path.insert(0, sys.argv[1])
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    from trulens_autograd.plugin import trulens_backend
import numpy as np
from trulens_autograd.sequential import Sequential
from trulens_core import InternalInfluence, IntegratedGradients, get_backend, register_backend
register_backend(trulens_backend())
rng = np.random.default_rng(0)
w1, w2 = rng.standard_normal((5, 4)), rng.standard_normal((4, 3))
import autograd.numpy as anp
model = Sequential({"hidden": lambda x: anp.tanh(x @ w1), "scores": lambda h: h @ w2})
x = rng.standard_normal((2, 5))
result = IntegratedGradients(model, qoi=1).explain(x)
print(bool(abs(result.residual).max() < 1e-3))
hidden = InternalInfluence(model, "hidden", 1, "point").attributions(x)
print(bool(np.allclose(hidden, np.tanh(x @ w1) * w2[:, 1], rtol=1e-12)))
print(*[str(w.message).split(";")[0] for w in said if w.category is DeprecationWarning])
"""


def test_a_backend_of_0_1_runs_unchanged():
    """The example as it was: its old paths are there, and say where to."""
    folder = Path(__file__).parent / "of_0_1"
    command = (sys.executable, "-W", "default", "-c", OF_BEFORE, folder)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *right, warned = done.stdout.splitlines()
    assert right == ["True", "True"]
    assert warned.startswith("trulens_core.detection is trulens_core.plugins since 0.2")
