"""What `import trulens_core` costs and where it comes from, in the environment of the tests."""

import importlib.util
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in ROOT.glob("trulens_*/pyproject.toml"))

# The tests' environment has the first group for certain: leaving them out says something.
PRESENT = ("torch", "matplotlib", "scipy", "tqdm", "rich", "skimage", "captum", "sklearn", "pytest")
OTHERS = ("tensorflow", "keras", "tf_keras", "jax", "flax", "equinox", "haiku", "torchvision")


def plugins(folder):
    """The modules that a distribution names as its plug-ins."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return list(project.get("entry-points", {}).get("trulens.backends", {}).values())


IMPORTS = {
    "trulens_core": "import trulens_core",
    "the documented paths": """
import trulens.nn.attribution, trulens.nn.backend, trulens.nn.distributions, trulens.nn.models
import trulens.nn.quantities, trulens.nn.slices, trulens.utils.typing
""",
    "segments": "import trulens_core.segments; trulens_core.segments.Segments.grid(2)",
    **{name: f"import {name}" for folder in FOLDERS for name in plugins(folder)},
    "the list of backends": "import trulens_core; trulens_core.list_backends()",
}


@pytest.mark.parametrize("what", IMPORTS)
def test_leaves_frameworks_and_extras_out(here, what):
    assert all(importlib.util.find_spec(name) for name in PRESENT)
    heavy = {*PRESENT, *OTHERS}
    code = f"{IMPORTS[what]}\nimport sys; print(sorted({heavy} & set(sys.modules)))"
    assert here.python("-c", code) == "[]"


def test_warns_of_nothing(here):
    assert here.python("-W", "error", "-c", "import trulens_core") == ""


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_is_the_package_and_not_the_folder_of_that_name(here, folder):
    """From the root of a checkout each folder could pass for a namespace package."""
    name = folder.name
    code = f"import os; os.chdir({str(ROOT)!r}); import {name}; print({name}.__file__)"
    assert Path(here.python("-c", code)) == folder / "src" / name / "__init__.py"
    assert Path(here.python("-c", f"import {name}; print({name}.__file__)")).name == "__init__.py"


def test_trulens_is_a_namespace(here):
    code = "import trulens, trulens.nn, trulens.utils as u; print(trulens.__file__, u.__file__)"
    assert here.python("-c", code) == "None None"
