"""Records along another axis of the inputs, as sequence-first models have them."""

import pytest
import torch
from torch import nn

from trulens_core import (
    Cut,
    CutError,
    GaussianDoi,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

torch.manual_seed(0)


class SequenceFirst(nn.Module):
    """A transformer layer and an LSTM with a state, records on axis 1 of all but the mask."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.3)
        self.lstm = nn.LSTM(6, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, x, h0, mask=None):
        h = self.encoder(x, src_key_padding_mask=mask)
        y, _ = self.lstm(h, (h0, h0 * 0.5))
        return self.head(torch.tanh(y[-1]) + h0[0])


MODEL = SequenceFirst().double()
X = torch.randn(4, 3, 6, dtype=torch.float64)
H0 = torch.randn(1, 3, 5, dtype=torch.float64)
MASK = torch.tensor([[False] * 4, [False, False, False, True], [False, False, True, True]])
WRAPPER = get_model_wrapper(MODEL, batched={"x": 1, "h0": 1})


def by_hand(points, of=1):
    """Mean gradients over points at x and h0, records one by one, and differences of scores."""
    MODEL.eval()
    found = [[], []]
    for r in range(3):
        sums = [0.0, 0.0]
        for p in points:
            x = (p * X[:, r : r + 1]).requires_grad_()
            h = (p * H0[:, r : r + 1]).requires_grad_()
            y = MODEL(x, h, mask=MASK[r : r + 1])[0, of]
            sums = [s + g for s, g in zip(sums, torch.autograd.grad(y, [x, h]), strict=True)]
        for held, s in zip(found, sums, strict=True):
            held.append(s / len(points))
    MODEL.train()
    return [torch.cat(f, dim=1) for f in found]


@pytest.mark.parametrize("rebatch_size", [None, 1, 4])
def test_a_path_over_two_inputs_is_laid_out_as_they_are(rebatch_size):
    method = IntegratedGradients(WRAPPER, resolution=5, qoi=1, rebatch_size=rebatch_size)
    expected = by_hand([(i + 0.5) / 5 for i in range(5)])
    for found, g, x in zip(method.attributions(X, H0, mask=MASK), expected, (X, H0), strict=True):
        assert found.shape == x.shape
        assert relative_error(found.transpose(0, 1), (g * x).transpose(0, 1)) < 1e-10


@pytest.mark.filterwarnings("ignore:completeness fails")  # three points, and normalisation
def test_an_array_alone_and_the_gradients_of_each_point():
    method = InternalInfluence(
        WRAPPER, (None, None), 1, LinearDoi(resolution=3), return_grads=True, return_doi=True
    )
    result = method.explain(X.numpy(), H0.numpy(), mask=MASK)
    assert [g.shape for g in result.gradients] == [(3, 4, 3, 6), (3, 1, 3, 5)]
    assert [d.shape for d in result.interventions] == [(3, 4, 3, 6), (3, 1, 3, 5)]
    (last,) = [d[0] for d in result.interventions[:1]]
    assert relative_error(last, X.numpy()) < 1e-12


def test_noise_is_that_of_the_record():
    """Each record has the noise it has alone, and one layout that of the other."""
    method = InputAttribution(WRAPPER, qoi=0, doi=GaussianDoi(0.3, 4, seed=1))
    both = method.attributions(X, H0, mask=MASK)
    one = method.attributions(X[:, 1:2], H0[:, 1:2], mask=MASK[1:2])
    assert relative_error(both[0][:, 1:2], one[0]) < 1e-10


def test_at_a_layer_inside():
    """The layer's own axis is said by its cut."""
    cut = Cut("encoder", batch_axis=1)
    found = InternalInfluence(WRAPPER, cut, 2, "point", multiply_activation=False)
    assert found.attributions(X, H0, mask=MASK).shape == (4, 3, 6)
    assert [x.shape for x in WRAPPER.layers(X, H0, mask=MASK) if x.name == "head"] == [(3,)]


@pytest.mark.parametrize(
    ("batched", "said"), [({"x": 3}, r"batched=\{0: 3\}.*\(4, 3, 6\)"), ({"x": -4}, "no such axis")]
)
def test_an_axis_that_is_not_there(batched, said):
    wrapper = get_model_wrapper(MODEL, batched=batched)
    with pytest.raises(ValueError, match=said):
        wrapper(X, H0)


def test_the_last_axis():
    class Last(nn.Module):
        def forward(self, x):
            return torch.sin(x).sum(0).mT

    x = torch.randn(2, 5, 3, dtype=torch.float64)
    for axis in (2, -1):
        wrapper = get_model_wrapper(Last(), batched={"x": axis})
        found = InputAttribution(wrapper, qoi=1, multiply_activation=False).attributions(x)
        expected = torch.zeros_like(x)
        expected[:, 1] = torch.cos(x[:, 1])
        assert relative_error(found.movedim(2, 0), expected.movedim(2, 0)) < 1e-12


def test_said_by_the_cut():
    """The same once, for one method."""
    wrapper = get_model_wrapper(MODEL, batched={"h0": 1})
    cut = InputCut(names=["x"], batch_axis=1)
    method = InternalInfluence(wrapper, cut, 1, "point", multiply_activation=False)
    assert relative_error(method.attributions(X, H0, mask=MASK), by_hand([1.0])[0]) < 1e-10
    bare = InternalInfluence(wrapper, InputCut(batch_axis=1), 1, "point")
    with pytest.raises(CutError, match=r"say which have .*names=\[\.\.\.\]"):
        bare.attributions(X, H0)
