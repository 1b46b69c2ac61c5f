"""A record's explanation does not depend on the others, nor on how the work is cut up.

One by one, all at once, or with any number of rows per pass: the same numbers.
"""

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    ClassQoI,
    ComparativeQoI,
    DoI,
    GaussianDoi,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    Points,
    QoI,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

RECORDS = 8
ALL = np.arange(RECORDS)
SIZES = [1, 3, 7, "auto"]
RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(0, 3, RECORDS)


class Scaled(QoI):
    """A user's quantity with data of its own for each record; a square would lose digits at 0."""

    arrays = ("targets", "scales")

    def __init__(self, targets, scales):
        self.targets, self.scales = targets, scales

    def __call__(self, y):
        return self.scales * nn.functional.softplus(y.gather(1, self.targets[:, None])[:, 0])


class Shrunk(DoI):
    """A user's points, as heavy as they are near."""

    def __call__(self, z):
        return Points([z, 0.9 * z, 0.5 * z], [0.5, 0.3, 0.2])


class Shifted(DoI):
    """A user's points that depend on the model's other inputs."""

    def __call__(self, z, *, model_inputs):
        lengths = (~model_inputs.args[1]).sum(1).to(z.dtype)
        for step in range(4):
            yield z + step * 0.01 * lengths[:, None, None]

    def baseline(self, z):
        return z.flip(2) / 2


def padding_mean(z, model_inputs):
    """A baseline: each record's own mean word."""
    seen = (~model_inputs.args[1])[:, :, None].to(z.dtype)
    return ((z * seen).sum(1, keepdim=True) / seen.sum(1, keepdim=True)).expand_as(z)


def agree(found, expected, limit):
    error = relative_error(found, expected)
    assert error <= limit, f"{error:.1e}"


def agree_all(found, expected, limit):
    """The same for whole explanations; a residual is a difference of quantities."""
    for a, b in zip(tensors(found.attributions), tensors(expected.attributions), strict=True):
        agree(a, b, limit)
    scale = float(abs(expected.quantity).max())
    for name in ("quantity", "baseline_quantity", "residual"):
        a, b = getattr(found, name), getattr(expected, name)
        assert (a is None) == (b is None)
        assert a is None or float(abs(a - b).max()) <= 10 * limit * scale


def tensors(attributions):
    """Those of all quantities and inputs."""
    if isinstance(attributions, dict):
        attributions = list(attributions.values())
    if isinstance(attributions, list):
        return [t for a in attributions for t in tensors(a)]
    return [np.asarray(attributions)]


def check(make, inputs, limit):
    """`make(rows, **options)` is a method for those records, `inputs(rows)` its arguments."""
    args, kwargs = inputs(ALL)
    whole = make(ALL).attributions(*args, **kwargs)
    explained = make(ALL).explain(*args, **kwargs)
    for size in SIZES:
        method = make(ALL, rebatch_size=size)
        for a, b in zip(tensors(method.attributions(*args, **kwargs)), tensors(whole), strict=True):
            agree(a, b, limit)
        agree_all(method.explain(*args, **kwargs), explained, limit)
    for i in ALL:
        args, kwargs = inputs([i])
        alone = make([i]).attributions(*args, **kwargs)
        for a, b in zip(tensors(alone), tensors(whole), strict=True):
            agree(a, b[i : i + 1], limit)


@pytest.fixture(params=["float64", "float32"])
def transformer(request, net):
    return net("transformer", request.param).first(RECORDS)


@pytest.fixture
def vgg(net):
    return net("vgg", "float64").first(RECORDS)


def rows_of(net):
    return lambda rows: ([x[rows] for x in net.inputs], {})


