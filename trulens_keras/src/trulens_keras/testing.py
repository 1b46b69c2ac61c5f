"""A language model for tests and pages: trained here, in seconds, on texts that can be judged."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from trulens_core.testing.reports import VOCABULARY, batch


def trained_language_model(seed: int = 0, steps: int = 400) -> Any:
    """A Keras transformer with two blocks, which has learned `trulens_core.testing.reports`.

    It takes token ids, (records, steps), and gives scores, (records, steps, vocabulary). Its
    layers are `tokens`, `places`, and of each block `block_0`, which is its sum, and those within.

    Args:
        seed: of the weights and of the texts. Keras's own seed is set.
        steps: of training, with 64 texts each; 400 are enough on every backend.

    Returns:
        The model, on Keras's backend.

    Example:
        >>> model = trained_language_model(steps=1)
        >>> model(np.array([[1, 3, 13]])).shape[1:]
        (3, 20)
    """
    keras.utils.set_random_seed(seed)
    model = _network()
    rate = keras.optimizers.schedules.CosineDecay(6e-3, max(steps, 31))
    model.compile(keras.optimizers.AdamW(rate, beta_2=0.98), _loss)
    rng = np.random.default_rng(seed)
    given = [batch(64, rng) for _ in range(steps)]
    ids = np.concatenate([b.ids for b in given]).astype("int32")
    weights = np.concatenate([b.weights for b in given]).astype("float32")
    told = np.stack([ids[:, 1:].astype("float32"), weights[:, 1:]], axis=-1)
    model.fit(ids[:, :-1], told, batch_size=64, shuffle=False, verbose=0)
    return model


def _loss(told: Any, scores: Any) -> Any:
    ids, weights = ops.cast(told[..., 0], "int32"), told[..., 1]
    each = keras.losses.sparse_categorical_crossentropy(ids, scores, from_logits=True)
    return ops.sum(each * weights, axis=-1)


class Places(layers.Layer):  # type: ignore[misc]  # keras is not typed
    """Adds to each token's vector that of its place."""

    def __init__(self, most: int, **options: Any) -> None:
        super().__init__(**options)
        self.most = most

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=(self.most, shape[-1]), name="table")

    def call(self, x: Any) -> Any:
        return x + self.table[: ops.shape(x)[1]]

    def compute_output_shape(self, shape: Any) -> Any:
        return shape  # of any number of tokens, which Keras could not try out


def _network(width: int = 32, heads: int = 4) -> Any:
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(len(VOCABULARY), width, name="tokens")(ids)
    x = Places(64, name="places")(x)
    for i in range(2):
        normed = layers.LayerNormalization(name=f"norm_{i}_1")(x)
        attention = layers.MultiHeadAttention(heads, width // heads, name=f"attention_{i}")
        x = layers.Add(name=f"between_{i}")([x, attention(normed, normed, use_causal_mask=True)])
        normed = layers.LayerNormalization(name=f"norm_{i}_2")(x)
        up = layers.Dense(2 * width, "gelu", name=f"up_{i}")(normed)
        x = layers.Add(name=f"block_{i}")([x, layers.Dense(width, name=f"down_{i}")(up)])
    x = layers.LayerNormalization(name="norm")(x)
    return keras.Model(ids, layers.Dense(len(VOCABULARY), name="head")(x))
