"""captum agrees, where it computes the same.

captum rounds the nodes and weights of its quadrature to float32. So float64 is compared with 16
midpoints, which float32 holds, and the other rules in float32.
"""

import copy
import warnings

import pytest
import torch

from trulens_core import (
    ClassQoI,
    InputAttribution,
    IntegratedGradients,
    InternalChannelQoI,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.distributions import quadrature
from trulens_core.testing import relative_error

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # captum imports what is deprecated
    from captum import attr

RECORDS, POINTS = 8, 16
NETS = [(n, d) for n in ("vgg", "resnet", "transformer") for d in ("float64", "float32")]
FLOAT32 = [n for n in NETS if n[1] == "float32"]
TARGETS = torch.arange(RECORDS) % 3
# captum's paths at the input take no integers
pictures = pytest.mark.parametrize("net", NETS[:4], ids="-".join, indirect=True)
MIDDLE = {"n_steps": POINTS, "method": "riemann_middle"}


@pytest.fixture(params=NETS, ids="-".join)
def net(request, net):
    return net(*request.param).first(RECORDS)


@pytest.fixture
def theirs(net):
    """The model for captum, which takes only floating inputs, and its further arguments."""
    model = copy.deepcopy(net.model).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False  # captum cannot cut before a layer that writes into its input

    def forward(start, *rest):
        return net.between(start, rest, 0, len(net.stages))

    return model, forward, {"additional_forward_args": tuple(net.rest) or None}


def by_layer(net, model):
    for stage, name in enumerate(net.names, 1):
        yield stage, name, model.get_submodule(name)


def line(z, end, rule="midpoint", n=POINTS):
    """Points of a path, one after the other."""
    return torch.cat([a * z + (1 - a) * end for a in quadrature.nodes(rule, n)[0]])


def agree(net, found, expected, points=None, stage=0):
    """Compare the records whose network float32 tells, see `Net.decided`."""
    known = torch.ones(RECORDS, dtype=torch.bool)
    if net.name != "transformer":
        known = net.decided(net.start if points is None else points, stage)
        known = known.reshape(-1, RECORDS).all(0)
    assert known.any()
    error = relative_error(found[known], expected.detach()[known])
    assert error <= net.limit, f"{error:.1e}"


@pytest.mark.parametrize("target", [1, TARGETS], ids=["class", "classes"])
def test_saliency_and_input_times_gradient(net, theirs, target):
    start = net.start.clone().requires_grad_()
    options = {"qoi": ClassQoI(target), "doi_cut": net.source}
    for multiply, method in (
        (False, attr.Saliency(theirs[1])),
        (True, attr.InputXGradient(theirs[1])),
    ):
        extra = {} if multiply else {"abs": False}
        expected = method.attribute(start, target, **theirs[2], **extra)
        ours = InputAttribution(net.model, multiply_activation=multiply, **options)
        agree(net, ours.attributions(*net.inputs), expected)


@pytest.mark.parametrize("target", [1, TARGETS], ids=["class", "classes"])
def test_integrated_gradients(net, theirs, target):
    end = net.start.flip(0) / 2
    method = attr.IntegratedGradients(theirs[1])
    expected = method.attribute(net.start, end, target, **theirs[2], **MIDDLE)
    ours = IntegratedGradients(net.model, end, POINTS, net.source, ClassQoI(target))
    agree(net, ours.attributions(*net.inputs), expected, line(net.start, end))


@pytest.mark.parametrize("net", FLOAT32, ids="-".join, indirect=True)
@pytest.mark.parametrize(
    ("rule", "name", "factor"),
    [
        ("gauss-legendre", "gausslegendre", 1),
        # captum's n weights of the trapezoid sum to (n − 1) / n
        ("trapezoid", "riemann_trapezoid", 20 / 19),
    ],
)
def test_other_rules(net, theirs, rule, name, factor):
    end = net.start.flip(0) / 2
    method = attr.IntegratedGradients(theirs[1])
    expected = method.attribute(net.start, end, TARGETS, **theirs[2], n_steps=20, method=name)
    ours = IntegratedGradients(net.model, end, 20, net.source, ClassQoI(TARGETS), rule=rule)
    points = line(net.start, end, rule, 20)
    agree(net, ours.attributions(*net.inputs), factor * expected, points)


def test_a_layer_times_its_gradient(net, theirs):
    for _, name, layer in by_layer(net, theirs[0]):
        method = attr.LayerGradientXActivation(theirs[0], layer)
        start = net.inputs[0].clone()
        expected = method.attribute(start, TARGETS, **theirs[2])
        ours = InternalInfluence(net.model, name, ClassQoI(TARGETS), "point")
        agree(net, ours.attributions(*net.inputs), expected)


def test_layer_integrated_gradients(net, theirs):
    """captum takes the baseline of the input and goes from the layer's value there."""
    end = net.inputs[0].flip(0)
    if end.is_floating_point():
        end = end / 2
    wrapper = get_model_wrapper(net.model)
    for stage, name, layer in by_layer(net, theirs[0]):
        method = attr.LayerIntegratedGradients(theirs[0], layer)
        expected = method.attribute(net.inputs[0], end, TARGETS, **theirs[2], **MIDDLE)
        at_layer = wrapper.fprop([end, *net.rest], to_cut=name)
        ours = IntegratedGradients(wrapper, at_layer, POINTS, name, ClassQoI(TARGETS))
        points = line(wrapper.fprop(net.inputs, to_cut=name), at_layer)
        agree(net, ours.attributions(*net.inputs), expected, points, stage)


@pictures
def test_a_layer_on_a_path_at_the_input(net, theirs):
    """The internal influence of captum, which multiplies with nothing."""
    for _, name, layer in by_layer(net, theirs[0]):
        method = attr.InternalInfluence(theirs[0], layer)
        expected = method.attribute(net.start, 0.25, TARGETS, **MIDDLE)
        doi = LinearDoi(0.25, POINTS, rule="midpoint")
        ours = InternalInfluence(net.model, name, ClassQoI(TARGETS), doi, multiply_activation=False)
        points = line(net.start, torch.tensor(0.25))
        agree(net, ours.attributions(*net.inputs), expected, points)


# in one of vgg's layers that channel is off
@pytest.mark.filterwarnings("ignore:the gradients at .* are zero everywhere")
@pictures
def test_neurons(net, theirs):
    """Gradients and integrated gradients of a channel."""
    for _, name, layer in by_layer(net, theirs[0]):

        def channel(y):
            return y[:, 3].reshape(len(y), -1).sum(1)

        options = {"qoi_cut": name, "qoi": InternalChannelQoI(3)}
        method = attr.NeuronGradient(theirs[0], layer)
        expected = method.attribute(net.start.clone().requires_grad_(), channel)
        ours = InputAttribution(net.model, **options, multiply_activation=False)
        agree(net, ours.attributions(net.start), expected)
        method = attr.NeuronIntegratedGradients(theirs[0], layer)
        end = torch.full_like(net.start, 0.25)
        expected = method.attribute(net.start, channel, end, **MIDDLE)
        ours = IntegratedGradients(net.model, 0.25, POINTS, **options)
        agree(net, ours.attributions(net.start), expected, line(net.start, end))
