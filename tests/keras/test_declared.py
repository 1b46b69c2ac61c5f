"""Models that declare how many records a batch has, as layers with a state of their own need it."""

import keras
import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    UnsupportedModelError,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

FRAMEWORK = keras.config.backend()
DTYPE, LIMIT = ("float32", 1e-5) if FRAMEWORK == "jax" else ("float64", 1e-10)  # JAX: as it is set
KERASES = [keras]
if FRAMEWORK == "tensorflow":
    KERASES.append(pytest.importorskip("tf_keras"))
X = np.random.default_rng(0).normal(size=(6, 5, 3)).astype(DTYPE)
STEPS = 3


class Pair:
    """A model of `rows` records a batch, and the same function of any number and a state."""

    def __init__(self, module, rows):
        self.rows, self.module, layers = rows, module, module.layers
        module.utils.set_random_seed(rows)
        options = {"return_sequences": True, "dtype": DTYPE}
        self.lstm = layers.LSTM(4, stateful=True, name="lstm", **options)
        self.head = layers.Dense(2, name="head", dtype=DTYPE)
        x = layers.Input((5, 3), batch_size=rows, dtype=DTYPE)
        flat = layers.Flatten(dtype=DTYPE)
        self.model = module.Model(x, self.head(flat(self.lstm(x))))
        self.plain = layers.LSTM(4, **options)
        self.plain.build((None, 5, 3))
        self.plain.set_weights([np.asarray(w) for w in self.lstm.get_weights()[:3]])
        self.wrapper = get_model_wrapper(self.model)

    @property
    def state(self):
        return [keras.ops.convert_to_numpy(s).copy() for s in self.lstm.states]

    def rest(self, h):
        return self.head(h.reshape(len(h), 20) if FRAMEWORK == "torch" else _flat(h))

    def score(self, state):
        """Of class 1, by record, where each begins with its row of a state."""
        return lambda x: self.rest(self.plain(x, initial_state=state))[:, 1]

    def states(self, records):
        """The state's rows for records that go through in groups of the declared size."""
        place = np.arange(records) % self.rows
        return [keras.ops.convert_to_tensor(s[place], dtype=DTYPE) for s in self.state]


def _flat(h):
    return keras.ops.reshape(h, (h.shape[0], 20))


@pytest.fixture(scope="module", params=KERASES, ids=lambda m: m.__name__)
def pairs(request):
    return {rows: Pair(request.param, rows) for rows in (1, 4)}


def integral(pair, x, gradients):
    total = 0
    for i in range(STEPS):
        point = x * ((i + 0.5) / STEPS)
        total = total + gradients(pair.score(pair.states(len(x))), point)[0] / STEPS
    return total * x


@pytest.mark.parametrize(("rows", "records"), [(1, 1), (1, 3), (4, 4), (4, 6), (4, 2)])
def test_blocks_have_as_many_rows(pairs, gradients, rows, records):
    pair, x = pairs[rows], X[:records]
    expected = integral(pair, x, gradients)
    for more in ({}, {"rebatch_size": 7}):
        method = IntegratedGradients(pair.wrapper, qoi=1, resolution=STEPS, **more)
        assert relative_error(method.attributions(x), expected) <= LIMIT


def test_each_pass_begins_with_the_state_that_there_is(pairs, gradients):
    pair = pairs[4]
    pair.model(X[2:])  # leaves a state behind, in each row another
    before = pair.state
    assert all(np.abs(s).min() > 0 for s in before)
    expected = integral(pair, X, gradients)
    for qoi in (1, ClassQoI([1] * 6), lambda y: y[:, 1]):
        method = IntegratedGradients(pair.wrapper, qoi=qoi, resolution=STEPS)
        for _ in range(2):
            assert relative_error(method.attributions(X), expected) <= LIMIT
    for a, b in zip(pair.state, before, strict=True):
        assert np.array_equal(a, b)


def test_at_an_inner_layer(pairs, gradients):
    pair = pairs[1]
    h = keras.ops.convert_to_numpy(pair.plain(X[:3], initial_state=pair.states(3)))
    (expected,) = gradients(lambda z: pair.rest(z)[:, 1], h)
    method = InternalInfluence(pair.wrapper, "lstm", 1, "point", multiply_activation=False)
    assert relative_error(method.attributions(X[:3]), expected) <= LIMIT
    whole = IntegratedGradients(pair.wrapper, qoi=1, doi_cut="lstm", resolution=STEPS)
    assert relative_error(whole.attributions(X[:3]), expected * h) <= LIMIT


def test_at_an_inner_layer_without_a_state(gradients):
    hidden = keras.layers.Dense(5, "tanh", name="hidden", dtype=DTYPE)
    head = keras.layers.Dense(2, "softplus", dtype=DTYPE)
    inputs = keras.layers.Input((3,), batch_size=4, dtype=DTYPE)
    model, x = keras.Sequential([inputs, hidden, head]), X[:, 0]
    h = keras.ops.convert_to_numpy(hidden(x))
    points = [(i + 0.5) / STEPS * h for i in range(STEPS)]
    expected = h * np.mean([gradients(lambda z: head(z)[:, 1], z)[0] for z in points], axis=0)
    method = IntegratedGradients(model, qoi=1, doi_cut="hidden", resolution=STEPS)
    for _ in range(2):  # the second may make its points in the pass that finds the value
        for n in (4, 6):
            assert relative_error(method.attributions(x[:n]), expected[:n]) <= LIMIT


def subclassed(pair):
    """The same layers in a model that declares no inputs."""

    class Model(pair.module.Model):
        def __init__(self):
            super().__init__(dtype=DTYPE)
            self.parts = [pair.lstm, pair.module.layers.Flatten(dtype=DTYPE), pair.head]

        def call(self, x):
            for part in self.parts:
                x = part(x)
            return x

    model = Model()
    model(X[: pair.rows])  # builds it, and leaves a state behind
    return model


@pytest.mark.parametrize(("rows", "records"), [(1, 3), (4, 6)])
def test_states_tell_the_size_where_no_input_does(pairs, gradients, rows, records):
    pair, x = pairs[rows], X[:records]
    wrapper, before = get_model_wrapper(subclassed(pair)), pair.state
    assert all(np.abs(s).min() > 0 for s in before)
    expected = integral(pair, x, gradients)
    for qoi in (1, lambda y: y[:, 1]):
        method = IntegratedGradients(wrapper, qoi=qoi, resolution=STEPS)
        assert relative_error(method.attributions(x), expected) <= LIMIT
    for a, b in zip(pair.state, before, strict=True):
        assert np.array_equal(a, b)


def test_what_cannot_be_is_an_error_that_names_the_size(pairs):
    wrapper = pairs[4].wrapper
    with pytest.raises(UnsupportedModelError, match="batch of 4, and rebatch_size=3"):
        InputAttribution(wrapper, qoi=1, rebatch_size=3).attributions(X)
    with pytest.raises(UnsupportedModelError, match="batch of 4, and tolerance="):
        IntegratedGradients(wrapper, qoi=1, tolerance=0.1).attributions(X)
    with pytest.raises(UnsupportedModelError, match="batch of 4, found 6 rows"):
        wrapper(X)
    assert wrapper(X[:4]).shape == (4, 2)
