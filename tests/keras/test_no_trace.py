"""After a call the model is as it was, also where the call raised or another thread ran."""

import threading

import keras
import numpy as np
import pytest
from keras import layers

from trulens_core import (
    Cut,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    get_model_wrapper,
)


class Keeping(layers.Layer):
    """Keeps what it saw last."""

    def call(self, x):
        self.last = x
        self.counted = getattr(self, "counted", 0) + 1
        return x


def build():
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 6, 1))
    h = layers.Conv2D(3, 3, activity_regularizer="l2", name="conv")(x)
    h = layers.BatchNormalization(name="bn")(keras.ops.relu(h))
    h = layers.Dropout(0.5, name="drop")(layers.Flatten()(Keeping(name="keep")(h)))
    model = keras.Model(x, layers.Dense(3, activation="softmax", name="p")(h))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


@pytest.fixture
def model():
    return build()


def everything(model):
    """Every layer's attributes, by identity, lists by what is in them."""
    return [
        {k: (id(v), [id(w) for w in v] if type(v) is list else None) for k, v in vars(x).items()}
        for x in get_model_wrapper(model)._operations.all()
    ]


@pytest.fixture
def x(draw):
    return draw(4, 6, 6, 1)


# in training mode on purpose they do, by batch normalisation
@pytest.mark.filterwarnings("ignore:the model's rows see one another")
@pytest.mark.filterwarnings("ignore:the gradients at")  # of units that are off
def test_attributes_weights_and_configuration(model, x):
    model(x)  # sets what a plain call sets
    before, weights, config = everything(model), model.get_weights(), model.get_config()
    wrapper = get_model_wrapper(model, logit_layer="p")
    for training in ({}, {"training": True}):
        IntegratedGradients(wrapper, resolution=3).attributions(x, **training)
        InternalInfluence(wrapper, ("conv", Cut("keep")), 1, "linear").explain(x, **training)
    wrapper.logits(x)
    assert everything(model) == before
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.get_config() == config


def test_it_saves_loads_predicts_and_trains_as_before(model, x, tmp_path):
    other = build()
    for m in (model, other):
        m.set_weights([np.full_like(w, 0.1) if w.dtype.kind == "f" else w for w in m.get_weights()])
    InputAttribution(get_model_wrapper(model, logit_layer="p")).explain(x)
    np.testing.assert_array_equal(model.predict(x, verbose=0), other.predict(x, verbose=0))
    losses = []
    for m in (model, other):
        keras.utils.set_random_seed(1)
        history = m.fit(x, np.array([0, 1, 2, 0]), epochs=2, verbose=0, shuffle=False)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-6)
    InputAttribution(get_model_wrapper(model, logit_layer="p")).explain(x)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", {"Keeping": Keeping})
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)


def test_a_call_that_raises_leaves_nothing_behind(model, x):
    model(x)
    before = everything(model)
    wrapper = get_model_wrapper(model, logit_layer="p")

    class WrongError(Exception):
        pass

    def wrong(y):
        raise WrongError

    for error, method in (
        (WrongError, InternalInfluence(wrapper, "conv", wrong, "point")),
        (ValueError, InternalInfluence(wrapper, Cut("conv", call=3), 0, "point")),
        (IndexError, InternalInfluence(wrapper, "conv", 9, "point")),
    ):
        for _ in range(2):
            with pytest.raises(error):
                method.attributions(x)
            assert everything(model) == before
    mended = InternalInfluence(wrapper, "conv", lambda y: y[:, 0], "point").attributions(x)
    direct = InternalInfluence(build_like(model), "conv", lambda y: y[:, 0], "point")
    np.testing.assert_array_equal(mended, direct.attributions(x))


def build_like(model):
    other = build()
    other.set_weights(model.get_weights())
    return get_model_wrapper(other, logit_layer="p")


def test_recurrent_state_and_random_seeds_stay(draw):
    keras.utils.set_random_seed(0)
    parts = [
        layers.Input(batch_shape=(2, 3, 4)),
        layers.GRU(5, stateful=True, name="gru"),
        layers.Dropout(0.5, name="drop"),
        layers.Dense(2),
    ]
    model, x = keras.Sequential(parts), draw(2, 3, 4)
    model(x, training=True)
    before = [v.numpy().copy() for v in model.variables]
    InputAttribution(model).attributions(x)
    InputAttribution(model).attributions(x, training=True)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def repeatedly(errors, check, *args):
    """A thread that runs the check several times and keeps what it raises."""

    def run():
        try:
            for i in range(4):
                check(i, *args)
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            errors.append(error)

    return threading.Thread(target=run)


def plainly(model, framework):
    """What calls the model as a user would in another thread."""
    # on JAX predict takes the weights' arrays away while it runs, from whoever reads them
    return model.predict_on_batch if framework != "jax" else lambda x: np.asarray(model(x))


def test_two_models_in_two_threads_and_plain_calls_meanwhile(draw, framework):
    models, x = [build(), build()], draw(2, 6, 6, 1)
    models[1].set_weights([2 * w if w.dtype.kind == "f" else w for w in models[1].get_weights()])
    layer = layers.Dense(4, name="shared")  # one layer in both
    heads = [keras.Sequential([m.layers[1], layers.Flatten(), layer]) for m in models]
    wrappers = [get_model_wrapper(m) for m in heads]
    expected = [InputAttribution(get_model_wrapper(m), qoi=1).attributions(x) for m in heads]
    calls = [plainly(m, framework) for m in models]
    plain = [call(x) for call in calls]

    def explain(i, wrapper, expected):
        found = InputAttribution(wrapper, qoi=lambda y: y[:, 1] + 0 * y[:, i]).attributions(x)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)

    def call(i, run, plain):
        for _ in range(5):
            np.testing.assert_allclose(run(x), plain, rtol=1e-5)

    errors = []
    threads = [repeatedly(errors, explain, *a) for a in zip(wrappers, expected, strict=True)]
    threads += [repeatedly(errors, call, *a) for a in zip(calls, plain, strict=True)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    assert all("call" not in vars(layer) for m in heads for layer in m.layers)
