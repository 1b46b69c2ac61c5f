"""The checkout itself: what would break only somewhere else, later."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent.name for path in ROOT.glob("trulens_*/pyproject.toml"))
TEXTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
TEXTS += [f"{folder}/README.md" for folder in FOLDERS]


def project(folder):
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]


def makefile():
    return (ROOT / "Makefile").read_text()


def test_tests_are_no_package():
    """With one `__init__.py` here, `import tests` would mean whichever checkout comes first."""
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_make_installs_every_folder():
    (line,) = re.findall(r"(?m)^PACKAGES := (.*)$", makefile())
    assert sorted(line.split()) == FOLDERS
    assert line.split()[0] == "trulens_core"


@pytest.mark.parametrize("folder", FOLDERS)
def test_names_start_with_ours(folder):
    assert project(folder)["name"].startswith("trulens-nn")


@pytest.mark.parametrize("folder", FOLDERS)
def test_licences_are_the_same(folder):
    assert (ROOT / folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_what_is_pinned_once_is_pinned_exactly():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9_-]+==[0-9.]+", pin) for pin in pins)
    assert len({pin.split("==")[0] for pin in pins}) == len(pins)


def test_every_tool_is_pinned():
    pins = (ROOT / "constraints.txt").read_text()
    tools = (ROOT / "requirements-dev.txt").read_text().splitlines()
    for tool in tools:
        assert tool.startswith("#") or f"\n{tool}==" in pins


def test_every_extra_is_told():
    rows = re.findall(r"(?m)^\| ([^|]*) \|", (ROOT / "trulens_core" / "README.md").read_text())
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(project("trulens_core")["optional-dependencies"])


def test_what_extras_bring_is_pinned():
    extras = project("trulens_core")["optional-dependencies"].values()
    names = {re.split(r"[>=\[]", asked)[0] for extra in extras for asked in extra}
    pins = (ROOT / "constraints.txt").read_text()
    assert not [n for n in names if not n.startswith("trulens-nn") and f"\n{n}==" not in pins]


@pytest.mark.parametrize("text", TEXTS)
def test_links_lead_somewhere(text):
    file = ROOT / text
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text())
    broken = [link for link in links if "://" not in link and not (file.parent / link).exists()]
    assert not broken


@pytest.mark.parametrize("text", TEXTS)
def test_texts_name_only_files_that_exist(text):
    paths = re.findall(r"`((?:trulens_[a-z]+|tests)/[^`]*)`", (ROOT / text).read_text())
    assert not [path for path in paths if not (ROOT / path.partition("::")[0]).exists()]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_name_only_tests_that_exist(text):
    named = re.findall(r"`(tests/[^`:]+)::(\w+)`", (ROOT / text).read_text())
    assert not [n for n in named if f"\ndef {n[1]}(" not in (ROOT / n[0]).read_text()]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_name_only_targets_that_exist(text):
    targets = set(re.findall(r"(?m)^([a-z]+):", makefile()))
    assert set(re.findall(r"`make ([a-z]+)", (ROOT / text).read_text())) <= targets


@pytest.mark.parametrize("text", TEXTS)
def test_texts_install_from_the_checkout(text):
    """The names are on no index, and a similar one there belongs to another product."""
    for command in re.findall(r"pip install ([^`\n]*)", (ROOT / text).read_text()):
        words = [word.strip("'\"") for word in command.split()]
        assert not [word for word in words if word.startswith("trulens")]