METHODS = {
    "targets and baselines": lambda m, z, rows, **o: IntegratedGradients(
        m, z.flip(0)[rows], 5, "embeddings.words", ClassQoI(TARGETS[rows]), **o
    ),
    "tensors of targets": lambda m, z, rows, **o: IntegratedGradients(
        m,
        z.mean((0, 1)).expand(z.shape[1:]),
        4,
        "embeddings.words",
        ComparativeQoI(torch.tensor(TARGETS)[rows], torch.tensor((TARGETS + 1) % 3)[rows]),
        rule="gauss-legendre",
        **o,
    ),
    "predicted, baseline of the inputs": lambda m, z, rows, **o: IntegratedGradients(
        m, padding_mean, 5, "embeddings.words", "predicted", **o
    ),
    "own quantity": lambda m, z, rows, **o: InputAttribution(
        m,
        qoi=Scaled(torch.tensor(TARGETS)[rows], 1 + 0.1 * torch.arange(8).to(z)[rows]),
        doi_cut="embeddings.words",
        doi="linear",
        **o,
    ),
    "own points": lambda m, z, rows, **o: InternalInfluence(
        m, "layer1", "max", Shrunk("embeddings.words"), **o
    ),
    "own points of the inputs": lambda m, z, rows, **o: InternalInfluence(
        m, "embeddings.words", (0, 1), Shifted("embeddings.words"), **o
    ),
    "noise": lambda m, z, rows, **o: InputAttribution(
        m, doi_cut="embeddings.words", doi=GaussianDoi(0.01, 5, seed=2), **o
    ),
    "a layer on a path before it": lambda m, z, rows, **o: InternalInfluence(
        m, ("layer1", None), "predicted", LinearDoi(0.1, 5, cut="embeddings"), **o
    ),
    "a path at a layer": lambda m, z, rows, **o: IntegratedGradients(
        m, 0.5, 7, "layer1", "predicted", **o
    ),
    "the records themselves": lambda m, z, rows, **o: InternalInfluence(
        m, ("norm", "layer2"), 4, "point", **o
    ),
    "several quantities": lambda m, z, rows, **o: IntegratedGradients(
        m, 0.1, 5, "embeddings.words", lambda y: y, **o
    ),
}


@pytest.mark.filterwarnings("ignore:completeness fails")  # with so few points
@pytest.mark.parametrize("name", METHODS)
def test_a_transformer(transformer, name):
    net = transformer

    def make(rows, **options):
        return METHODS[name](net.model, net.start, rows, **options)

    check(make, rows_of(net), net.limit)


@pytest.mark.filterwarnings("ignore:completeness fails")
@pytest.mark.parametrize("layer", [None, "features.4", "classifier.1"])
@pytest.mark.parametrize("rule", ["midpoint", "endpoints"])
def test_pictures(vgg, layer, rule):
    def make(rows, **options):
        doi = LinearDoi(vgg.start.flip(0)[rows], 6, rule=rule)
        return InternalInfluence(vgg.model, layer, ClassQoI(TARGETS[rows]), doi, **options)

    check(make, rows_of(vgg), vgg.limit)


class Several(nn.Module):
    """Two tensors, one mask by name, and what belongs to all records."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(5, 6), nn.Linear(3, 6)
        self.last = nn.Linear(6, 4)

    def forward(self, a, b, scale, *, mask, both=True):
        z = self.first(a) * mask
        if both:
            z = z + torch.tanh(self.second(b["values"]))
        return self.last(nn.functional.gelu(z * scale))


@pytest.fixture(scope="module")
def several():
    torch.manual_seed(1)
    return get_model_wrapper(Several().double())


def arguments(rows):
    random = np.random.default_rng(3)
    a, values = random.normal(size=(8, 5)), random.normal(size=(8, 3))
    mask = random.integers(0, 2, (8, 6)).astype(float) + 0.5
    scale = random.normal(size=6)
    return [a[rows], {"values": values[rows]}, scale], {"mask": mask[rows], "both": True}


ENDS = [RANDOM.normal(size=(8, 5)), RANDOM.normal(size=(8, 3))]


@pytest.mark.filterwarnings("ignore:completeness fails")
@pytest.mark.parametrize(
    "doi",
    [
        lambda rows: LinearDoi([e[rows] for e in ENDS], 5, rule="midpoint"),
        lambda rows: GaussianDoi(0.1, 5),
        lambda rows: "point",
    ],
    ids=["line", "noise", "point"],
)
def test_several_inputs_and_unbatched_leaves(several, doi):
    def make(rows, **options):
        where = InputCut(names=["a", "b"])
        qoi = ClassQoI(TARGETS[rows])
        return InputAttribution(several, None, qoi, where, doi(rows), **options)

    check(make, arguments, 1e-10)


def test_a_length_that_is_equal_by_chance(several):
    """A vector as long as there are records belongs to all, if the caller says so."""
    random = np.random.default_rng(4)
    args, kwargs = [random.normal(size=(6, 5)), {"values": random.normal(size=(6, 3))}], {}
    args.append(random.normal(size=6))
    kwargs["mask"] = np.ones((6, 6))
    wrapper = get_model_wrapper(several.model, batched={"scale": False})
    cut = InputCut(names=["a"])
    whole = IntegratedGradients(wrapper, None, 5, cut).attributions(*args, **kwargs)
    for size in (1, 4):
        method = IntegratedGradients(wrapper, None, 5, cut, rebatch_size=size)
        agree(method.attributions(*args, **kwargs), whole, 1e-10)
