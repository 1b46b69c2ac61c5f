"""What goes around a layer is no part of the layer's conductance, and is said."""

import pytest
import torch
from torch import nn

from trulens_core import ClassQoI, Conductance, NeuronConductance
from trulens_core.errors import TrulensWarning


class Around(nn.Module):
    """A layer, with half of the input led around it."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.layer(x)) + 0.5 * x)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Around().double()


X = torch.linspace(-1, 2, 12, dtype=torch.float64).reshape(3, 4)


def test_the_residual_is_what_goes_around(model):
    with pytest.warns(TrulensWarning, match=r"goes around Cut\('layer'\) \(a shortcut\)"):
        found = Conductance(model, "layer", resolution=400, qoi=ClassQoI(1)).explain(X)
    around = 0.5 * X @ model.head.weight[1]
    assert torch.allclose(found.residual, around.detach(), atol=1e-4)


def test_a_unit_has_nothing_of_what_goes_around(model):
    """It adds up to the unit's conductance, also where its feature goes around the layer."""
    whole = Conductance(model, "layer", resolution=600, qoi=ClassQoI(1)).attributions(X)
    for unit in range(4):
        alone = NeuronConductance(model, "layer", unit, resolution=600, qoi=ClassQoI(1))
        assert torch.allclose(alone.attributions(X).sum(1), whole[:, unit], atol=1e-5)
