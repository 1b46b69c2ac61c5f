"""A language model for tests and pages: trained here, in seconds, on texts that can be judged.

It needs `flax`, which trulens-nn-jax itself does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.testing.reports import VOCABULARY, batch


def trained_language_model(seed: int = 0, steps: int = 250) -> Any:
    """A transformer of Flax NNX with two blocks, which has learned `trulens_core.testing.reports`.

    It takes token ids, (records, steps), and gives scores, (records, steps, vocabulary). Its
    layers are `tokens`, `places`, `blocks.0`, `blocks.1`, `norm` and `head`, and those within.

    Args:
        seed: of the weights and of the texts.
        steps: of training, with 64 texts each; 250 are enough.

    Returns:
        The module.

    Example:
        >>> model = trained_language_model(steps=1)
        >>> model(np.array([[1, 3, 13]])).shape
        (1, 3, 20)
    """
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx

    model = _network(nnx, jnp, jax)(nnx.Rngs(seed))
    rate = optax.warmup_cosine_decay_schedule(0.0, 6e-3, 30, max(steps, 31), 3e-4)
    optimizer = nnx.Optimizer(model, optax.adamw(rate, b2=0.98), wrt=nnx.Param)

    @nnx.jit
    def step(model: Any, optimizer: Any, ids: Any, weights: Any) -> None:
        def loss(model: Any) -> Any:
            scores = jax.nn.log_softmax(model(ids[:, :-1]))
            each = jnp.take_along_axis(scores, ids[:, 1:, None], axis=2)[..., 0]
            return -(each * weights[:, 1:]).sum(1).mean()

        optimizer.update(model, nnx.grad(loss)(model))

    rng = np.random.default_rng(seed)
    for _ in range(steps):
        given = batch(64, rng)
        step(model, optimizer, given.ids.astype("int32"), given.weights.astype("float32"))
    return model


def _network(nnx: Any, jnp: Any, jax: Any) -> Any:
    class Attention(nnx.Module):  # type: ignore[misc]  # flax is not typed here
        def __init__(self, width: int, heads: int, rngs: Any) -> None:
            self.heads = heads
            self.inward = nnx.Linear(width, 3 * width, rngs=rngs)
            self.outward = nnx.Linear(width, width, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            b, n, width = x.shape
            parts = self.inward(x).reshape(b, n, 3, self.heads, -1)
            q, k, v = (parts[:, :, i].swapaxes(1, 2) for i in range(3))
            scores = q @ k.swapaxes(2, 3) / jnp.sqrt(k.shape[-1])
            seen = jnp.tril(jnp.ones((n, n), bool))
            found = jax.nn.softmax(jnp.where(seen, scores, -1e9)) @ v
            return self.outward(found.swapaxes(1, 2).reshape(b, n, width))

    class Block(nnx.Module):  # type: ignore[misc]  # flax is not typed here
        def __init__(self, width: int, heads: int, rngs: Any) -> None:
            self.norm_1 = nnx.LayerNorm(width, rngs=rngs)
            self.attention = Attention(width, heads, rngs)
            self.norm_2 = nnx.LayerNorm(width, rngs=rngs)
            self.up = nnx.Linear(width, 2 * width, rngs=rngs)
            self.down = nnx.Linear(2 * width, width, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            x = x + self.attention(self.norm_1(x))
            return x + self.down(jax.nn.gelu(self.up(self.norm_2(x))))

    class Network(nnx.Module):  # type: ignore[misc]  # flax is not typed here
        def __init__(self, rngs: Any, width: int = 32, heads: int = 4) -> None:
            self.tokens = nnx.Embed(len(VOCABULARY), width, rngs=rngs)
            self.places = nnx.Embed(64, width, rngs=rngs)
            self.blocks = nnx.List([Block(width, heads, rngs) for _ in range(2)])
            self.norm = nnx.LayerNorm(width, rngs=rngs)
            self.head = nnx.Linear(width, len(VOCABULARY), rngs=rngs)

        def __call__(self, ids: Any) -> Any:
            x = self.tokens(ids) + self.places(jnp.arange(ids.shape[1]))
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    return Network
