"""What a call costs on TensorFlow where kernels are short: beside a traced loop, and in calls.

A small perceptron and a small convolutional network of Keras. The loop by hand is one `tf.function`
of the records, traced for any number of them. The number of Python's function calls, by cProfile,
does not depend on the machine's load, nor does that of calls of TensorFlow: operations and
functions that run one by one.
Attributions are given as NumPy arrays, by ours and by hand.

    python benchmarks/tf_calls.py [CASE ...] [--turns N]
"""

import cProfile
import os
import pstats
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import measure
import numpy as np
import tensorflow as tf

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

POINTS = 50
ROWS = 256  # as many as a pass of ours has at most


def drawn(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype("float32")


def perceptron():
    """A model, the layer that is cut at, and the shape of a record."""
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense
    layers = [dense(64, "tanh"), dense(64, "tanh", name="cut"), dense(64)]
    return keras.Sequential([keras.layers.Input((64,)), *layers]), (64,)


def convolutional():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((16, 16, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Conv2D(8, 3, activation="relu", name="cut"),
            layers.MaxPooling2D(),
            layers.Conv2D(8, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    ), (16, 16, 3)


def by_hand(model, shape, *, points=None, cut=None):
    """A loop by hand over a path from zeros, or the gradient at the records, as one function."""
    names = [layer.name for layer in model.layers]
    first = names.index(cut) + 1 if cut else 0

    def run(x, layers):
        for layer in layers:
            x = layer(x, training=False)
        return x

    def gradient(p):
        with tf.GradientTape() as tape:
            tape.watch(p)
            y = tf.reduce_sum(tf.reduce_max(run(p, model.layers[first:]), axis=1))
        return tape.gradient(y, p)

    @tf.function(input_signature=[tf.TensorSpec((None, *shape))])
    def whole(x):
        if points is None:
            return gradient(x)
        z = run(x, model.layers[:first])
        alphas = tf.reshape(
            (tf.range(points, dtype=z.dtype) + 0.5) / points, (-1, *[1] * len(z.shape))
        )
        rows = tf.reshape(alphas * z[None], (-1, *z.shape[1:]))
        split = tf.reshape(gradient(rows), tf.concat([[points], tf.shape(z)], 0))
        return tf.reduce_mean(split, axis=0) * z

    return lambda x: whole(tf.convert_to_tensor(x)).numpy()


def counted(function):
    """How many functions of Python one call runs, and how often it calls TensorFlow."""
    for _ in range(5):
        function()
    profile = cProfile.Profile()
    profile.runcall(function)
    found = pstats.Stats(profile)
    ours = [
        n for (_, _, name), (n, *_) in found.stats.items() if "TFE_Py_" in name and "ecute" in name
    ]
    return {"function calls": found.total_calls, "calls of TensorFlow": sum(ours)}


def case(built, n, method, **options):
    model, shape = built()
    x, ours = drawn(n, *shape), method(get_model_wrapper(model))
    loop = by_hand(model, shape, **options)

    def run():
        return ours.attributions(x)

    def check():
        for _ in range(5):  # the first ones look at whether rows see one another
            found = relative_error(run(), loop(x))
            assert found < 1e-4, found

    ways = {"ours": run, "by hand": lambda: loop(x)}
    notes = counted(run)
    return measure.Case(ways, calls=20, memory=False, notes=notes, check=check)


def saliency(built, n):
    return case(built, n, lambda m: InputAttribution(m, multiply_activation=False))


def ig(built, n):
    return case(built, n, lambda m: IntegratedGradients(m, resolution=POINTS), points=POINTS)


def layer_ig(built, n):
    def method(model):
        doi = LinearDoi(resolution=POINTS, rule="midpoint", cut="cut")
        return InternalInfluence(model, "cut", "max", doi)

    return case(built, n, method, points=POINTS, cut="cut")


CASES = {
    f"{name}, {what}, {n} record{'s' * (n > 1)}": lambda ask=ask, built=built, n=n: ask(built, n)
    for name, built in {"perceptron": perceptron, "small CNN": convolutional}.items()
    for what, ask in {"saliency": saliency, "IG 50": ig, "layer IG 50": layer_ig}.items()
    for n in (1, 8)
}

if __name__ == "__main__":
    sys.exit(measure.main(CASES, turns=15))
