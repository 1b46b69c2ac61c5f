"""AttnLRP and DeepLIFT on architectures of Hugging Face: every operation has its rule."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: nothing is fetched

import pytest
import torch
import transformers as hf

from trulens_core import AttnLRP, DeepLIFT, InternalInfluence
from trulens_core.rules import Gradient, RuleSet
from trulens_core.testing import relative_error

EVERY = bool(os.environ.get("TRULENS_EVERY"))
IDS = torch.tensor([[1, 5, 6, 7, 2], [1, 8, 9, 2, 4]])
TEXT = {
    "vocab_size": 20,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
}
ONE_HEAD = {**TEXT, "num_key_value_heads": 1, "head_dim": 8}


def decoder(name, options=TEXT):
    config = getattr(hf, f"{name}Config")(**options)
    return getattr(hf, f"{name}ForCausalLM")(config), "model.embed_tokens", {"input_ids": IDS}


def bert():
    model = hf.BertForSequenceClassification(hf.BertConfig(**TEXT))
    return model, "bert.embeddings", {"input_ids": IDS}


def distilbert():
    config = hf.DistilBertConfig(vocab_size=20, dim=16, n_layers=2, n_heads=2, hidden_dim=32)
    model = hf.DistilBertForSequenceClassification(config)
    return model, "distilbert.embeddings", {"input_ids": IDS}


def gpt2():
    config = hf.GPT2Config(vocab_size=20, n_embd=16, n_layer=2, n_head=2, n_positions=16)
    return hf.GPT2LMHeadModel(config), "transformer.wte", {"input_ids": IDS}


def mamba():
    config = hf.MambaConfig(vocab_size=20, hidden_size=16, num_hidden_layers=2, state_size=4)
    return hf.MambaForCausalLM(config), "backbone.embeddings", {"input_ids": IDS}


def t5():
    config = hf.T5Config(
        vocab_size=20, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, pad_token_id=0
    )
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS}
    return hf.T5ForConditionalGeneration(config), "encoder", inputs


def vit():
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = hf.ViTConfig(**sizes, intermediate_size=32, image_size=8, patch_size=4)
    return hf.ViTForImageClassification(config), None, {"pixel_values": torch.randn(2, 3, 8, 8)}


def resnet():
    config = hf.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
    )
    inputs = {"pixel_values": torch.randn(2, 3, 32, 32)}
    return hf.ResNetForImageClassification(config), None, inputs


def convnext():
    config = hf.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, patch_size=2)
    inputs = {"pixel_values": torch.randn(2, 3, 16, 16)}
    return hf.ConvNextForImageClassification(config), None, inputs


# the operations that need a rule in AttnLRP, all of which had one
OPERATIONS = {
    bert: 43,
    distilbert: 43,
    gpt2: 45,
    mamba: 66,
    t5: 40,
    vit: 48,
    resnet: 21,
    convnext: 38,
    "Llama": 44,
    "Qwen2": 44,
    "Gemma": 44,
    "Mistral": 44,
}
OFTEN = (bert, gpt2, "Llama", convnext)


def made(name):
    torch.manual_seed(0)
    options = {"Llama": TEXT, "Qwen2": {**TEXT, "num_key_value_heads": 2}}.get(name, ONE_HEAD)
    model, cut, inputs = decoder(name, options) if isinstance(name, str) else name()
    wide = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
    return model.double().eval(), cut, wide


def score(y):
    return y[:, -1, 7] if y.ndim == 3 else y[:, 0]


def only(found):
    """A tensor, also where the input is a dictionary."""
    return next(iter(found.values())) if isinstance(found, dict) else found


@pytest.mark.filterwarnings("ignore")  # of the models' own
@pytest.mark.parametrize("name", OPERATIONS if EVERY else OFTEN)
def test_architectures_are_covered(name):
    model, cut, inputs = made(name)
    found = AttnLRP(model, layer=cut, qoi=score).explain(**inputs)
    assert found.coverage.complete
    assert found.coverage.ruled == OPERATIONS[name]
    plain = InternalInfluence(model, cut, score, "point").attributions(**inputs)
    null = RuleSet([("*", Gradient())])
    same = InternalInfluence(model, cut, score, "point", rules=null).attributions(**inputs)
    assert relative_error(only(same).numpy(), only(plain).numpy()) < 1e-12
    lifted = DeepLIFT(model, 0.5, doi_cut=cut, qoi=score).explain(**inputs)
    change = (lifted.quantity - lifted.baseline_quantity).abs()
    # norms that compute in float32 bring its rounding
    assert (lifted.residual.abs() <= 2e-4 * change + 1e-6).all()
