"""Writes lxt_rules.json: AttnLRP by lxt 2.1, which is not installed with the tests.

    pip install --no-deps --target FOLDER lxt==2.1 zennit==0.5.1 transformers==4.52.4 \
        tokenizers==0.21.1 huggingface_hub==0.32.4
    PYTHONPATH=FOLDER python make_lxt_rules.py

lxt patches older models than those installed, whose weights have the same names: they are `weights`
of this file, drawn by NumPy. torchvision, which it imports for models that are not used here, is
replaced by a stub.
"""

import json
import sys
import types
from pathlib import Path

import numpy as np
import torch

IDS = torch.tensor([[1, 5, 6, 7, 2], [1, 8, 9, 2, 4]])
TOKEN = 7
SIZES = {
    "llama": {
        "vocab_size": 20,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 32,
        "max_position_embeddings": 16,
    },
    "gpt2": {"vocab_size": 20, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 16},
}


def made(name):
    """A small model in float64, and the layer that embeds its tokens."""
    import transformers as hf

    config, model, layer = {
        "llama": (hf.LlamaConfig, hf.LlamaForCausalLM, "model.embed_tokens"),
        "gpt2": (hf.GPT2Config, hf.GPT2LMHeadModel, "transformer.wte"),
    }[name]
    made = model(config(**SIZES[name], attn_implementation="eager")).double().eval()
    random = np.random.default_rng(20)
    with torch.no_grad():
        for key, p in sorted(made.named_parameters()):
            centre = float("norm" in key or ".ln_" in key) * float(key.endswith("weight"))
            p.copy_(torch.from_numpy(centre + random.standard_normal(p.shape) / 4))
    return made, layer


def stubbed():
    """Modules that stand for torchvision, once transformers has seen that it is not there."""
    import transformers.models.bert.modeling_bert  # noqa: F401

    parts = ("MLPBlock", "EncoderBlock", "Encoder", "VisionTransformer", "Bottleneck", "BasicBlock")
    places = ("", ".models", ".models.vgg", ".models.resnet", ".models.vision_transformer")
    for place in places:
        module = sys.modules["torchvision" + place] = types.ModuleType("torchvision" + place)
        module.nn = torch.nn
        for part in parts:
            setattr(module, part, type(part, (), {}))
    for place in places[1:]:
        above, _, name = ("torchvision" + place).rpartition(".")
        setattr(sys.modules[above], name, sys.modules["torchvision" + place])


def attributions():
    """By lxt: input × gradient of its patched models, at the embeddings."""
    from lxt.efficient import monkey_patch
    from transformers.models.gpt2 import modeling_gpt2
    from transformers.models.llama import modeling_llama

    for name, module in (("llama", modeling_llama), ("gpt2", modeling_gpt2)):
        monkey_patch(module)
        model, layer = made(name)
        embedded = model.get_submodule(layer)(IDS).detach().requires_grad_()
        model(inputs_embeds=embedded, use_cache=False).logits[:, -1, TOKEN].sum().backward()
        yield name, (embedded * embedded.grad).tolist()


if __name__ == "__main__":
    stubbed()
    path = Path(__file__).with_name("lxt_rules.json")
    path.write_text(json.dumps(dict(attributions())))
