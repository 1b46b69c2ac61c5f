"""Patching beside hooks written by hand, and what it says of a model that is known."""

import numpy as np
import pytest
import torch
from tests.torch.trained import CLEAN, CONTRAST, CORRUPTED, trained
from tests.torch.writers import writer

from trulens_core import CutError, TokenQoI, patch_attributions
from trulens_core.text.patching_result import PatchingResult
from trulens_core.text.tokens import Tokens

LAYERS = ["transformer.wte", "transformer.h.0", "transformer.h.1"]


def patched(**options):
    model, tokenizer = trained()
    return patch_attributions(model, tokenizer, CLEAN.text, CORRUPTED, CONTRAST, **options)


def ids_of(text):
    return torch.tensor([trained()[1](text).input_ids])


def contrast(scores):
    a, b = (trained()[1].convert_tokens_to_ids(w) for w in CONTRAST[1:])
    return scores[0, -1, a] - scores[0, -1, b]


def first(given):
    return given[0] if isinstance(given, tuple) else given


class Run:
    """One run of a model with its values kept, by hooks; some of them put in by hand."""

    def __init__(self, model, names, ids, *, side="out", put=None, embeddings=None):
        self.values, handles = {}, []
        for name in names:
            layer = model.get_submodule(name)
            kept = self.keeping(name, put or {})
            if side == "in":
                handles.append(layer.register_forward_pre_hook(lambda m, a, k=kept: k(a[0])))
            else:
                handles.append(
                    layer.register_forward_hook(lambda m, a, y, k=kept: self.of(y, k(first(y))))
                )
        given = {"input_ids": ids} if embeddings is None else {"inputs_embeds": embeddings}
        self.scores = model(**given).logits
        for handle in handles:
            handle.remove()

    @staticmethod
    def of(y, new):
        return (new, *y[1:]) if isinstance(y, tuple) else new

    def keeping(self, name, put):
        def keep(value):
            value = put[name](value) if name in put else value
            if value.requires_grad:
                value.retain_grad()
            self.values[name] = value
            return value

        return keep


def runs(model, names, a, b, side="out"):
    return [Run(model, names, ids, side=side) for ids in (a, b)]


def at_a_point(model, names, a, b, quantity, side="out"):
    """Attribution patching as it is written with hooks."""
    clean, corrupted = runs(model, names, a, b, side)
    quantity(clean.scores).backward()
    model.zero_grad()
    return [
        ((clean.values[n] - corrupted.values[n]) * clean.values[n].grad)[0].detach() for n in names
    ]


def test_at_a_point_it_is_what_hooks_give():
    model, _ = trained()
    expected = at_a_point(model, LAYERS, ids_of(CLEAN.text), ids_of(CORRUPTED), contrast)
    found = patched()
    assert found.layers == tuple(LAYERS)
    np.testing.assert_array_equal(found.attributions, [t.sum(-1).numpy() for t in expected])


def test_heads_and_neurons_are_what_hooks_give():
    model, _ = trained()
    pair = ids_of(CLEAN.text), ids_of(CORRUPTED)
    for at, last in (("heads", "attn.c_proj"), ("neurons", "mlp.c_proj")):
        names = [f"transformer.h.{i}.{last}" for i in range(2)]
        expected = torch.stack(at_a_point(model, names, *pair, contrast, side="in"))
        if at == "heads":
            expected = expected.reshape(2, -1, 4, 8).sum(-1)
        found = patched(at=at)
        np.testing.assert_allclose(found.attributions, expected.numpy(), rtol=0, atol=1e-14)
        np.testing.assert_allclose(found.total("parts").sum(), found.total().sum())


def test_points_between_the_embeddings_are_eap_ig():
    model, _ = trained()
    a, b = ids_of(CLEAN.text), ids_of(CORRUPTED)
    ends = runs(model, LAYERS, a, b)
    total = [0.0] * 3
    for alpha in (np.arange(4) + 0.5) / 4:
        z = [e.values[LAYERS[0]].detach() for e in ends]
        point = (alpha * z[0] + (1 - alpha) * z[1]).requires_grad_()
        run = Run(model, LAYERS[1:], None, embeddings=point)
        contrast(run.scores).backward()
        grads = [point.grad, *(run.values[n].grad for n in LAYERS[1:])]
        total = [t + g / 4 for t, g in zip(total, grads, strict=True)]
    steps = [ends[0].values[n] - ends[1].values[n] for n in LAYERS]
    expected = [(s * t)[0].sum(-1).detach().numpy() for s, t in zip(steps, total, strict=True)]
    np.testing.assert_allclose(patched(path=4).attributions, expected, rtol=0, atol=1e-12)


