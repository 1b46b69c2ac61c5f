"""What stands in each wheel."""

import tomllib
from email import message_from_string
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def project(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


FOLDERS = sorted(path.parent for path in ROOT.glob("trulens_*/pyproject.toml"))
MODULES = {project(folder)["name"]: folder.name for folder in FOLDERS}
BACKENDS = sorted(set(MODULES) - {"trulens-nn"})


@pytest.fixture(params=MODULES)
def wheel(request, wheels):
    return wheels[request.param]


@pytest.fixture
def module(wheel):
    return MODULES[wheel.path.name.split("-")[0].replace("_", "-")]


def metadata(wheel):
    return message_from_string(wheel.read(".dist-info/METADATA"))


def requirements(wheel, extra=""):
    """The names that an installation asks for, with one extra or none."""
    chosen = {"extra": extra}
    asked = map(Requirement, metadata(wheel).get_all("Requires-Dist"))
    return {one.name for one in asked if one.marker is None or one.marker.evaluate(chosen)}


def test_every_distribution_is_built(wheels):
    assert set(wheels) == set(MODULES)


def test_versions_are_equal(wheels):
    assert len({metadata(wheel)["Version"] for wheel in wheels.values()}) == 1


def test_holds_its_package_types_and_licence(wheel, module):
    assert f"{module}/__init__.py" in wheel.files
    assert f"{module}/py.typed" in wheel.files
    assert "MIT License" in wheel.read(".dist-info/licenses/LICENSE")


def test_holds_nothing_else(wheel, module):
    tops = {PurePosixPath(name).parts[0] for name in wheel.files}
    own = {module, "trulens"} if module == "trulens_core" else {module}
    assert {top for top in tops if not top.endswith(".dist-info")} == own
    ends = {PurePosixPath(name).suffix for name in wheel.files if ".dist-info/" not in name}
    assert ends <= {".py", ".typed", ".json"}


def test_core_ships_the_conformance_suite(wheels):
    names = wheels["trulens-nn"].files
    assert [name for name in names if name.startswith("trulens_core/testing/conformance")]


def test_the_folders_that_others_may_share_are_namespaces(wheels):
    ours = [name for name in wheels["trulens-nn"].files if name.startswith("trulens/")]
    assert "trulens/nn/__init__.py" in ours
    for shared in ("trulens", "trulens/utils"):
        assert f"{shared}/__init__.py" not in ours


def test_core_requires_no_framework(wheels):
    assert requirements(wheels["trulens-nn"]) == {"numpy", "pluggy", "optree"}


@pytest.mark.parametrize("name", BACKENDS)
def test_the_extra_brings_the_backend(wheels, name):
    assert name in requirements(wheels["trulens-nn"], name.removeprefix("trulens-nn-"))
    assert "trulens-nn" in requirements(wheels[name])


@pytest.mark.parametrize("name", MODULES)
def test_no_one_depends_on_another_product(wheels, name):
    """The name `trulens-core` on the package index is not ours."""
    asked = map(Requirement, metadata(wheels[name]).get_all("Requires-Dist"))
    names = {one.name for one in asked}
    assert {one for one in names if one.startswith("trulens")} <= set(MODULES)


@pytest.mark.parametrize("name", BACKENDS)
def test_the_backend_is_an_entry_point(wheels, name):
    entries = project(ROOT / MODULES[name])["entry-points"]["trulens.backends"]
    text = wheels[name].read(".dist-info/entry_points.txt")
    assert text.startswith("[trulens.backends]\n")
    for backend, module in entries.items():
        assert f"{backend} = {module}\n" in text
        assert f"{module.replace('.', '/')}.py" in wheels[name].files


def test_the_page_of_each_distribution_is_its_readme(wheel):
    assert metadata(wheel)["Description-Content-Type"].startswith("text/markdown")
    assert metadata(wheel).get_payload().lstrip().startswith("# trulens-nn")
