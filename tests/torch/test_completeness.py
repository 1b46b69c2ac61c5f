"""Attributions on a path add up to what the quantity changed by; how well, on trained networks.

The error of a record is |residual| / |q(x) − q(baseline)|, where differences below a thousandth
of the largest in the batch count as that.
"""

import warnings

import numpy as np
import pytest
import torch

from trulens_core import IntegratedGradients, TrulensWarning, get_model_wrapper

RULES = ("endpoints", "midpoint", "trapezoid", "gauss-legendre")


def errors(result):
    difference = (result.quantity - result.baseline_quantity).abs()
    scale = difference.clamp(min=1e-3 * float(difference.max()))
    return (result.residual.abs() / scale).numpy()


def explained(net, baseline, n, cut=None, **options):
    """The errors of all records, and whether a residual was warned of."""
    options = {"qoi": "predicted", "rebatch_size": 400, **options}
    method = IntegratedGradients(net.model, baseline, n, cut, **options)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", TrulensWarning)
        result = method.explain(*net.inputs)
    total = result.attributions.flatten(1).sum(1)
    torch.testing.assert_close(
        result.quantity - result.baseline_quantity - total, result.residual, rtol=1e-4, atol=1e-4
    )
    return errors(result), [str(w.message) for w in seen]


@pytest.mark.parametrize(
    ("name", "accuracy"), [("vgg", 0.95), ("resnet", 0.97), ("transformer", 0.97)]
)
def test_the_networks_know_what_they_do(net, name, accuracy):
    net = net(name)
    assert (net.plain(*net.inputs).argmax(1) == net.labels).float().mean() > accuracy


@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_piecewise_linear_networks(net, name):
    found, _ = explained(net(name).first(120), 0.0, 100)
    assert np.median(found) < 0.005
    assert (found < 0.01).mean() >= 0.95


def mean_word(net):
    """The mean embedding of the words that occur."""
    return net.start[~net.rest[0]].mean(0).expand(net.start.shape[1:])


def test_a_transformer_from_the_mean_embedding(net):
    net = net("transformer")
    found, warned = explained(net, mean_word(net), 100, net.source)
    assert found.max() < 0.001
    assert not warned


def test_a_zero_baseline_before_a_layer_norm_is_warned_of(net):
    """The layer does not see how far from zero its input is: all change is at zero itself."""
    net = net("transformer")
    found, warned = explained(net, None, 100, "embeddings")
    assert np.median(found) > 0.5
    assert len(warned) == 1
    assert "zero baseline before a normalisation layer (LayerNorm)" in warned[0]


@pytest.mark.parametrize("rule", RULES)
def test_a_transformer_with_more_points(net, rule):
    """On a smooth network the error falls as the rule's order says."""
    net = net("transformer", "float64").first(40)
    few, many = (
        np.median(explained(net, mean_word(net), n, net.source, rule=rule)[0]) for n in (10, 40)
    )
    order = {"endpoints": 1, "midpoint": 2, "trapezoid": 2, "gauss-legendre": 4}[rule]
    assert many < few / 4**order * 1.5


@pytest.mark.parametrize("layer", ["features.4", "classifier.1"])
def test_at_a_layer(net, layer):
    net = net("vgg").first(100)
    mean = get_model_wrapper(net.model).fprop(net.inputs, to_cut=layer).mean(0, keepdim=True)
    found, _ = explained(net, mean, 100, layer)
    assert np.median(found) < 0.005


@pytest.mark.filterwarnings("ignore:completeness fails")  # as a part of the difference
def test_the_largest_class_is_continuous(net):
    """Completeness holds though the class changes on the way."""
    net = net("vgg").first(100)
    ends = net.start.flip(0)
    wrapper = get_model_wrapper(net.model)
    assert (wrapper(net.start).argmax(1) != wrapper(ends).argmax(1)).any()
    result = IntegratedGradients(wrapper, ends, 200, qoi="max").explain(net.start)
    # not by the difference: both ends are digits, of which the network is as sure
    assert (result.residual.abs() / result.quantity).max() < 0.05


@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_a_stated_tolerance(net, name):
    """Every record is within it, or says that it is not."""
    net = net(name).first(40)
    method = IntegratedGradients(net.model, 0.0, qoi="predicted", tolerance=0.01)
    result = method.explain(net.start)
    difference = (result.quantity - result.baseline_quantity).abs()
    within = (result.residual.abs() <= 0.01 * difference).numpy()
    assert within[result.converged].all()
    assert result.converged.mean() > 0.9
