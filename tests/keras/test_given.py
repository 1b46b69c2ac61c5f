"""Keras models get the types that they declare, and what is then floating is explained."""

import keras
import numpy as np
import pytest
from keras import layers

from trulens_core import (
    InputAttribution,
    InputCut,
    IntegratedGradients,
    NotDifferentiableError,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

RANDOM = np.random.default_rng(0)
AGE = np.array([[20], [40], [90]])
REST = RANDOM.normal(size=(3, 2)).astype("float32")
LIMIT = 1e-5


@pytest.fixture(scope="module")
def parts():
    """Inputs in an order that is not that of their names, and what is made of them."""
    keras.utils.set_random_seed(0)
    rest, age = keras.Input((2,), name="rest"), keras.Input((1,), name="age")
    hidden = layers.Dense(4, "tanh")(layers.Concatenate()([rest, age / 100.0]))
    return rest, age, layers.Dense(2)(hidden)


def integral(model, *args, **kwargs):
    return IntegratedGradients(model, qoi=0, resolution=8).attributions(*args, **kwargs)


def by_hand(gradients, model, order):
    """The path of both inputs as floats; the model is given them in a list."""
    given = {"rest": REST, "age": AGE.astype("float32")}
    arrays = [given[n] for n in order]
    totals = [0, 0]
    for i in range(8):
        points = [a * np.float32((i + 0.5) / 8) for a in arrays]
        found = gradients(lambda *xs: model(list(xs))[:, 0], *points)
        totals = [t + g / 8 for t, g in zip(totals, found, strict=True)]
    return {n: t * a for n, t, a in zip(order, totals, arrays, strict=True)}


@pytest.mark.parametrize("kind", ["int64", "int32", "uint8", "float64", "float16"])
def test_numbers_become_what_their_input_declares(parts, gradients, kind):
    rest, age, out = parts
    ages = AGE.astype(kind)
    listed = keras.Model([rest, age], out)
    expected = by_hand(gradients, listed, ["rest", "age"])
    found = [
        dict(zip(("rest", "age"), integral(listed, REST, ages), strict=True)),
        dict(zip(("rest", "age"), integral(listed, [REST, ages]), strict=True)),
        integral(listed, {"age": ages, "rest": REST}),
        integral(keras.Model({"rest": rest, "age": age}, out), {"age": ages, "rest": REST}),
        integral(keras.Model({"rest": rest, "age": age}, out), {"rest": REST, "age": ages}),
    ]
    for each in found:
        assert sorted(each) == ["age", "rest"]
        for name, value in each.items():
            limit = 1e-2 if value.dtype == np.float16 else LIMIT
            assert relative_error(value, expected[name]) <= limit
    assert found[0]["age"].dtype == np.float32  # of the first float input


def test_images_of_bytes(gradients):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(2, 3, activation="tanh"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    x = RANDOM.integers(0, 256, (2, 4, 4, 1)).astype("uint8")
    (expected,) = gradients(lambda z: model(z)[:, 0], x.astype("float32"))
    method = InputAttribution(model, qoi=0, multiply_activation=False)
    assert relative_error(method.attributions(x), expected) <= LIMIT
    once = keras.Sequential([layers.Flatten(), layers.Dense(2)])
    once(x.astype("float32"))  # it declares its input from then on
    found = InputAttribution(once, qoi=0, multiply_activation=False).attributions(x)
    weights = once.get_weights()[0][:, 0].reshape(x.shape[1:])
    assert relative_error(found, np.stack([weights] * 2)) <= LIMIT


def test_floats_become_what_their_input_declares_and_nothing_else():
    """An input of float64 keeps its digits beside weights of float32."""
    time = keras.Input((1,), name="time", dtype="float64")
    late = keras.ops.cast(time - 1.7e9, "float32")
    model = keras.Model(time, layers.Dense(1, use_bias=False, kernel_initializer="ones")(late))
    x = np.array([[1.7e9 + 0.25], [1.7e9 + 0.5]])
    if keras.config.backend() == "jax":
        pytest.skip("JAX has no float64 unless jax_enable_x64 is on")
    assert np.array_equal(get_model_wrapper(model)(x), x - 1.7e9)


def test_subclassed_models_declare_nothing():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x, more=None):
            x = keras.ops.cast(x, "float32")
            return self.dense(x if more is None else x + keras.ops.cast(more, "float32"))

    method = InputAttribution(Model(), qoi=0)
    with pytest.raises(NotDifferentiableError, match=r"int32|int64"):
        method.attributions(np.arange(6).reshape(3, 2))
    with pytest.warns(TrulensWarning, match=r"left out of the explanation: 1 \(.*int"):
        found = method.attributions(REST, np.arange(6).reshape(3, 2))
    assert found.shape == REST.shape


def test_ids_for_embeddings_stay_ids():
    """They are declared as floats where nothing is said; the error names the embedding."""
    model = keras.Sequential([layers.Embedding(9, 3, name="words"), layers.Flatten()])
    ids = np.array([[1, 2], [3, 8]])
    model(ids)
    assert model.inputs[0].dtype == "float32"
    with pytest.raises(NotDifferentiableError, match=r"int.*Cut\('words'\)"):
        InputAttribution(model, qoi=0).attributions(ids)
    found = InputAttribution(model, qoi=0, doi_cut="words").attributions(ids)
    assert found.shape == (2, 2, 3)


def test_ids_beside_floats(parts):
    words, rest = keras.Input((2,), dtype="int32", name="words"), keras.Input((2,), name="rest")
    embedded = layers.Flatten()(layers.Embedding(9, 3, name="embed")(words))
    model = keras.Model([words, rest], layers.Dense(2)(layers.Concatenate()([embedded, rest])))
    ids = np.array([[1, 2], [3, 8], [0, 0]])
    method = InputAttribution(model, qoi=0)
    with pytest.warns(TrulensWarning, match=r"0 \(.*int32.*InputCut\(names=\['rest'\]\)"):
        found = method.attributions(ids, REST)
    chosen = InputAttribution(model, qoi=0, doi_cut=InputCut(names=["rest"]))
    assert np.array_equal(found, chosen.attributions(ids, REST))
    inside = InputAttribution(model, qoi=0, doi_cut="embed").attributions(ids, REST)
    assert inside.shape == (3, 2, 3)
