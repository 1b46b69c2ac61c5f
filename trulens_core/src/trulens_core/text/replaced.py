"""What takes a token's place: baselines of embeddings, and the tokens that keep their own."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Tensor
from trulens_core.errors import TrulensWarning
from trulens_core.models import ModelWrapper
from trulens_core.models.texts import TextModel
from trulens_core.text.tokens import Ids

NAMES = ("mean", "eos", "pad", "unk", "bos", "zeros")
_CHUNK = 4096
_SMALL = 1e-3


@dataclasses.dataclass(frozen=True)
class Replacement:
    """A token's vector in the baseline, the same at every place that is not held.

    Args:
        wrapper: the model.
        text: how it reads.
        tokenizer: which knows the special tokens; None: none is known.
    """

    wrapper: ModelWrapper
    text: TextModel
    tokenizer: Any = None

    def vector(self, baseline: Any, like: Tensor, vocabulary: int) -> Tensor:
        """The vector, (width,) or broadcasting to (tokens, width).

        Args:
            baseline: "mean" (of all tokens' embeddings), "eos", "pad", "unk", "bos" (that token's
                embedding), "zeros", an id, or the vector itself.
            like: embeddings, (records, tokens, width).
            vocabulary: how many ids there are.
        """
        backend = self.wrapper.backend
        if isinstance(baseline, str):
            if baseline == "zeros":
                return backend.xp.zeros_like(like[0, 0])
            if baseline == "mean":
                return self._mean(like, vocabulary)
            return self._of_id(self._special(baseline), like)
        if isinstance(baseline, int | np.integer) and not isinstance(baseline, bool):
            return self._of_id(int(baseline), like)
        if backend.is_tensor(baseline):
            return backend.cast(baseline, like)
        array = np.asarray(baseline)
        if array.dtype.kind != "f":
            raise ValueError(
                f"baseline is {baseline!r}; it must be {', '.join(map(repr, NAMES))}, a token's id "
                "or a vector"
            )
        return backend.from_numpy(array, like=like)

    def _special(self, name: str) -> int:
        if name not in NAMES:
            raise ValueError(
                f"baseline is {name!r}; it must be {', '.join(map(repr, NAMES))}, a token's id or "
                "a vector"
            )
        found = getattr(self.tokenizer, f"{name}_token_id", None)
        if found is None and name == "eos" and self.text.ends:
            found = self.text.ends[0]
        if found is None:
            raise ValueError(f"baseline={name!r}: no such token is known; give its id")
        return int(found)

    def _of_id(self, token: int, like: Tensor) -> Tensor:
        return self._embedded(np.asarray([token]), like)[0]

    def _mean(self, like: Tensor, vocabulary: int) -> Tensor:
        xp = self.wrapper.backend.xp
        total: Tensor = 0.0
        step = max(1, _CHUNK if self.text.embed else _CHUNK // int(like.shape[1]))
        for first in range(0, vocabulary, step):
            ids = np.arange(first, min(first + step, vocabulary))
            part = xp.sum(self.wrapper.backend.accumulator(self._embedded(ids, like)), axis=0)
            total = total + part
        return self.wrapper.backend.cast(total / vocabulary, like)

    def _embedded(self, ids: Ids, like: Tensor) -> Tensor:
        """Ids as vectors, (ids, width); where the model is asked, (ids, tokens, width)."""
        backend = self.wrapper.backend
        if self.text.embed is not None:
            given = backend.from_numpy(np.asarray(ids, "int64"), like=like)
            return backend.stop_gradient(self.text.embed(given))
        rows = np.broadcast_to(ids[:, None], (len(ids), int(like.shape[1])))
        found = self.wrapper.fprop([np.ascontiguousarray(rows)], to_cut=self.text.embedding)
        return backend.from_numpy(np.asarray(found), like=like)


def baseline_of(z: Tensor, vector: Tensor, held: np.ndarray[Any, Any], backend: Any) -> Tensor:
    """Embeddings in which all tokens but those held are replaced.

    Args:
        z: (records, tokens, width).
        vector: what takes their place.
        held: (records, tokens) bools.
        backend: of the tensors.
    """
    stays = backend.from_numpy(held[:, :, None].astype("float32"), like=z) > 0.5
    return backend.xp.where(stays, z, backend.xp.broadcast_to(vector, tuple(z.shape)))


def remark_of_zeros(vectors: Sequence[Tensor], like: Sequence[Tensor], wrapper: Any) -> None:
    """Warn of a baseline that a normalisation makes something of that no token is."""
    backend = wrapper.backend
    layers = wrapper.layers()
    if any("position" in x.name or "wpe" in x.name for x in layers):
        return  # they are added before anything is divided
    kinds = [x.kind for x in layers if "norm" in x.kind.lower()]
    for vector, z in zip(vectors, like, strict=True):
        size = backend.magnitude(vector) / max(1, math.prod(vector.shape))
        usual = backend.magnitude(z) / max(1, math.prod(z.shape))
        if kinds and size <= _SMALL * usual:
            warnings.warn(
                f"the baseline is nearly 0, and {kinds[0]} divides by its size: what happens near "
                "it decides the attributions, and completeness fails; take baseline='mean'",
                TrulensWarning,
                stacklevel=5,
            )
            return
