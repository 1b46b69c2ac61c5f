"""Gradients equal differences of the quantity itself, with no differentiation at all.

On the transformer, which is smooth, in float64: central differences at two steps, from which the
error of order h² is eliminated (Richardson). What is left is of order h⁴ and of rounding.
"""

import numpy as np
import pytest
import torch

from trulens_core import (
    ClassQoI,
    Cut,
    GaussianDoi,
    InputAttribution,
    InternalChannelQoI,
    InternalInfluence,
    MaxClassQoI,
    get_model_wrapper,
)

RECORDS, STEP, LIMIT = 4, 1e-3, 1e-8


@pytest.fixture(scope="module")
def net(net):
    return net("transformer", "float64").first(RECORDS)


def directions(z, n=3):
    random = np.random.default_rng(0)
    for _ in range(n):
        d = torch.tensor(random.normal(size=tuple(z.shape)))
        yield d / d.flatten(1).norm(dim=1).reshape(-1, *[1] * (z.ndim - 1))


def slope(q, z, d):
    """dq(z + t d)/dt at 0, per record."""

    def difference(h):
        return (q(z + h * d) - q(z - h * d)) / (2 * h)

    return (4 * difference(STEP / 2) - difference(STEP)) / 3


def agree(gradient, q, z):
    for d in directions(z):
        expected = slope(q, z, d)
        found = (gradient * d).flatten(1).sum(1)
        scale = gradient.flatten(1).norm(dim=1)
        assert ((found - expected).abs() <= LIMIT * scale).all()


@pytest.mark.parametrize(
    ("qoi", "q"),
    [
        (ClassQoI(2), lambda y: y[:, 2]),
        (MaxClassQoI(activation=lambda y: (y / 8).tanh()), lambda y: (y / 8).tanh().amax(1)),
        (
            ClassQoI([0, 1, 2, 1]) - 2 * ClassQoI(0),
            lambda y: y[range(4), [0, 1, 2, 1]] - 2 * y[:, 0],
        ),
    ],
    ids=["class", "activation", "combined"],
)
@pytest.mark.parametrize("stage", [0, 1])
def test_gradients(net, qoi, q, stage):
    layer = net.names[stage - 1] if stage else net.source
    method = InternalInfluence(net.model, layer, qoi, "point", multiply_activation=False)
    z = net.between(net.start, net.rest, 0, stage)
    scores = lambda z: net.between(z, net.rest, stage, 2)
    agree(method.attributions(*net.inputs), lambda z: q(scores(z)), z)


def test_a_channel_of_a_layer(net):
    method = InputAttribution(
        net.model, "layer1", InternalChannelQoI([3, 5]), net.source, multiply_activation=False
    )
    inner = lambda z: net.between(z, net.rest, 0, 1)[:, :, [3, 5]].sum((1, 2))
    agree(method.attributions(*net.inputs), inner, net.start)


def test_the_mean_over_noise(net):
    """The gradient of the mean is the mean of the gradients."""
    doi = GaussianDoi(0.02, 5, seed=7)
    method = InputAttribution(
        net.model, None, ClassQoI(1), net.source, doi, multiply_activation=False
    )
    offsets = [p - net.start for p in doi(net.start)]

    def q(z):
        return sum(net.between(z + o, net.rest, 0, 2)[:, 1] for o in offsets) / 5

    agree(method.attributions(*net.inputs), q, net.start)


def test_through_the_wrapper_alone(net):
    """qoi_bprop against fprop: an intervention moves the quantity as the gradient says."""
    wrapper = get_model_wrapper(net.model)
    z = wrapper.fprop(net.inputs, to_cut="layer1")
    gradient = wrapper.qoi_bprop(ClassQoI(0), net.inputs, doi_cut=Cut("layer1"), intervention=z)

    def q(z):
        return wrapper.fprop(net.inputs, doi_cut=Cut("layer1"), intervention=z)[:, 0]

    agree(gradient, q, z)
