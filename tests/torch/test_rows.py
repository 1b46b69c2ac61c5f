"""Rows are records: seen where they are not, and then no number is that of a mixture."""

import warnings

import pytest
import torch
from torch import nn

from trulens_core import (
    ClassQoI,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.errors import CalledSeveralTimesError, TrulensWarning, UnsupportedModelError

WIDTH, RECORDS, POINTS = 4, 5, 4
X = torch.randn(RECORDS, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
EDGES = torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 0]])


def dense(i=WIDTH, o=WIDTH):
    return nn.Linear(i, o, dtype=torch.float64)


def built(kind):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind().eval()


def close(a, b):
    return torch.allclose(a, b, rtol=1e-10, atol=1e-12)


def by_hand(f, h, points=POINTS):
    """Integrated gradients by one point a pass."""
    total = 0
    for i in range(points):
        z = ((i + 0.5) / points * h).requires_grad_()
        total = total + torch.autograd.grad(f(z).sum(), z)[0] / points
    return total * h


# -- rows that see one another ---------------------------------------------------------------


class Graph(nn.Module):
    """A network over the nodes of one graph."""

    def __init__(self):
        super().__init__()
        self.first, self.last = dense(), dense()

    def forward(self, x):
        return self.after(self.first(x))

    def after(self, h):
        gathered = torch.zeros_like(h).index_add(0, EDGES[1], h[EDGES[0]])
        return self.last(torch.tanh(h + gathered))


class BatchStatistics(Graph):
    """Batch normalisation that keeps no statistics."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(WIDTH, track_running_stats=False, dtype=torch.float64)

    def after(self, h):
        return self.last(torch.tanh(self.norm(h)))


class Centred(Graph):
    def after(self, h):
        return self.last(torch.tanh(h - h.mean(0)))


class Contrast(Graph):
    """The similarity to all records of the batch."""

    def after(self, h):
        return self.last(torch.softmax(h @ h.T, 1) @ h)


class Sequence(Graph):
    """Attention that takes the records for the steps of a sequence."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(WIDTH, 1, 8, dropout=0.0, dtype=torch.float64)

    def after(self, h):
        return self.last(self.encoder(h[:, None])[:, 0])


KINDS = [Graph, BatchStatistics, Centred, Contrast, Sequence]


