"""Packages that only some features need."""

import math

import pytest

from trulens_core.optional import require


def test_what_is_there_is_imported():
    assert require("math", "viz") is math
    assert require("os.path", "viz").join("a", "b")


@pytest.mark.parametrize("module", ["not_a_package", "not_a_package.part"])
def test_what_is_missing_is_named_with_its_pip_line(module):
    expected = r"not_a_package is needed .* pip install 'trulens-nn\[viz\]'"
    with pytest.raises(ImportError, match=expected) as caught:
        require(module, "viz")
    assert caught.value.name == "not_a_package"
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_broken_package_says_itself_what_it_lacks(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import what_it_lacks")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'what_it_lacks'"):
        require("broken_package", "viz")


def test_a_missing_part_of_a_package_is_not_called_missing():
    with pytest.raises(ModuleNotFoundError, match=r"math\.nothing"):
        require("math.nothing", "viz")
