"""`python -m trulens_core backends`."""

import json

import pytest

from trulens_core import __main__ as command
from trulens_core.plugins import BackendInfo

GOOD = BackendInfo("good", "good-dist", "1.2", serves="good.Model")
BAD = BackendInfo("bad", "bad-dist", "0.1", error=ImportError("no module named goods"))


@pytest.fixture
def installed(monkeypatch):
    def install(*infos):
        monkeypatch.setattr(command, "list_backends", lambda: {i.name: i for i in infos})

    return install


def test_a_table_tells_name_version_and_what_is_claimed(installed, capsys):
    installed(GOOD)
    assert command.main(["backends"]) == 0
    _, line = capsys.readouterr().out.splitlines()
    assert line.split() == ["good", "good-dist", "1.2", "good.Model", "ok"]


def test_a_broken_backend_is_explained_and_makes_the_command_fail(installed, capsys):
    installed(GOOD, BAD)
    assert command.main(["backends"]) == 1
    assert "broken: ImportError('no module named goods')" in capsys.readouterr().out


def test_nothing_installed_is_said(installed, capsys):
    installed()
    assert command.main(["backends"]) == 0
    assert "no backend is installed" in capsys.readouterr().out


def test_json_holds_the_same(installed, capsys):
    installed(GOOD, BAD)
    assert command.main(["backends", "--json"]) == 1
    good, bad = json.loads(capsys.readouterr().out)
    assert good["claims"] == "good.Model"
    assert good["error"] is None
    assert bad["error"] == "ImportError('no module named goods')"


def test_without_a_command_there_is_help(capsys):
    assert command.main([]) == 0
    assert {"backends", "show", "diff"} <= set(capsys.readouterr().out.split())
