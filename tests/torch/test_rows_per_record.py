"""Several rows of a layer for each record: windows, sentences, frames, choices."""

import pytest
import torch
from torch import nn

from trulens_core import (
    Cut,
    CutError,
    InputAttribution,
    InternalInfluence,
    LinearDoi,
    OutputCut,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

torch.manual_seed(0)
X = torch.randn(3, 4, 5, 6, dtype=torch.float64)  # records, sentences, words, features


class Hierarchical(nn.Module):
    """Sentences are encoded as rows of their own, and records are made of them."""

    def __init__(self):
        super().__init__()
        self.words = nn.LSTM(6, 7, batch_first=True)
        self.sentence = nn.Sequential(nn.Linear(7, 8), nn.Tanh())
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        b, s, w, f = x.shape
        _, (h, _) = self.words(x.reshape(b * s, w, f))
        sentences = self.sentence(h[0])
        return self.head(sentences.reshape(b, s, -1).square().mean(1))


class Choices(nn.Module):
    """Multiple choice: one score for each row, laid out as records and choices."""

    def __init__(self):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(30, 4), nn.Tanh(), nn.Linear(4, 1))

    def forward(self, x):
        return self.score(x.flatten(2).flatten(0, 1)).reshape(len(x), -1)


MODEL, CHOICES = Hierarchical().double(), Choices().double()


def by_hand(points, of=1):
    """Mean gradients at the sentences over points between 0 and them, records one by one."""
    found = []
    for r in range(3):
        _, (h, _) = MODEL.words(X[r])
        z = MODEL.sentence(h[0]).detach()
        total = 0
        for p in points:
            point = (p * z).requires_grad_()
            y = MODEL.head(point[None].square().mean(1))[0, of]
            total = total + torch.autograd.grad(y, point)[0]
        found.append(total / len(points) * z)
    return torch.stack(found).detach().numpy()


@pytest.mark.parametrize("rows", [4, "auto"])
@pytest.mark.parametrize("rebatch_size", [None, 1, 5])
def test_a_path_over_sentences(rows, rebatch_size):
    cut = Cut("sentence", rows_per_record=rows)
    doi = LinearDoi(resolution=3, rule="midpoint", cut=cut)
    method = InternalInfluence(MODEL, cut, 1, doi, rebatch_size=rebatch_size)
    result = method.explain(X.numpy())
    assert result.attributions.shape == (3, 4, 8)
    assert relative_error(result.attributions, by_hand([1 / 6, 0.5, 5 / 6])) < 1e-10
    if rebatch_size is None:  # q is a square: midpoints are exact
        assert abs(result.residual).max() < 1e-12


def test_one_record_alone():
    cut = Cut("sentence", rows_per_record="auto")
    method = InternalInfluence(MODEL, cut, 1, "point", multiply_activation=False)
    both = method.attributions(X)
    assert relative_error(method.attributions(X[:1]), both[:1]) < 1e-10


def test_values_and_interventions():
    wrapper, cut = get_model_wrapper(MODEL), Cut("sentence", rows_per_record=4)
    value = wrapper.fprop(X, to_cut=cut)
    assert value.shape == (3, 4, 8)
    assert torch.equal(wrapper.fprop(X, to_cut=Cut("sentence", rows_per_record="auto")), value)
    expected = MODEL.head((value * 0.5).square().mean(1)).detach()
    for rows in (4, "auto"):
        at = Cut("sentence", rows_per_record=rows)
        put = wrapper.fprop(X, doi_cut=at, intervention=value * 0.5)
        assert relative_error(put, expected) < 1e-12


def test_choices_are_read_where_they_are_rows():
    """The score of choice 2, read at the layer whose rows are choices."""
    of = Cut("score", rows_per_record="auto")
    found = InputAttribution(
        CHOICES, qoi_cut=of, qoi=lambda y: y[:, 2, 0], multiply_activation=False
    ).attributions(X)
    expected = InputAttribution(CHOICES, qoi=2, multiply_activation=False).attributions(X)
    assert relative_error(found, expected) < 1e-12
    assert found[:, [0, 1, 3]].abs().max() == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rows_per_record": 5}, "12 rows are no multiple of 5"),
        ({}, r"12 rows.*3.*rows_per_record"),
    ],
)
def test_a_number_that_does_not_fit(options, said):
    with pytest.raises(CutError, match=said):
        InternalInfluence(MODEL, Cut("sentence", **options), 1, "point").attributions(X)


def test_what_belongs_to_no_record():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.all = nn.Identity()

        def forward(self, x):
            return x.flatten(1)[:, :3] + self.all(torch.ones(7, 3, dtype=x.dtype)).mean(0)

    method = InternalInfluence(Fixed(), Cut("all", rows_per_record="auto"), 1, "point")
    with pytest.raises(CutError, match="7 rows for one record and 7 for two"):
        method.attributions(X)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rows_per_record": 0}, "1 or more"),
        ({"rows_per_record": "four"}, "rows_per_record"),
        ({"rows_per_record": 2, "batch_axis": 1}, "and not both"),
    ],
)
def test_what_is_no_number_of_rows(options, said):
    with pytest.raises(CutError, match=said):
        Cut("sentence", **options)


@pytest.mark.parametrize("rows", [2, "auto"])
def test_rows_of_the_output(rows):
    torch.manual_seed(0)
    layer, x = nn.Linear(4, 3).double(), torch.randn(5, 2, 4, dtype=torch.float64)
    wrapper = get_model_wrapper(lambda x: torch.tanh(layer(x.flatten(0, 1))), backend="torch")
    cut = OutputCut(rows_per_record=rows)
    assert repr(cut) == f"OutputCut(rows_per_record={rows!r})"
    method = InputAttribution(wrapper, cut, lambda y: y[:, 1, 2], multiply_activation=False)
    z = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(torch.tanh(layer(z))[:, 1, 2].sum(), z)
    assert relative_error(method.attributions(x).numpy(), expected.numpy()) <= 1e-12
    with pytest.raises(CutError, match=r"say so with OutputCut\(rows_per_record=2\)"):
        InputAttribution(wrapper, qoi=1).attributions(x)
