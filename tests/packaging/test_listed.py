"""`python -m trulens_core backends` and `list_backends()` in an environment that is clean."""

import json
import shutil

import pytest

PLUGIN = """
from trulens_core.plugins import BackendDescription, hookimpl


@hookimpl
def trulens_backend():
    return BackendDescription(
        name={name!r},
        claims=lambda model: type(model).__name__ == "Net",
        load=lambda: None,
        serves="things.Net",
    )
"""
BROKEN = "import things_that_are_not_there\n"


@pytest.fixture
def installed(core_environment):
    """Install a plug-in, as an installer would leave it, for one test."""
    packages, made = core_environment.packages, []

    def install(name, source):
        module, info = packages / f"{name}_plugin.py", packages / f"{name}_dist-1.2.dist-info"
        made.extend([module, info])
        module.write_text(source)
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: 1.2\n"
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_text(f"[trulens.backends]\n{name} = {name}_plugin\n")

    yield install
    for path in made:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def listed(core_environment):
    """The exit code and the text of the command; its JSON says the same."""

    def ask():
        command = "import sys; from trulens_core.__main__ import main; code = main({}); "
        command += "print('exit code', code)"
        table = core_environment.python("-c", command.format(["backends"])).splitlines()
        as_json = core_environment.python("-m", "trulens_core", "backends", "--json", check=False)
        rows = json.loads(as_json)
        for row in rows:
            assert any(row["name"] in line and row["version"] in line for line in table)
        return int(table[-1].split()[-1]), table[:-1], rows

    return ask


def test_nothing(listed, core_environment):
    code, table, rows = listed()
    assert code == 0
    assert len(table) == 1
    assert table[0].startswith("no backend is installed")
    assert rows == []
    code = "import trulens_core; trulens_core.get_model_wrapper(object())"
    assert core_environment.python("-c", code, check=False) == ""


def test_one(listed, installed):
    installed("good", PLUGIN.format(name="good"))
    code, table, (row,) = listed()
    assert code == 0
    assert table[1].split() == ["good", "good-dist", "1.2", "things.Net", "ok"]
    assert row["claims"] == "things.Net"
    assert row["error"] is None


def test_a_broken_one(listed, installed, core_environment):
    """It is shown with its error, and harms nobody else."""
    installed("good", PLUGIN.format(name="good"))
    installed("bad", BROKEN)
    code, table, (bad, good) = listed()
    assert code == 1
    error = "ModuleNotFoundError(\"No module named 'things_that_are_not_there'\")"
    assert f"broken: {error}" in table[1]
    assert table[2].endswith("ok")
    assert bad["error"] == error
    assert good["error"] is None
    code = """
import warnings
from trulens_core import list_backends
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    error = list_backends()["bad"].error
    list_backends()
print(type(error).__name__, isinstance(error, ImportError), error.name, len(caught))
"""
    expected = "ModuleNotFoundError True things_that_are_not_there 1"
    assert core_environment.python("-c", code) == expected


def test_two_that_claim_the_same_model(listed, installed, core_environment):
    """Both are well; whoever wraps such a model is asked to choose."""
    installed("first", PLUGIN.format(name="first"))
    installed("second", PLUGIN.format(name="second"))
    code, table, rows = listed()
    assert code == 0
    assert [line.split()[0] for line in table[1:]] == ["first", "second"]
    assert {row["claims"] for row in rows} == {"things.Net"}
    code = """
import trulens_core
class Net: pass
try:
    trulens_core.get_model_wrapper(Net())
except trulens_core.AmbiguousBackendError as error:
    print(error)
"""
    message = core_environment.python("-c", code)
    assert "claimed by the backends first and second" in message
    assert "backend='first'" in message


def test_two_of_one_name(listed, installed):
    installed("one", PLUGIN.format(name="same"))
    installed("other", PLUGIN.format(name="same"))
    code, table, rows = listed()
    assert code == 1
    assert all("broken" in line for line in table[1:])
    assert all("taken by more than one plug-in: one-dist, other-dist" in r["error"] for r in rows)
