"""Hugging Face models with caches, two stacks, own attention, checkpointing and quirks of calls.

Classifiers of texts and images, masks, baselines and advice are in test_transformers_*.py.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: nothing is fetched

import runpy
from pathlib import Path

import pytest
import torch
import transformers

from trulens_core import (
    Cut,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LayerNotReachedError,
    LinearDoi,
    OutputCut,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

TRACES = runpy.run_path(str(Path(__file__).with_name("traces.py")))  # tests are no package
IDS = torch.tensor([[1, 5, 6, 7, 2], [1, 8, 9, 2, 0], [1, 3, 2, 0, 0]])
MASK = (IDS > 0).long()
SIZES = {
    "vocab_size": 20,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 8,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def bert(**options):
    config = transformers.BertConfig(**SIZES, num_labels=3, initializer_range=0.2, **options)
    return transformers.BertForSequenceClassification(config)


def llama(**options):
    config = transformers.LlamaConfig(**SIZES, initializer_range=0.2, **options)
    return transformers.LlamaForCausalLM(config)


def gpt2():
    config = transformers.GPT2Config(
        vocab_size=20, n_embd=16, n_layer=2, n_head=2, n_positions=8, bos_token_id=1, eos_token_id=2
    )
    return transformers.GPT2LMHeadModel(config)


def t5():
    config = transformers.T5Config(
        vocab_size=20, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, pad_token_id=0
    )
    return transformers.T5ForConditionalGeneration(config)


def made(make, **options):
    torch.manual_seed(0)
    return make(**options).double().train()


def last(y):
    """The score of token 7 after the last word of each text."""
    return y[:, :, 7].gather(1, MASK.sum(1, keepdim=True) - 1)[:, 0]


def influence(model, source, doi="point", qoi=0, to=None, **inputs):
    method = InternalInfluence(model, (source, to), qoi, doi, multiply_activation=False)
    return method.attributions(**inputs)


def by_embeddings(model, quantity, **inputs):
    """The gradient at the embeddings, without the library."""
    model.eval()
    z = model.get_input_embeddings()(IDS).detach().requires_grad_()
    (g,) = torch.autograd.grad(quantity(model(inputs_embeds=z, **inputs)).sum(), z)
    model.train()
    return g


# -- language models with caches -----------------------------------------------------------------


@pytest.mark.parametrize("use_cache", [None, True, False])
@pytest.mark.parametrize(
    ("make", "words"), [(llama, "model.embed_tokens"), (gpt2, "transformer.wte")]
)
def test_outputs_with_caches(make, words, use_cache):
    """The cache in the output is no tensor, and no concern of a cut's."""
    model = made(make)
    inputs = {"input_ids": IDS, "attention_mask": MASK}
    if use_cache is not None:
        inputs["use_cache"] = use_cache
    before = TRACES["of"](model)
    found = influence(model, words, qoi=last, **inputs)
    assert TRACES["of"](model) == before
    expected = by_embeddings(model, lambda o: last(o.logits), attention_mask=MASK)
    assert relative_error(found, expected) <= 1e-10
    assert get_model_wrapper(model)(**inputs).shape == (3, 5, 20)


@pytest.mark.parametrize(
    ("make", "layer"), [(llama, "model.layers.1"), (gpt2, "transformer.h.1"), (llama, "model.norm")]
)
def test_layers_of_language_models(make, layer):
    model = made(make)
    line = LinearDoi(0.1, 3, cut=layer, rule="midpoint")
    found = influence(model, layer, line, lambda y: y[:, 2, 7], input_ids=IDS)
    model.eval()
    z = get_model_wrapper(model).fprop((), {"input_ids": IDS}, to_cut=layer)
    base = torch.full_like(z, 0.1)
    module, total = model.get_submodule(layer), 0
    for i in range(3):
        a = (i + 0.5) / 3
        point = (a * z + (1 - a) * base).requires_grad_()
        handle = module.register_forward_hook(lambda m, args, y, point=point: point)
        total = total + torch.autograd.grad(model(IDS).logits[:, 2, 7].sum(), point)[0] / 3
        handle.remove()
    assert relative_error(found, total) <= 1e-10


def test_tied_weights_stay_tied():
    model = made(gpt2)
    influence(model, "transformer.wte", qoi=last, input_ids=IDS)
    assert model.lm_head.weight is model.transformer.wte.weight


# -- two stacks ----------------------------------------------------------------------------------


