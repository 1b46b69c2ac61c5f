"""Patching of one decoder, with the same weights on PyTorch, Keras and Flax NNX: equal numbers."""

import functools
import math
import os

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import torch
from flax import nnx
from keras import ops

from trulens_core import get_model_wrapper, patch_attributions
from trulens_core.testing import relative_error

VOCABULARY, WIDTH, HEADS, BLOCKS, EPSILON = 12, 8, 2, 2, 1e-5
CLEAN, CORRUPTED = np.array([1, 4, 7, 2, 9]), np.array([1, 5, 7, 3, 9])
QUANTITY = "contrast", 3, 8
SHAPES = {"qkv": (WIDTH, 3 * WIDTH), "out": (WIDTH, WIDTH)}
SHAPES |= {"up": (WIDTH, 3 * WIDTH), "down": (3 * WIDTH, WIDTH)}


@functools.cache
def weights():
    """Matrices (in, out) by the names of layers, such as ("up", 0)."""
    rng = np.random.default_rng(0)
    found = {
        (name, i): rng.normal(size=s) * 0.5 for name, s in SHAPES.items() for i in range(BLOCKS)
    }
    found["tokens", 0] = rng.normal(size=(VOCABULARY, WIDTH))
    found["head", 0] = rng.normal(size=(WIDTH, VOCABULARY))
    return found


# -- PyTorch -------------------------------------------------------------------------------------


