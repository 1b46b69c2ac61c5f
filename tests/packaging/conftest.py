"""Wheels, built once, and clean environments that hold nothing of this checkout."""

import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE, TORCH = "trulens-nn", "trulens-nn-torch"

# What would let a clean environment see this checkout or the environment that runs the tests.
LEAKS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONWARNINGS")


def run(*command, cwd, check=True):
    """Run a command away from the checkout; its output is in the message when it fails."""
    env = {name: value for name, value in os.environ.items() if name not in LEAKS}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,  # nothing waits for an answer
        check=False,
    )
    if check and done.returncode:
        pytest.fail(f"{command} returned {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


@dataclass(frozen=True)
class Environment:
    """A virtual environment without pip: the running one's pip installs into it."""

    folder: Path

    @property
    def interpreter(self):
        scripts = "Scripts" if os.name == "nt" else "bin"
        return self.folder / scripts / "python"

    def install(self, *requirements):
        self._pip("install", "--no-compile", *requirements)

    def uninstall(self, *distributions):
        self._pip("uninstall", "--yes", *distributions)

    def _pip(self, command, *arguments):
        options = ("--quiet", "--disable-pip-version-check", "--no-input")
        pip = (sys.executable, "-m", "pip", "--python", self.interpreter, command, *options)
        run(*pip, *arguments, cwd=self.folder)

    @property
    def packages(self):
        """The folder that packages are installed into."""
        return Path(self.python("-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))

    def python(self, *arguments, check=True):
        """What `python ...` prints here."""
        return run(self.interpreter, *arguments, cwd=self.folder, check=check).stdout.strip()


@dataclass(frozen=True)
class Wheel:
    """One built wheel and what stands in it."""

    path: Path

    @property
    def files(self):
        with zipfile.ZipFile(self.path) as wheel:
            return wheel.namelist()

    def read(self, ending):
        """The text of the one file whose name ends so."""
        (name,) = [name for name in self.files if name.endswith(ending)]
        with zipfile.ZipFile(self.path) as wheel:
            return wheel.read(name).decode()


@pytest.fixture(scope="session")
def new_environment(tmp_path_factory):
    def create(name):
        folder = tmp_path_factory.mktemp(name)
        run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
        return Environment(folder)

    return create


@pytest.fixture(scope="session")
def here(tmp_path_factory):
    """The environment that runs the tests, seen from outside the checkout."""

    class Here(Environment):
        interpreter = Path(sys.executable)

    return Here(tmp_path_factory.mktemp("here"))


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """A function that builds the wheel of a folder, in a folder of its own or a given one."""

    def built(folder, dist=None):
        dist = dist or tmp_path_factory.mktemp("wheel")
        before = set(dist.glob("*.whl"))
        build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist)
        run(*build, folder, cwd=dist)
        (new,) = set(dist.glob("*.whl")) - before
        return new

    return built


@pytest.fixture(scope="session")
def wheels(build, tmp_path_factory):
    """The wheel of each distribution of this checkout, by its name; all in one folder."""
    dist, projects = tmp_path_factory.mktemp("dist"), sorted(ROOT.glob("trulens_*/pyproject.toml"))
    built = [build(project.parent, dist) for project in projects]
    return {new.name.split("-")[0].replace("_", "-"): Wheel(new) for new in built}


@pytest.fixture(scope="session")
def version(wheels):
    return wheels[CORE].path.name.split("-")[1]


@pytest.fixture(scope="session")
def core_environment(new_environment, wheels):
    """Core's wheel and what it needs, nothing more."""
    environment = new_environment("core")
    environment.install("-c", ROOT / "constraints.txt", wheels[CORE].path)
    return environment


@pytest.fixture(scope="session")
def torch_environment(new_environment, wheels, version):
    """What a user of PyTorch gets who asks for the extra and has both wheels in a folder."""
    environment = new_environment("torch")
    dist = wheels[CORE].path.parent
    extra = f"{CORE}[torch]=={version}"
    environment.install("-c", ROOT / "constraints.txt", "--find-links", dist, extra)
    return environment


@pytest.fixture(scope="session")
def readme_examples():
    """The blocks of Python in the README: PyTorch's, and Keras's that goes on from it."""
    readme = (ROOT / "README.md").read_text()
    on_torch, on_keras = re.findall(r"(?ms)^```python\n(.*?)^```$", readme)
    return on_torch, on_keras
