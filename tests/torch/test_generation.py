"""What language models wrote, explained: laws on the families of transformers, and counts."""

import warnings
import weakref

import numpy as np
import pytest
import torch
import transformers
from tests.torch.writers import (
    FAMILIES,
    IDS,
    IMAGE,
    OUT,
    SEVERAL,
    seeing,
    talking,
    tokenizer,
    writer,
)
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trulens_core import (
    AttnLRP,
    ExpectedGradients,
    IntegratedGradients,
    SmoothGrad,
    TokenQoI,
    TrulensWarning,
    explain_generation,
    get_model_wrapper,
)
from trulens_core.steps.contraction import Contraction

EXACT = 1e-10
# these compute their normalisations in float32, whatever the weights are
ROUNDED = {"llama", "qwen2", "gemma", "mistral", "mamba", "t5"}


def close(family):
    return 2e-4 if family in ROUNDED else EXACT


pytestmark = pytest.mark.filterwarnings("ignore:completeness fails by more:UserWarning")


def difference(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


def by_hand(model, ids, out, target):
    """Input × gradient of one token's log-probability: the text cut off before it."""
    before = torch.tensor([[*ids, *out[:target]]])
    z = model.get_input_embeddings()(before).detach().requires_grad_()
    scores = model(inputs_embeds=z).logits[0, -1]
    torch.log_softmax(scores, -1)[out[target]].backward()
    return (z * z.grad).sum(-1)[0].detach().numpy()


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in SEVERAL])
def test_each_row_is_that_of_the_text_cut_off_after_it(family):
    model = writer(family)
    found = explain_generation(model, None, IDS, OUT)
    assert found.attributions.shape == (3, 8)
    for t in range(3):
        row = found.attributions[t]
        expected = by_hand(model, IDS, OUT, t)
        assert difference(row[: 5 + t], expected) < close(family)
        assert not row[5 + t :].any()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_path_serves_all_targets(family):
    """Integrated gradients of one target alone, of the text cut off before it."""
    model = writer(family)
    whole = explain_generation(model, None, IDS, OUT, method="ig", resolution=4)
    several = family in SEVERAL
    for t in range(3):
        alone = explain_generation(
            model, None, IDS, OUT[: t + 1], method="ig", resolution=4, targets=[(t, t + 1)]
        )
        end = 5 + t
        assert difference(whole.attributions[t, :end], alone.attributions[0, :end]) < close(family)
        assert not whole.attributions[t, end:].any()
        assert np.isclose(whole.quantity[t], alone.quantity[0], rtol=1e-5)
    assert several == bool(get_model_wrapper(model).text().decoder_embedding)


@pytest.mark.parametrize("family", ["gpt2", "llama", "bart"])
def test_every_target_is_complete(family):
    found = explain_generation(writer(family), None, IDS, OUT, method="ig", tolerance=1e-4)
    gap = found.quantity - found.baseline_quantity
    np.testing.assert_allclose(found.attributions.sum(1), gap - found.residual, rtol=1e-6)
    assert (np.abs(found.residual) < 2e-4 * np.abs(gap).max()).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_add_up_to_the_sum(family):
    model = writer(family)
    each, one = (explain_generation(model, None, IDS, OUT, targets=t) for t in ("each", "sum"))
    assert difference(each.total().attributions, one.attributions) < close(family)
    np.testing.assert_allclose(each.quantity.sum(), one.quantity[0], rtol=1e-6)
    spans = explain_generation(model, None, IDS, OUT, targets=[(0, 2)])
    assert difference(each.attributions[:2].sum(0), spans.attributions[0]) < close(family)