@pytest.mark.parametrize("kind", KINDS)
def test_all_records_go_together_one_point_a_pass(kind):
    model = built(kind)
    method = IntegratedGradients(get_model_wrapper(model), resolution=POINTS, qoi=1)
    expected = by_hand(lambda z: model(z)[:, 1], X)
    with pytest.warns(TrulensWarning, match="rows see one another"):
        assert close(method.attributions(X), expected)
    for _ in range(2):  # it is said once
        assert close(method.attributions(X), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_at_an_inner_cut(kind):
    model = built(kind)
    doi = LinearDoi(resolution=POINTS, cut="first", rule="midpoint")
    method = InternalInfluence(model, "first", ClassQoI(1), doi)
    expected = by_hand(lambda z: model.after(z)[:, 1], model.first(X).detach())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = [method.attributions(X) for _ in range(3)]
    assert [w.category for w in said] == [TrulensWarning]
    assert all(close(f, expected) for f in found)


@pytest.mark.parametrize("kind", [BatchStatistics, Centred, Contrast, Sequence])
@pytest.mark.parametrize("make", [IntegratedGradients, InputAttribution])
@pytest.mark.filterwarnings("ignore:the model's rows see one another")
def test_records_are_not_taken_apart(kind, make):
    """Neither by rows per pass, nor as they converge."""
    with pytest.raises(UnsupportedModelError, match="rebatch_size=2 would take its 5 records"):
        make(built(kind), rebatch_size=2).attributions(X)
    with pytest.raises(UnsupportedModelError, match="tolerance= would take its 5 records apart"):
        IntegratedGradients(built(kind), tolerance=0.01).attributions(X)


def test_one_point_a_pass_may_be_asked_for():
    model = built(Graph)
    found = IntegratedGradients(model, resolution=POINTS, qoi=1, rebatch_size=RECORDS)
    assert close(found.attributions(X), by_hand(lambda z: model(z)[:, 1], X))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rounding_is_no_mixture(dtype):
    """Deep networks with ties, whose rows in large blocks round in other ways."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [m for _ in range(12) for m in (nn.Linear(64, 64), nn.ReLU())]
        model = nn.Sequential(*layers, nn.Linear(64, 3)).to(dtype)
    x = torch.randn(3, 64, generator=torch.Generator().manual_seed(1)).to(dtype)
    for cut in (None, "4"):
        for qoi in (0, (0, 1)):
            method = IntegratedGradients(model, resolution=50, doi_cut=cut, qoi=qoi)
            method.attributions(x), method.attributions(x)


# -- rows in another order -------------------------------------------------------------------


class Sorted(nn.Module):
    """Sorts its records by length, runs, and sorts back."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(WIDTH, WIDTH, batch_first=True, dtype=torch.float64), dense()

    def forward(self, x, lengths):
        order = torch.argsort(lengths, descending=True, stable=True)
        h, _ = self.rnn(x[order])
        return self.after(h, lengths[order])[torch.argsort(order)]

    def after(self, h, lengths):
        steps = torch.arange(h.shape[1])[None, :, None]
        return torch.tanh(self.head(h * (steps < lengths[:, None, None]))).sum(1)


STEPS = torch.randn(4, 6, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
CLASSES = [0, 1, 2, 3]


def one_by_one(model, lengths, explain):
    """Each record alone."""
    found = []
    for i, c in enumerate(CLASSES):
        h = model.rnn(STEPS[i : i + 1])[0].detach()
        n = lengths[i : i + 1]
        found.append(explain(lambda z, n=n, c=c: model.after(z, n)[:, c], h))
    return torch.cat(found)


def gradient(f, h):
    h = h.requires_grad_()
    return (torch.autograd.grad(f(h).sum(), h)[0] * h).detach()


@pytest.mark.parametrize(("path", "skips"), [(False, True), (True, True), (True, False)])
def test_records_in_another_order_at_an_inner_cut(path, skips):
    """Also where the first lengths that are seen are all equal, or in order by chance."""
    model = built(Sorted)
    doi = LinearDoi(resolution=POINTS, cut="rnn", rule="midpoint") if path else "point"
    wrapper = get_model_wrapper(model, skip_prefix=skips)
    method = InternalInfluence(wrapper, "rnn", ClassQoI(CLASSES), doi)
    alike = [[n] * 4 for n in (5, 4, 3)]  # by then it is known how to evaluate the points
    for given in (*alike, [6, 5, 3, 1], [2, 6, 1, 4], [5, 5, 5, 5], [1, 2, 3, 4]):
        lengths = torch.tensor(given)
        expected = one_by_one(model, lengths, by_hand if path else gradient)
        assert close(method.attributions(STEPS, lengths), expected)


class LeftSorted(Sorted):
    """Sorts its records by length for good, and then does not need the lengths."""

    def forward(self, x, lengths):
        h, _ = self.rnn(x[torch.argsort(lengths, descending=True, stable=True)])
        return self.after(h, None)

    def after(self, h, lengths):
        del lengths
        return torch.tanh(self.head(h)).sum(1)


def test_records_in_another_order_after_it_was_known_how_to_evaluate_the_points():
    """The pass of the points is the one that meets the value at the cut."""
    model, seen = built(LeftSorted), []
    forward = model.rnn.forward
    model.rnn.forward = lambda x: (seen.append(len(x)), forward(x))[1]
    doi = LinearDoi(resolution=POINTS, cut="rnn", rule="midpoint")
    method = InternalInfluence(get_model_wrapper(model), "rnn", 1, doi)
    for given in ([5] * 4, [4] * 4, [3] * 4, [2] * 4, [2, 6, 1, 4], [1] * 4):
        seen.clear()
        found = method.attributions(STEPS, torch.tensor(given))
        expected = [
            by_hand(lambda z: model.after(z, None)[:, 1], forward(s)[0]) for s in STEPS[:, None]
        ]
        assert close(found, torch.cat([e.detach() for e in expected]))
        if given in ([3] * 4, [2] * 4):
            # the records in reversed order, a point alone, as lengths are others, and all points
            assert seen == [4, 4, 4]


def test_at_the_input_order_is_the_models_own_business():
    model = built(Sorted)
    lengths = torch.tensor([2, 6, 1, 4])
    at = InputCut(names=["x"])
    method = IntegratedGradients(model, None, POINTS, at, ClassQoI(CLASSES))
    rows = torch.arange(4)
    expected = by_hand(lambda z: model(z, lengths)[rows, rows], STEPS)
    assert close(method.attributions(STEPS, lengths), expected)


# -- layers that are called again for some values --------------------------------------------


class Again(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = dense()

    def forward(self, x):
        x = self.c(x)
        return self.c(x) if x.abs().max() > 5 else x


class Rounds(Again):
    """As often as its input says."""

    def forward(self, x):
        for _ in range(1 + int(x.abs().max() / 5)):
            x = torch.tanh(self.c(x))
        return x


class Halting(Again):
    """Until it halts."""

    def forward(self, x):
        x = torch.tanh(self.c(x))
        while (x.norm() > 1.5).tolist():
            x = 0.5 * torch.tanh(self.c(x))
        return x


@pytest.mark.parametrize("kind", [Again, Rounds, Halting])
def test_a_layer_called_again_for_some_values(kind):
    model = built(kind)
    method = InternalInfluence(get_model_wrapper(model), (0, "c"), 1, "point")
    few, many = 1e-3 * X, 10.0 * X
    for _ in range(3):
        assert method.attributions(few).shape == X.shape
        with pytest.raises(CalledSeveralTimesError, match="say which call"):
            method.attributions(many)
    with pytest.raises(CalledSeveralTimesError):
        InternalInfluence(built(kind), (0, "c"), 1, "point").attributions(many)


def test_a_model_that_reads_no_values_is_cut_short():
    ran = []

    class Long(Again):
        def forward(self, x):
            y = self.c(x)
            ran.append(1)
            return y

    method = InternalInfluence(built(Long), (0, "c"), 1, "point")
    for _ in range(3):
        method.attributions(X)
    assert len(ran) == 1
