"""What the first call of a kind does more than later ones: counted, in passes and in looks."""

import collections

import pytest
import torch
from torch import nn
from torch.nn import functional

from trulens_core import (
    CalledSeveralTimesError,
    Cut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    ModelInputs,
    get_model_wrapper,
)
from trulens_torch.survey import Survey

X = torch.linspace(-1, 1, 4 * 5 * 6, dtype=torch.float64).reshape(4, 5, 6)
MASK = torch.tensor([[1, 1, 1, 1, 1]] * 3 + [[1, 1, 1, 0, 0]])


class Layer(nn.Module):
    """Means over what a mask leaves open, added."""

    def __init__(self):
        super().__init__()
        self.lift = nn.Linear(6, 6)

    def forward(self, h, mask):
        open_ = torch.ones_like(h[..., :1]) if mask is None else mask[..., None].to(h)
        return h + torch.tanh(self.lift((h * open_).sum(1, keepdim=True) / open_.sum(1)[:, None]))


class Encoder(nn.Module):
    """Four layers, each given the mask, which is left out where it masks nothing."""

    def __init__(self, again=False):
        super().__init__()
        self.layers, self.last = nn.ModuleList([Layer() for _ in range(4)]), nn.Linear(6, 3)
        self.again = again

    def forward(self, x, mask=None):
        if mask is not None and bool(mask.all()):
            mask = None
        for layer in self.layers:
            x = layer(x, mask)
        if self.again:
            x = self.layers[1](x, mask)
        return self.last(x.mean(1))


@pytest.fixture
def counts():
    return collections.Counter()


@pytest.fixture
def model(counts):
    torch.manual_seed(0)
    net = Encoder().double().eval()
    for i in (0, 1, 3):
        net.layers[i].register_forward_pre_hook(lambda m, a, i=i: counts.update([i]))
    return net


def layer_ig(wrapper, rows=None):
    doi = LinearDoi(resolution=6, cut=Cut("layers.1"), rule="midpoint")
    return InternalInfluence(wrapper, (Cut("layers.1"), None), 1, doi, rebatch_size=rows)


def by_hand(model, x, mask):
    """The path at layer 1, one record and one point at a time."""
    found = []
    for r, given in zip(x.split(1), mask.split(1), strict=True):
        m = None if given.all() else given
        with torch.no_grad():
            h = model.layers[1](model.layers[0](r, m), m)
        total = torch.zeros_like(h)
        for i in range(6):
            z = (h * (i + 0.5) / 6).requires_grad_()
            y = model.layers[3](model.layers[2](z, m), m)
            total += torch.autograd.grad(model.last(y.mean(1))[:, 1].sum(), z)[0]
        found.append(h * total / 6)
    return torch.cat(found)


def test_a_mask_that_is_read(model, counts):
    """The reversed records as far as the cut; a point alone and the block, in each of two ways."""
    method = layer_ig(get_model_wrapper(model))
    expected, seen = by_hand(model, X, MASK), []
    for _ in range(3):
        counts.clear()
        assert torch.allclose(method.attributions(X, mask=MASK), expected, rtol=1e-12, atol=1e-14)
        seen.append((counts[0], counts[3]))
    # what is refused, since the mask has too few rows, ends before the last layer
    assert seen == [(5, 3), (2, 2), (1, 1)]


def test_new_records_of_a_known_kind(model, counts):
    """Their order is looked at as far as the cut."""
    method = layer_ig(get_model_wrapper(model))
    words = torch.tensor([[1, 2, w, 2, 1] for w in (4, 3, 5, 3)])  # as padded before and after
    for _ in range(2):
        method.attributions(X, mask=words)
    counts.clear()
    words[0, 2] = 6
    found = method.attributions(X, mask=words)
    assert (counts[0], counts[3]) == (2, 1)
    assert torch.allclose(found, by_hand(model, X, words), rtol=1e-12, atol=1e-14)


def test_groups_of_records(model, counts):
    """Records apart, by two passes; their order; of each group a point alone and the block."""
    method = layer_ig(get_model_wrapper(model), rows=12)
    expected, seen = by_hand(model, X, torch.ones_like(MASK)), []
    for _ in range(3):
        counts.clear()
        assert torch.allclose(method.attributions(X), expected, rtol=1e-12, atol=1e-14)
        seen.append((counts[0], counts[3]))
    assert seen == [(7, 6), (2, 2), (2, 2)]


