"""A few hundred fixed seeds of the fuzzer on each framework, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fuzz.py")
SEEDS = {"torch": 270, "jax": 12, "keras": 18}
"""How many; most where nothing is compiled for a network."""


def fuzzed(framework, *options):
    command = [sys.executable, str(SCRIPT), "--framework", framework, *map(str, options)]
    env = {**os.environ, "KERAS_BACKEND": "tensorflow", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("framework", SEEDS)
def test_fixed_seeds(framework):
    done = fuzzed(framework, "--cases", SEEDS[framework], "--seed", 0)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"0 wrong of {SEEDS[framework]}" in done.stdout


@pytest.mark.parametrize("mutant", ["multiplier", "points"])
def test_a_wrong_number_is_found(mutant):
    """A library that is broken is found out within a few cases, and they say their seeds."""
    done = fuzzed("torch", "--cases", 25, "--mutant", mutant)
    assert done.returncode == 1
    assert done.stdout.count("make fuzz FUZZ=") >= 3, done.stdout + done.stderr