class Whole(TorchFunctionMode):
    """Everything in float64, also what models compute in float32 whatever their weights are."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        named = torch.float32 in (*args[1:], kwargs.get("dtype"))
        casts = function is torch.Tensor.float or (function is torch.Tensor.to and named)
        if casts and args[0].dtype == torch.float64:
            return args[0]
        if function is torch.nn.functional.softmax:
            kwargs = {k: v for k, v in kwargs.items() if k != "dtype"}
        return function(*args, **kwargs)


@pytest.mark.parametrize("family", [*FAMILIES, "llava"])
@pytest.mark.parametrize("method", ["input_x_gradient", "ig"])
def test_padding_on_either_side_and_none_are_the_same(family, method):
    """In a ragged batch, from ids padded on the left or on the right."""
    sees = family == "llava"
    model, short = seeing() if sees else writer(family), [44, 3, 21]
    long = IDS
    more = {"resolution": 3} if method == "ig" else {}
    each, pictures = [{}, {}], {}
    if sees:
        long, short = ([t, *[IMAGE] * 4, *rest] for t, *rest in (long, short))
        pictures = {"pixel_values": torch.randn(2, 3, 32, 32, dtype=torch.float64)}
        each = [{"pixel_values": pictures["pixel_values"][i : i + 1]} for i in range(2)]
    outs, n, gap = [OUT, [17]], len(long), [0] * (len(long) - len(short))
    kept = [1] * len(short)
    left = {"input_ids": [long, [*gap, *short]], "attention_mask": [[1] * n, [*gap, *kept]]}
    right = {"input_ids": [long, [*short, *gap]], "attention_mask": [[1] * n, [*kept, *gap]]}
    options = {"method": method, **more}
    with Whole():
        found = [
            explain_generation(model, None, {**x, **pictures}, outs, **options)
            for x in (left, right)
        ]
        alone = [
            explain_generation(model, None, {"input_ids": [i], **x}, [o], **options)[0]
            for i, o, x in zip([long, short], outs, each, strict=True)
        ]
    for batch in found:
        for mine, own in zip(batch, alone, strict=True):
            assert mine.attributions.shape == own.attributions.shape
            assert difference(mine.attributions, own.attributions) < 1e-12
            np.testing.assert_allclose(mine.quantity, own.quantity, rtol=1e-12)


QUANTITIES = {
    "logit": lambda y, t: y[t],
    "prob": lambda y, t: torch.softmax(y, -1)[t],
    "entropy": lambda y, t: torch.distributions.Categorical(logits=y).entropy(),
    "own": lambda y, t: (y * y).sum(),
    "contrast": lambda y, t: y[t] - y[33],
}


@pytest.mark.parametrize("name", QUANTITIES)
def test_quantities(name):
    model = writer("gpt2")
    given = {"own": lambda y: (y * y).sum(-1), "contrast": ("contrast", [33, 33, 33])}
    found = explain_generation(model, None, IDS, OUT, quantity=given.get(name, name))
    for t in range(3):
        before = torch.tensor([[*IDS, *OUT[:t]]])
        z = model.get_input_embeddings()(before).detach().requires_grad_()
        q = QUANTITIES[name](model(inputs_embeds=z).logits[0, -1], OUT[t])
        q.backward()
        assert (
            difference(found.attributions[t, : 5 + t], (z * z.grad).sum(-1)[0].detach().numpy())
            < EXACT
        )
        np.testing.assert_allclose(found.quantity[t], q.item())


def test_what_is_held_has_nothing():
    model, text = talking(), [{"role": "user", "content": "the cat sat"}]
    found = explain_generation(model, tokenizer(), text, " on the mat", method="ig", resolution=3)
    assert found.held.sum() == 4
    assert not found.attributions[:, found.held].any()
    assert found.attributions[:, 2:4].all()
    kept = explain_generation(model, tokenizer(), text, " on the mat", hold=None)
    assert kept.attributions[:, 0].all()
    prompt = explain_generation(model, tokenizer(), text, " on the mat", attribute="prompt")
    assert not prompt.attributions[:, prompt.n_prompt :].any()
    part = explain_generation(model, tokenizer(), text, " on the mat", attribute=[(2, 4)])
    assert np.flatnonzero(part.attributions.any(0)).tolist() == [2, 3]


def test_one_forward_pass_and_as_many_backward_as_targets():
    model = writer("gpt2")
    wrapper = get_model_wrapper(model)
    explain_generation(wrapper, None, IDS, OUT)  # what it learns of the layers stays
    calls = []
    hook = model.register_forward_hook(
        lambda module, given, kwargs, y: calls.append(tuple(y.logits.shape)), with_kwargs=True
    )
    try:
        explain_generation(wrapper, None, IDS, OUT)
        assert calls == [(1, 3, 60)]  # one for all, and of the scores those asked for
        calls.clear()
        explain_generation(wrapper, None, IDS, OUT, method="ig", resolution=20, rebatch_size=20)
    finally:
        hook.remove()
    # the two ends, twenty points, and those looked at alone, to see that rows are apart
    assert sum(rows for rows, *_ in calls) <= 26
    assert all(steps == 3 for _, steps, _ in calls)


def test_baselines():
    model = writer("gpt2")
    table = model.get_input_embeddings().weight.detach()
    for given, vector in (
        ("mean", table.mean(0)),
        ("eos", table[2]),
        (17, table[17]),
        ("zeros", 0),
    ):
        ours = explain_generation(model, None, IDS, OUT, method="ig", resolution=5, baseline=given)
        plain = IntegratedGradients(
            model,
            (0 * table[0] + vector).expand(1, 7, 32),
            5,
            "transformer.wte",
            qoi=TokenQoI([OUT], slice(4, 7), "log_prob"),
            contract=-1,
        ).attributions(torch.tensor([IDS + OUT[:2]]))
        expected = np.stack([row[0] for row in plain])
        assert difference(ours.attributions[:, :7], expected) < EXACT
    with pytest.raises(ValueError, match="no such token is known"):
        explain_generation(model, None, IDS, OUT, method="ig", baseline="unk")
    with pytest.raises(TypeError, match="has no baseline"):
        explain_generation(model, None, IDS, OUT, baseline="mean")


def test_a_baseline_near_0_before_a_normalisation_is_warned_of():
    with pytest.warns(TrulensWarning, match="the baseline is nearly 0, and LlamaRMSNorm"):
        explain_generation(
            writer("llama"), None, IDS, OUT, method="ig", resolution=3, baseline="zeros"
        )


def test_pictures_among_the_tokens():
    model = seeing()
    ids = [5, IMAGE, IMAGE, IMAGE, IMAGE, 7]
    torch.manual_seed(1)
    given = {
        "input_ids": torch.tensor([ids]),
        "attention_mask": torch.ones(1, 6, dtype=torch.long),
        "pixel_values": torch.randn(1, 3, 32, 32, dtype=torch.float64),
    }
    (found,) = explain_generation(model, None, given, [OUT], method="ig", resolution=3)
    assert found.attributions.shape == (3, 9)
    assert found.attributions[:, 1:5].all()  # the picture's places have their part
    (written,) = explain_generation(model, None, given, generate={"max_new_tokens": 4})
    text = model.generate(**given, max_new_tokens=4, do_sample=False)[0, 6:]
    assert written.outputs.ids.tolist() == text.tolist()


def test_a_model_that_is_not_causal_is_warned_of():
    class Both(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(60, 8)
            self.head = torch.nn.Linear(8, 60)

        def forward(self, ids):
            z = self.embedding(ids)
            return self.head(torch.tanh(z + z.mean(1, keepdim=True)))

    with pytest.warns(TrulensWarning, match="tokens have an effect on what stands before"):
        explain_generation(Both(), None, IDS, OUT)


def test_written_as_the_model_writes():
    model = talking()
    found = explain_generation(model, tokenizer(), "the quick", generate={"max_new_tokens": 4})
    ids = tokenizer()("the quick", return_tensors="pt")
    expected = model.generate(**ids, max_new_tokens=4, do_sample=False)[0]
    assert found.text.ids.tolist() == expected.tolist()
    assert found.text.text == tokenizer().decode(expected)
    several = explain_generation(model, tokenizer(), ["the quick", "a"], [" fox", " bird in"])
    assert [r.outputs.text for r in several] == [" fox", " bird in"]


def test_errors_of_what_is_drawn():
    """Each row has the standard error that its method gives for that target alone."""
    model, ids = writer("gpt2"), torch.tensor([[*IDS, *OUT[:-1]]])
    table = model.get_input_embeddings().weight.detach()
    data = table[torch.arange(3, 59).reshape(8, 7)]
    given = {"data": data, "samples": 12, "seed": 3}
    found = explain_generation(model, None, IDS, OUT, method=ExpectedGradients, **given)
    assert found.standard_error.shape == found.attributions.shape
    qoi = TokenQoI(OUT[1], 5, "log_prob")
    more = {"doi_cut": "transformer.wte", "qoi": qoi, "contract": -1}
    alone = ExpectedGradients(model, **given, **more).explain(input_ids=ids)
    row = alone.standard_error[0].numpy()
    assert (row[:6] > 0).all()
    assert difference(found.standard_error[1, :7], row) < EXACT
    assert not found.standard_error[1, 6:].any()
    assert found.by("words").standard_error is None
    assert explain_generation(model, None, IDS, OUT).standard_error is None


def test_rules_and_methods_of_ones_own():
    model = writer("gpt2")
    smooth = explain_generation(model, None, IDS, OUT, method="smoothgrad", resolution=3)
    relevance = explain_generation(model, None, IDS, OUT, method=AttnLRP)
    for found in (smooth, relevance):
        assert found.attributions.shape == (3, 8)
        assert found.attributions[0, :5].all()
    # noise of next to nothing is none
    plain = explain_generation(model, None, IDS, OUT)
    still = explain_generation(model, None, IDS, OUT, method=SmoothGrad, var=1e-16, resolution=2)
    assert difference(still.attributions, plain.attributions) < 1e-5


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (lambda m: explain_generation(m, None, "a text"), "a text needs a tokenizer"),
        (lambda m: explain_generation(m, None, IDS, []), "has no tokens"),
        (lambda m: explain_generation(m, None, []), "has no tokens"),
        (lambda m: explain_generation(m, tokenizer(), "<s>a"), "begins with two '<s>'"),
        (lambda m: explain_generation(m, tokenizer(), "a b", "ird"), "read in another way"),
        (
            lambda m: explain_generation(m, None, IDS, OUT, quantity=("contrast", [3])),
            "has 1 tokens where",
        ),
        (lambda m: explain_generation(m, None, [IDS, IDS], [OUT]), "2 prompts and 1 continuations"),
        (lambda m: explain_generation(m, None, IDS, OUT, method="shap"), "method is 'shap'"),
        (lambda m: explain_generation(m, None, IDS, OUT, quantity="loss"), "quantity is 'loss'"),
        (lambda m: explain_generation(m, None, IDS, OUT, hold="all"), "hold is 'all'"),
    ],
)
def test_errors_say_what_to_do(given, text):
    with pytest.raises(ValueError, match=text):
        given(talking())


def words():
    """A word for each id, as Captum wants a tokenizer."""
    found = Tokenizer(models.WordLevel({f"w{i}": i for i in range(60)}, unk_token="w0"))
    found.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=found, unk_token="w0")


@pytest.mark.parametrize("method", ["point", "path"])
def test_captum_gives_the_same_a_token_at_a_time(method):
    from captum import attr

    model, reads = writer("gpt2"), words()
    layer = model.transformer.wte
    prompt, written = (" ".join(f"w{i}" for i in part) for part in (IDS, OUT))
    if method == "point":
        theirs, more = attr.LayerGradientXActivation(model, layer), {}
        given = {}
    else:
        theirs, more = attr.LayerIntegratedGradients(model, layer), {"n_steps": 5}
        given = {"method": "ig", "resolution": 5, "rule": "gauss-legendre", "baseline": 0}
    by_token = attr.LLMGradientAttribution(theirs, reads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = by_token.attribute(attr.TextTokenInput(prompt, reads), target=written, **more)
    found = explain_generation(model, reads, prompt, f" {written}", attribute="prompt", **given)
    assert difference(found.attributions[:, :5], expected.token_attr.numpy()) < 1e-5
    assert difference(found.total().attributions[0, :5], expected.seq_attr.numpy()) < 1e-5


class Peak(TorchDispatchMode):
    """The most bytes that tensors made under it took at one time."""

    def __init__(self):
        super().__init__()
        self.now = self.most = 0
        self.known = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for t in tree_leaves(made):
            storage = t.untyped_storage() if isinstance(t, torch.Tensor) else None
            if storage is not None and storage._cdata not in self.known:
                self.known.add(storage._cdata)
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self.gone, storage._cdata, storage.nbytes())
        return made

    def gone(self, key, n):
        self.known.discard(key)
        self.now -= n


def test_memory_does_not_grow_with_the_number_of_targets():
    """Of texts that are as long, all of whose scores are asked for."""
    wrapper = get_model_wrapper(writer("gpt2"))
    ids = [3 + i % 50 for i in range(97)]
    explain_generation(wrapper, None, ids[:4], ids[4:6])
    peaks = []
    for targets in ([(0, 1)], "each"):
        with Peak() as peak:
            explain_generation(wrapper, None, ids[:1], ids[1:], targets=targets)
        peaks.append(peak.most)
    assert peaks[1] < 1.2 * peaks[0]


def test_gradients_of_one_target_are_gone_before_the_next(monkeypatch):
    given, alive = [], []
    contracted = Contraction.of

    def of(self, gradients, *rest, **more):
        given.extend(weakref.ref(g) for g in gradients)
        alive.append(sum(g() is not None for g in given))
        return contracted(self, gradients, *rest, **more)

    monkeypatch.setattr(Contraction, "of", of)
    explain_generation(writer("gpt2"), None, IDS, OUT)
    assert len(alive) == 3
    assert max(alive) == 1


def test_a_classifier_writes_no_text():
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(vocab_size=12, intermediate_size=8, **sizes)
    model = transformers.BertForSequenceClassification(config).eval()
    with pytest.raises(ValueError, match=r"no scores of a next token .*explains classifiers"):
        explain_generation(model, None, [1, 2, 3], generate={"max_new_tokens": 2})
