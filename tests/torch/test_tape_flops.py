"""What is computed, counted: as much as by a loop over the part of the model after the cut."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trulens_core import IntegratedGradients, get_model_wrapper

POINTS, ROWS = 50, 10


class Block(nn.Module):
    """Two convolutions and a shortcut, ReLUs in place."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(o), nn.BatchNorm2d(o)
        self.conv2, self.relu = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.ReLU(inplace=True)
        down = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))
        self.downsample = None if (i, stride) == (o, 1) else down

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += shortcut
        return self.relu(y)


class ResNet(nn.Module):
    """ResNet-18 with an eighth of its channels."""

    def __init__(self, c=8):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, c, 7, 2, 3, bias=False), nn.BatchNorm2d(c)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Block(c, c, 1), Block(c, c, 1))
        self.layer2 = nn.Sequential(Block(c, 2 * c, 2), Block(2 * c, 2 * c, 1))
        self.layer3 = nn.Sequential(Block(2 * c, 4 * c, 2), Block(4 * c, 4 * c, 1))
        self.layer4 = nn.Sequential(Block(4 * c, 8 * c, 2), Block(8 * c, 8 * c, 1))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(8 * c, 10)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))

    def before(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4[0](self.layer3(self.layer2(self.layer1(x))))

    def after(self, z):
        return self.fc(torch.flatten(self.avgpool(self.layer4[1](z)), 1))


class Encoder(nn.Module):
    """A transformer with six layers."""

    def __init__(self, width=32):
        super().__init__()
        options = {"dim_feedforward": 4 * width, "batch_first": True}
        layer = nn.TransformerEncoderLayer(width, 4, **options)
        self.embed = nn.Linear(8, width)
        self.encoder = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x)).mean(1))

    def before(self, x):
        x = self.embed(x)
        for layer in self.encoder.layers[:4]:
            x = layer(x)
        return x

    def after(self, z):
        for layer in self.encoder.layers[4:]:
            z = layer(z)
        return self.head(z.mean(1))


def by_hand(model, x):
    """Integrated gradients at the cut, the model split in two by its author."""
    with torch.no_grad():
        z = model.before(x)
    nodes = 1 - (torch.arange(POINTS) + 0.5) / POINTS
    total = torch.zeros_like(z)
    for alpha in nodes.split(ROWS):
        points = (alpha.reshape(-1, *[1] * (z.ndim - 1)) * z).requires_grad_()
        (g,) = torch.autograd.grad(model.after(points * 1).amax(1).sum(), points)
        total += g.sum(0, keepdim=True)
    return z * total / POINTS


def flops(function, *args):
    with FlopCounterMode(display=False) as counter:
        function(*args)
    return counter.get_total_flops()


CASES = {
    "resnet": (ResNet, "layer4.0", (1, 3, 96, 96)),
    "transformer": (Encoder, "encoder.layers.3", (1, 32, 8)),
}


@pytest.fixture(params=CASES)
def case(request):
    kind, cut, shape = CASES[request.param]
    torch.manual_seed(0)
    return kind().eval().requires_grad_(False), cut, torch.randn(shape)


@pytest.fixture(autouse=True)
def slow_path():
    """Flops are counted where attention calls its layers one by one."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(before)


def asked(model, cut, **options):
    wrapper = get_model_wrapper(model, **options)
    return IntegratedGradients(wrapper, resolution=POINTS, doi_cut=cut, rebatch_size=ROWS)


def test_as_many_as_by_hand(case):
    model, cut, x = case
    method = asked(model, cut)
    method.attributions(x)  # compares
    assert flops(method.attributions, x) <= 1.001 * flops(by_hand, model, x)


def test_the_first_use_computes_one_block_more(case):
    """The first record is evaluated as a whole, and the part before the cut for one block."""
    model, cut, x = case
    block = torch.cat([x] * ROWS)
    more = flops(model.before, block) + flops(model.after, model.before(x))
    assert flops(asked(model, cut).attributions, x) <= 1.001 * (flops(by_hand, model, x) + more)


def test_without_skipping_every_block_computes_all(case):
    model, cut, x = case
    method = asked(model, cut, skip_prefix=False)
    method.attributions(x)
    prefix = flops(model.before, torch.cat([x] * POINTS))
    found = flops(method.attributions, x)
    assert found == pytest.approx(flops(by_hand, model, x) + prefix, rel=1e-3)


def test_the_results_are_those_by_hand(case):
    model, cut, x = case
    method = asked(model, cut)
    expected = by_hand(model, x)
    for _ in range(2):
        error = (method.attributions(x) - expected).abs().max() / expected.abs().max()
        assert error < 1e-5


def test_the_results_are_those_without_skipping(case):
    model, cut, x = case
    method, plain = asked(model, cut), asked(model, cut, skip_prefix=False)
    expected = plain.attributions(x)
    for _ in range(2):
        assert torch.equal(method.attributions(x), expected)
