"""A classifier of reviews, trained once, is explained alike on PyTorch, Keras and JAX."""

import functools
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import keras
import numpy as np
import pytest
import torch
from flax import nnx
from torch import nn

from trulens_core import (
    ComparativeQoI,
    Cut,
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    get_model_wrapper,
)
from trulens_core.testing import relative_error
from trulens_core.testing.reviews import BLAME, LABELS, PRAISE, reviews
from trulens_core.text import token_baseline
from trulens_core.visualizations import NLP, PlainText

pytestmark = pytest.mark.filterwarnings(
    # Keras's variables under NumPy 2.4
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

SHOWN, WIDTH, FILTERS, LENGTH = 24, 16, 24, 32
LIMITS = {"float64": 1e-10, "float32": 1e-6}  # tanh has no kinks
FRAMEWORKS = ["torch", "keras", "jax"]


@functools.cache
def vocabulary():
    texts, _ = reviews(2000)
    return ["[pad]", *sorted({word for text in texts for word in text.split()})]


def encoded(texts):
    """Ids, and a mask of what is a word."""
    place = {word: i for i, word in enumerate(vocabulary())}
    ids = np.zeros((len(texts), LENGTH), "int32")
    for row, text in zip(ids, texts, strict=True):
        found = [place[word] for word in text.split()]
        row[: len(found)] = found
    return ids, (ids > 0).astype("float64")


class TorchNet(nn.Module):
    def __init__(self, words):
        super().__init__()
        self.embedding = nn.Embedding(words, WIDTH)
        nn.init.normal_(self.embedding.weight, std=0.1)  # words begin without a meaning
        self.conv = nn.Conv1d(WIDTH, FILTERS, 3, padding=1)
        self.scores = nn.Linear(FILTERS, 2)

    def forward(self, ids, mask):
        z = self.embedding(ids) * mask[..., None]
        h = torch.tanh(self.conv(z.transpose(1, 2)).transpose(1, 2)) * mask[..., None]
        return self.scores(h.sum(1) / 8)  # a sum, since opinions are counted


class JaxNet(nnx.Module):
    def __init__(self, weights, dtype):
        rngs, kind = nnx.Rngs(0), {"param_dtype": dtype, "dtype": dtype}
        self.embedding = nnx.Embed(*weights["embedding.weight"].shape, rngs=rngs, **kind)
        self.conv = nnx.Conv(WIDTH, FILTERS, (3,), padding="SAME", rngs=rngs, **kind)
        self.scores = nnx.Linear(FILTERS, 2, rngs=rngs, **kind)
        self.embedding.embedding[...] = weights["embedding.weight"]
        self.conv.kernel[...] = weights["conv.weight"].transpose(2, 1, 0)
        self.conv.bias[...] = weights["conv.bias"]
        self.scores.kernel[...] = weights["scores.weight"].T
        self.scores.bias[...] = weights["scores.bias"]

    def __call__(self, ids, mask):
        z = self.embedding(ids) * mask[..., None]
        h = jax.numpy.tanh(self.conv(z)) * mask[..., None]
        return self.scores(h.sum(1) / 8)


def keras_net(weights, dtype):
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    mask = keras.Input((LENGTH,), dtype=dtype, name="mask")
    words = len(weights["embedding.weight"])
    embedded = keras.layers.Embedding(words, WIDTH, name="embedding", dtype=dtype)(ids)
    conv = keras.layers.Conv1D(FILTERS, 3, padding="same", activation="tanh", dtype=dtype)
    h = conv(embedded * mask[..., None]) * mask[..., None]
    scores = keras.layers.Dense(2, name="scores", dtype=dtype)(keras.ops.sum(h, axis=1) / 8)
    model = keras.Model([ids, mask], scores)
    by_kind = {
        "embedding": [weights["embedding.weight"]],
        conv.name: [weights["conv.weight"].transpose(2, 1, 0), weights["conv.bias"]],
        "scores": [weights["scores.weight"].T, weights["scores.bias"]],
    }
    for name, values in by_kind.items():
        model.get_layer(name).set_weights(values)
    return model


@functools.cache
def weights():
    """Trained once, on PyTorch; the other frameworks are given the same."""
    texts, labels = reviews(2000)
    ids, mask = (torch.tensor(a) for a in encoded(texts))
    labels = torch.tensor(labels)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = TorchNet(len(vocabulary()))
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=0.1)
        for _ in range(12):
            for rows in torch.randperm(len(texts)).split(64):
                optimizer.zero_grad()
                scores = net(ids[rows], mask[rows].float())
                nn.functional.cross_entropy(scores, labels[rows]).backward()
                optimizer.step()
    return {name: value.numpy() for name, value in net.state_dict().items()}


