"""Every way of building a Keras model, cut at its layers, against gradients written by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from trulens_core import (
    CalledSeveralTimesError,
    Cut,
    InputCut,
    InternalChannelQoI,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)


def influence(model, source, target, qoi, doi="point", **options):
    return InternalInfluence(
        model, (source, target), qoi, doi, multiply_activation=False, **options
    ).attributions


def first(y):
    return y[:, 0]


def check(model, x, cut, before, after, gradients, value, equal, qoi=first):
    """The gradient at the cut, at the point and on a line there; the cut is before | after."""
    z = value(before, *x)
    wrapper = get_model_wrapper(model)
    [by_hand] = gradients(lambda t: qoi(after(t)), z)
    equal(influence(wrapper, cut, None, lambda y: y[:, 0])(*x), by_hand)
    on_line = np.mean([gradients(lambda t: qoi(after(t)), a * z)[0] for a in (1, 0.5, 0)], axis=0)
    equal(influence(wrapper, cut, None, 0, LinearDoi(resolution=3, cut=cut))(*x), on_line)


def chain(*operations):
    def run(x):
        for operation in operations:
            x = operation(x)
        return x

    return run


@pytest.fixture(scope="module")
def sequential():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu", name="c1"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flatten"),
            layers.Dense(5, name="d1"),
            layers.Dense(3, name="d2"),
        ]
    )
    return get_model_wrapper(model)


def test_sequential(sequential, gradients, value, equal, draw):
    x, ls = draw(2, 8, 8, 3), sequential.model.layers
    equal(
        influence(sequential, InputCut(), None, 1)(x),
        gradients(lambda t: sequential.model(t)[:, 1], x)[0],
    )
    for i, name in enumerate(["c1", "pool", "flatten", "d1"]):
        before, after = chain(*ls[: i + 1]), chain(*ls[i + 1 :])
        for cut in (name, Cut(i), ls[i]) if i else (name, Cut(i)):
            check(sequential.model, [x], cut, before, after, gradients, value, equal)


def test_anchor_in(sequential, gradients, value, equal, draw):
    ls = sequential.model.layers
    before, after = chain(*ls[:3]), chain(*ls[3:])
    cut = Cut("d1", anchor="in")
    check(sequential.model, [draw(2, 8, 8, 3)], cut, before, after, gradients, value, equal)


def test_an_inner_target(sequential, gradients, equal, draw):
    x, ls = draw(2, 8, 8, 3), sequential.model.layers
    [by_hand] = gradients(lambda t: keras.ops.sum(ls[0](t)[..., 2]), x)
    equal(influence(sequential, 0, "c1", InternalChannelQoI(2))(x), by_hand)


@pytest.fixture(scope="module")
def functional():
    """Nested, with a connection around it and two `keras.ops` nodes."""
    keras.utils.set_random_seed(1)
    inner_in = keras.Input((6,), name="inner_in")
    block = keras.Model(inner_in, layers.Dense(6, name="dense")(inner_in), name="block")
    x = keras.Input((6,), name="x")
    h = block(x)
    s = keras.ops.tanh(h + x)
    return keras.Model(x, layers.Dense(3, name="head")(s), name="whole")


def test_functional_nested_and_ops(functional, gradients, value, equal, draw):
    x = [draw(2, 6)]
    block, head = functional.get_layer("block"), functional.get_layer("head")
    names = [layer.name for layer in get_model_wrapper(functional).layers()]
    assert {"x", "block", "block/inner_in", "block/dense", "head"} <= set(names)
    tanh = next(n for n in names if n.startswith("tanh"))
    plus = next(n for n in names if n.startswith("add"))
    given = keras.ops.convert_to_tensor(x[0])
    ends = {
        "block/dense": (block, lambda t: head(keras.ops.tanh(t + given[: t.shape[0]]))),
        "block": (block, lambda t: head(keras.ops.tanh(t + given[: t.shape[0]]))),
        plus: (lambda t: block(t) + t, lambda t: head(keras.ops.tanh(t))),
        tanh: (lambda t: keras.ops.tanh(block(t) + t), head),
    }
    for name, (before, after) in ends.items():
        check(functional, x, name, before, after, gradients, value, equal)


@pytest.mark.parametrize("cut", ["x", Cut(0), Cut("x", anchor="in")])
def test_an_input_layer_is_the_models_argument(functional, gradients, equal, value, draw, cut):
    check(functional, [draw(2, 6)], cut, lambda t: t, functional, gradients, value, equal)


def test_an_inner_input_layer(functional, gradients, equal, draw):
    x, block, head = draw(2, 6), functional.get_layer("block"), functional.get_layer("head")
    [by_hand] = gradients(
        lambda t: head(keras.ops.tanh(block(t) + keras.ops.convert_to_tensor(x)))[:, 0], x
    )
    equal(influence(functional, "block/inner_in", None, 0)(x), by_hand)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = layers.Dense(5, activation="tanh", name="first")
        self.rest = [layers.Dense(5, activation="tanh", name="more"), layers.Dense(3, name="last")]

    def call(self, x, scale=None):
        h = self.first(x)
        if scale is not None:
            h = h * scale
        return {"logits": self.rest[1](self.rest[0](h)), "features": h}


def test_subclassed_with_a_dict_output_and_keywords(gradients, value, equal, draw):
    keras.utils.set_random_seed(2)
    model, x = Subclassed(), draw(3, 4)
    scale = np.array([2.0], "float32")
    wrapper = get_model_wrapper(model, batched={"scale": False})
    assert [layer.name for layer in wrapper.layers()] == ["first", "more", "last"]
    found = influence(wrapper, "first", None, 1)(x, scale=scale)  # not built before
    more, last = model.rest
    h = value(model.first, x)
    [by_hand] = gradients(lambda t: last(more(t * 2.0))[:, 1], h)
    equal(found, by_hand)
    equal(
        influence(wrapper, InputCut(), None, 1)(x, scale=scale),
        gradients(lambda t: model(t, scale=keras.ops.convert_to_tensor(scale))["logits"][:, 1], x)[
            0
        ],
    )


def test_a_layer_that_is_called_twice(gradients, value, equal, draw):
    keras.utils.set_random_seed(3)
    shared = layers.Dense(4, activation="tanh", name="sh")
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2, name="end")(shared(shared(x))))
    end = model.get_layer("end")
    given = [draw(2, 4)]
    check(model, given, Cut("sh", call=0), shared, chain(shared, end), gradients, value, equal)
    check(model, given, Cut("sh", call=1), chain(shared, shared), end, gradients, value, equal)
    with pytest.raises(CalledSeveralTimesError, match=r"called 2 times.*call=0 to call=1"):
        influence(model, "sh", None, 0)(*given)


def test_several_inputs_and_outputs(gradients, value, equal, draw):
    keras.utils.set_random_seed(4)
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    both = layers.Multiply(name="both")(
        [layers.Dense(4, name="da")(a), layers.Dense(4, name="db")(b)]
    )
    model = keras.Model(
        [a, b], [layers.Dense(2, name="o1")(both), layers.Dense(3, name="o2")(both)]
    )
    xa, xb = draw(2, 3), draw(2, 3)[::-1].copy()
    wrapper = get_model_wrapper(model)
    by_hand = gradients(lambda s, t: model([s, t])[0][:, 1], xa, xb)
    for found, expected in zip(
        influence(wrapper, InputCut(), None, 1)([xa, xb]), by_hand, strict=True
    ):
        equal(found, expected)
    o2 = influence(wrapper, "b", "o2", 1)([xa, xb])
    equal(o2, gradients(lambda s, t: model([s, t])[1][:, 1], xa, xb)[1])
    hidden = [value(model.get_layer(n), x) for n, x in (("da", xa), ("db", xb))]
    found = influence(wrapper, Cut("both", anchor="in"), "o1", 0)([xa, xb])
    o1 = model.get_layer("o1")
    for g, expected in zip(found, gradients(lambda s, t: o1(s * t)[:, 0], *hidden), strict=True):
        equal(g, expected)


def test_dict_inputs_come_back_as_dicts(gradients, equal, draw):
    keras.utils.set_random_seed(5)
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    model = keras.Model({"a": a, "b": b}, layers.Dense(2)(layers.Concatenate()([a, b])))
    x = {"a": draw(2, 3), "b": draw(2, 2)}
    found = influence(model, InputCut(), None, 0)(x)
    assert sorted(found) == ["a", "b"]
    by_hand = gradients(lambda s, t: model({"a": s, "b": t})[:, 0], x["a"], x["b"])
    equal(found["a"], by_hand[0])
    equal(influence(model, "b", None, 0)(x), by_hand[1])


def test_one_layer_is_a_model(gradients, equal, draw):
    layer = layers.Dense(3)
    x = draw(2, 4)
    layer(x)
    equal(influence(layer, InputCut(), None, 2)(x), gradients(lambda t: layer(t)[:, 2], x)[0])