class TorchBlock(torch.nn.Module):
    def __init__(self, i):
        super().__init__()
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(WIDTH, EPSILON) for _ in range(2))
        for name, (before, after) in SHAPES.items():
            setattr(self, name, linear(before, after, weights()[name, i]))

    def forward(self, x):
        b, n, width = x.shape
        q, k, v = (
            t.reshape(b, n, HEADS, -1).transpose(1, 2)
            for t in self.qkv(self.norms[0](x)).chunk(3, -1)
        )
        scores = q @ k.transpose(2, 3) / math.sqrt(width // HEADS)
        later = torch.ones(n, n, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(later, -torch.inf).softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(b, n, width))
        return x + self.down(torch.tanh(self.up(self.norms[1](x))))


def linear(before, after, matrix):
    made = torch.nn.Linear(before, after, bias=False)
    made.weight = torch.nn.Parameter(torch.from_numpy(matrix.T.copy()))
    return made


class TorchDecoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = torch.nn.Embedding.from_pretrained(torch.from_numpy(weights()["tokens", 0]))
        self.blocks = torch.nn.ModuleList(map(TorchBlock, range(BLOCKS)))
        self.norm = torch.nn.LayerNorm(WIDTH, EPSILON)
        self.head = linear(WIDTH, VOCABULARY, weights()["head", 0])

    def forward(self, ids):
        x = self.tokens(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


# -- Keras ---------------------------------------------------------------------------------------


class Mixed(keras.layers.Layer):
    """Attention without its projections."""

    def call(self, x):
        b, n = ops.shape(x)[:2]
        q, k, v = (
            ops.transpose(ops.reshape(t, (b, n, HEADS, WIDTH // HEADS)), (0, 2, 1, 3))
            for t in ops.split(x, 3, axis=-1)
        )
        scores = q @ ops.transpose(k, (0, 1, 3, 2)) / math.sqrt(WIDTH // HEADS)
        earlier = ops.arange(n)[None] <= ops.arange(n)[:, None]
        scores = ops.where(earlier, scores, ops.cast(-1e9, scores.dtype))
        mixed = ops.softmax(scores, axis=-1) @ v
        return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (b, n, WIDTH))

    def compute_output_shape(self, shape):
        return (*shape[:2], WIDTH)


def keras_decoder():
    layers, double = keras.layers, {"dtype": "float64"}

    def dense(name, i, x, **options):
        after = weights()[name, i].shape[1]
        return layers.Dense(after, use_bias=False, name=f"{name}_{i}", **double, **options)(x)

    def norm(x):
        return layers.LayerNormalization(epsilon=EPSILON, **double)(x)

    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(VOCABULARY, WIDTH, name="tokens_0", **double)(ids)
    for i in range(BLOCKS):
        mixed = Mixed(**double)(dense("qkv", i, norm(x)))
        x = layers.Add(**double)([x, dense("out", i, mixed)])
        up = dense("up", i, norm(x), activation="tanh")
        x = layers.Add(name=f"block_{i}", **double)([x, dense("down", i, up)])
    model = keras.Model(ids, dense("head", 0, norm(x)))
    for (name, i), matrix in weights().items():
        model.get_layer(f"{name}_{i}").set_weights([matrix])
    return model


# -- Flax NNX ------------------------------------------------------------------------------------


class NnxBlock(nnx.Module):
    def __init__(self, i):
        self.norms = nnx.List([nnx_norm(), nnx_norm()])
        for name in SHAPES:
            setattr(self, name, nnx_linear(weights()[name, i]))

    def __call__(self, x):
        b, n, width = x.shape
        q, k, v = (
            t.reshape(b, n, HEADS, -1).swapaxes(1, 2)
            for t in jnp.split(self.qkv(self.norms[0](x)), 3, -1)
        )
        scores = q @ k.swapaxes(2, 3) / math.sqrt(width // HEADS)
        scores = jnp.where(jnp.tril(jnp.ones((n, n), bool)), scores, -1e9)
        mixed = jax.nn.softmax(scores) @ v
        x = x + self.out(mixed.swapaxes(1, 2).reshape(b, n, width))
        return x + self.down(jnp.tanh(self.up(self.norms[1](x))))


def nnx_norm():
    return nnx.LayerNorm(WIDTH, epsilon=EPSILON, param_dtype="float64", rngs=nnx.Rngs(0))


def nnx_linear(matrix):
    made = nnx.Linear(*matrix.shape, use_bias=False, param_dtype="float64", rngs=nnx.Rngs(0))
    made.kernel[...] = jnp.asarray(matrix)
    return made


class NnxDecoder(nnx.Module):
    def __init__(self):
        double = {"param_dtype": "float64", "rngs": nnx.Rngs(0)}
        self.tokens = nnx.Embed(VOCABULARY, WIDTH, **double)
        self.tokens.embedding[...] = jnp.asarray(weights()["tokens", 0])
        self.blocks = nnx.List([NnxBlock(i) for i in range(BLOCKS)])
        self.norm = nnx_norm()
        self.head = nnx_linear(weights()["head", 0])

    def __call__(self, ids):
        x = self.tokens(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


# -- the same numbers ----------------------------------------------------------------------------

BY_MODULES = {
    "layers": ["tokens", "blocks.0", "blocks.1"],
    "heads": ["blocks.0.out", "blocks.1.out"],
    "neurons": ["blocks.0.down", "blocks.1.down"],
}
BY_NAMES = {
    "layers": ["tokens_0", "block_0", "block_1"],
    "heads": ["out_0", "out_1"],
    "neurons": ["down_0", "down_1"],
}
CASES = {
    "at a point": {},
    "EAP-IG": {"path": 5},
    "own values": {"path": 3, "along": "sites"},
    "exact": {"path": "exact"},
    "heads": {"at": "heads"},
    "heads, EAP-IG": {"at": "heads", "path": 4},
    "heads, exact": {"at": "heads", "path": "exact"},
    "neurons": {"at": "neurons"},
    "neurons, EAP-IG": {"at": "neurons", "path": 4},
    "another position": {"path": 3, "position": 3},
}
# each compiles anew; the others run where all tests do
QUICK = "EAP-IG", "exact", "heads, EAP-IG", "neurons, EAP-IG"
CHOSEN = [name for name in CASES if name in QUICK or os.environ.get("TRULENS_EVERY")]


@pytest.fixture(scope="module")
def decoders():
    """By framework the wrapped model, what its layers are called, and which is the embedding."""
    with jax.enable_x64():
        yield {
            "torch": (get_model_wrapper(TorchDecoder().double()), BY_MODULES, "tokens"),
            "keras": (get_model_wrapper(keras_decoder()), BY_NAMES, "tokens_0"),
            "nnx": (get_model_wrapper(NnxDecoder()), BY_MODULES, "tokens"),
        }


def patched(decoder, **options):
    wrapper, layers, embeddings = decoder
    at = options.get("at", "layers")
    more = {"heads": HEADS} if at == "heads" else {}
    return patch_attributions(
        wrapper,
        None,
        CLEAN,
        CORRUPTED,
        QUANTITY,
        layers=layers[at],
        embeddings=embeddings,
        **more,
        **options,
    )


@pytest.mark.parametrize("case", CHOSEN)
def test_patching_is_the_same_on_every_framework(decoders, case):
    """Law: equal weights give equal numbers, ≤ 1e-10 in float64."""
    one, *others = (patched(decoders[name], **CASES[case]) for name in ("torch", "keras", "nnx"))
    assert one.attributions.dtype == np.float64
    assert np.abs(one.attributions).max() > 1e-3
    for other in others:
        assert other.attributions.shape == one.attributions.shape
        flat = (r.attributions.reshape(1, -1) for r in (other, one))
        assert relative_error(*flat) <= 1e-10
        assert other.quantity == pytest.approx(one.quantity, abs=1e-12)
        assert other.corrupted_quantity == pytest.approx(one.corrupted_quantity, abs=1e-12)
