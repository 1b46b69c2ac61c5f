"""Hugging Face models of texts, unchanged: inputs, masks, layers, baselines, advice."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: nothing is fetched

import numpy as np
import pytest
import torch
import transformers
from transformers import BatchEncoding

from trulens_core import (
    Cut,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    ModelInputs,
    NotDifferentiableError,
    OutputCut,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.errors import DoiCutSupportError
from trulens_core.testing import relative_error
from trulens_core.text import token_baseline, token_baseline_swap

PAD, CLS, SEP, MASK = 0, 1, 2, 3
WORDS = {
    "bert": "bert.embeddings.word_embeddings",
    "distilbert": "distilbert.embeddings.word_embeddings",
    "gpt2": "transformer.wte",
}


def bert():
    config = transformers.BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        num_labels=3,
        initializer_range=0.2,  # else all scores are alike
    )
    return transformers.BertForSequenceClassification(config)


def distilbert():
    config = transformers.DistilBertConfig(
        vocab_size=30,
        dim=16,
        n_layers=2,
        n_heads=2,
        hidden_dim=32,
        max_position_embeddings=16,
        num_labels=3,
        initializer_range=0.2,
    )
    return transformers.DistilBertForSequenceClassification(config)


def gpt2_config():
    return transformers.GPT2Config(
        vocab_size=30,
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=16,
        num_labels=3,
        pad_token_id=PAD,
        bos_token_id=CLS,
        eos_token_id=SEP,
        initializer_range=0.2,
    )


def gpt2():
    return transformers.GPT2ForSequenceClassification(gpt2_config())


MODELS = {"bert": bert, "distilbert": distilbert, "gpt2": gpt2}


@pytest.fixture(scope="module", params=MODELS)
def named(request):
    torch.manual_seed(0)
    return request.param, MODELS[request.param]().eval().double()


@pytest.fixture(scope="module")
def model(named):
    return named[1]


@pytest.fixture(scope="module")
def words(named):
    return WORDS[named[0]]


@pytest.fixture
def batch():
    ids = [[CLS, 5, 6, SEP, PAD, PAD], [CLS, 7, 8, 9, 10, SEP], [CLS, 11, 12, 13, SEP, PAD]]
    ids = torch.tensor(ids)
    return BatchEncoding({"input_ids": ids, "attention_mask": (ids != PAD).long()})


def ids_of(inputs):
    return inputs.kwargs["input_ids"]


# -- inputs and outputs --------------------------------------------------------------------------


def test_logits_are_found(model, batch):
    with torch.no_grad():
        expected = model(**batch).logits
    torch.testing.assert_close(get_model_wrapper(model)(**batch), expected)
    found = get_model_wrapper(model).fprop((), dict(batch), to_cut=OutputCut())
    torch.testing.assert_close(found, expected)


def test_a_batch_is_the_same_in_every_form(model, words, batch):
    method = InputAttribution(model, doi_cut=words)
    expected = method.attributions(**batch)
    torch.testing.assert_close(method.attributions(ModelInputs(kwargs=batch)), expected)
    torch.testing.assert_close(
        method.attributions(batch["input_ids"], attention_mask=batch["attention_mask"]), expected
    )
    arrays = {name: value.numpy() for name, value in batch.items()}
    np.testing.assert_allclose(method.attributions(**arrays), expected)


def test_attributions_are_the_gradients_with_respect_to_the_embeddings(model, words, batch):
    method = InternalInfluence(model, words, 1, "point", multiply_activation=False)
    embedded = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    if words == "transformer.wte":  # without ids GPT-2 does not find the last token
        layer = model.get_input_embeddings()
        hook = layer.register_forward_hook(lambda *_: embedded)
        y = model(**batch).logits
        hook.remove()
    else:
        y = model(inputs_embeds=embedded, attention_mask=batch["attention_mask"]).logits
    (expected,) = torch.autograd.grad(y[:, 1].sum(), embedded)
    assert relative_error(method.attributions(**batch).numpy(), expected.numpy()) < 1e-10


def test_the_batch_and_the_model_are_left_alone(model, words, batch):
    before = {name: value.clone() for name, value in batch.items()}
    weights = {n: p.clone() for n, p in model.state_dict().items()}
    IntegratedGradients(model, doi_cut=words, resolution=3).attributions(**batch)
    assert all(torch.equal(batch[name], before[name]) for name in before)
    assert all(torch.equal(p, weights[n]) for n, p in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not model.training


# -- masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["midpoint", "endpoints", "gauss-legendre"])
def test_masked_tokens_get_exactly_zero(model, words, batch, rule):
    method = IntegratedGradients(model, 0.1, 5, doi_cut=words, qoi=1, rule=rule)
    found = method.attributions(**batch)
    masked = batch["attention_mask"] == 0
    assert (found[masked] == 0).all()
    assert (found[~masked].abs().sum(dim=-1) > 0).all()


@pytest.mark.parametrize("rebatch_size", [1, 2, 5, 100])
def test_masks_follow_their_records_into_every_batch(model, words, batch, rebatch_size):
    whole = IntegratedGradients(model, 0.1, 6, doi_cut=words, qoi=1)
    parts = IntegratedGradients(model, 0.1, 6, doi_cut=words, qoi=1, rebatch_size=rebatch_size)
    expected = whole.attributions(**batch).numpy()
    assert relative_error(parts.attributions(**batch).numpy(), expected) < 1e-10
    for i in range(3):
        one = {name: value[i : i + 1] for name, value in batch.items()}
        assert relative_error(whole.attributions(**one).numpy(), expected[i : i + 1]) < 1e-10


def test_padding_changes_nothing(model, words, batch):
    method = InputAttribution(model, doi_cut=words, qoi=1)
    short = {name: value[:1, :4] for name, value in batch.items()}
    found = method.attributions(**batch).numpy()[:1, :4]
    assert relative_error(found, method.attributions(**short).numpy()) < 1e-10


# -- layers --------------------------------------------------------------------------------------

LAYERS = {
    "bert": ["bert.embeddings", "bert.encoder.layer.0", "bert.encoder.layer.1.attention"],
    "distilbert": ["distilbert.embeddings", "distilbert.transformer.layer.1"],
    "gpt2": ["transformer.h.0", "transformer.h.1.attn", "transformer.ln_f"],
}


def test_layers_are_cut_by_name(named, batch):
    name, model = named
    for layer in LAYERS[name]:
        found = InternalInfluence(model, layer, 1, "point").attributions(**batch)
        assert found.shape == (3, 6, 16)
        assert found.abs().sum() > 0


def test_completeness_holds_at_layers(named, batch):
    name, model = named
    for layer in LAYERS[name][1:2]:
        value = get_model_wrapper(model).fprop((), dict(batch), to_cut=layer)
        result = IntegratedGradients(model, value * 0.9, 20, doi_cut=layer, qoi=1).explain(**batch)
        change = (result.quantity - result.baseline_quantity).abs()
        assert (result.residual.abs() <= 1e-2 * change).all()


@pytest.mark.parametrize("qoi_cut", [None, "logits"])
def test_scores_of_single_tokens_are_explained(batch, qoi_cut):
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(gpt2_config()).eval().double()
    last = (lambda y: y[:, 3]) if qoi_cut else (lambda y: y.logits[:, 3])
    cut = Cut("lm_head", accessor=last) if qoi_cut else OutputCut(accessor=last)
    method = InputAttribution(model, cut, 7, "transformer.wte")
    found = method.attributions(**batch)
    assert (found[:, 4:] == 0).all()  # what comes later is not seen
    assert (found[:, :4].abs().sum(dim=-1) > 0).all()


# -- advice --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [InputAttribution, IntegratedGradients])
def test_cutting_at_ids_suggests_the_word_embeddings(model, words, batch, method):
    with pytest.raises(NotDifferentiableError, match=rf"no gradient at integers.*Cut\('{words}'\)"):
        method(model).attributions(**batch)


def test_a_path_at_ids_suggests_the_word_embeddings(model, words, batch):
    method = InternalInfluence(model, words, 1, LinearDoi())
    with pytest.raises(DoiCutSupportError, match=rf"give it cut= Cut\('{words}'\)"):
        method.attributions(**batch)


@pytest.mark.parametrize("layer", ["bert.embeddings", "bert.embeddings.LayerNorm"])
def test_a_zero_baseline_after_a_layer_norm_is_warned_of(batch, layer):
    torch.manual_seed(0)
    method = IntegratedGradients(bert().eval(), doi_cut=layer, resolution=27, qoi=1)
    with pytest.warns(TrulensWarning, match="completeness fails") as caught:
        result = method.explain(**batch)
    (warning,) = caught
    text = str(warning.message)
    assert "zero baseline before a normalisation layer (LayerNorm)" in text
    assert "trulens.utils.nlp.token_baseline" in text
    assert "cut before 'bert.embeddings.LayerNorm', which never gives zeros" in text
    change = (result.quantity - result.baseline_quantity).abs()
    assert (result.residual.abs() > 0.1 * change).any()


# -- baselines -----------------------------------------------------------------------------------


@pytest.mark.parametrize("replacement", [PAD, MASK, range(30)], ids=["pad", "mask", "mean"])
def test_token_baselines_make_completeness_hold(model, words, batch, replacement):
    table = model.get_input_embeddings()
    _, embeddings = token_baseline({CLS, SEP, PAD}, replacement, ids_of, table)
    method = IntegratedGradients(
        model, embeddings, 50, doi_cut=words, qoi=1, rule="gauss-legendre", rebatch_size=7
    )
    result = method.explain(**batch)  # a warning would be an error
    change = (result.quantity - result.baseline_quantity).abs()
    assert (result.residual.abs() <= 2e-2 * change).all()
    kept = torch.isin(batch["input_ids"], torch.tensor([CLS, SEP, PAD]))
    assert (result.attributions[kept] == 0).all()


def test_the_baseline_is_the_model_s_own_answer_to_the_baseline_s_ids(model, words, batch):
    ids, embeddings = token_baseline({CLS, SEP}, MASK, ids_of, model.get_input_embeddings())
    inputs = ModelInputs(kwargs=batch)
    method = IntegratedGradients(model, embeddings, 3, doi_cut=words, qoi=1)
    found = method.question().doi.baseline(torch.zeros(3, 6, 16).double(), model_inputs=inputs)
    replaced = ids(None, inputs)
    assert replaced.dtype == batch["input_ids"].dtype
    expected = model.get_input_embeddings()(replaced)
    torch.testing.assert_close(found, expected.detach())
    assert not embeddings(None, inputs).requires_grad


def test_swapped_tokens(model, words, batch):
    ids, embeddings = token_baseline_swap([(5, 7), (6, 8)], ids_of, model.get_input_embeddings())
    inputs = ModelInputs(kwargs=batch)
    assert ids(None, inputs)[:2].tolist() == [
        [CLS, 7, 8, SEP, PAD, PAD],
        [CLS, 5, 6, 9, 10, SEP],
    ]
    method = IntegratedGradients(model, embeddings, 30, doi_cut=words, qoi=1, rule="gauss-legendre")
    found = method.attributions(**batch)
    changed = ids(None, inputs) != batch["input_ids"]
    assert (found[~changed] == 0).all()
    if words != "transformer.wte":  # whose classifier reads what comes last
        assert (found[changed].abs().sum(dim=-1) > 0).all()
