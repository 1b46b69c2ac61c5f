"""Arguments that no tree takes apart: every pass has a copy, and rows are those of its records."""

import copy
import os
import threading

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: nothing is fetched

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    ModelInputs,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

POINTS = 5
IDS = torch.randint(3, 30, (3, 7), generator=torch.Generator().manual_seed(0))
KNOWN = 4
"""How many of the words are in the cache already."""
SIZES = [None, 1, 2, 4]


def language_model():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=30,
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=32,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=1,
    )
    return transformers.GPT2LMHeadModel(config).double()


@pytest.fixture(scope="module")
def model():
    return language_model().eval()


def filled(model, ids, kind):
    """The cache of the first words, and what of the caller's must not change."""
    if kind == "static":
        cache = transformers.StaticCache(config=model.config, max_cache_len=12)
    else:
        cache = transformers.DynamicCache()
    modes = {"inference mode": torch.inference_mode, "with a graph": torch.enable_grad}
    with modes.get(kind, torch.no_grad)():
        model(ids[:, :KNOWN], past_key_values=cache, use_cache=True)
    return cache


def held(cache):
    return [t.detach().clone() for layer in cache.layers for t in (layer.keys, layer.values)]


def last(y):
    return y[:, -1, 3]


def by_hand(model, source, cache, ids, kwargs):
    """The path at a layer, point by point, each with a copy of the cache."""
    layer, got = model.get_submodule(source), []

    def run(point=None):
        def hook(module, args, output):
            rest = output[1:] if isinstance(output, tuple) else None
            got.append(output[0] if rest is not None else output)
            if point is None:
                return None
            return point if rest is None else (point, *rest)

        handle = layer.register_forward_hook(hook)
        try:
            return model(ids, past_key_values=copied(cache), **kwargs).logits
        finally:
            handle.remove()

    with torch.no_grad():
        run()
    z, total = got[0], 0
    for i in range(POINTS):
        point = ((i + 0.5) / POINTS * z).requires_grad_()
        total = total + torch.autograd.grad(last(run(point)).sum(), point)[0] / POINTS
    return total * z


def copied(cache):
    new = copy.copy(cache)
    new.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in new.layers:
        layer.keys, layer.values = layer.keys.detach().clone(), layer.values.detach().clone()
        if isinstance(getattr(layer, "cumulative_length", None), torch.Tensor):
            layer.cumulative_length = layer.cumulative_length.clone()
    return new


CASES = [(s, n, "dynamic") for s in ("transformer.wte", "transformer.h.0") for n in (1, 3)]
CASES += [("transformer.wte", 3, kind) for kind in ("static", "inference mode", "with a graph")]


@pytest.mark.parametrize(("source", "records", "kind"), CASES)
def test_a_cache_is_the_records_own_and_stays_as_it_was(model, source, records, kind):
    ids = IDS[:records]
    cache = filled(model, ids, kind)
    kwargs = {"attention_mask": torch.ones_like(ids), "use_cache": True}
    expected = by_hand(model, source, cache, ids[:, KNOWN:], kwargs)
    before = held(cache)
    for size in SIZES:
        path = LinearDoi(0.0, POINTS, cut=source, rule="midpoint")
        method = InternalInfluence(model, (source, None), last, path, rebatch_size=size)
        found = method.attributions(ids[:, KNOWN:], past_key_values=cache, **kwargs)
        assert relative_error(found, expected) <= 1e-10
    assert all(torch.equal(a, b) for a, b in zip(held(cache), before, strict=True))
    assert cache.get_seq_length() == KNOWN


def test_every_kind_of_call_leaves_the_cache(model):
    cache = filled(model, IDS, "dynamic")
    before = held(cache)
    wrapper = get_model_wrapper(model)
    args = [IDS[:, KNOWN:]]
    kwargs = {"attention_mask": torch.ones_like(IDS), "past_key_values": cache, "use_cache": True}
    y = wrapper(*args, **kwargs)
    assert torch.equal(y, wrapper(*args, **kwargs))
    assert wrapper.layers(*args, **kwargs)[0].calls == 1
    z = wrapper.fprop(args, kwargs, to_cut="transformer.wte")
    line = torch.cat([z * a for a in (0.25, 0.5, 1.0)])
    several = wrapper.fprop(args, kwargs, doi_cut="transformer.wte", intervention=line)
    assert relative_error(several[6:], y) <= 1e-10
    gradients = wrapper.qoi_bprop(last, args, kwargs, doi_cut="transformer.wte", intervention=line)
    for i, a in enumerate((0.25, 0.5, 1.0)):
        rows = slice(3 * i, 3 * i + 3)
        own = wrapper.fprop(args, kwargs, doi_cut="transformer.wte", intervention=z * a)
        assert relative_error(several[rows], own) <= 1e-10
        own = wrapper.qoi_bprop(last, args, kwargs, doi_cut="transformer.wte", intervention=z * a)
        assert relative_error(gradients[rows], own) <= 1e-10
    assert all(torch.equal(a, b) for a, b in zip(held(cache), before, strict=True))


