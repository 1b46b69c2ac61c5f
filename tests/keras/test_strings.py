"""Strings, as NumPy has them, into layers that look them up."""

import keras
import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    NotDifferentiableError,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

if keras.config.backend() != "tensorflow":
    pytest.skip("strings are TensorFlow's", allow_module_level=True)
tf_keras = pytest.importorskip("tf_keras")
import tensorflow as tf  # noqa: E402 - only where it is the framework

WORDS = ["red", "green", "blau für"]
ROWS = [["red", "blau für"], ["green", "x"], ["x", "red"], ["red", "red"], ["blau für", "green"]]
TYPES = {
    "object": np.array(ROWS, object),
    "bytes and strings": np.array([[x.encode(), y] for x, y in ROWS], object),
    "U": np.array(ROWS),
    "S": np.char.encode(np.array(ROWS), "utf-8"),
    "StringDType": np.array(ROWS, np.dtypes.StringDType()),
}
STEPS, LIMIT = 6, 1e-10


def looked_up(module):
    """A functional model with an input of strings; its vocabulary given."""
    x = module.layers.Input((2,), dtype="string")
    return x, module.layers.StringLookup(vocabulary=WORDS)(x)


def adapted(module):
    """The same; its vocabulary is what it has seen."""
    layer = module.layers.StringLookup()
    layer.adapt(np.array(WORDS, object))
    x = module.layers.Input((2,), dtype="string")
    return x, layer(x)


def sentences(module):
    layer = module.layers.TextVectorization(output_sequence_length=2)
    layer.adapt(np.array(["red green", "blau red red", "für"], object))
    x = module.layers.Input((1,), dtype="string")
    return x, layer(x)


def built(module, ids):
    module.utils.set_random_seed(0)
    x, found = ids(module)
    layers, double = module.layers, {"dtype": "float64"}
    words = layers.Embedding(9, 3, name="words", **double)(found)
    h = layers.Dense(4, "tanh", **double)(layers.Flatten(**double)(words))
    return module.Model(x, layers.Dense(2, name="scores", **double)(h))


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def module(request):
    return {"keras": keras, "tf_keras": tf_keras}[request.param]


@pytest.fixture(scope="module", params=[looked_up, adapted, sentences])
def model(module, request):
    return built(module, request.param)


def given(model, array):
    """Rows of two words, or of one sentence of both."""
    if model.inputs[0].shape[1] == 2:
        return array
    joined = [[" ".join(map(str, row))] for row in ROWS]
    return np.array(joined, array.dtype if array.dtype.kind != "S" else "U")


def by_hand(model, strings):
    """Integrated gradients at the embedding's output, record by record, by a tape."""
    at = next(i for i, layer in enumerate(model.layers) if layer.name == "words")
    before = strings
    for layer in model.layers[1 : at + 1]:
        before = layer(before)
    totals = []
    for z in tf.unstack(before[:, None]):
        total = 0.0
        for i in range(STEPS):
            point = z * (i + 0.5) / STEPS
            with tf.GradientTape() as tape:
                tape.watch(point)
                y = point
                for layer in model.layers[at + 1 :]:
                    y = layer(y)
                y = y[:, 1]
            total += tape.gradient(y, point) / STEPS
        totals.append((total * z).numpy()[0])
    return np.stack(totals)


def test_strings_go_in_as_they_are(model):
    """In blocks that hold several records and that end within one, and all at once."""
    expected = by_hand(model, tf.constant(given(model, TYPES["object"])))
    wrapper = get_model_wrapper(model)
    for rows, names in ((None, TYPES), (4, ["U", "object"])):
        method = IntegratedGradients(
            wrapper, qoi=1, resolution=STEPS, doi_cut="words", rebatch_size=rows
        )
        for name in names:
            found = method.attributions(given(model, TYPES[name]))
            assert isinstance(found, np.ndarray)
            assert relative_error(found, expected) <= LIMIT


@pytest.mark.parametrize("model", [looked_up], indirect=True)
def test_a_quantity_and_classes_per_record(model):
    strings = given(model, TYPES["U"])
    method = InternalInfluence(model, "words", ClassQoI([1, 0, 1, 1, 0]), "point", rebatch_size=2)
    other = InternalInfluence(model, "words", lambda y: y[:, 1], "point")
    found, alone = method.attributions(strings), other.attributions(strings)
    assert np.array_equal(found[[0, 2, 3]], alone[[0, 2, 3]])
    assert not np.array_equal(found[1], alone[1])


def test_at_the_strings_there_is_no_gradient(model):
    with pytest.raises(NotDifferentiableError, match=r"integers or strings.*Cut\('words'\)"):
        IntegratedGradients(model, qoi=0).attributions(given(model, TYPES["U"]))


@pytest.mark.parametrize("model", [looked_up], indirect=True)
@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.array([["red", None]], object), r"input 0 has dtype object and holds NoneType"),
        (np.array([["red", float("nan")], ["x", 3]], object), "holds float, int; .*astype"),
        (np.array([["2026-01-01"] * 2], "M8[D]"), "no tensors of that type"),
    ],
)
def test_what_is_no_string(model, array, text):
    with pytest.raises(TypeError, match=text):
        InputAttribution(model, qoi=0, doi_cut="words").attributions(array)


def test_strings_beside_numbers(module):
    """The numbers are explained at the input; the strings come along, row by row."""
    module.utils.set_random_seed(0)
    layers, double = module.layers, {"dtype": "float64"}
    x, ids = adapted(module)
    age = layers.Input((3,), **double)
    words = layers.Flatten(**double)(layers.Embedding(9, 3, **double)(ids))
    h = layers.Dense(4, "tanh", **double)(layers.Concatenate(**double)([age, words]))
    model = module.Model([age, x], layers.Dense(2, **double)(h))
    ages = np.random.default_rng(0).normal(size=(5, 3))
    numbers, strings = tf.constant(ages), tf.constant(ROWS)
    with tf.GradientTape() as tape:
        tape.watch(numbers)
        y = model([numbers, strings])[:, 0]
    expected = tape.gradient(y, numbers).numpy()
    for rows in (None, 2):
        method = InputAttribution(model, qoi=0, multiply_activation=False, rebatch_size=rows)
        found = method.attributions(ages, TYPES["U"])
        assert relative_error(found, expected) <= LIMIT
