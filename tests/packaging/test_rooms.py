"""The folders of core: each imports only what is below it, and none is imported in a circle."""

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "trulens_core" / "src" / "trulens_core"
# from the ground up; rooms of one floor do not know each other
FLOORS = [
    {"the root"},
    {"backends"},
    {"plugins", "inputs"},
    {"segments", "rules"},
    {"quantities", "distributions", "passes"},
    {"steps"},
    {"models"},
    {"influence"},
    {"results"},
    {"attribution"},
    {"perturbation", "metrics", "datasets"},
    {"text"},
    {"visualizations"},
    {"recipes"},
    {"the entrance"},
    {"testing"},
]
# an explanation is drawn when somebody looks at it
UPWARD = {(room, "visualizations") for room in ("results", "text", "metrics")}
FLOOR = {room: i for i, rooms in enumerate(FLOORS) for room in rooms}


def modules(folder=CORE):
    """Path by dotted name, without the names of before."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[0] != "_moved":
            found[".".join(p for p in parts if p != "__init__") or "__init__"] = path
    return found


def imported(tree, names):
    """The modules of core that a file imports, inside functions and for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            dotted = [alias.name.partition("trulens_core.")[2] for alias in node.names]
            yield from (name for name in dotted if name in names)
        if not isinstance(node, ast.ImportFrom):
            continue
        assert node.level == 0
        package, _, module = (node.module or "").partition(".")
        if package != "trulens_core":
            continue
        for alias in node.names:
            inner = f"{module}.{alias.name}".lstrip(".")
            yield inner if inner in names else module or "__init__"


def arrows():
    """For every module, the modules that it imports."""
    names = modules()
    found = {}
    for name, path in names.items():
        tree = ast.parse(path.read_text())
        found[name] = {x for x in imported(tree, names) if x != name}
    return found


def room_of(name):
    if name in ("__init__", "__main__"):
        return "the entrance"
    room = name.partition(".")[0]
    return room if (CORE / room).is_dir() else "the root"


def upward(found):
    """The arrows that lead up, or to another room of the same floor."""
    rooms = {(room_of(a), room_of(b)) for a, many in found.items() for b in many}
    return {(a, b) for a, b in rooms if a != b and FLOOR[a] <= FLOOR[b]}


def circle(found):
    """A circle of modules, None where there is none."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return None
        path.append(name)
        for other in sorted(found.get(name, ())):
            known = visit(other)
            if known:
                return known
        done.add(path.pop())
        return None

    return next(filter(None, map(visit, sorted(found))), None)


def test_every_room_has_a_floor():
    assert {room_of(name) for name in modules()} <= FLOOR.keys()


def test_rooms_import_what_is_below_them():
    assert upward(arrows()) == UPWARD


def test_there_is_no_circle():
    found = arrows()
    known = {
        (a, b) for a, many in found.items() for b in many if (room_of(a), room_of(b)) in UPWARD
    }
    for a, b in known:
        found[a].discard(b)
    assert circle(found) is None


def test_a_room_above_and_a_circle_are_seen():
    """The test of the tests."""
    found = arrows()
    found["passes.names"].add("steps.block")
    assert upward(found) == UPWARD | {("passes", "steps")}
    found = {"a": {"b"}, "b": {"c"}, "c": {"b"}}
    assert circle(found) == ["b", "c"]
    tree = ast.parse("def f():\n    from trulens_core.models import ModelWrapper")
    assert list(imported(tree, modules())) == ["models"]


def test_the_tree_tells_where_to_go():
    assert len(list(CORE.glob("*.py"))) <= 14
    lengths = [len(path.read_text().splitlines()) for path in modules().values()]
    assert max(lengths) <= 400
    assert statistics.median(lengths) <= 120  # a fifth of that are docstrings


@pytest.mark.parametrize(
    "room", sorted(p.name for p in CORE.iterdir() if (p / "__init__.py").exists())
)
def test_contributing_names_every_room(room):
    assert room.startswith("_") or f"`{room}/" in (ROOT / "CONTRIBUTING.md").read_text()