def test_records_that_need_more_points_keep_their_rows(model):
    cache = filled(model, IDS, "dynamic")
    method = IntegratedGradients(model, doi_cut="transformer.wte", qoi=last, tolerance=1e-3)
    kwargs = {"attention_mask": torch.ones_like(IDS), "use_cache": True}
    result = method.explain(IDS[:, KNOWN:], past_key_values=cache, **kwargs)
    assert len(set(result.n_points.tolist())) > 1  # some went on without the others
    for i in range(3):
        row = slice(i, i + 1)
        own = filled(model, IDS[row], "dynamic")
        mask = {"attention_mask": kwargs["attention_mask"][row], "use_cache": True}
        alone = method.attributions(IDS[row, KNOWN:], past_key_values=own, **mask)
        assert relative_error(result.attributions[row], alone) <= 1e-10


def test_caches_of_an_encoder_and_a_decoder():
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=30,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
        initializer_factor=3.0,
    )
    model = transformers.T5ForConditionalGeneration(config).double().eval()
    encoded = torch.randn(3, 5, 16, dtype=torch.float64)
    hidden = transformers.modeling_outputs.BaseModelOutput(last_hidden_state=encoded)
    with torch.no_grad():
        first = model(encoder_outputs=hidden, decoder_input_ids=IDS[:, :2], use_cache=True)
    cache = first.past_key_values

    def answers(inputs, rows, size):
        path = LinearDoi(0.0, POINTS, cut="decoder.embed_tokens")
        method = InternalInfluence(
            model, ("decoder.embed_tokens", None), last, path, rebatch_size=size
        )
        own = copy.deepcopy(cache)
        own.reorder_cache(torch.tensor(rows))
        hidden = transformers.modeling_outputs.BaseModelOutput(last_hidden_state=encoded[rows])
        return method.attributions(
            decoder_input_ids=inputs, encoder_outputs=hidden, past_key_values=own, use_cache=True
        )

    together = answers(IDS[:, 2:4], [0, 1, 2], None)
    for size in (1, 4):
        assert relative_error(answers(IDS[:, 2:4], [0, 1, 2], size), together) <= 1e-10
    for i in range(3):
        assert relative_error(answers(IDS[i : i + 1, 2:4], [i], None), together[i : i + 1]) <= 1e-10
    assert cache.get_seq_length() == 2


# -- objects of the caller's own -----------------------------------------------------------------


class Context:
    """Counts, remembers, and holds what belongs to all records."""

    def __init__(self, scale, **more):
        self.calls, self.seen, self.scale = 0, [], scale
        vars(self).update(more)


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3).double()

    def forward(self, x, context, names=(), words=frozenset(), counts=None):
        context.calls += 1
        context.seen.append(x)
        if hasattr(names, "append"):
            names.append("seen")
        if hasattr(words, "add"):
            words.add(len(words))
        if counts is not None:
            counts["x"] = counts.get("x", 0) + 1
        scale = context.scale if context.calls == 1 else 1e6 * context.calls
        return self.head(torch.tanh(x * scale) + len(names) + len(words))


X = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def line_by_hand(function):
    total = 0
    for i in range(POINTS):
        point = ((i + 0.5) / POINTS * X).requires_grad_()
        total = total + torch.autograd.grad(function(point)[:, 0].sum(), point)[0] / POINTS
    return total * X


def integral(model, *args, size=None, **kwargs):
    method = IntegratedGradients(model, resolution=POINTS, qoi=0, rebatch_size=size)
    found = method.attributions(*args, **kwargs)
    return found[0] if isinstance(found, list) else found


