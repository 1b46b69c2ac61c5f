"""Which work is one compiled program with Keras on JAX; the table of JAX's own is in tests/jax."""

import keras
import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    Conductance,
    ExpectedGradients,
    GaussianDoi,
    InternalInfluence,
    LinearDoi,
    PathDoi,
    get_model_wrapper,
)
from trulens_core.influence.collecting import Collected
from trulens_core.influence.programs import Program
from trulens_core.testing import relative_error

pytestmark = pytest.mark.skipif(keras.config.backend() != "jax", reason="programs of JAX")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5)).astype("float32")
DATA = RNG.normal(size=(9, 5)).astype("float32")
HIDDEN = RNG.normal(size=(9, 8)).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = keras.layers.Dense(8, "tanh", name="h"), keras.layers.Dense(4, name="y")
    return get_model_wrapper(keras.Sequential([keras.Input((5,)), *layers]))


def at(cut, doi, qoi="max", **options):
    return lambda m: InternalInfluence(m, cut, qoi, doi, **options)


def data(rows=DATA, **options):
    return lambda m: ExpectedGradients(m, rows, samples=6, **options)


line, inner = LinearDoi(resolution=6), LinearDoi(resolution=6, cut="h")
WAYS = {
    "point": (at(None, "point"), "one"),
    "point at a layer": (at("h", "point"), "one"),
    "line": (at(None, line), "one"),
    "line at a layer": (at("h", inner), "one"),
    "noise": (at(None, GaussianDoi(0.1, 6)), "one"),
    "variance": (at(None, line, statistic="variance"), "one"),
    "contracted": (at(None, line, contract=-1), "one"),
    "a class per record": (at(None, line, ClassQoI(np.array([2, 0, 1]))), "one"),
    "data": (data(), "one"),
    "data at a layer": (data(HIDDEN, doi_cut="h"), "one"),
    "data, nothing multiplied": (data(multiply_activation=False), "one"),
    "several blocks": (at(None, line, rebatch_size=12), "in blocks"),
    "groups of records": (at(None, line, rebatch_size=2), "in blocks"),
    "data in several blocks": (data(rebatch_size=12), "in blocks"),
    "conductance": (lambda m: Conductance(m, "h", resolution=6), "one"),
    "conductance in several blocks": (
        lambda m: Conductance(m, "h", resolution=6, rebatch_size=12),
        "in blocks",
    ),
    # what stays, and is evaluated a block at a time between compiled steps
    "a curve of the caller's": (at(None, PathDoi(lambda z, t: t * z, 6)), "blocks"),
    "a quantity of the caller's": (at(None, line, lambda y: y[:, 0] ** 2), "blocks"),
}


@pytest.fixture
def ran(monkeypatch):
    """The ways in which work was done: programs, by how they are run, and sums beside them."""
    found = set()

    def counted(owner, name, key):
        old = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda self, *a: found.add(key) or old(self, *a))

    counted(Program, "__call__", "one")
    counted(Program, "in_blocks", "in blocks")
    counted(Collected, "finish", "blocks")
    return found


@pytest.mark.filterwarnings("ignore:completeness fails")
@pytest.mark.parametrize("name", WAYS)
def test_the_way_of_a_question(model, ran, name):
    make, way = WAYS[name]
    method = make(model)
    first = method.attributions(X)
    ran.clear()
    assert relative_error(method.attributions(X), first) <= 1e-6
    assert ran == {way}


def test_data_give_what_they_give_by_hand(model, gradients):
    """At each of the points, by the framework's own gradients."""
    method = ExpectedGradients(model, DATA, 6, qoi=1)
    points = method.question().doi(X)
    by_framework = [
        np.asarray(m) * gradients(lambda t: model.model(t)[:, 1], np.asarray(z))[0]
        for z, m in zip(points.points, points.multipliers, strict=True)
    ]
    for _ in range(2):
        assert relative_error(method.attributions(X), np.mean(by_framework, axis=0)) <= 1e-5
