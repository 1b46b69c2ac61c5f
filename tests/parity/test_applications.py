"""The same models of keras.applications give the same attributions on every framework."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trulens_core.testing.measure import relative_error

SCRIPT = Path(__file__).with_name("applications.py")
FRAMEWORKS = ("tensorflow", "torch", "jax")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """All arrays, by framework, each from a process of its own."""
    folder = tmp_path_factory.mktemp("applications")
    for framework in FRAMEWORKS:
        env = os.environ | {"KERAS_BACKEND": framework, "JAX_ENABLE_X64": "1"}
        command = [sys.executable, SCRIPT, folder / f"{framework}.npz"]
        subprocess.run(command, check=True, timeout=900, env=env)
    return {f: dict(np.load(folder / f"{f}.npz")) for f in FRAMEWORKS}


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(FRAMEWORKS, 2)])
def test_frameworks_agree(one, other, found):
    assert found[one].keys() == found[other].keys()
    for key, expected in found[one].items():
        assert np.abs(expected).max() > 1e-6, f"{key} vanishes: it shows nothing"
        error = relative_error(found[other][key], expected)
        assert error <= 1e-10, f"{key}: {error:.2g}"
