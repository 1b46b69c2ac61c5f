"""Explain a small convolutional network in Flax NNX that tells handwritten digits apart.

It is trained on the digits that scikit-learn ships, in a few seconds on a CPU; then: what it got
right, which pixels made it say so, which channels inside it favour one digit over another, and
whether the numbers add up. Pictures go to demo/jax_*.png.

    python examples/demo_jax.py
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from sklearn.datasets import load_digits

from trulens_core import (
    ClassQoI,
    ComparativeQoI,
    InputAttribution,
    IntegratedGradients,
    InternalChannelQoI,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.visualizations import HeatmapVisualizer, Visualizer

DEMO = Path(__file__).parents[1] / "demo"


class Net(nnx.Module):
    """Two convolutions, batch normalisation, dropout and a linear layer."""

    def __init__(self, rngs):
        self.conv1 = nnx.Conv(1, 8, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.conv2 = nnx.Conv(8, 16, (3, 3), rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.logits = nnx.Linear(16 * 4 * 4, 10, rngs=rngs)

    def __call__(self, x):
        x = jax.nn.gelu(self.norm(self.conv1(x)))
        x = nnx.max_pool(jax.nn.gelu(self.conv2(x)), (2, 2), (2, 2))
        return self.logits(self.dropout(x.reshape(len(x), -1)))


def trained(x, y, epochs=8, rate=0.05, batch=64):
    """Plain gradient descent with momentum, written out."""
    model = Net(nnx.Rngs(0))
    moments = jax.tree.map(jnp.zeros_like, nnx.state(model, nnx.Param))

    @nnx.jit
    def step(model, moments, x, y):
        def loss(model):
            scores = jax.nn.log_softmax(model(x))
            return -jnp.take_along_axis(scores, y[:, None], axis=1).mean()

        gradients = nnx.grad(loss)(model)
        moments = jax.tree.map(lambda m, g: 0.9 * m + g, moments, gradients)
        weights = nnx.state(model, nnx.Param)
        nnx.update(model, jax.tree.map(lambda w, m: w - rate * m, weights, moments))
        return moments

    rng = np.random.default_rng(0)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for i in range(0, len(x) - batch + 1, batch):
            at = order[i : i + batch]
            moments = step(model, moments, x[at], y[at])
    return model


def large(x, factor=16):
    """Images of few pixels, large enough to be looked at."""
    return np.asarray(x).repeat(factor, 1).repeat(factor, 2)


def overlaid(attributions, images, name):
    show = HeatmapVisualizer(overlay_opacity=0.6, blur=8, normalization_type="magnitude_max")
    show(large(attributions), large(images), output_file=DEMO / name, imshow=False)


def main():
    digits = load_digits()
    x = (digits.images[..., None] / 16).astype("float32")
    y = digits.target
    model = trained(x[:1400], y[:1400])

    wrapper = get_model_wrapper(model)  # the model stays in training mode; calls do not
    print(wrapper)
    held_out, truth = x[1400:], y[1400:]
    predicted = wrapper(held_out).argmax(1)
    print(f"right on {np.mean(predicted == truth):.1%} of {len(truth)} digits not trained on")

    shown = held_out[:9]
    DEMO.mkdir(exist_ok=True)
    saliency = InputAttribution(wrapper, qoi="predicted", multiply_activation=False)
    pixels = large(saliency.attributions(shown))
    picture = DEMO / "jax_saliency.png"
    Visualizer(cmap="RdBu_r")(pixels, output_file=picture, imshow=False)

    result = IntegratedGradients(wrapper, resolution=32, qoi="predicted").explain(shown)
    overlaid(result.attributions, shown, "jax_integrated_gradients.png")
    missed = np.abs(result.residual).max() / np.abs(result.quantity).max()
    print(f"integrated gradients add up to the score but for {missed:.1%} of it")

    # which channels of conv2 made the network say 3 rather than 8, and where the best one looks
    some = held_out[truth == 3][:16]
    favours = InternalInfluence(wrapper, "conv2", ComparativeQoI(3, 8), LinearDoi(cut="conv2"))
    channels = favours.attributions(some).sum((0, 1, 2))
    best = int(channels.argmax())
    print(f"for 3 against 8, channel {best} of conv2 matters most: {channels[best]:+.2f}")
    looks = InternalInfluence(wrapper, (None, "conv2"), InternalChannelQoI(best), "point")
    overlaid(looks.attributions(some[:9]), some[:9], "jax_channel.png")

    # a class is data: nothing is compiled for the other nine
    totals = [
        InputAttribution(wrapper, qoi=ClassQoI(c)).attributions(shown[:1]).sum() for c in range(10)
    ]
    print("input × gradient by class:", " ".join(f"{t:+.1f}" for t in totals))
    print(f"pictures: {', '.join(sorted(p.name for p in DEMO.glob('jax_*.png')))}")


if __name__ == "__main__":
    main()
