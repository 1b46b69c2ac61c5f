"""One path over several places: an image and its caption, categories and numbers, two texts."""

import pytest
import torch
from torch import nn

from trulens_core import (
    Cut,
    CutError,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

torch.manual_seed(0)
IDS, OTHERS = torch.randint(0, 10, (3, 7)), torch.randint(0, 10, (3, 5))
IMAGE = torch.randn(3, 1, 6, 6, dtype=torch.float64)
NUMBERS = torch.randn(3, 2, dtype=torch.float64)


class Mixed(nn.Module):
    """An image, a text, numbers and a category."""

    def __init__(self):
        super().__init__()
        self.words, self.category = nn.Embedding(10, 4), nn.Embedding(5, 3)
        self.conv = nn.Conv2d(1, 2, 3)
        self.head = nn.Sequential(nn.Linear(11, 8), nn.Tanh(), nn.Linear(8, 2))

    def forward(self, image, ids, numbers, kind):
        seen = self.conv(image).tanh().mean((2, 3))
        read = self.words(ids).square().mean(1)
        return self.head(torch.cat([seen, read, numbers, self.category(kind)], 1))


class Pair(nn.Module):
    """Two texts through one encoder, as often as there are texts."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(10, 4)
        self.encoder = nn.Sequential(nn.Linear(4, 5), nn.Tanh())

    def encoded(self, ids):
        return self.encoder(self.words(ids)).mean(1)

    def forward(self, *texts):
        first, *others = map(self.encoded, texts)
        return torch.stack([(first * o).sum(1) for o in others], 1)


class Uneven(nn.Module):
    """A layer that is called as often as the records say."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        calls = 1 + int(x[:, 0].max() > 0)
        return sum(self.layer(x + i) for i in range(calls))


MIXED, PAIR = Mixed().double(), Pair().double()
CUT = Cut([InputCut(names=["image", "numbers"]), "words", "category"])


def test_an_image_a_text_numbers_and_a_category():
    """The mean gradients along one line over all of them, by hand; and they add up."""
    kinds = torch.tensor([0, 4, 2])
    method = IntegratedGradients(MIXED, qoi=1, doi_cut=CUT, resolution=16)
    result = method.explain(IMAGE, IDS, NUMBERS, kinds)
    ends = [IMAGE, NUMBERS, MIXED.words(IDS).detach(), MIXED.category(kinds).detach()]
    total = [torch.zeros_like(e) for e in ends]
    for i in range(16):
        image, numbers, words, kind = ((i + 0.5) / 16 * e for e in ends)
        points = [p.requires_grad_() for p in (image, numbers, words, kind)]
        seen = MIXED.conv(image).tanh().mean((2, 3))
        y = MIXED.head(torch.cat([seen, words.square().mean(1), numbers, kind], 1))
        grads = torch.autograd.grad(y[:, 1].sum(), points)
        total = [t + g / 16 for t, g in zip(total, grads, strict=True)]
    for found, t, e in zip(result.attributions, total, ends, strict=True):
        assert relative_error(found.numpy(), (t * e).numpy()) < 1e-10
    assert result.names == {"inputs": ["image", "numbers", "words", "category"]}
    assert abs(result.residual).max() < 1e-2 * abs(result.quantity).max()


def test_keywords_and_a_batch_axis_of_their_own():
    kinds = torch.tensor([0, 4, 2])
    plain = IntegratedGradients(MIXED, qoi=1, doi_cut=CUT, resolution=4)
    wrapper = get_model_wrapper(
        lambda image, ids, numbers, kind: MIXED(image, ids, numbers.T, kind),
        backend="torch",
        layers=MIXED,
    )
    cut = Cut([InputCut(names=["numbers"], batch_axis=1), InputCut(names=["image"]), "category"])
    of_named = IntegratedGradients(
        get_model_wrapper(MIXED),
        qoi=1,
        doi_cut=Cut([InputCut(names=["numbers"]), InputCut(names=["image"]), "category"]),
        resolution=4,
    )
    numbers = NUMBERS.T.contiguous()
    named = {"image": IMAGE, "ids": IDS, "kind": kinds}
    expected = plain.attributions(IMAGE, IDS, NUMBERS, kinds)
    assert len(expected) == 4
    found = IntegratedGradients(wrapper, qoi=1, doi_cut=cut, resolution=4).attributions(
        **named, numbers=numbers
    )
    beside = of_named.attributions(**named, numbers=NUMBERS)
    assert found[0].shape == (2, 3)
    for a, b in zip([found[0].T, *found[1:]], beside, strict=True):
        assert relative_error(a.numpy(), b.numpy()) < 1e-10


@pytest.mark.parametrize("texts", [2, 3])
def test_all_calls_of_an_encoder(texts):
    """Their number is that of this call's texts; words of all of them add up to the score."""
    given = [IDS, OTHERS, IDS.flip(0)][:texts]
    words = Cut("words", call="all")
    method = InternalInfluence(PAIR, words, 0, LinearDoi(0.0, 40, cut=words, rule="midpoint"))
    result = method.explain(*given)
    assert [a.shape for a in result.attributions] == [(3, t.shape[1], 4) for t in given]
    assert abs(result.residual).max() < 1e-3 * abs(result.quantity).max()
    assert result.names["inputs"][:2] == ["words, call 0", "words, call 1"]


def test_calls_that_not_all_records_have():
    x = torch.tensor([[-1.0, 2.0], [1.0, 2.0]])
    cut = Cut("layer", call="all")
    with pytest.raises(CutError, match="1 times when its calls were counted, and 2 times"):
        InternalInfluence(Uneven(), cut, 1, "point").attributions(x)


@pytest.mark.parametrize("call", ["first", [], [0, 0], [-1], 1.5, True])
def test_what_is_no_call(call):
    with pytest.raises(CutError, match="call"):
        Cut("layer", call=call)
