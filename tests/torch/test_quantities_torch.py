"""Quantities of segmentation, language and detection models, beside loops by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    BinaryQoI,
    BoxQoI,
    ClassQoI,
    Cut,
    DistanceQoI,
    EntropyQoI,
    InputAttribution,
    IntegratedGradients,
    LogProbQoI,
    LossQoI,
    OutputCut,
    TokenQoI,
)

POINTS = 4


class Segmentation(nn.Module):
    """Gives its scores in a dict, as those of torchvision do."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.GELU(), nn.Conv2d(6, 3, 1))

    def forward(self, x):
        return {"out": self.body(x)}


class Language(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix, self.head = nn.GRU(4, 6, batch_first=True), nn.Linear(6, 9)

    def forward(self, x):
        return self.head(self.mix(x)[0])


class Detector(nn.Module):
    """Five boxes, by their middles and sizes, each with scores of three classes."""

    def __init__(self):
        super().__init__()
        self.body, self.scores, self.boxes = nn.Linear(4, 8), nn.Linear(8, 15), nn.Linear(8, 20)

    def forward(self, x):
        h = torch.tanh(self.body(x))
        return self.boxes(h).reshape(-1, 5, 4).exp(), self.scores(h).reshape(-1, 5, 3)


@pytest.fixture
def make():
    torch.manual_seed(0)
    return lambda kind: kind().double()


def by_hand(score, x):
    """Integrated gradients record by record, at midpoints from zeros."""
    rows = []
    for i in range(len(x)):
        total = torch.zeros_like(x[i])
        for p in range(POINTS):
            z = ((p + 0.5) / POINTS * x[i : i + 1]).requires_grad_()
            (g,) = torch.autograd.grad(score(z, i), z)
            total += g[0] / POINTS
        rows.append(x[i] * total)
    return torch.stack(rows)


def ours(model, qoi, x, cut=None):
    return [
        IntegratedGradients(
            model, resolution=POINTS, qoi=qoi, qoi_cut=cut, rebatch_size=size
        ).attributions(x)
        for size in (None, 1, 3)
    ]


def test_segmentation(make):
    model, x = make(Segmentation), torch.randn(3, 2, 5, 6, dtype=torch.float64)
    masks, classes = torch.rand(3, 5, 6) > 0.5, [2, 0, 1]
    predicted = model(x)["out"].argmax(1)

    def masked(z, i):
        return (model(z)["out"][0, classes[i]] * masks[i]).sum()

    def as_predicted(z, i):
        return model(z)["out"][0].gather(0, predicted[i][None]).sum()

    def likely(z, i):
        logs = model(z)["out"][0].log_softmax(0)
        return (logs.gather(0, predicted[i][None])[0] * masks[0]).sum()

    def undecided(z, _):
        logs = model(z)["out"][0].log_softmax(0)
        return -(logs.exp() * logs).sum()

    for qoi, score in (
        (ClassQoI(classes, region=masks), masked),
        ("predicted", as_predicted),
        (LogProbQoI(predicted, region=masks[0]), likely),
        (EntropyQoI(), undecided),
    ):
        expected = by_hand(score, x)
        for found in ours(model, qoi, x):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_language(make):
    model, x = make(Language), torch.randn(3, 5, 4, dtype=torch.float64)
    tokens, positions = torch.tensor([8, 0, 3]), [4, 1, -2]
    expected = by_hand(lambda z, i: model(z)[0, positions[i]].log_softmax(0)[tokens[i]], x)
    for found in ours(model, TokenQoI(tokens, positions, quantity="log_prob"), x):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_detections(make):
    """Boxes first; the box that is meant is that of the unmodified record, all along the path."""
    model, x = make(Detector), torch.randn(3, 4, dtype=torch.float64)
    numbers, classes = [3, 0, 4], [2, 1, 1]
    boxes = model(x)[0][range(3), numbers]
    expected = by_hand(lambda z, i: model(z)[1][0, numbers[i], classes[i]], x)
    cut = OutputCut(accessor=lambda v: v)
    for found in ours(model, BoxQoI(boxes, classes, format="cxcywh"), x, cut):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_losses_and_distances(make):
    model = make(lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)))
    x = torch.randn(3, 4, dtype=torch.float64)
    labels, others = torch.tensor([0, 2, 1]), torch.randn(3, 3, dtype=torch.float64)

    def loss(y, t):
        return nn.functional.cross_entropy(y, t, reduction="none")

    for qoi, score in (
        (
            LossQoI(loss, labels),
            lambda z, i: nn.functional.cross_entropy(model(z), labels[i : i + 1]),
        ),
        (
            LossQoI(loss, labels.tolist()),
            lambda z, i: nn.functional.cross_entropy(model(z), labels[i : i + 1]),
        ),
        (DistanceQoI(others), lambda z, i: (model(z)[0] - others[i]).norm()),
        (
            DistanceQoI(others, "cosine"),
            lambda z, i: 1 - nn.functional.cosine_similarity(model(z)[0], others[i], 0),
        ),
    ):
        expected = by_hand(score, x)
        for found in ours(model, qoi, x):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_one_unit(make):
    model, x = make(lambda: nn.Linear(4, 1)), torch.randn(3, 4, dtype=torch.float64)
    classes = [1, 0, 1]

    def score(z, i):
        p = torch.sigmoid(model(z)[0, 0])
        return p if classes[i] else 1 - p

    for found in ours(model, BinaryQoI(classes, activation="sigmoid"), x):
        torch.testing.assert_close(found, by_hand(score, x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types(dtype):
    """Probabilities far from a half are computed in float32."""
    model = nn.Sequential(nn.Identity(), nn.Identity()).to(dtype)
    x = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], dtype=dtype)
    method = InputAttribution(model, Cut("0"), LogProbQoI([1, 0]), multiply_activation=False)
    found = method.attributions(x)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.float().numpy(), [[-1.0, 1.0], [1.0, -1.0]])