def made(framework, dtype):
    """The model on a framework, and its embedding layer."""
    given = {name: value.astype(dtype) for name, value in weights().items()}
    if framework == "keras":
        model = keras_net(given, dtype)
        return model, model.get_layer("embedding")
    if framework == "jax":
        model = JaxNet(given, dtype)
        return model, model.embedding
    model = TorchNet(len(vocabulary()))
    model.load_state_dict({name: torch.tensor(value) for name, value in given.items()})
    model = model.to(getattr(torch, dtype))
    return model, model.embedding


def ids_of(inputs):
    return inputs.args[0]


@functools.cache
def explained(framework, dtype):
    """By method, attributions of reviews that were not trained on; and what is shown of them."""
    with jax.enable_x64(dtype == "float64"):
        model, embedding = made(framework, dtype)
        wrapper = get_model_wrapper(model)
        texts, _ = reviews(SHOWN, seed=1)
        ids, mask = encoded(texts)
        inputs = ids, mask.astype(dtype)
        _, padding = token_baseline((), 0, ids_of, embedding)
        at, why = {"doi_cut": "embedding"}, ComparativeQoI(1, 0)
        methods = {
            "saliency": InputAttribution(wrapper, multiply_activation=False, qoi="max", **at),
            "path": IntegratedGradients(wrapper, padding, 16, qoi=why, **at),
            "noise": InternalInfluence(wrapper, ("embedding", None), 1, GaussianDoi(1e-3, 4)),
            "units": InternalInfluence(wrapper, Cut("scores", anchor="in"), why, "point"),
        }
        show = NLP(
            wrapper,
            PlainText(color=False),
            LABELS,
            tokenize=lambda _: list(inputs),
            decode=vocabulary().__getitem__,
            hidden_tokens=[0],
        )
        text = show.token_attribution(texts, methods["path"])
        found = {name: np.asarray(m.attributions(*inputs)) for name, m in methods.items()}
        return {"scores": np.asarray(wrapper(*inputs)), **found}, text


@pytest.mark.parametrize("framework", FRAMEWORKS[1:])
@pytest.mark.parametrize("dtype", LIMITS)
def test_attributions_are_equal(framework, dtype):
    expected, found = explained("torch", dtype)[0], explained(framework, dtype)[0]
    for name, values in expected.items():
        if (name, dtype) == ("noise", "float32"):
            # of a unit whose tanh is near 1 the slope, 1 − tanh², has lost digits: 1.0e-6 to
            # 1.5e-6 between JAX and PyTorch, by how rows are put in blocks; ranks are compared
            continue
        assert found[name].dtype == values.dtype == dtype
        if name == "scores":  # those near zero are differences of large numbers
            error = np.abs(found[name] - values).max() / np.abs(values).max()
        else:
            error = relative_error(found[name], values)
        assert error <= LIMITS[dtype], name


@pytest.mark.parametrize("framework", FRAMEWORKS[1:])
@pytest.mark.parametrize("dtype", LIMITS)
def test_tokens_have_the_same_ranks(framework, dtype):
    expected, found = explained("torch", dtype), explained(framework, dtype)
    for name in ("saliency", "path", "noise"):
        ranks = [np.argsort(-x[0][name].sum(-1), axis=1, kind="stable") for x in (expected, found)]
        np.testing.assert_array_equal(*ranks, err_msg=name)
    assert found[1] == expected[1]  # what a person sees


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_words_that_decide_are_those_that_were_put_there(framework):
    values, _ = explained(framework, "float32")
    texts, labels = reviews(SHOWN, seed=1)
    assert (values["scores"].argmax(1) == labels).mean() > 0.9
    for text, row in zip(texts, values["path"].sum(-1), strict=True):
        words = text.split()
        assert (row[len(words) :] == 0).all()  # masked, and exactly
        opinions = [i for i, word in enumerate(words) if word in (*PRAISE, *BLAME, "not", "never")]
        assert np.abs(row).argmax() in opinions, text
        assert np.abs(row[opinions]).sum() > 0.45 * np.abs(row).sum(), text
