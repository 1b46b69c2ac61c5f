"""Rules on Keras: the numbers that PyTorch gives for the same networks."""

import math
import os

import keras
import numpy as np
import pytest
from keras import layers, ops

from trulens_core import (
    LRP,
    AttnLRP,
    DeepLIFT,
    GuidedBackprop,
    InputAttribution,
    UncoveredOperationError,
    get_model_wrapper,
)
from trulens_core.rules import Gradient, Guided, RuleSet

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(11)
EVERY = pytest.mark.skipif(not os.environ.get("TRULENS_EVERY"), reason="it takes minutes")
TENSORFLOW = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="it is of another")
pytestmark = TENSORFLOW


def drawn(model, scale=0.4):
    """A model with weights of both signs, biases among them."""
    model.set_weights([RNG.normal(0, scale, w.shape) for w in model.get_weights()])
    return model


def of(model, name):
    return [torch.tensor(w) for w in model.get_layer(name).get_weights()]


def first(x):
    return torch.tensor(np.moveaxis(x, -1, 1).copy())


def last(a):
    return np.moveaxis(np.asarray(a), 1, -1)


# -- images ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vgg():
    """VGG16 of Keras, small images, float64, random weights."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        model = keras.applications.VGG16(
            weights=None, input_shape=(32, 32, 3), classes=4, classifier_activation=None
        )
    finally:
        keras.config.set_floatx(before)
    for w in model.weights:
        fan = int(np.prod(w.shape[:-1]))
        spread = (2 / fan) ** 0.5 if len(w.shape) > 1 else 0.05
        w.assign(RNG.normal(0, spread, w.shape))
    return model


def vgg_in_torch(model):
    functional = torch.nn.functional

    def forward(x):
        for layer in model.layers:
            kind = type(layer).__name__
            if kind == "Conv2D":
                w, b = of(model, layer.name)
                x = functional.conv2d(x, w.permute(3, 2, 0, 1), b, padding=1).relu()
            elif kind == "MaxPooling2D":
                x = functional.max_pool2d(x, 2)
            elif kind == "Flatten":
                x = x.permute(0, 2, 3, 1).flatten(1)
            elif kind == "Dense":
                w, b = of(model, layer.name)
                x = functional.linear(x, w.T, b)
                x = x if layer.name == "predictions" else x.relu()
        return x

    return get_model_wrapper(forward, backend="torch")


COMPOSITES = ("epsilon", "epsilon_plus", "epsilon_plus_flat", "alpha2_beta1")


@EVERY
@pytest.mark.parametrize("composite", COMPOSITES)
def test_vgg16_is_that_of_torch(vgg, composite):
    x = RNG.normal(size=(1, 32, 32, 3))
    found = LRP(vgg, composite, qoi=1).explain(x)
    expected = last(LRP(vgg_in_torch(vgg), composite, qoi=1).attributions(first(x)))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found.attributions / scale, expected / scale, atol=1e-10)
    assert str(found.coverage).startswith("36 of 36 operations")


@pytest.fixture(scope="module")
def images():
    x = keras.Input((6, 6, 2), dtype="float64")
    y = layers.Conv2D(3, 3, padding="same", dtype="float64", name="conv")(x)
    y = layers.BatchNormalization(dtype="float64", name="norm")(y)
    y = layers.Add(dtype="float64")([layers.ReLU(dtype="float64", name="relu")(y), y])
    y = layers.AveragePooling2D(2, dtype="float64")(y)
    y = layers.GlobalAveragePooling2D(dtype="float64")(y)
    model = drawn(keras.Model(x, layers.Dense(3, dtype="float64", name="head")(y)))
    norm = model.get_layer("norm")
    norm.moving_variance.assign(RNG.uniform(0.5, 2, 3))
    return model


def images_in_torch(model):
    functional = torch.nn.functional
    w, b = of(model, "conv")
    gamma, beta, mean, variance = of(model, "norm")
    head = of(model, "head")

    def forward(x):
        y = functional.conv2d(x, w.permute(3, 2, 0, 1), b, padding=1)
        y = functional.batch_norm(y, mean, variance, gamma, beta, eps=1e-3)
        y = functional.avg_pool2d(y.relu() + y, 2).mean((2, 3))
        return functional.linear(y, head[0].T, head[1])

    return get_model_wrapper(forward, backend="torch")


IMAGES = {
    "guided": lambda m: GuidedBackprop(m, qoi=1),
    "lift": lambda m: DeepLIFT(m, 0.2, qoi=1),
    "merged": lambda m: LRP(m, "alpha2_beta1", qoi=1, merge=True),
}


@pytest.mark.parametrize("asked", IMAGES)
def test_residual_blocks_are_those_of_torch(images, asked):
    x = RNG.normal(size=(2, 6, 6, 2))
    result = IMAGES[asked](images).explain(x)
    expected = last(IMAGES[asked](images_in_torch(images)).attributions(first(x)))
    np.testing.assert_allclose(result.attributions, expected, rtol=1e-10, atol=1e-12)
    assert result.coverage.complete


def test_layers_choose_by_name(images):
    x = RNG.normal(size=(2, 6, 6, 2))
    rules = RuleSet([("layer:rel*", Guided()), ("*", Gradient())])
    found = InputAttribution(images, qoi=1, rules=rules).explain(x)
    expected = InputAttribution(
        images, qoi=1, rules=RuleSet([("relu", Guided()), ("*", Gradient())])
    )
    np.testing.assert_allclose(found.attributions, expected.attributions(x), atol=1e-14)
    assert found.coverage.by_kind()["relu", "Guided()"] == 1


# -- transformers ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def transformer():
    options = {"dtype": "float64"}
    x = keras.Input((5, 8), dtype="float64")
    y = layers.LayerNormalization(epsilon=1e-5, name="norm_1", **options)(x)
    y = layers.MultiHeadAttention(2, 4, name="attention", **options)(y, y)
    x_ = layers.Add(**options)([x, y])
    y = layers.LayerNormalization(epsilon=1e-5, name="norm_2", **options)(x_)
    y = layers.Dense(16, activation=tanh_gelu, name="up", **options)(y)
    x_ = layers.Add(**options)([x_, layers.Dense(8, name="down", **options)(y)])
    y = layers.GlobalAveragePooling1D(**options)(x_)
    return drawn(keras.Model(x, layers.Dense(3, name="head", **options)(y)))


def tanh_gelu(x):
    """By its formula: TensorFlow's takes the constants in float32, whatever x is."""
    return 0.5 * x * (1 + ops.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def transformer_in_torch(model):
    functional = torch.nn.functional
    q, bq, k, bk, v, bv, o, bo = of(model, "attention")
    (n1, m1), (n2, m2), up, down, head = (
        of(model, n) for n in ("norm_1", "norm_2", "up", "down", "head")
    )

    def projected(x, w, b):
        y = functional.linear(x, w.flatten(1).T, b.flatten())
        return y.unflatten(-1, (2, 4)).transpose(1, 2)

    def forward(x):
        y = functional.layer_norm(x, (8,), n1, m1, eps=1e-5)
        scores = (projected(y, q, bq) * 0.5) @ projected(y, k, bk).transpose(-1, -2)
        y = (functional.softmax(scores, -1) @ projected(y, v, bv)).transpose(1, 2).flatten(2)
        x = x + functional.linear(y, o.flatten(0, 1).T, bo)
        y = functional.layer_norm(x, (8,), n2, m2, eps=1e-5)
        y = functional.gelu(functional.linear(y, up[0].T, up[1]), approximate="tanh")
        x = x + functional.linear(y, down[0].T, down[1])
        return functional.linear(x.mean(1), head[0].T, head[1])

    return get_model_wrapper(forward, backend="torch")


def test_transformers_are_those_of_torch(transformer):
    x = RNG.normal(size=(2, 5, 8))
    result = AttnLRP(transformer, qoi=1).explain(x)
    assert result.coverage.complete
    expected = AttnLRP(transformer_in_torch(transformer), qoi=1).attributions(torch.tensor(x))
    np.testing.assert_allclose(result.attributions, expected, rtol=1e-10, atol=1e-12)


# -- recurrent layers -----------------------------------------------------------------------------


def recurrent(kind):
    x = keras.Input((4, 3), dtype="float64")
    y = kind(5, dtype="float64", name="steps")(x)
    return drawn(keras.Model(x, layers.Dense(2, dtype="float64", name="head")(y)))


def test_lstms_run_step_by_step_where_rules_look():
    """Gates get nothing by LRP-all, whose formula is written out here; the layer stays as it is."""
    model, x = recurrent(layers.LSTM), RNG.normal(size=(2, 4, 3))
    found = LRP(model, "gates_all", qoi=1).explain(x)
    w, r, b = of(model, "steps")
    head = of(model, "head")

    def forward(x):
        h = c = torch.zeros((len(x), 5), dtype=x.dtype)
        for t in range(4):
            z = torch.nn.functional.linear(x[:, t], w.T) + torch.nn.functional.linear(h, r.T) + b
            i, f, g, o = z.chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return torch.nn.functional.linear(h, head[0].T, head[1])

    expected = LRP(get_model_wrapper(forward, backend="torch"), "gates_all", qoi=1)
    np.testing.assert_allclose(
        found.attributions, expected.attributions(torch.tensor(x)), atol=1e-11
    )
    assert found.coverage.complete
    assert model.get_layer("steps").unroll is False
    np.testing.assert_allclose(DeepLIFT(model, 0.1, qoi=1).explain(x).residual, 0, atol=1e-12)


class Looped(layers.Layer):
    def call(self, x):
        return ops.while_loop(lambda i, _: i < 2, lambda i, y: (i + 1, 2 * y), (0, x))[1]


def test_loops_of_a_layer_are_named():
    model = keras.Sequential([keras.Input((3,), dtype="float64"), Looped(name="around")])
    with pytest.raises(UncoveredOperationError, match=r"While.*'around'"):
        AttnLRP(model, qoi=1).attributions(RNG.normal(size=(2, 3)))


# -- tf_keras -------------------------------------------------------------------------------------


def test_tf_keras_is_served_with_its_fused_normalisation():
    """In float32, as that is."""
    old = pytest.importorskip("tf_keras")
    x = old.Input((6, 6, 2))
    y = old.layers.Conv2D(3, 3, padding="same", name="conv")(x)
    y = old.layers.BatchNormalization(name="norm")(y)
    y = old.layers.GlobalAveragePooling2D()(old.layers.ReLU()(y))
    model = drawn(old.Model(x, old.layers.Dense(3, name="head")(y)))
    model.get_layer("norm").moving_variance.assign([0.5, 1.0, 2.0])
    given = RNG.normal(size=(2, 6, 6, 2)).astype("float32")
    result = LRP(model, "alpha2_beta1", qoi=1).explain(given)
    w, b = (t.double() for t in of(model, "conv"))
    gamma, beta, mean, variance = (t.double() for t in of(model, "norm"))
    head = [t.double() for t in of(model, "head")]
    functional = torch.nn.functional

    def forward(x):
        y = functional.conv2d(x, w.permute(3, 2, 0, 1), b, padding=1)
        y = functional.batch_norm(y, mean, variance, gamma, beta, eps=1e-3).relu()
        return functional.linear(y.mean((2, 3)), head[0].T, head[1])

    same = get_model_wrapper(forward, backend="torch")
    expected = last(LRP(same, "alpha2_beta1", qoi=1).attributions(first(given).double()))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(result.attributions / scale, expected / scale, atol=1e-4)
    assert result.coverage.complete
    assert result.coverage.by_kind()["affine", "Identity(eps=1e-10)"] == 1
