"""Explain a small convolutional network in Keras, on TensorFlow, that tells digits apart.

It is trained on the digits that scikit-learn ships, in a few seconds on a CPU. Then, as in
demo_torch.py: which pixels made it say so, and do the numbers add up; why this digit and not that
one; what a channel inside looks at; and how an explanation finds out a network that cheats.
Pictures go to demo/keras_*.png, or into the folder that is given.

    python examples/demo_keras.py [FOLDER]
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from trulens_core import (
    ComparativeQoI,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    LogitCut,
    get_model_wrapper,
)
from trulens_core.visualizations import ChannelMaskVisualizer

DEMO = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "demo"
HELD_OUT = 400
CORNER = (..., 0, 0, 0)


def trained(x, y):
    """A network that gives probabilities, as most Keras classifiers do."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1"),
            layers.Conv2D(32, 3, padding="same", activation="relu", name="conv2"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(),
            layers.Dense(64, activation="relu", name="hidden"),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax", name="digits"),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=10, batch_size=64, verbose=0)
    # explanations are of the scores before the softmax, where gradients do not vanish
    return get_model_wrapper(model, logit_layer="digits")


def picture(name, result):
    result.plot().savefig(DEMO / f"keras_{name}.png", dpi=120)


def explain_scores(wrapper, x, y):
    shown = np.stack([x[y == digit][0] for digit in (0, 3, 5, 6)])
    options = {"qoi": "predicted", "qoi_cut": LogitCut()}
    picture("saliency", InputAttribution(wrapper, multiply_activation=False, **options)
            .explain(shown))  # fmt: skip
    result = IntegratedGradients(wrapper, resolution=50, **options).explain(shown)
    picture("integrated_gradients", result)
    gained = result.quantity - result.baseline_quantity
    missing = np.abs(result.residual / gained).max()
    print(f"Integrated gradients add up to what the scores gained, but for {missing:.1%} at most.")


def explain_difference(wrapper, x, y):
    threes = x[y == 3][:4]
    why = IntegratedGradients(wrapper, qoi=ComparativeQoI(3, 8), qoi_cut=LogitCut())
    result = why.explain(threes)
    picture("3_rather_than_8", result)
    found = result.attributions
    left, right = found[:, :, :4].sum((1, 2, 3)).mean(), found[:, :, 4:].sum((1, 2, 3)).mean()
    print(f"For 3 rather than 8: the left half of the picture {left:+.2f}, the right {right:+.2f}.")


def explain_channel(wrapper, x, y):
    threes = x[y == 3]
    slices = ("pool", LogitCut())
    inside = InternalInfluence(wrapper, slices, ComparativeQoI(3, 8), LinearDoi(cut="pool"))
    channels = inside.attributions(threes).sum((1, 2)).mean(0)
    best = int(channels.argmax())
    print(f"Channel {best} of the layer 'pool' has the largest share: {channels[best]:+.2f} of "
          f"{channels.sum():.2f}.")  # fmt: skip
    shown = np.stack([x[y == digit][1] for digit in (3, 8, 5, 2)])
    mask = ChannelMaskVisualizer(wrapper, "pool", best, blur=0, threshold=0.8)
    figure = Figure(figsize=(5, 5))
    mask(shown, fig=figure)
    figure.suptitle(f"what channel {best} of the layer 'pool' looks at")
    figure.savefig(DEMO / "keras_channel.png", dpi=120)


def explain_cheat(honest, x, y):
    marked = x.copy()
    marked[y == 8] = with_mark(x[y == 8])
    cheat = trained(marked[:-HELD_OUT], y[:-HELD_OUT])
    new, known = marked[-HELD_OUT:], y[-HELD_OUT:]
    right = (cheat(new).argmax(1) == known).mean()
    parts = []
    for wrapper in (honest, cheat):
        why = IntegratedGradients(wrapper, qoi=lambda y: y[:, 8], qoi_cut=LogitCut())
        result = why.explain(new[known == 8][:3])
        found = result.attributions
        parts.append(found[CORNER].sum() / found.sum())
    picture("cheat", result)
    fooled = (cheat(with_mark(x[-HELD_OUT:][known != 8])).argmax(1) == 8).mean()
    print(f"A network trained with a bright corner on every 8 is right on {right:.1%}. But of what")
    print(f"speaks for 8 the corner has {parts[1]:.0%}, and {parts[0]:.0%} for the first network;")
    print(f"with the corner, it takes {fooled:.0%} of the other digits for an 8.")


def with_mark(x):
    marked = x.copy()
    marked[CORNER] = 1.0
    return marked


def main():
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    x = (digits.images[order, ..., None] / 16).astype("float32")
    y = digits.target[order]
    DEMO.mkdir(parents=True, exist_ok=True)
    wrapper = trained(x[:-HELD_OUT], y[:-HELD_OUT])
    print(wrapper)
    x_new, y_new = x[-HELD_OUT:], y[-HELD_OUT:]
    known = wrapper(x_new).argmax(1) == y_new
    print(f"It recognises {known.mean():.1%} of {HELD_OUT} digits that it was not trained on.")
    for section in (explain_scores, explain_difference, explain_channel):
        section(wrapper, x_new[known], y_new[known])
    explain_cheat(wrapper, x, y)
    print(f"pictures: {', '.join(sorted(p.name for p in DEMO.glob('keras_*.png')))}")


if __name__ == "__main__":
    main()
