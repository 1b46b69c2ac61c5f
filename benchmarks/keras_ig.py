"""Integrated gradients on Keras and TensorFlow, 50 steps, against a hand-written loop.

    python benchmarks/keras_ig.py             ours and the loop
    python benchmarks/keras_ig.py xplique     Xplique and the loop, in an environment of its own

Xplique pins an older TensorFlow, so that it cannot be in one process with ours: each is compared
with the same loop, and the two ratios with one another. First call and medians of seven others.
"""

import os
import statistics
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

STEPS, ROWS, CLASS = 50, 50, 3
MODELS = {
    "4 convolutions, 4 images of 64 × 64": lambda: (small(), 4, 64),
    "ResNet50, 1 image of 96 × 96": lambda: (resnet(), 1, 96),
}


def small():
    parts = [keras.layers.Input((64, 64, 3))]
    for filters in (16, 32, 32, 64):
        parts.append(keras.layers.Conv2D(filters, 3, padding="same", activation="relu"))
        parts.append(keras.layers.MaxPooling2D())
    parts += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    return keras.Sequential(parts)


def resnet():
    return keras.applications.ResNet50(
        weights=None, input_shape=(96, 96, 3), classes=10, classifier_activation=None
    )


def by_hand(model, x):
    """The loop: blocks of rows through one traced gradient, their sum, times the input."""

    @tf.function(input_signature=[tf.TensorSpec([None, *x.shape[1:]], tf.float32)])
    def gradient(points):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            y = tf.reduce_sum(model(points, training=False)[:, CLASS])
        return tape.gradient(y, points)

    alphas = tf.reshape((tf.range(STEPS, dtype=tf.float32) + 0.5) / STEPS, (-1, 1, 1, 1))

    def run():
        found = []
        for image in tf.convert_to_tensor(x):
            total = tf.zeros_like(image)
            for i in range(0, STEPS, ROWS):
                total += tf.reduce_sum(gradient(alphas[i : i + ROWS] * image), axis=0)
            found.append(image * total / STEPS)
        return tf.stack(found).numpy()

    return run


def ours(model, x):
    from trulens_core import ClassQoI, IntegratedGradients, get_model_wrapper

    method = IntegratedGradients(
        get_model_wrapper(model), resolution=STEPS, qoi=ClassQoI(CLASS), rebatch_size=ROWS
    )
    return lambda: method.attributions(x)


def xplique(model, x):
    from xplique.attributions import IntegratedGradients

    method = IntegratedGradients(model, steps=STEPS, batch_size=ROWS)
    targets = np.eye(10, dtype="float32")[[CLASS] * len(x)]
    return lambda: np.asarray(method(x, targets))


def measured(runs):
    """First and median seconds of each, taken in turns so that they meet the same noise."""
    times = {name: [] for name in runs}
    for _ in range(8):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: (t[0], statistics.median(t[1:])) for name, t in times.items()}


def main(other="ours"):
    for title, make in MODELS.items():
        keras.utils.set_random_seed(0)
        model, n, side = make()
        x = np.random.default_rng(0).uniform(0, 1, (n, side, side, 3)).astype("float32")
        runs = {
            "by hand": by_hand(model, x),
            other: {"ours": ours, "xplique": xplique}[other](model, x),
        }
        found = measured(runs)
        print(title)
        for name, (first, median) in found.items():
            print(f"  {name:8} first {first:6.2f} s   then {median:6.3f} s")
        print(f"  ratio {found[other][1] / found['by hand'][1]:.2f}")
        if other == "ours":
            a, b = (run() for run in runs.values())
            print(
                f"  largest difference {np.abs(a - b).max() / np.abs(a).max():.0e} of the largest"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
