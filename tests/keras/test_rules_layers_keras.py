"""Rules on Keras: layers by their names, gates of recurrent layers."""

import runpy
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from trulens_core import LRP, RuleSet, UncoveredOperationError, get_model_wrapper
from trulens_core.rules import Epsilon, Identity, composites
from trulens_core.testing import relative_error

ZOO = runpy.run_path(str(Path(__file__).with_name("zoo_keras.py")))
GRU = runpy.run_path(str(Path(__file__).parents[1] / "parity" / "gru_by_hand.py"))
FIRST, REST = 0.5, 1e-3


@pytest.fixture(autouse=True)
def float64():
    with ZOO["float64_is_kept"]():
        if keras.config.backend() != "jax":
            yield
            return
        import jax

        with jax.enable_x64(True):
            yield


def explained(model, rules, x):
    """What it gives; None where rules are an error that says so."""
    wrapper = get_model_wrapper(model)
    if wrapper.serves_rules():
        return LRP(wrapper, rules, qoi=0).explain(x)
    with pytest.raises(UncoveredOperationError, match="rules of the backward pass"):
        LRP(wrapper, rules, qoi=0).explain(x)
    return None


def test_layers_are_named():
    random = np.random.default_rng(0)
    inside = keras.Sequential([layers.Dense(6, dtype="float64", name="a")], name="block")
    x = random.standard_normal((3, 4))
    entered = keras.Input((4,), dtype="float64")
    h = layers.ReLU(dtype="float64", name="relu")(inside(entered))
    model = keras.Model(entered, layers.Dense(2, dtype="float64", name="b")(h))
    w, b, v, c = (random.standard_normal(np.shape(p)) for p in model.get_weights())
    model.set_weights([w, b, v, c])
    rules = [("layer:block/a", Epsilon(FIRST)), ("linear", Epsilon(REST)), ("relu", Identity())]
    found = explained(model, RuleSet(rules), x)
    if found is None:
        return

    def ratio(v, eps):
        return v / (v + eps * np.where(v >= 0, 1, -1))

    z = x @ w + b
    y = np.maximum(z, 0) @ v + c
    g = (v[:, 0] * ratio(y, REST)[:, :1]) * (z > 0)
    expected = x * ((g * ratio(z, FIRST)) @ w.T)
    assert relative_error(np.asarray(found.attributions), expected) < 1e-9
    assert found.coverage.by_kind()[("linear", repr(Epsilon(FIRST)))] == 1


def test_normalisation_is_merged():
    """What is merged is the network whose convolution has its scale and shift."""
    random = np.random.default_rng(1)
    x = random.standard_normal((2, 4, 4, 2))
    wide = {"dtype": "float64"}

    def made(*normalisation):
        start = keras.Input((4, 4, 2), **wide), layers.Conv2D(4, 3, padding="same", **wide)
        end = layers.ReLU(**wide), layers.Flatten(**wide), layers.Dense(2, **wide)
        return keras.Sequential([*start, *normalisation, *end])

    model = made(layers.BatchNormalization(**wide))
    kernel, shift, *held = model.get_weights()
    scale, offset, mean, spread = (random.uniform(0.5, 2, 4) for _ in range(4))
    model.set_weights([kernel, shift, scale, offset, mean, spread, *held[4:]])
    factor = scale / np.sqrt(spread + model.layers[1].epsilon)
    plain = made()
    plain.set_weights([kernel * factor, (shift - mean) * factor + offset, *held[4:]])
    rules = composites.epsilon_plus(merge=True)
    if keras.config.backend() == "torch":  # where it is written out, in place
        with pytest.raises(UncoveredOperationError, match="merge=True is not served"):
            LRP(model, rules, qoi=0).explain(x)
        return
    found = explained(model, rules, x)
    if found is None:
        return
    expected = explained(plain, composites.epsilon_plus(), x)
    error = relative_error(np.asarray(found.attributions), np.asarray(expected.attributions))
    assert error < 1e-9


@pytest.mark.parametrize(("composite", "share"), [("gates_all", 1.0), ("gates_half", 0.5)])
def test_gates_of_a_gru(composite, share):
    x, units = GRU["X"], GRU["UNITS"]
    recurrent = layers.GRU(units, dtype="float64")
    out = layers.Dense(2, use_bias=False, dtype="float64")
    model = keras.Sequential([keras.Input(x.shape[1:], dtype="float64"), recurrent, out])
    bias = np.stack([GRU["B"], np.zeros(3 * units)])
    model.set_weights([GRU["W"], GRU["U"], bias, GRU["V"]])
    found = explained(model, composite, x)
    if found is None:
        return
    expected = np.stack([GRU["by_hand"](one, share) for one in x])
    assert relative_error(np.asarray(found.attributions), expected) < 1e-9
    assert found.coverage.complete
