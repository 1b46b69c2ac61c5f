"""Every notebook runs, quickly, and says what it should. The site shows these runs."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOWEST = 30

_spec = importlib.util.spec_from_file_location("execute", ROOT / "docs" / "execute.py")
execute = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(execute)
NAMES = execute.names()


def test_all_together_are_quick_enough_if_each_is():
    assert len(NAMES) * SLOWEST <= 270


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_without_a_warning_and_shows_pictures(name):
    notebook = execute.executed(name)
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    assert not [o.text for o in outputs if o.get("name") == "stderr"]
    shown = [kind for o in outputs for kind in o.get("data", {})]
    assert {"image/png", "text/html"} & set(shown)
    assert notebook.metadata["trulens"]["seconds"] < SLOWEST


@pytest.mark.parametrize("name", NAMES)
def test_its_source_is_a_page(name):
    notebook = execute.read(name)
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert f"notebooks/{name}.ipynb" in (ROOT / "mkdocs.yml").read_text("utf-8")


def test_a_change_of_the_source_runs_it_again(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "SOURCES", tmp_path)
    monkeypatch.setattr(execute, "EXECUTED", tmp_path / "build")
    source = tmp_path / "small.py"
    for text in ("1 + 1", "1 + 2"):
        source.write_text(f"# %%\n{text}\n", encoding="utf-8")
        first = execute.executed("small")
        again = execute.executed("small")
        assert again.cells[0].outputs[0].data == {"text/plain": str(eval(text))}
        assert again.metadata["trulens"] == first.metadata["trulens"]