def test_points_between_the_values_of_a_layer():
    model, _ = trained()
    name = LAYERS[1]
    ends = [
        r.values[name].detach() for r in runs(model, [name], *map(ids_of, (CLEAN.text, CORRUPTED)))
    ]
    total = 0.0
    for alpha in (np.arange(3) + 0.5) / 3:
        point = (alpha * ends[0] + (1 - alpha) * ends[1]).requires_grad_()
        run = Run(model, [name], ids_of(CLEAN.text), put={name: lambda value, p=point: p})
        contrast(run.scores).backward()
        total = total + point.grad / 3
    expected = ((ends[0] - ends[1]) * total)[0].sum(-1).numpy()
    found = patched(path=3, along="sites", layers=[name])
    np.testing.assert_allclose(found.attributions[0], expected, rtol=0, atol=1e-12)


def put_at(other, position, part=None):
    def put(value):
        new = value.clone()
        where = (0, position) if part is None else (0, position, part)
        new[where] = other[where]
        return new

    return put


def test_exact_patching_puts_one_value_in_at_a_time():
    model, _ = trained()
    a, b = ids_of(CLEAN.text), ids_of(CORRUPTED)
    found, heads = patched(path="exact"), patched(path="exact", at="heads")
    with torch.no_grad():
        clean = contrast(model(a).logits)
        for layer, name in enumerate(LAYERS):
            other = Run(model, [name], b).values[name]
            for position in (1, 7, 21):
                run = Run(model, [name], a, put={name: put_at(other, position)})
                expected = float(clean - contrast(run.scores))
                assert abs(found.attributions[layer, position] - expected) < 1e-10
        name = "transformer.h.1.attn.c_proj"
        other = Run(model, [name], b, side="in").values[name]
        for head in range(4):
            put = {name: put_at(other, 21, slice(8 * head, 8 * head + 8))}
            expected = clean - contrast(Run(model, [name], a, side="in", put=put).scores)
            assert abs(heads.attributions[1, 21, head] - float(expected)) < 1e-10


def test_points_come_near_to_exact_patching():
    """Where the model is sure of its answer, the gradient at one point is not."""
    exact = patched(path="exact").attributions.ravel()

    def correlation(**options):
        return np.corrcoef(patched(**options).attributions.ravel(), exact)[0, 1]

    one, between, own = correlation(), correlation(path=10), correlation(path=10, along="sites")
    assert one < 0.9 < min(between, own)


def test_what_decides_is_where_it_has_to_be():
    """First the sources carry it, at the end the place where the answer is written."""
    found = patched(path="exact")
    sizes = np.abs(found.attributions)
    sources = found.changed
    assert sources == [i + 1 for i in CLEAN.decides[::2]]
    assert sizes[0, sources].sum() > 0.99 * sizes[0].sum()
    assert np.sort(sizes[1])[-2:].sum() > 0.9 * sizes[1].sum()
    assert sizes[2, -1] > 0.99 * sizes[2].sum()
    assert abs(sizes[2, -1] - (found.quantity - found.corrupted_quantity)) < 1e-9


def test_a_quantity_read_at_a_layer():
    model, _ = trained()
    body = model.transformer

    def stopped(name):
        return lambda run: contrast(model.lm_head(body.ln_f(run.values[name])))

    names = LAYERS[:2]
    clean, corrupted = runs(model, names, ids_of(CLEAN.text), ids_of(CORRUPTED))
    read = [float(stopped(names[1])(run).detach()) for run in (clean, corrupted)]
    stopped(names[1])(clean).backward()
    model.zero_grad()
    step = clean.values[names[0]] - corrupted.values[names[0]]
    expected = (step * clean.values[names[0]].grad)[0].sum(-1).detach().numpy()
    found = patched(read_at=names[1], layers=names[:1])
    np.testing.assert_allclose(found.attributions[0], expected, rtol=0, atol=1e-12)
    assert np.allclose([found.quantity, found.corrupted_quantity], read)


