"""Records with different padding, several in one narrow pass, at inner cuts of transformers."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: nothing is fetched

import pytest
import torch
import transformers

from trulens_core import Cut, InternalInfluence, LinearDoi, get_model_wrapper

LENGTH, SMALL = 7, {"hidden_size": 8, "intermediate_size": 12, "num_attention_heads": 2}


def tokens(n, length=LENGTH, left=False):
    """Ids, and a mask of as many of them as there are; each record has another number."""
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 50, (n, length), generator=random)
    ends = torch.tensor([length - 2 * i % (length - 2) for i in range(n)])
    mask = (torch.arange(length)[None] < ends[:, None]).long()
    return ids, mask.flip(1) if left else mask


def bert():
    config = transformers.BertConfig(vocab_size=50, num_hidden_layers=4, num_labels=3, **SMALL)
    ids, mask = tokens(3)
    kinds = torch.zeros_like(ids)
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds}
    return transformers.BertForSequenceClassification(config), "bert.encoder.layer.1", given


def llama(own_positions=False):
    config = transformers.LlamaConfig(
        vocab_size=50, num_hidden_layers=4, num_key_value_heads=1, **SMALL
    )
    ids, mask = tokens(3, left=True)
    given = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
    if own_positions:  # cosines and sines have a row per record
        given["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
    return transformers.LlamaForCausalLM(config), "model.layers.1", given


def t5(part):
    config = transformers.T5Config(
        vocab_size=50, d_model=8, d_kv=4, d_ff=12, num_layers=4, num_heads=2
    )
    ids, mask = tokens(3)
    heard, heard_mask = tokens(3, 4)
    given = {
        "input_ids": ids,
        "attention_mask": mask,
        "decoder_input_ids": heard,
        "decoder_attention_mask": heard_mask,
        "use_cache": False,
    }
    return transformers.T5ForConditionalGeneration(config), f"{part}.block.1", given


CASES = {
    "BERT": bert,
    "Llama": llama,
    "Llama, positions": lambda: llama(own_positions=True),
    "T5, encoder": lambda: t5("encoder"),
    "T5, decoder": lambda: t5("decoder"),
}


def score(y):
    return y if y.ndim == 2 else y[:, -1]


@pytest.mark.parametrize("name", CASES)
def test_equal(name):
    torch.manual_seed(0)
    model, cut, given = CASES[name]()
    model = model.double().eval()
    asked = [
        InternalInfluence(
            get_model_wrapper(model, skip_prefix=skip),
            (cut, None),
            lambda y: score(y)[:, 2],
            LinearDoi(resolution=4, cut=Cut(cut)),
            rebatch_size=100,
        )
        for skip in (True, False)
    ]
    expected = asked[1].attributions(**given)
    first, rows = model.get_submodule(cut[:-1] + "0"), []
    first.register_forward_pre_hook(lambda m, args: rows.append(len(args[0])))
    for _ in range(3):
        rows.clear()
        found = asked[0].attributions(**given)
        assert torch.allclose(found, expected, rtol=1e-12, atol=1e-15)
    assert set(rows) == {3}
    none = {k: torch.ones_like(v) if "mask" in k else v for k, v in given.items()}
    for _ in range(2):  # without padding the model may give its layers no mask at all
        found, expected = (a.attributions(**none) for a in asked)
        assert torch.allclose(found, expected, rtol=1e-12, atol=1e-15)
