"""How the benchmarks measure; what they measure is no test's business."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
MEASURE = runpy.run_path(str(FOLDER / "measure.py"))
SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
import measure
a = measure.Case({{"ours": lambda: bytearray(30 << 20), "theirs": lambda: bytearray(5 << 20)}})
b = measure.Case({{"ours": int, "theirs": int}}, {{"theirs": 0.0}}, memory=False)
sys.exit(measure.main({{"a": lambda: a, "b": lambda: b}}, turns=3))
"""


def test_ways_take_turns_and_the_first_turn_does_not_count():
    called = []
    ways = {name: lambda name=name: called.append(name) for name in "abc"}
    seconds = MEASURE["in_turns"](ways, turns=2, calls=2)
    assert {name: len(s) for name, s in seconds.items()} == {"a": 2, "b": 2, "c": 2}
    assert "".join(called) == "ccaabb" + "aabbcc" + "bbccaa"


def test_a_ratio_is_of_the_times_of_one_turn(monkeypatch):
    seconds = {"ours": [1.0, 2.0, 9.0], "theirs": [2.0, 4.0, 10.0]}
    monkeypatch.setitem(MEASURE["rows"].__globals__, "in_turns", lambda *_: seconds)
    (row,) = MEASURE["rows"]("case", MEASURE["Case"]({"ours": int, "theirs": int}), 3, {})
    assert (row["ours"], row["theirs"]) == (2.0, 4.0)
    assert (row["ratio"], row["deviation"]) == (0.5, 0.0)
    assert row["limit"] is None
    assert not MEASURE["missed"](row)


@pytest.mark.parametrize(("ratio", "over"), [(0.9, False), (1.05, False), (1.2, True)])
def test_a_limit_is_missed_by_more_than_the_deviation(ratio, over):
    row = {"ratio": ratio, "deviation": 0.1, "limit": 1.0}
    assert MEASURE["missed"](row) == over


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(folder=str(FOLDER)))

    def run(*options):
        command = [sys.executable, str(path), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_a_script_tells_times_memory_and_limits(script, tmp_path):
    file = tmp_path / "rows.json"
    done = script("--json", str(file))
    assert done.returncode == 1, done.stderr  # b is over its limit
    a, b = map(json.loads, file.read_text().splitlines())
    assert (a["case"], a["other"], a["turns"]) == ("a", "theirs", 3)
    assert 25 < a["memory"] < 40
    assert 2 < a["their memory"] < 12
    assert b["memory"] is None
    assert "OVER" in done.stdout.splitlines()[1]
    assert script("a").returncode == 0


def test_a_case_that_is_not_there(script):
    done = script("c")
    assert done.returncode == 2
    assert "no case ['c']; there are ['a', 'b']" in done.stderr
