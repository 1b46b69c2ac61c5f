"""Layers of subclassed models by the attribute that holds them, as well as by their own name."""

import keras
import numpy as np
import pytest

from trulens_core import (
    Cut,
    InternalInfluence,
    LogitCut,
    UnknownLayerError,
    get_model_wrapper,
)

KERASES = [keras]
if keras.config.backend() == "tensorflow":
    KERASES.append(pytest.importorskip("tf_keras"))


def built(module):
    layers = module.layers

    class Block(layers.Layer):
        def __init__(self):
            super().__init__(name="block_1")
            self.first = layers.Dense(4, "tanh", name="dense_7")
            self.more = [layers.Dense(4, "tanh", name=f"more_{i}") for i in range(2)]
            self.last = {"a": layers.Dense(4, name="dense_8")}

        def call(self, x):
            x = self.first(x)
            for layer in self.more:
                x = layer(x)
            return self.last["a"](x)

    class Model(module.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.block = layers.Dense(4, "tanh", name="dense_7"), Block()
            # the one has the other's attribute for a name
            self.swapped = layers.Dense(4, "tanh", name="between")
            self.head = layers.Dense(4, "tanh", name="swapped")
            self.logits = layers.Dense(3, "softmax", name="dense_9")

        def call(self, x):
            return self.logits(self.head(self.swapped(self.block(self.encoder(x)))))

    module.utils.set_random_seed(0)
    model = Model()
    model(np.zeros((1, 4), "float32"))
    return model


@pytest.fixture(scope="module", params=KERASES, ids=lambda m: m.__name__)
def model(request):
    return built(request.param)


@pytest.fixture(scope="module")
def wrapper(model):
    return get_model_wrapper(model, logit_layer="logits")


def influence(wrapper, source, x, target=None):
    method = InternalInfluence(wrapper, (source, target), 1, "point", multiply_activation=False)
    return method.attributions(x)


NAMES = {
    "encoder": ["encoder", "dense_7"],
    "first": ["block_1/dense_7", "block/first", "block_1/first", "block/dense_7"],
    "more": ["block/more/1", "block_1/more_1", "block/more_1", "block_1/more/1"],
    "last": ["block/last/a", "block/dense_8"],
}


@pytest.mark.parametrize("which", NAMES)
def test_both_names(model, wrapper, draw, gradients, equal, which):
    block = model.block
    after = [block.first, *block.more, block.last["a"], model.swapped, model.head, model.logits]
    start = {"encoder": 0, "first": 1, "more": 3, "last": 4}[which]

    def rest(z):
        for layer in after[start:]:
            z = layer(z)
        return z[:, 1]

    x = draw(2, 4)
    z = model.encoder(x)
    for layer in after[:start]:
        z = layer(z)
    (expected,) = gradients(rest, np.asarray(keras.ops.convert_to_numpy(z)))
    first, *others = NAMES[which]
    equal(influence(wrapper, first, x), expected)
    for name in others:
        assert wrapper.place(Cut(name)) == wrapper.place(Cut(first))


def test_a_name_that_means_two_layers(model, wrapper, draw):
    x = draw(2, 4)
    with pytest.raises(UnknownLayerError, match=r"'swapped' means several.*'between', 'swapped'"):
        influence(wrapper, "swapped", x)
    with pytest.raises(UnknownLayerError, match="several layers"):
        influence(wrapper, "swapped/activation", x)
    first, second = influence(wrapper, "between", x), influence(wrapper, "head", x)
    assert not np.array_equal(first, second)
    assert np.array_equal(influence(wrapper, Cut(model.swapped), x), first)
    assert np.array_equal(influence(wrapper, Cut(model.head), x), second)


def test_an_unknown_name_is_told_those_of_both_kinds(wrapper, draw):
    x = draw(1, 4)
    with pytest.raises(UnknownLayerError, match=r"did you mean 'encoder'.*all 9 layers"):
        influence(wrapper, "encodr", x)
    with pytest.raises(UnknownLayerError, match="'dense_9'"):
        influence(wrapper, "dense-9", x)
    with pytest.raises(UnknownLayerError, match="'block_1/first'"):
        influence(wrapper, "block/frst", x)
    with pytest.raises(UnknownLayerError, match="'block_1/more/1'"):
        influence(wrapper, "block/more/2", x)


def test_scores_of_a_layer_by_its_attribute(model, wrapper, draw, gradients, equal):
    """Also where the name that the layer has means another one, too."""
    x = draw(2, 4)

    def scores(z):
        z = model.head(model.swapped(model.block(z)))
        return (z @ model.logits.kernel + model.logits.bias)[:, 1]

    (expected,) = gradients(scores, np.asarray(keras.ops.convert_to_numpy(model.encoder(x))))
    equal(influence(wrapper, "encoder", x, LogitCut()), expected)
    called_logits = get_model_wrapper(model)
    assert called_logits.place(called_logits.logit_cut()) == wrapper.place(wrapper.logit_cut())
    by_itself = get_model_wrapper(model, logit_layer=model.head)
    equal(influence(by_itself, "encoder", x, LogitCut()), influence(wrapper, "encoder", x, "head"))
