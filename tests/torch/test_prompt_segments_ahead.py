"""Parts of a prompt of models whose tokens see those after them."""

import warnings

import numpy as np
import pytest
import torch
import transformers

from trulens_core import explain_segments
from trulens_core.errors import TrulensWarning

IDS = np.random.default_rng(0).integers(5, 50, 12)
SIZE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 50}


def masked():
    config = transformers.BertConfig(intermediate_size=32, **SIZE)
    return transformers.BertForMaskedLM(config).eval()


def causal():
    config = transformers.LlamaConfig(intermediate_size=32, **SIZE)
    return transformers.LlamaForCausalLM(config).eval()


@pytest.mark.parametrize("make", [masked, causal])
def test_a_model_that_is_not_causal_is_told(make):
    torch.manual_seed(0)
    model, asked = make(), {"segments": [(2, 5), (5, 8)]}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        explain_segments(model, None, IDS[:9], IDS[9:], **asked)
    told = [w for w in said if issubclass(w.category, TrulensWarning)]
    assert ["is not causal" in str(w.message) for w in told] == [True] * (make is masked)
