"""Of models that are hard to run with fewer rows before a cut than after it: the same numbers."""

import dataclasses
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from trulens_core import Cut

HELP = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("narrow_models.py"))))
Comparison, WIDTH, dense, vectors = HELP.Comparison, HELP.WIDTH, HELP.dense, HELP.vectors


class Chain(nn.Module):
    """Nothing special: two layers, the cut, a layer."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.cut = dense(), dense(), dense()
        self.head = dense(WIDTH, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.cut(torch.tanh(self.second(torch.tanh(self.first(x)))))))


class InPlaceModules(Chain):
    """A ReLU in place after a layer, as in every ResNet, before and after the cut."""

    def __init__(self):
        super().__init__()
        self.relu, self.statement = nn.ReLU(inplace=True), nn.ELU(inplace=True)

    def forward(self, x):
        y = self.relu(self.first(x))
        z = self.second(y)
        self.statement(z)  # its result is not used, what it does is
        return self.head(self.relu(self.cut(z)))


class InPlaceFunctions(Chain):
    """Outputs of layers changed in place, before the cut and, one kept that long, after it."""

    def forward(self, x):
        kept = self.first(x)
        y = self.second(kept).mul_(2.0)
        z = functional.relu_(self.cut(y + kept))
        kept += z
        return self.head(kept.tanh_() * y)


class ViewsKept(Chain):
    """Views of one output, one of them changed after the cut while the other is read."""

    def forward(self, x):
        y = self.first(x)
        left, right = y[:, :3], y[:, 2:]
        z = self.cut(self.second(torch.tanh(y)))
        left += z[:, :3]
        return self.head(z) + right.sum(1, keepdim=True) * left.sum(1, keepdim=True)


class ReadBetween(Chain):
    """A view taken before a ReLU in place, and read after it."""

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.first(x)
        before, view = y.sum(1, keepdim=True), y[:, 1:3]
        z = self.cut(self.second(self.relu(y)) + before + view.sum(1, keepdim=True))
        return self.head(torch.tanh(z))


class SharedAndBranching(Chain):
    """One module before and after the cut, and branches on values."""

    def forward(self, x):
        y = self.first(x)
        for _ in range(2 if bool(y.sum() > 0) else 3):
            y = torch.tanh(self.second(y))
        z = self.cut(y)
        return self.head(self.second(z) if bool(z.mean() > 0.1) else self.first(z))


class Recurrent(nn.Module):
    """LSTM and GRU; the cut is the LSTM's output, the first of a nest of tuples."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.lstm = nn.LSTM(WIDTH, WIDTH, num_layers=2, batch_first=True)
        self.last, self.head = nn.GRU(WIDTH, WIDTH, batch_first=True), dense(WIDTH, 3)

    def forward(self, x):
        y, state = self.gru(x)
        z, (h, _) = self.lstm(y)
        return self.head(self.last(z)[0][:, -1] + h[-1] + state[0])


class TimeFirst(nn.Module):
    """Time before records, flattened into one axis for a layer."""

    def __init__(self):
        super().__init__()
        self.first, self.flat, self.cut = dense(), dense(), dense()
        self.norm, self.head = nn.LayerNorm(WIDTH), dense(WIDTH, 3)

    def forward(self, x):
        x = self.first(x.transpose(0, 1))
        steps, records, _ = x.shape
        y = self.flat(torch.tanh(x).reshape(steps * records, WIDTH)).relu()
        y = y.reshape(steps, records, WIDTH) + x
        return self.head(self.norm(self.cut(y)) + y).mean(0)


class Skips(nn.Module):
    """Values from before the cut that are used after it, of containers and of layers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(dense(), nn.ReLU(inplace=True), dense())
        self.block, self.side = nn.ModuleDict({"a": dense(), "cut": dense()}), dense()
        self.head = dense(2 * WIDTH, 3)

    def forward(self, x):
        y = self.stem(x)
        z = self.block["cut"](torch.tanh(self.block["a"](y)))
        z = torch.tanh(z + y)
        return self.head(torch.cat([z * x, self.side(y)], 1))


class Cache:
    """Keys and values of earlier layers; no container that torch knows."""

    def __init__(self):
        self.layers = []

    def update(self, key):
        self.layers.append(key)
        return sum(self.layers)


@dataclasses.dataclass
class Output:
    hidden: torch.Tensor
    cache: Cache


class CachedLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.key, self.mix = dense(), dense()

    def forward(self, x, cache=None):
        return Output(torch.tanh(self.mix(x) + cache.update(self.key(x))), cache)


class Cached(nn.Module):
    """A cache goes through the layers, and all of it is read at the end."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(CachedLayer() for _ in range(4))
        self.head = dense(WIDTH, 3)

    def forward(self, x):
        cache = Cache()
        for layer in self.layers:
            x = layer(x, cache=cache).hidden
        return self.head(x + sum(cache.layers))


class Appending(Chain):
    """A module that appends to a list it is given."""

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = dense()

        def forward(self, x, seen):
            seen.append(torch.sigmoid(x))
            return self.layer(x)

    def __init__(self):
        super().__init__()
        self.first = self.Inner()

    def forward(self, x):
        seen = []
        z = self.cut(self.second(self.first(x, seen)))
        return self.head(torch.tanh(z) * seen[0])


