"""Records that see one another are not taken apart after a call in which they were together."""

import pytest
import torch
from torch import nn

from trulens_core.attribution import InputAttribution, IntegratedGradients
from trulens_core.errors import UnsupportedModelError
from trulens_core.models import get_model_wrapper


class ByTheBatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(4, 3)

    def forward(self, x):
        h = self.line(x).tanh()
        return h * h - h.mean(0)


@pytest.mark.filterwarnings("ignore:the model's rows see one another")
@pytest.mark.parametrize("kind", [InputAttribution, IntegratedGradients])
def test_a_smaller_rebatch_size_is_an_error_after_any_call(kind):
    torch.manual_seed(0)
    wrapper, x = get_model_wrapper(ByTheBatch()), torch.randn(5, 4)
    kind(wrapper, qoi=1).attributions(x)
    for rows in (1, 2):
        with pytest.raises(UnsupportedModelError, match=f"rebatch_size={rows} would take"):
            kind(wrapper, qoi=1, rebatch_size=rows).attributions(x)