@pytest.mark.parametrize("family", ["llama", "mistral", "mamba"])
def test_models_whose_layers_have_other_names(family):
    model = writer(family)
    a, b = torch.tensor([[5, 9, 12, 7]]), torch.tensor([[5, 9, 30, 7]])
    found = patch_attributions(model, None, a, b, TokenQoI(8, quantity="log_prob"))
    body = "backbone" if family == "mamba" else "model"
    names = [f"{body}.{'embeddings' if family == 'mamba' else 'embed_tokens'}"]
    names += [f"{body}.layers.{i}" for i in range(2)]
    assert found.layers == tuple(names)
    close = 1e-6 if family == "mamba" else 1e-12  # some of its numbers are float32, always
    expected = at_a_point(model, names, a, b, lambda y: torch.log_softmax(y[0, -1], -1)[8])
    for own, other in zip(found.attributions, expected, strict=True):
        np.testing.assert_allclose(own, other.sum(-1).numpy(), rtol=close, atol=close)
    if family == "llama":
        heads = patch_attributions(model, None, a, b, ("logit", 8), at="heads")
        assert heads.attributions.shape == (2, 4, 4)


def test_what_cannot_be_patched_is_told():
    model, tokenizer = trained()
    for corrupted, options, error, said in (
        ("so the", {}, ValueError, "22 tokens and corrupted 3"),
        (CLEAN.text, {}, ValueError, "the same tokens"),
        (CORRUPTED, {"path": 0}, ValueError, "path is 0"),
        (CORRUPTED, {"path": "exact", "at": "neurons"}, ValueError, "neurons are many"),
        (CORRUPTED, {"at": "edges"}, ValueError, "at is 'edges'"),
        (CORRUPTED, {"along": "words"}, ValueError, "along is 'words'"),
        (CORRUPTED, {"read": len}, ValueError, "read_at="),
    ):
        with pytest.raises(error, match=said):
            patch_attributions(model, tokenizer, CLEAN.text, corrupted, CONTRAST, **options)
    with pytest.raises(ValueError, match="quantity is 'contrast'"):
        patch_attributions(model, tokenizer, CLEAN.text, CORRUPTED, "contrast")
    with pytest.raises(ValueError, match="is 2 tokens"):
        patch_attributions(model, tokenizer, CLEAN.text, CORRUPTED, ("logit", "so the"))
    with pytest.raises(ValueError, match="does not know 'zebra'"):
        patch_attributions(model, tokenizer, CLEAN.text, CORRUPTED, ("contrast", "nine", "zebra"))
    ids = torch.tensor([[5, 9]]), torch.tensor([[5, 8]])
    with pytest.raises(CutError, match=r"encoder\.block\.0 …, decoder\.block\.0 …"):
        patch_attributions(writer("t5"), None, *ids, ("logit", 3))


def test_the_map_names_layers_and_both_tokens():
    found = patched(path=4)
    axes = found.plot().axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == LAYERS
    words = [t.get_text() for t in axes.get_xticklabels()]
    assert [words[1], words[7], len(words)] == ["official → rumour", "nine", 22]
    np.testing.assert_array_equal(axes.images[0].get_array(), found.attributions)
    assert "nine over ten" in axes.get_title(loc="left")
    few = patched(path=4, at="neurons").plot(most=12).axes[0]
    assert len(few.get_xticklabels()) == 12
    assert "12 largest of 64" in few.get_xlabel()
    assert "transformer.h.1 at 21 at" in str(found)
    assert found.top(1)[0].layer == "transformer.h.1"


NAMES = [f"model.language_model.layers.{i}.self_attn.o_proj" for i in (0, 1, 10)]


@pytest.mark.parametrize(
    ("layers", "shown"),
    [
        (NAMES, ["0", "1", "10"]),
        ([*NAMES[:2], "model.embed_tokens"], None),
        ([f"a.{'b' * 30}.{i}.{'c' * 30}.d{j}" for i in (1, 2) for j in (3, 4)], None),
        (["h.1.attn.c_proj", "h.2.attn.c_proj"], ["h.1.attn.c_proj", "h.2.attn.c_proj"]),
        (["transformer.h.0"], ["transformer.h.0"]),
    ],
)
@pytest.mark.parametrize("at", ["layers", "heads"])
def test_layers_are_told_apart_and_words_stay_on_the_figure(layers, shown, at):
    n, parts = 3, () if at == "layers" else (2,)
    values = np.random.default_rng(0).normal(size=(len(layers), n, *parts))
    a, b = Tokens.of_ids([1, 2, 3]), Tokens.of_ids([1, 2, 4])
    result = PatchingResult(values, a, b, tuple(layers), 3.0, 1.0, at, 1, asked="nine over ten")
    figure = result.plot()
    axes = figure.axes[0]
    names = [t.get_text() for t in axes.get_yticklabels()]
    assert len(set(names)) == len(layers)
    assert shown is None or names == shown
    figure.canvas.draw()
    within = figure.bbox
    for text in (axes.xaxis.label, axes._left_title, *axes.get_yticklabels()):
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.x1 <= within.x1, text
