"""Runs that are killed, and whose disk is full, in processes of their own."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trulens_core import open_run

SCRIPT = Path(__file__).with_name("runs_killed.py")
EVERY = bool(os.environ.get("TRULENS_EVERY"))
TWICE = 2
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def told(mode, out, *numbers):
    command = [sys.executable, "-W", "ignore", SCRIPT, mode, out, *map(str, numbers)]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run.zarr"
    here = runpy.run_path(str(SCRIPT))
    return here["run"](out)


def check(out, wanted):
    """All records, each once, to the bit those of one run."""
    run = open_run(out)
    assert run.complete
    assert len(run) == len(wanted)
    for name in wanted.arrays:
        assert np.array_equal(run.arrays[name][:], wanted.arrays[name][:])
    text = (out / "manifest" / "0.jsonl").read_text()
    lines = [json.loads(x.split(" ", 1)[1]) for x in text.splitlines()]
    numbers = [x["shard"]["number"] for x in lines if "shard" in x]
    assert sorted(numbers) == list(range(len(wanted) // 8))
    run.verify()
    assert not list(out.glob(".drafts*"))


def test_killed_at_moments_by_chance(tmp_path, wanted):
    kills = 20 if EVERY else 5
    found = told("chance", tmp_path / "run.zarr", kills, 7)
    assert found["killed"] >= kills // TWICE
    check(tmp_path / "run.zarr", wanted)


def test_killed_in_calls_that_write(tmp_path, wanted):
    """In the middle of every file, line and name: each call where TRULENS_EVERY is set."""
    found = told("calls", tmp_path / "run", 1 if EVERY else 61, 3)
    assert found["killed"] > (100 if EVERY else TWICE)
    for out in tmp_path.glob("run.*"):
        check(out, wanted)


@pytest.mark.parametrize("size", [100, 600])
def test_files_that_may_not_be_longer(tmp_path, wanted, size):
    found = told("limited", tmp_path / "run.zarr", size, 0)
    assert found["code"] == -3
    assert "could not be written" in found["said"]
    check(tmp_path / "run.zarr", wanted)