def test_an_encoder_and_a_decoder():
    model = made(t5)
    inputs = {"input_ids": IDS, "attention_mask": MASK, "decoder_input_ids": IDS[:, :2]}
    found = influence(model, "encoder.embed_tokens", qoi=lambda y: y[:, -1, 7], **inputs)
    rest = {"attention_mask": MASK, "decoder_input_ids": IDS[:, :2]}
    expected = by_embeddings(model, lambda o: o.logits[:, -1, 7], **rest)
    assert relative_error(found, expected) <= 1e-10
    both = Cut(["encoder.embed_tokens", "decoder.embed_tokens"])
    shapes = [a.shape for a in influence(model, both, qoi=lambda y: y[:, -1, 7], **inputs)]
    assert shapes == [(3, 5, 16), (3, 2, 16)]
    with pytest.raises(LayerNotReachedError, match=r"'shared'.*not called"):
        influence(model, "shared", **inputs)


# -- ways of calling -----------------------------------------------------------------------------


def test_outputs_of_every_form():
    """A dataclass, a tuple, one with all layers' values."""
    model, words = made(bert), "bert.embeddings.word_embeddings"
    inputs = {"input_ids": IDS, "attention_mask": MASK}
    expected = influence(model, words, **inputs)
    for more in (
        {"return_dict": False},
        {"output_hidden_states": True},
        {"output_attentions": True},
    ):
        if more != {"output_attentions": True}:
            assert relative_error(influence(model, words, **inputs, **more), expected) <= 1e-10
    hidden = OutputCut(accessor=lambda output: output.hidden_states[1])
    found = influence(
        model, words, qoi=lambda y: y[:, 0, 0], to=hidden, **inputs, output_hidden_states=True
    )
    layer = influence(model, words, qoi=lambda y: y[:, 0, 0], to="bert.encoder.layer.0", **inputs)
    assert relative_error(found, layer) <= 1e-10


def test_labels_beside_give_a_loss_that_is_not_explained():
    model, words = made(bert), "bert.embeddings.word_embeddings"
    labels = torch.tensor([0, 1, 2])
    found = influence(model, words, input_ids=IDS, labels=labels)
    assert relative_error(found, influence(model, words, input_ids=IDS)) <= 1e-10
    loss = OutputCut(accessor=lambda output: output.loss)
    with pytest.raises(ValueError, match=r"shape \(\): 0 rows"):
        influence(model, words, to=loss, input_ids=IDS, labels=labels)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_every_attention(attention):
    model = made(bert, attn_implementation=attention)
    inputs = {"input_ids": IDS, "attention_mask": MASK}
    found = influence(model, "bert.embeddings.word_embeddings", **inputs)
    expected = by_embeddings(model, lambda o: o.logits[:, 0], attention_mask=MASK)
    assert relative_error(found, expected) <= 1e-10
    assert not found[MASK == 0].any()


def test_embeddings_given_as_they_are():
    """Then the input cut holds them, by name."""
    model = made(bert)
    z = model.get_input_embeddings()(IDS).detach()
    method = InputAttribution(model, qoi=0, multiply_activation=False)
    found = method.attributions(inputs_embeds=z, attention_mask=MASK)
    expected = by_embeddings(model, lambda o: o.logits[:, 0], attention_mask=MASK)
    assert list(found) == ["inputs_embeds"]
    assert relative_error(found["inputs_embeds"], expected) <= 1e-10


def test_one_record_and_a_shared_argument():
    """With one record any leading 1 counts as its axis, unless it is said not to."""
    model, words = made(bert), "bert.embeddings.word_embeddings"
    positions = torch.arange(5)[None]
    for batched in (None, {"position_ids": False}):
        wrapper = get_model_wrapper(model, batched=batched)
        method = IntegratedGradients(wrapper, doi_cut=words, resolution=4, rebatch_size=2)
        found = method.attributions(input_ids=IDS[:1], position_ids=positions)
        expected = method.attributions(input_ids=IDS[:1])
        assert relative_error(found, expected) <= 1e-10


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated")
@pytest.mark.parametrize("force_eval", [True, False])
def test_checkpointing(force_eval):
    """It is off in evaluation mode; else inner values are put there again in the backward pass."""
    model = made(bert, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    wrapper = get_model_wrapper(model, force_eval=force_eval)
    inner = "bert.encoder.layer.0.intermediate"
    cuts = {"bert.embeddings.word_embeddings": "point", inner: LinearDoi(cut=inner)}
    expected = [influence(wrapper, source, doi, input_ids=IDS) for source, doi in cuts.items()]
    model.gradient_checkpointing_enable()
    found = [influence(wrapper, source, doi, input_ids=IDS) for source, doi in cuts.items()]
    for f, e in zip(found, expected, strict=True):
        assert relative_error(f, e) <= 1e-10


def test_a_compiled_model():
    model = made(bert)
    compiled = torch.compile(model, backend="eager")
    words = "bert.embeddings.word_embeddings"
    expected = influence(model, words, input_ids=IDS, attention_mask=MASK)
    found = influence(compiled, words, input_ids=IDS, attention_mask=MASK)
    assert torch.equal(found, expected)
