"""One residual network in three frameworks, against jax.grad of the network cut by hand."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import (
    Cut,
    InputAttribution,
    IntegratedGradients,
    InternalChannelQoI,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)

NETS = runpy.run_path(str(Path(__file__).with_name("resnets.py")))  # tests are no package
FRAMEWORKS = ("nnx", "linen", "equinox")


def wrapped(framework, w):
    """The wrapper and how it names a layer."""
    if framework == "nnx":
        return get_model_wrapper(NETS["in_nnx"](w)), str
    if framework == "equinox":
        return get_model_wrapper(NETS["in_equinox"](w)), str
    module, variables = NETS["in_linen"](w)
    model = get_model_wrapper(module, params=variables)
    return model, lambda name: name.replace("blocks.", "blocks_")


@pytest.fixture(scope="module", params=FRAMEWORKS)
def net(request):
    w = NETS["weights"]()
    model, named = wrapped(request.param, w)
    first = request.param == "equinox"
    return {
        "model": model,
        "named": named,
        "w": w,
        "x": np.moveaxis(NETS["images"](), -1, 1) if first else NETS["images"](),
        # to and from the layout of the network by hand
        "last": (lambda a: jnp.moveaxis(jnp.asarray(a), 1, -1)) if first else jnp.asarray,
    }


def test_output_and_layers(net, close):
    x = net["last"](net["x"])
    close(net["model"](net["x"]), NETS["by_hand"](net["w"], x), 1e-5)
    listed = {layer.name: layer for layer in net["model"].layers(net["x"])}
    stem = net["model"].fprop(net["x"], to_cut="stem")
    assert listed["stem"].shape == stem.shape[1:]
    assert listed[net["named"]("blocks.1.conv2")].calls == 1
    close(net["last"](stem), NETS["conv"](net["w"], "stem", x))


def test_saliency(net, close):
    method = InputAttribution(net["model"], qoi=1, multiply_activation=False)
    x = net["last"](net["x"])
    expected = jax.grad(lambda x: NETS["by_hand"](net["w"], x)[:, 1].sum())(x)
    close(net["last"](method.attributions(net["x"])), expected, 1e-4)


def test_integrated_gradients(net, close):
    x, n = net["last"](net["x"]), 20
    grad = jax.jit(jax.grad(lambda x: NETS["by_hand"](net["w"], x).max(1).sum()))
    expected = x * sum(grad((i + 0.5) / n * x) for i in range(n)) / n
    result = IntegratedGradients(net["model"], resolution=n).explain(net["x"])
    close(net["last"](result.attributions), expected, 1e-4)
    total = result.attributions.reshape(3, -1).sum(1)
    ends = [NETS["by_hand"](net["w"], end).max(1) for end in (x, 0 * x)]
    close(total + result.residual, ends[0] - ends[1], 1e-4)


def test_layer_attribution(net, close):
    w, cut = net["w"], net["named"]("blocks.0")
    z = NETS["block"](w, 0, NETS["conv"](w, "stem", net["last"](net["x"])))
    grad = jax.jit(jax.grad(lambda z: NETS["from_block"](w, 1, z)[:, 2].sum()))
    ask = InternalInfluence(net["model"], cut, 2, "point")
    close(net["last"](ask.attributions(net["x"])), z * grad(z), 1e-4)
    path = InternalInfluence(net["model"], cut, 2, LinearDoi(resolution=4, cut=cut))
    mean = sum(grad(a * z) for a in np.linspace(1, 0, 4)) / 4
    close(net["last"](path.attributions(net["x"])), z * mean, 1e-4)
    entered = Cut(net["named"]("blocks.1"), anchor="in")
    same = InternalInfluence(net["model"], entered, 2, "point").attributions(net["x"])
    close(net["last"](same), z * grad(z), 1e-4)


@pytest.mark.parametrize("channel", [0, 3])
def test_a_channel_of_a_layer(net, close, channel):
    w, cut = net["w"], net["named"]("blocks.0.norm2")
    ask = InternalInfluence(
        net["model"], (None, cut), InternalChannelQoI(channel), "point", multiply_activation=False
    )

    def by_hand(x):
        x = NETS["conv"](w, "stem", x)
        h = NETS["norm"](w, "blocks.0.norm1", NETS["conv"](w, "blocks.0.conv1", x))
        h = NETS["conv"](w, "blocks.0.conv2", jax.nn.relu(h))
        return NETS["norm"](w, "blocks.0.norm2", h)[..., channel].sum()

    expected = jax.grad(by_hand)(net["last"](net["x"]))
    close(net["last"](ask.attributions(net["x"])), expected, 1e-4)


def test_a_neuron_between_layers(net, close):
    """From one layer to one unit of another."""
    w = net["w"]
    cuts = (net["named"]("stem"), net["named"]("logits"))
    ask = InternalInfluence(net["model"], cuts, 0, "point", multiply_activation=False)
    stem = NETS["conv"](w, "stem", net["last"](net["x"]))
    expected = jax.grad(lambda z: NETS["from_block"](w, 0, z)[:, 0].sum())(stem)
    close(net["last"](ask.attributions(net["x"])), expected, 1e-4)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_in_64_bits(framework, x64, close):
    w = NETS["weights"]("float64")
    model, named = wrapped(framework, w)
    images = NETS["images"]("float64")
    first = framework == "equinox"
    x = np.moveaxis(images, -1, 1) if first else images
    grad = jax.grad(lambda x: NETS["by_hand"](w, x)[:, 1].sum())
    got = InputAttribution(model, qoi=1, multiply_activation=False).attributions(x)
    close(np.moveaxis(got, 1, -1) if first else got, grad(images), 1e-10)
    inner = InternalInfluence(model, named("stem"), 1, LinearDoi(resolution=3))
    got = inner.attributions(x)
    stem = lambda x: NETS["conv"](w, "stem", x)
    at = jax.jit(jax.grad(lambda z: NETS["from_block"](w, 0, z)[:, 1].sum()))
    expected = stem(images) * sum(at(stem(a * images)) for a in (1, 0.5, 0)) / 3
    close(np.moveaxis(got, 1, -1) if first else got, expected, 1e-10)
