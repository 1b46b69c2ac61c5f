"""One small residual network: as a function by hand, in Flax NNX, Flax Linen and Equinox."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx

CHANNELS, CLASSES, BLOCKS = 4, 3, 2


def weights(dtype="float32"):
    """By name: kernels as (height, width, in, out), statistics that are not those of the data."""
    rng = np.random.default_rng(0)
    found = {"stem.kernel": rng.normal(size=(3, 3, 2, CHANNELS)) / 3}
    for i in range(BLOCKS):
        for conv in ("conv1", "conv2"):
            found[f"blocks.{i}.{conv}.kernel"] = rng.normal(size=(3, 3, CHANNELS, CHANNELS)) / 5
        for norm in ("norm1", "norm2"):
            for name, centre in (("scale", 1), ("bias", 0), ("mean", 0), ("var", 1.5)):
                drawn = centre + 0.3 * rng.normal(size=CHANNELS)
                found[f"blocks.{i}.{norm}.{name}"] = drawn
    found["logits.kernel"] = rng.normal(size=(CHANNELS, CLASSES))
    return {k: jnp.asarray(v, dtype) for k, v in found.items()}


def images(dtype="float32"):
    return np.random.default_rng(1).normal(size=(3, 6, 6, 2)).astype(dtype)


# -- by hand -------------------------------------------------------------------------------------


def conv(w, name, x):
    numbers = ("NHWC", "HWIO", "NHWC")
    kernel = w[f"{name}.kernel"]
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)


def norm(w, name, x):
    scale, bias, mean, var = (w[f"{name}.{n}"] for n in ("scale", "bias", "mean", "var"))
    return (x - mean) / jnp.sqrt(var + 1e-5) * scale + bias


def block(w, i, x):
    name = f"blocks.{i}"
    h = jax.nn.relu(norm(w, f"{name}.norm1", conv(w, f"{name}.conv1", x)))
    return jax.nn.relu(x + norm(w, f"{name}.norm2", conv(w, f"{name}.conv2", h)))


def from_block(w, i, x):
    """The logits from the input of block i."""
    for j in range(i, BLOCKS):
        x = block(w, j, x)
    return x.mean((1, 2)) @ w["logits.kernel"]


def by_hand(w, x):
    return from_block(w, 0, conv(w, "stem", x))


# -- Flax NNX ------------------------------------------------------------------------------------


class NnxBlock(nnx.Module):
    def __init__(self, rngs):
        conv = {"kernel_size": (3, 3), "use_bias": False, "rngs": rngs}
        self.conv1, self.conv2 = (nnx.Conv(CHANNELS, CHANNELS, **conv) for _ in range(2))
        self.norm1, self.norm2 = (nnx.BatchNorm(CHANNELS, rngs=rngs) for _ in range(2))
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        h = self.dropout(jax.nn.relu(self.norm1(self.conv1(x))))
        return jax.nn.relu(x + self.norm2(self.conv2(h)))


class NnxResNet(nnx.Module):
    def __init__(self, rngs):
        self.stem = nnx.Conv(2, CHANNELS, (3, 3), use_bias=False, rngs=rngs)
        blocks = [NnxBlock(rngs) for _ in range(BLOCKS)]
        self.blocks = nnx.List(blocks) if hasattr(nnx, "List") else blocks
        self.logits = nnx.Linear(CHANNELS, CLASSES, use_bias=False, rngs=rngs)

    def __call__(self, x):
        x = self.stem(x)
        for b in self.blocks:
            x = b(x)
        return self.logits(x.mean((1, 2)))


def in_nnx(w):
    """In training mode, as a user may have left it."""
    model = NnxResNet(nnx.Rngs(0))
    for name, value in w.items():
        *path, last = name.split(".")
        owner = model
        for part in path:
            owner = owner[int(part)] if part.isdigit() else getattr(owner, part)
        setattr(owner, last, type(getattr(owner, last))(value))
    model.train()
    return model


# -- Flax Linen ----------------------------------------------------------------------------------


class LinenBlock(nn.Module):
    @nn.compact
    def __call__(self, x, train=True):
        h = nn.Conv(CHANNELS, (3, 3), use_bias=False, name="conv1")(x)
        h = jax.nn.relu(nn.BatchNorm(use_running_average=not train, name="norm1")(h))
        h = nn.Dropout(0.5)(h, deterministic=not train)
        h = nn.Conv(CHANNELS, (3, 3), use_bias=False, name="conv2")(h)
        return jax.nn.relu(x + nn.BatchNorm(name="norm2")(h, use_running_average=not train))


class LinenResNet(nn.Module):
    @nn.compact
    def __call__(self, x, train=True):
        x = nn.Conv(CHANNELS, (3, 3), use_bias=False, name="stem")(x)
        for i in range(BLOCKS):
            x = LinenBlock(name=f"blocks_{i}")(x, train)
        return nn.Dense(CLASSES, use_bias=False, name="logits")(x.mean((1, 2)))


def in_linen(w):
    """The module and its variables."""
    variables = {"params": {}, "batch_stats": {}}
    for name, value in w.items():
        *path, last = name.replace("blocks.", "blocks_").split(".")
        place = variables["batch_stats" if last in ("mean", "var") else "params"]
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return LinenResNet(), variables


# -- Equinox -------------------------------------------------------------------------------------


class EqxNorm(eqx.Module):
    scale: jax.Array
    bias: jax.Array
    mean: jax.Array
    var: jax.Array

    def __call__(self, x):
        scale, bias, mean, var = (
            v[:, None, None] for v in (self.scale, self.bias, self.mean, self.var)
        )
        return (x - mean) / jnp.sqrt(var + 1e-5) * scale + bias


class EqxBlock(eqx.Module):
    conv1: eqx.nn.Conv2d
    norm1: EqxNorm
    dropout: eqx.nn.Dropout
    conv2: eqx.nn.Conv2d
    norm2: EqxNorm

    def __call__(self, x):
        h = self.dropout(jax.nn.relu(self.norm1(self.conv1(x))))
        return jax.nn.relu(x + self.norm2(self.conv2(h)))


class EqxResNet(eqx.Module):
    """Takes one image, channels first."""

    stem: eqx.nn.Conv2d
    blocks: list
    logits: eqx.nn.Linear

    def __call__(self, x):
        x = self.stem(x)
        for b in self.blocks:
            x = b(x)
        return self.logits(x.mean((1, 2)))


def in_equinox(w):
    def conv(name, i):
        made = eqx.nn.Conv2d(i, CHANNELS, 3, padding=1, use_bias=False, key=jax.random.key(0))
        kernel = w[f"{name}.kernel"].transpose(3, 2, 0, 1)
        return eqx.tree_at(lambda c: c.weight, made, kernel)

    def norm(name):
        return EqxNorm(*(w[f"{name}.{n}"] for n in ("scale", "bias", "mean", "var")))

    def block(name):
        return EqxBlock(
            conv(f"{name}.conv1", CHANNELS),
            norm(f"{name}.norm1"),
            eqx.nn.Dropout(0.5),
            conv(f"{name}.conv2", CHANNELS),
            norm(f"{name}.norm2"),
        )

    logits = eqx.nn.Linear(CHANNELS, CLASSES, use_bias=False, key=jax.random.key(0))
    logits = eqx.tree_at(lambda c: c.weight, logits, w["logits.kernel"].T)
    return EqxResNet(conv("stem", 2), [block(f"blocks.{i}") for i in range(BLOCKS)], logits)
