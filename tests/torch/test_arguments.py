"""Arguments of methods and models in forms of their own: named in results, or told what to give."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from trulens_core import (
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    ModelInputs,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.attribution import SmoothGrad
from trulens_core.perturbation import Occlusion, ShapleyValues

torch.manual_seed(0)
NET = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
X = torch.randn(5, 3, dtype=torch.float64)
TABLE = pd.DataFrame(X.numpy(), columns=["age", "income", "debt"])
NAMES = {"features": ["age", "income", "debt"]}


class Masked(nn.Module):
    def forward(self, x, mask=None):
        return NET(x if mask is None else x * mask)


@pytest.mark.parametrize(
    "method",
    [
        lambda m: IntegratedGradients(m, qoi=1, resolution=3),
        lambda m: SmoothGrad(m, qoi=1, resolution=3),
        lambda m: Occlusion(m, size=1, qoi=1),
        lambda m: ShapleyValues(m, qoi=1),
    ],
)
def test_columns_are_the_names_of_features(method):
    assert method(NET).explain(TABLE).names == NAMES


def test_columns_beside_other_arguments():
    method = IntegratedGradients(Masked(), qoi=1, doi_cut=InputCut(names=["x"]), resolution=3)
    assert method.explain(TABLE, torch.ones_like(X)).names == NAMES
    assert method.explain(x=TABLE, mask=torch.ones_like(X)).names == NAMES


@pytest.mark.parametrize("number", [torch.tensor(0.5), np.array(0.5), np.float32(0.5)])
def test_a_number_of_any_kind_is_a_baseline(number):
    for method in (IntegratedGradients, Occlusion):
        options = {"size": 1} if method is Occlusion else {"resolution": 3}
        found = method(NET, baseline=number, qoi=1, **options).attributions(X)
        expected = method(NET, baseline=0.5, qoi=1, **options).attributions(X)
        assert torch.equal(found, expected)


def test_a_name_that_is_no_argument():
    method = IntegratedGradients(NET, qoi=1, resolution=3)
    with pytest.raises(ValueError, match="did you mean 'input'"):
        method.attributions(ModelInputs([X], batched={"inptu": False}))
    with pytest.raises(ValueError, match="there are"):
        method.attributions(ModelInputs([X], batched={"states": 1}))
    told = get_model_wrapper(Masked(), batched={"maks": False})
    with pytest.warns(TrulensWarning, match="did you mean 'mask'"):
        IntegratedGradients(told, qoi=1, resolution=3).attributions(X)
    # a parameter that a call does not give is none
    known = get_model_wrapper(Masked(), batched={"mask": False})
    IntegratedGradients(known, qoi=1, resolution=3).attributions(X)
    assert known.probits(X).shape == (5, 2)


def test_parts_that_are_missing():
    with pytest.raises(TypeError, match='is not given qoi and doi: a quantity is "max" or a class'):
        InternalInfluence(NET, "0")
    with pytest.raises(TypeError, match="is not given doi"):
        InternalInfluence(NET, "0", qoi=1)
