"""LSTM and GRU by rules: written out, equal to the fused ones to rounding."""

import pytest
import torch
from torch import nn

from trulens_core import AttnLRP, DeepLIFT, InputAttribution
from trulens_core.rules import Gradient, RuleSet
from trulens_core.testing import relative_error


class Recurrent(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        torch.manual_seed(0)
        self.layer = kind(3, 4, **options)
        width = 4 * (2 if options.get("bidirectional") else 1)
        self.head, self.first = nn.Linear(width, 2), options.get("batch_first", False)
        self.double()

    def forward(self, x):
        y, end = self.layer(x if self.first else x.transpose(0, 1))
        end = end[0] if isinstance(end, tuple) else end
        y = y if self.first else y.transpose(0, 1)
        return self.head(y).sum(1) + end.sum((0, 2))[:, None]


class Cells(nn.Module):
    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.head = kind(3, 4), nn.Linear(4, 2)
        self.double()

    def forward(self, x):
        state = None
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return self.head(state[0] if isinstance(state, tuple) else state)


MODELS = {
    "LSTM": lambda: Recurrent(nn.LSTM),
    "LSTM, two layers, both ways": lambda: Recurrent(
        nn.LSTM, num_layers=2, bidirectional=True, batch_first=True
    ),
    "LSTM without biases": lambda: Recurrent(nn.LSTM, bias=False),
    "GRU": lambda: Recurrent(nn.GRU, batch_first=True),
    "GRU, two layers, both ways": lambda: Recurrent(nn.GRU, num_layers=2, bidirectional=True),
    "RNN": lambda: Recurrent(nn.RNN, num_layers=2, batch_first=True),
    "RNN of ReLUs": lambda: Recurrent(nn.RNN, nonlinearity="relu"),
    "RNNCell": lambda: Cells(nn.RNNCell),
    "LSTMCell": lambda: Cells(nn.LSTMCell),
    "GRUCell": lambda: Cells(nn.GRUCell),
}


@pytest.mark.parametrize("name", MODELS)
def test_recurrent_layers_are_served(name):
    model, x = MODELS[name]().eval(), torch.randn(2, 5, 3).double()
    plain = InputAttribution(model, qoi=0).attributions(x)
    found = InputAttribution(model, qoi=0, rules=RuleSet([("*", Gradient())])).explain(x)
    assert relative_error(found.attributions.numpy(), plain.numpy()) < 1e-12
    lifted = DeepLIFT(model, 0.1, qoi=0).explain(x)
    assert lifted.residual.abs().max() < 1e-12
    halves = AttnLRP(model, qoi=0).explain(x)  # each factor of a gate gets half
    assert halves.coverage.complete
    if "ReLU" not in name:
        assert relative_error(halves.attributions.numpy(), plain.numpy()) > 1e-2