class Identities(Chain):
    """Modules that return what they are given, which is then changed in place."""

    def __init__(self):
        super().__init__()
        self.same, self.none = nn.Identity(), nn.Sequential(nn.Dropout(0.5), nn.Identity())
        self.flat = nn.Flatten(0)

    def forward(self, x):
        y = self.first(x)
        z = self.none(self.same(y))
        z += 1.0  # and so is y
        self.flat(y)[0] *= 2.0  # the first element of the first row of all
        return self.head(torch.tanh(self.cut(self.second(z + y))))


class Stored(Chain):
    """A module keeps what it computed, and others read it there after the cut."""

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.kept = dense(), None

        def forward(self, x):
            self.kept = torch.sigmoid(x)
            return self.layer(x)

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(self.Inner(), nn.Tanh())

    def forward(self, x):
        z = self.cut(self.second(self.first(x)))
        return self.head(torch.tanh(z) * self.first[0].kept)


class Counting(Chain):
    """Another number of calls, and another scale, in every evaluation but of a period of four."""

    def __init__(self):
        super().__init__()
        self.register_buffer("evaluations", torch.zeros(()))

    def forward(self, x):
        for _ in range(1 + int(self.evaluations) % 2):
            x = torch.tanh(self.first(x))
        self.evaluations += 1
        return self.head(self.cut(self.second(x * self.evaluations)) * x)


class Checkpointed(Chain):
    """Layers around the cut are computed again in the backward pass."""

    def forward(self, x):
        def inner(y):
            return torch.tanh(self.cut(torch.tanh(self.second(y)))) + y

        y = self.first(x).requires_grad_()
        return self.head(checkpoint(inner, y, use_reentrant=False))


class SortedByLength(Chain):
    """Records sorted by how large they are, and put back at the end."""

    def forward(self, x):
        order = x.abs().sum(1).argsort(stable=True)
        y = torch.tanh(self.second(torch.tanh(self.first(x[order]))))
        z = self.cut(y[order.argsort()])
        return self.head(z + y[order.argsort()])


class CountsRows(Chain):
    """A module whose output depends on how many rows there are."""

    class Inner(nn.Module):
        def forward(self, x):
            return x / len(x), len(x)

    def __init__(self):
        super().__init__()
        self.inner = self.Inner()

    def forward(self, x):
        y, rows = self.inner(self.first(x))
        return self.head(torch.tanh(self.cut(self.second(y))) + y * rows)


TOGETHER = SharedAndBranching, Identities, CountsRows
"""Rows of these see one another, so that parts of the records give other numbers."""

ONE = vectors(1, WIDTH)
STEPS = vectors(1, 5, WIDTH)
CASES = [
    (Chain, "cut", ONE),
    (InPlaceModules, "cut", ONE),
    (InPlaceFunctions, "cut", ONE),
    (ViewsKept, "cut", ONE),
    (ReadBetween, "cut", ONE),
    (SharedAndBranching, "cut", ONE),
    (Recurrent, "lstm", STEPS),
    (TimeFirst, Cut("cut", batch_axis=1), STEPS),
    (Skips, "block.cut", ONE),
    (Skips, Cut("block.cut", anchor="in"), ONE),
    (Skips, Cut(["block.a", "side"]), ONE),
    (Cached, "layers.2.mix", ONE),
    (Cached, Cut("layers.3", anchor="in", accessor=lambda v: v.args[0]), ONE),
    (Appending, "cut", ONE),
    (Identities, "cut", ONE),
    (Stored, "cut", ONE),
    (Counting, "cut", ONE),
    (Checkpointed, "cut", ONE),
    (SortedByLength, "cut", ONE),
    (CountsRows, "cut", ONE),
]


def name_of(value):
    if isinstance(value, Cut):  # its text may hold the address of an accessor
        return f"{value.name}.{value.anchor}"
    return getattr(value, "__name__", None)


# a branch on the mean of all rows is no record's own; whether points take both is chance
@pytest.mark.filterwarnings("ignore:the model's rows see one another")
@pytest.mark.parametrize("rows", [1, 3, 50])
@pytest.mark.parametrize(("kind", "cut", "x"), CASES, ids=name_of)
def test_equal_for_one_record(kind, cut, x, rows):
    assert Comparison(kind, cut, x, rows=rows).error < 1e-13


APART = [case for case in CASES if case[0] not in TOGETHER]


@pytest.mark.parametrize(("kind", "cut", "x"), APART, ids=name_of)
def test_equal_for_several_records(kind, cut, x):
    """Blocks of points of one record, of several, and of all, the last ones shorter."""
    batch = torch.cat([x, *(vectors(4, *x.shape[1:]) + 0.5).split(1)])
    assert Comparison(kind, cut, batch, rows=2).error < 1e-13
    assert Comparison(kind, cut, batch, rows=17).error < 1e-13
    assert Comparison(kind, cut, batch, rows=None).error < 1e-13