def test_a_layer_that_is_called_again_is_told_as_ever():
    """The pass that ends at the cut is not the one that counts calls."""
    torch.manual_seed(0)
    method = layer_ig(get_model_wrapper(Encoder(again=True).double().eval()))
    for _ in range(2):
        with pytest.raises(CalledSeveralTimesError, match="called 2 times"):
            method.attributions(X, mask=MASK)


class Nosy(Encoder):
    """Has a hook of the caller's, which evaluates the model on the way."""

    hook = None

    def forward(self, x, mask=None):
        if self.hook is not None:
            hook, self.hook = self.hook, None
            hook()
        return super().forward(x, mask)


def test_a_pass_inside_one_that_ends_is_whole():
    torch.manual_seed(0)
    model = Nosy().double().eval()
    wrapper, seen = get_model_wrapper(model), []
    model.last.register_forward_pre_hook(lambda m, a: seen.append(len(a[0])))

    def hook():
        wrapper.activations(ModelInputs((X[:1],)), [Cut("layers.2")])
        assert seen == [1]
        hooked.append(True)

    model.hook, hooked = hook, []
    layer_ig(wrapper).attributions(X, mask=MASK)
    assert hooked


def test_a_model_is_looked_through_once(model, monkeypatch):
    """However often evaluations are put aside."""
    wrapper, of, made = get_model_wrapper(model), Survey.of, []
    monkeypatch.setattr(Survey, "of", lambda m: made.append(m) or of(m))
    for _ in range(2):
        layer_ig(wrapper, rows=12).attributions(X, mask=MASK)
    assert len(made) == 1


INDEXED = {
    "one": lambda x, i: x[i],
    "gather": lambda x, i: x.gather(0, i[:, None]),
    "index_select": lambda x, i: x.index_select(0, i),
    "scatter": lambda x, i: x.scatter(0, i[:, None], 1.0),
    "scatter_add": lambda x, i: x.scatter_add(0, i[:, None], x[: len(i)]),
    "index_add": lambda x, i: x.index_add(0, i, x[: len(i)]),
    "index_put": lambda x, i: x.index_put((i,), x[0]),
    "embedding": lambda x, i: functional.embedding(i, x),
}


@pytest.mark.parametrize("function", INDEXED.values(), ids=INDEXED)
def test_on_a_cpu_an_index_out_of_range_raises_by_itself(function):
    """So that no operation need be looked at before it runs."""
    x = torch.arange(9.0).view(3, 3)
    for index in (3, -4):
        with pytest.raises((IndexError, RuntimeError)):
            function(x, torch.tensor([0, index]))


def test_an_index_that_a_narrow_pass_puts_out_of_range():
    """A table of as many rows as there are records, looked up by rows after the cut."""

    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.cut, self.last = nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x):
            h = torch.tanh(self.cut(x))
            own = x[:, :1].index_select(0, torch.arange(len(h)))
            return self.last(h * own)

    torch.manual_seed(0)
    model, x = Table().double().eval(), X[:, 0]
    method = IntegratedGradients(get_model_wrapper(model), resolution=6, doi_cut="cut")
    plain = get_model_wrapper(model, skip_prefix=False)
    expected = IntegratedGradients(plain, resolution=6, doi_cut="cut").attributions(x)
    for _ in range(3):
        assert torch.allclose(method.attributions(x), expected, rtol=1e-12, atol=1e-14)


def test_where_inputs_are_repeated(model, counts):
    """A point alone, whose pass meets the value at the cut, and the block."""
    method = layer_ig(get_model_wrapper(model, skip_prefix=False))
    expected, seen = by_hand(model, X[:1], MASK[:1]), []
    for _ in range(3):
        counts.clear()
        found = method.attributions(X[:1], mask=MASK[:1])
        assert torch.allclose(found, expected, rtol=1e-12, atol=1e-14)
        seen.append((counts[0], counts[3]))
    assert seen == [(2, 2), (2, 2), (1, 1)]


@pytest.mark.parametrize("narrow", [True, False])
def test_what_a_model_writes_is_read_as_in_later_calls(narrow):
    """It counts its evaluations, and the count is in its numbers."""

    class Counts(Encoder):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x, mask=None):
            found = super().forward(x * (1 + self.count), mask) * (1 + self.count)
            self.count += 1
            return found

    torch.manual_seed(0)
    model = Counts().double().eval()
    for n in (4, 1):
        method = layer_ig(get_model_wrapper(model, skip_prefix=narrow))
        found = [method.attributions(X[:n], mask=MASK[:n]) for _ in range(4)]
        assert all(torch.allclose(f, found[-1], rtol=1e-12, atol=1e-14) for f in found)
