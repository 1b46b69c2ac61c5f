"""Three small networks, trained in seconds: as VGG, as ResNet, as a transformer's encoder."""

import copy
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

WORDS, LENGTH, GROUPS = 24, 10, 3
TESTED = 400


def conv(i, o):
    return [nn.Conv2d(i, o, 3, padding=1), nn.ReLU(inplace=True)]


class Vgg(nn.Module):
    """Convolutions, ReLUs in place, max pooling, dropout."""

    def __init__(self):
        super().__init__()
        first, second = [*conv(1, 16), *conv(16, 16)], [*conv(16, 32), *conv(32, 32)]
        self.features = nn.Sequential(*first, nn.MaxPool2d(2), *second, nn.MaxPool2d(2))
        hidden = [nn.Linear(128, 64), nn.ReLU(inplace=True), nn.Dropout(0.3)]
        self.classifier = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10))

    def forward(self, x):
        return self.classifier(self.features(x))


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(o), nn.BatchNorm2d(o)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)  # called twice
        shortcut = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))
        self.shortcut = nn.Identity() if (i, stride) == (o, 1) else shortcut

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += self.shortcut(x)
        return self.relu(y)


class ResNet(nn.Module):
    """Residual blocks with batch normalisation."""

    def __init__(self):
        super().__init__()
        stem = nn.Conv2d(1, 32, 3, padding=1, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        self.layer1, self.layer2 = Block(32, 32, 1), Block(32, 64, 2)
        self.layer3, self.head = Block(64, 64, 1), nn.Linear(64, 10)

    def forward(self, x):
        return self.after2(self.layer2(self.layer1(self.stem(x))))

    def after2(self, z):
        return self.head(self.layer3(z).mean((2, 3)))


class Embeddings(nn.Module):
    """Words and their positions."""

    def __init__(self, width):
        super().__init__()
        self.words, self.positions = nn.Embedding(WORDS, width), nn.Embedding(LENGTH, width)

    def forward(self, tokens):
        return self.placed(self.words(tokens))

    def placed(self, words):
        return words + self.positions(torch.arange(words.shape[1]))


class Transformer(nn.Module):
    """An encoder with LayerNorm and GELU; the mean over the words goes to a linear head."""

    def __init__(self, width=32):
        super().__init__()
        self.embeddings, self.norm = Embeddings(width), nn.LayerNorm(width)
        options = {"dim_feedforward": 2 * width, "activation": "gelu", "dropout": 0.1}
        self.layer1, self.layer2 = (
            nn.TransformerEncoderLayer(width, 4, batch_first=True, norm_first=True, **options)
            for _ in range(2)
        )
        self.head = nn.Linear(width, GROUPS)

    def forward(self, tokens, padding):
        z = self.layer1(self.norm(self.embeddings(tokens)), src_key_padding_mask=padding)
        return self.after1(z, padding)

    def upto1(self, words, padding):
        z = self.norm(self.embeddings.placed(words))
        return self.layer1(z, src_key_padding_mask=padding)

    def after1(self, z, padding):
        z = self.layer2(z, src_key_padding_mask=padding)
        seen = (~padding)[:, :, None].to(z.dtype)
        return self.head((z * seen).sum(1) / seen.sum(1))


@functools.cache
def pictures():
    """Hand-written digits: (x, y) to train with, and to test with."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x = torch.tensor(data.images[order, None] / 16, dtype=torch.float32)
    y = torch.tensor(data.target[order])
    return (x[:-TESTED], y[:-TESTED]), (x[-TESTED:], y[-TESTED:])


def sentences(n, seed):
    """Words, padding, and which of three groups of words there are most of."""
    random = np.random.default_rng(seed)
    tokens = random.integers(1, WORDS, size=(n, LENGTH))
    padding = np.arange(LENGTH) >= random.integers(6, LENGTH + 1, size=n)[:, None]
    tokens[padding] = 0
    group = (tokens - 1) // 4  # the words from 13 on belong to none
    counts = np.stack([((group == g) & ~padding).sum(1) for g in range(GROUPS)], axis=1)
    clear = np.sort(counts, 1)[:, -1] > np.sort(counts, 1)[:, -2]
    labels = counts.argmax(1)
    return [torch.tensor(a[clear]) for a in (tokens, padding, labels)]


@functools.cache
def trained(name):
    """The model, trained, in training mode as a user may have left it; its test data."""
    if name == "transformer":
        make, epochs, rate, noise = Transformer, 6, 1e-3, 0.0
        *inputs, y = sentences(4000, 0)
        *test_inputs, test_y = sentences(TESTED, 1)
    else:
        make, epochs, rate, noise = Vgg if name == "vgg" else ResNet, 8, 4e-3, 0.15
        (x, y), (test_x, test_y) = pictures()
        inputs, test_inputs = [x], [test_x]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make()
        fit(model, inputs, y, epochs, rate, noise)
    return model, test_inputs, test_y


def fit(model, inputs, y, epochs, rate, noise, size=64):
    """Train; noise on pictures keeps what is learned from one in its neighbourhood."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    steps = epochs * -(-len(y) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(y)).split(size):
            optimizer.zero_grad()
            batch = [x[rows] for x in inputs]
            if noise:
                batch = [x + noise * torch.randn_like(x) for x in batch]
            nn.functional.cross_entropy(model(*batch), y[rows]).backward()
            optimizer.step()
            schedule.step()


@dataclasses.dataclass
class Net:
    """A trained model, and the same model by hand, in stages without hooks.

    `plain` is a copy in evaluation mode, `exact` another in float64. `stages` are functions of
    `plain`, `f(z, *rest)` each, that are the model if called in turn; `names` are the layers
    whose outputs they give. `start` is the first value that there is a gradient at.
    """

    name: str
    model: nn.Module
    plain: nn.Module
    exact: nn.Module
    inputs: list[torch.Tensor]
    labels: torch.Tensor
    names: list[str]
    stages: list[Callable[..., Any]]
    rest: list[torch.Tensor]
    start: torch.Tensor

    @property
    def limit(self):
        """How equal is equal."""
        if self.start.dtype == torch.float64:
            return 1e-10
        return 1e-6 if self.name == "transformer" else 1e-4

    @property
    def source(self):
        """The cut of the first value."""
        return "embeddings.words" if self.name == "transformer" else None

    def first(self, n):
        """The same with the first n records of the test data."""
        held = {k: getattr(self, k)[:n] for k in ("labels", "start")}
        inputs, rest = ([t[:n] for t in ts] for ts in (self.inputs, self.rest))
        return dataclasses.replace(self, inputs=inputs, rest=rest, **held)

    def between(self, z, rest, i, j):
        """The value after the stages i to j, from that before them."""
        for stage in self.stages[i:j]:
            z = stage(z, *rest)
        return z

    def decided(self, points, stage):
        """Per row of a value after `stage` stages: does rounding leave the network as it is?

        Where the sum that a ReLU is given, or the difference of two values that a max pooling
        compares, is zero but for rounding, the gradient is that of one network or of another.
        In float32 a path of some ten points through ten thousand units meets such a place.
        """
        known = torch.ones(len(points), dtype=torch.bool)
        if self.start.dtype == torch.float64:
            return known

        def look(module, args):
            scale = args[0].flatten(1).abs().amax(1)
            margin = margin_of(module, args[0]).flatten(1).amin(1)
            known.logical_and_(margin > 5e-7 * scale)

        kinds = nn.ReLU, nn.MaxPool2d
        modules = [m for m in self.exact.modules() if isinstance(m, kinds)]
        hooks = [m.register_forward_pre_hook(look) for m in modules]
        z = points.double()
        for f in parts(self.name, self.exact)[1][stage:]:
            z = f(z, *self.rest)
        for hook in hooks:
            hook.remove()
        return known


def margin_of(module, v):
    if isinstance(module, nn.ReLU):
        return v.abs()
    windows = v.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    first, second = windows.topk(2, dim=4).values.unbind(4)
    return torch.where(first - second < 1e-12, first.max(), first - second)  # equal is equal


def parts(name, m):
    """The layers to cut at, and the stages between them."""
    if name == "vgg":
        f, c = m.features, m.classifier
        names = ["features.4", "features.9", "classifier.1"]  # a ReLU in place follows the last
        return names, [f[:5], f[5:], c[:2], c[2:]]
    if name == "resnet":
        return ["stem", "layer1", "layer2"], [m.stem, m.layer1, m.layer2, m.after2]
    return ["layer1"], [m.upto1, m.after1]


@pytest.fixture(scope="session")
def net():
    """`net(name, dtype)`, for the names vgg, resnet and transformer."""

    @functools.cache
    def get(name, dtype="float32"):
        model, inputs, labels = trained(name)
        kind = getattr(torch, dtype)
        model = copy.deepcopy(model).to(kind)
        plain = copy.deepcopy(model).eval().requires_grad_(False)
        inputs = [x.to(kind) if x.is_floating_point() else x for x in inputs]
        start, rest = inputs[0], inputs[1:]
        if name == "transformer":
            start = plain.embeddings.words(start).detach()
        exact = copy.deepcopy(plain).double()
        return Net(name, model, plain, exact, inputs, labels, *parts(name, plain), rest, start)

    return get
