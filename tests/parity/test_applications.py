"""The same models of keras.applications give the same attributions on every framework."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from trulens_core.testing.measure import relative_error

SCRIPT = Path(__file__).with_name("applications.py")
NEEDS = {"tensorflow": "trulens_tf", "torch": "trulens_torch", "jax": "trulens_jax"}


def computed(framework, name, folder):
    """All arrays of a model on a framework, from a process of its own."""
    path = folder / f"{framework}.npz"
    env = os.environ | {
        "KERAS_BACKEND": framework,
        "JAX_ENABLE_X64": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    subprocess.run([sys.executable, SCRIPT, name, path], check=True, timeout=900, env=env)
    return dict(np.load(path))


@pytest.mark.parametrize("name", ["MobileNetV2"])
def test_frameworks_agree(name, tmp_path):
    installed = [f for f, package in NEEDS.items() if find_spec(package)]
    assert len(installed) > 1, "parity needs two frameworks"
    first, *rest = (computed(f, name, tmp_path) for f in installed)
    for framework, found in zip(installed[1:], rest, strict=True):
        for key, expected in first.items():
            assert np.abs(expected).max() > 1e-6, f"{key} of {name} vanishes: it shows nothing"
            error = relative_error(found[key], expected)
            assert error <= 1e-10, f"{key} on {framework}: {error:.2g}"
