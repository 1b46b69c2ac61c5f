"""The zoo's models agree between frameworks: every pair of them, in one process.

The conformance suite compares each backend with the NumPy reference, alone and in full. Here
PyTorch, TensorFlow, Keras and JAX explain the same weights side by side, and Keras on PyTorch and
on JAX, in processes of their own, is compared with all of these.
"""

import itertools
import os
import runpy
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from trulens_core import InputAttribution, InternalInfluence
from trulens_core.testing.conformance.subjects import distributions, quantities
from trulens_core.testing.measure import relative_error
from trulens_core.testing.zoo import Architecture, Argument
from trulens_core.testing.zoo.architecture import chain

SCRIPT = Path(__file__).with_name("zoo.py")
ZOO = runpy.run_path(str(SCRIPT))  # tests are no package
ALTERNATE, CASES, HERE = ZOO["ALTERNATE"], ZOO["CASES"], ZOO["HERE"]


@pytest.fixture(autouse=True, scope="module")
def _x64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.fixture(scope="module")
def attributions():
    """attributions(framework, case), each computed once."""
    found = {}

    def of(framework, name):
        if (framework, name) not in found:
            found[framework, name] = CASES[name].on(HERE[framework])
        return found[framework, name]

    return of


def test_every_quantity_and_distribution_occurs():
    assert {c.qoi for c in CASES.values()} == set(quantities(1))
    assert {c.doi for c in CASES.values()} == set(distributions())


@pytest.mark.parametrize("name", CASES)
def test_frameworks_agree(name, attributions):
    assert np.abs(attributions("torch", name)).max() > 1e-6, "it vanishes: it shows nothing"
    some = [f for f in HERE if f != "jax" or name in ALTERNATE]  # it compiles for seconds
    for a, b in itertools.combinations(some, 2):
        error = relative_error(attributions(a, name), attributions(b, name))
        assert error <= CASES[name].limit, f"{a} and {b}: {error:.2g}"


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_keras_on(framework, attributions, tmp_path):
    env = os.environ | {"KERAS_BACKEND": framework, "JAX_ENABLE_X64": "1"}
    path = tmp_path / "found.npz"
    subprocess.run([sys.executable, SCRIPT, path], check=True, timeout=600, env=env)
    found = np.load(path)
    assert set(found.files) == set(ALTERNATE)
    for name, other in itertools.product(ALTERNATE, HERE):
        error = relative_error(found[name], attributions(other, name))
        assert error <= CASES[name].limit, f"{other}, {name}: {error:.2g}"


def test_ties_are_settled_in_one_way():
    """The first of equal scores, the first element of a pool, nothing at a relu's kink."""
    scores = Architecture(
        "ties", (Argument("x", (4,)),), {"relu": ("relu",)}, chain("x", "relu"), "y", smooth=False
    )
    x = np.asarray([[2.0, 2, 1, -1], [1, 3, 3, 3], [0, 0, -1, 0]])
    pooled = Architecture(
        "pooled",
        (Argument("x", (1, 2, 4)),),
        {"pool": ("max_pool",), "flat": ("flatten",)},
        chain("x", "pool", "flat"),
        "y",
        smooth=False,
    )
    image = np.asarray([[1.0, 2, 5, 5], [2, 2, 5, 5]])[None, None]
    for framework in HERE.values():
        model = framework.build(scores, "float64")
        found = InputAttribution(model, multiply_activation=False).attributions(x)
        np.testing.assert_array_equal(found, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
        method = InternalInfluence(
            framework.build(pooled, "float64"),
            (None, None),
            lambda y: y[:, 0] + y[:, 1],
            "point",
            multiply_activation=False,
        )
        found = framework.zoo_layout(method.attributions(framework.layout(image)))
        np.testing.assert_array_equal(found[0, 0], [[0, 1, 1, 0], [0, 0, 0, 0]])