@pytest.mark.parametrize("size", [None, 1, 2, 3, 7])
def test_every_pass_has_a_copy_of_an_object(size):
    torch.manual_seed(0)
    model, scale = Reader(), torch.full((4,), 0.5, dtype=torch.float64)
    context, names, words, counts = Context(scale), ["a"], {1, 2}, {}
    context.self = context
    found = integral(model, X, context, names=names, words=words, counts=counts, size=size)
    expected = line_by_hand(lambda x: model.head(torch.tanh(x * 0.5) + 2 + 3))
    assert relative_error(found, expected) <= 1e-10
    assert (context.calls, context.seen, names, words, counts) == (0, [], ["a"], {1, 2}, {})
    assert context.scale is scale
    assert torch.equal(scale, torch.full_like(scale, 0.5))


def test_what_a_copy_cannot_stand_for_goes_in_as_it_is():
    model, got = Reader(), []
    generator, random = torch.Generator(), np.random.default_rng(0)
    context = Context(torch.ones(4).double(), model=model, f=threading.Lock, generator=generator)
    plain = {
        "module": model,
        "function": threading.get_ident,
        "method": random.normal,
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "generator": generator,
        "text": "a",
        "type": dict,
    }

    class Looks(nn.Module):
        def forward(self, x, context, **kwargs):
            got.append((context, kwargs))
            return model(x, context)

    integral(Looks(), X, context, **plain)
    assert got
    for seen, kwargs in got:
        assert seen is not context
        assert seen.model is model
        assert seen.generator is generator
        assert all(kwargs[n] is value for n, value in plain.items())


class Rows(Context):
    """Has rows and says how they are chosen."""

    def batch_select_indices(self, index):
        self.scale = self.scale[index]


class Forgetful(Context):
    def batch_select_indices(self, index):
        pass


def test_rows_are_chosen_as_the_object_says():
    torch.manual_seed(0)
    model, scale = Reader(), torch.rand(3, 4, dtype=torch.float64)
    context = Rows(scale)
    expected = line_by_hand(lambda x: model.head(torch.tanh(x * scale)))
    for size in (None, 1, 2, 3, 4, 15):
        assert relative_error(integral(model, X, context, size=size), expected) <= 1e-10
    assert context.scale is scale
    with pytest.raises(TypeError, match=r"has 3 rows.*asked for 15.*\[3\] afterwards"):
        integral(model, X, Forgetful(scale))


@pytest.mark.parametrize("name", ["scale", "inner"])
def test_rows_that_nobody_can_choose_are_an_error(name):
    torch.manual_seed(0)
    model, scale = Reader(), torch.rand(3, 4, dtype=torch.float64)
    context = Context(scale) if name == "scale" else Context(1.0, inner={"a": [scale.numpy()]})
    factor = scale if name == "scale" else 1.0
    message = (
        r"argument 'context', a Context, holds a tensor of shape \(3, 4\).*batch_select_indices"
        r".*rebatch_size=3.*batched=\{'context': False\}"
    )
    for size in (None, 1, 2, 6):
        with pytest.raises(TypeError, match=message):
            integral(model, X, context=context, size=size)
    expected = line_by_hand(lambda x: model.head(torch.tanh(x * factor)))
    found = integral(model, X, context=context, size=3)
    assert relative_error(found, expected) <= 1e-10


def test_an_object_may_hold_as_many_rows_by_chance():
    torch.manual_seed(0)
    model, scale = Reader(), torch.rand(1, 4, dtype=torch.float64)
    method = IntegratedGradients(model, resolution=POINTS, qoi=0)
    x = X[:1]
    with pytest.raises(TypeError, match=r"argument 1, a Context.*batched=\{1: False\}"):
        method.attributions(x, Context(scale))
    found = method.attributions(ModelInputs([x, Context(scale)], batched={1: False}))
    named = IntegratedGradients(
        get_model_wrapper(model, batched={"context": False}), resolution=POINTS, qoi=0
    )
    assert torch.equal(found, named.attributions(x, Context(scale)))


def test_what_cannot_be_copied_is_an_error():
    context = Context(1.0, lock=threading.Lock())
    with pytest.raises(TypeError, match=r"argument 1, a Context, cannot be copied.*__deepcopy__"):
        integral(Reader(), X, context)

    class Whole(Context):
        def __deepcopy__(self, memo):
            return self

    context = Whole(1.0, lock=threading.Lock())
    InputAttribution(Reader(), qoi=0).attributions(X, context)
    assert context.calls == 1  # it said so
