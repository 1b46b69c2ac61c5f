"""What a language model says when parts of its prompt are taken out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from trulens_core.backends import Backend
from trulens_core.inputs import ModelInputs
from trulens_core.models import ModelWrapper
from trulens_core.models.texts import TextModel
from trulens_core.quantities import QoI
from trulens_core.slices import is_index
from trulens_core.text.following import Following, alike
from trulens_core.text.replaced import Replacement
from trulens_core.text.stretches import Stretches
from trulens_core.text.tokens import Ids

Array = np.ndarray[Any, Any]
Removal = Literal["delete", "mask", "mean", "pad", "mask_token"]
Pass = Callable[[Array], Any]
"""From which tokens are kept, (rows, tokens), to the scores of the last steps."""

_ROWS, _TOKENS = 64, 8192
_CLOSE = {2: 3e-2, 4: 1e-4, 8: 1e-9}
"""How far two evaluations of the same scores may lie apart, by the bytes of their type."""


@dataclasses.dataclass(frozen=True, eq=False)
class Removing:
    """A function of which segments are kept, (rows, segments), to quantities, (rows, targets).

    Attributes:
        wrapper: the model.
        ids: all tokens among which some are taken out: see `SegmentQuestion.ids`.
        stretches: of the prompt.
        qoi: what is read of the scores at the last steps, made for a number of rows.
        scores: how tokens are taken out.
        rows: of one pass.
    """

    wrapper: ModelWrapper
    ids: Ids
    stretches: Stretches
    qoi: Callable[[int], QoI]
    scores: Pass
    rows: int

    def __call__(self, keep: Array) -> Array:
        kept = self.stretches.kept(np.asarray(keep) > 0.5)
        more = np.ones((len(kept), len(self.ids) - kept.shape[1]), bool)
        whole = np.concatenate([kept, more], axis=1)
        # what begins alike goes together, and is read once where the model remembers
        order = np.argsort(alike(whole), kind="stable")
        blocks = [whole[order[i : i + self.rows]] for i in range(0, len(whole), self.rows)]
        found = np.concatenate([self._part(block) for block in blocks])
        return found[np.argsort(order, kind="stable")]

    def _part(self, kept: Array) -> Array:
        y = self.scores(kept)
        found = self.wrapper.backend.to_numpy(self.qoi(len(kept))(y))
        return np.asarray(found, "float64").reshape(len(kept), -1)


@dataclasses.dataclass(frozen=True, eq=False)
class Passes:
    """The ways to take tokens out of a text, each a function of what is kept.

    Attributes:
        wrapper: the model.
        text: what it says of itself.
        ids: of the whole text; of an encoder-decoder, of what it reads.
        steps: how many steps at the end are wanted.
        written: the ids that an encoder-decoder's decoder is given; None of another model.
        others: arguments of the model besides ids, as pictures, which stay.
    """

    wrapper: ModelWrapper
    text: TextModel
    ids: Ids
    steps: int
    written: Ids | None = None
    others: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def masked(self, kept: Array) -> Any:
        """Attention sees what is kept; places stay as they were."""
        return self._run(self._repeated(kept), {"attention_mask": kept.astype("int64")})

    def closed(self, kept: Array) -> Any:
        """Attention sees what is kept, and places are counted without gaps."""
        places = np.maximum(np.cumsum(kept, axis=1) - 1, 0)
        more = {"attention_mask": kept.astype("int64"), "position_ids": places}
        return self._run(self._repeated(kept), more)

    def after(self, n: int, remembered: Mapping[str, Any], kept: Array) -> Any:
        """The same, where the first n tokens, which all rows have, are remembered."""
        places = np.maximum(np.cumsum(kept, axis=1) - 1, 0)[:, n:]
        more = {"attention_mask": kept.astype("int64"), "position_ids": places}
        return self._run(self._repeated(kept)[:, n:], {**more, **remembered})

    def shorter(self, kept: Array) -> Any:
        """The text without them: rows of one length go together."""
        lengths, xp, backend = kept.sum(axis=1), self.wrapper.backend.xp, self.wrapper.backend
        order = np.argsort(lengths, kind="stable")
        found = []
        for n in np.unique(lengths):
            ids = np.stack([self.ids[row] for row in kept[lengths == n]])
            more = {"attention_mask": np.ones_like(ids)} if "attention_mask" in self._takes else {}
            y = self._run(ids, more)
            found.append(y[:, -self.steps :])
        whole = found[0] if len(found) == 1 else xp.concat(found, axis=0)
        back = np.argsort(order, kind="stable").astype("int32")
        return xp.take(whole, backend.from_numpy(back, like=whole), axis=0)

    def padded(self, kept: Array) -> Any:
        """The text without them, filled up at the end, which nothing before it sees.

        What an encoder is filled up with is masked.
        """
        xp, lengths = self.wrapper.backend.xp, kept.sum(axis=1)
        order = np.argsort(~kept, axis=1, kind="stable")
        is_text = np.arange(kept.shape[1]) < lengths[:, None]
        ids = np.where(is_text, self.ids[order], 0)
        if self.written is not None:
            return self._run(ids, {"attention_mask": is_text.astype("int64")})
        y = self.wrapper.fprop(self._prepared(ids, {}))
        rows = [y[i : i + 1, n - self.steps : n] for i, n in enumerate(lengths.tolist())]
        return xp.concat(rows, axis=0)

    def replaced(self, token: int) -> Pass:
        """Another token in their place."""
        return lambda kept: self._run(np.where(kept, self.ids, token), self._all(kept))

    def embedded(self, vector: Array) -> Pass:
        """A vector in the place of their embeddings."""
        at = self.text.embedding
        whole = self._prepared(self.ids[None], {})
        z = self.wrapper.backend.to_numpy(self.wrapper.fprop(whole, to_cut=at))

        def scores(kept: Array) -> Any:
            inputs = self._prepared(self._repeated(kept), self._all(kept))
            like = self.wrapper.fprop(self._prepared(self.ids[None], {}), to_cut=at)
            given = np.where(kept[..., None], z, vector).astype(z.dtype)
            value = self.wrapper.backend.from_numpy(given, like=like)
            return self.wrapper.fprop(inputs, doi_cut=at, intervention=value)

        return scores

    def delete(self, kept: Array) -> tuple[Pass, str]:
        """The exact removal: by a mask where that is found to be the same, else shorter texts.

        Args:
            kept: some rows to find out with.
        """
        exact, window = self.host(self.shorter(kept)), self.text.window
        masks = {"attention_mask", "position_ids"} <= self._takes
        # a window that is shorter than the text counts what is hidden, too
        masks = masks and (window is None or len(self.ids) <= window)
        if masks and self.near(self.closed(kept), exact):
            return Following(self), "attention mask"
        fills = self.written is None or "attention_mask" in self._takes
        if fills and self.near(self.padded(kept), exact):
            return self.padded, "shorter texts, filled up at the end"
        return self.shorter, "shorter texts"

    def near(self, y: Any, exact: Array) -> bool:
        """Whether scores are the same as others, to rounding."""
        found = self.host(y)
        far = np.abs(found.astype("float64") - exact).max()
        return bool(far <= _CLOSE.get(found.dtype.itemsize, 1e-4) * float(np.abs(exact).max()))

    def looks_ahead(self) -> bool:
        """Whether what was written has an effect on the scores of its own first token."""
        if self.steps == 1 or self.written is not None:
            return False
        texts = self.ids[None], self.ids[None, : len(self.ids) - self.steps + 1]
        whole, alone = (self.host(self._run(t, self._all(np.ones(t.shape, bool)))) for t in texts)
        far = np.abs(whole[:, 0].astype("float64") - alone[:, -1]).max()
        return bool(far > _CLOSE.get(whole.dtype.itemsize, 1e-4) * np.abs(alone[:, -1]).max())

    def host(self, y: Any) -> Array:
        """The scores of the last steps, of NumPy."""
        return np.asarray(self.wrapper.backend.to_numpy(y))[:, -self.steps :]

    @property
    def _takes(self) -> frozenset[str]:
        return self.text.accepts

    def _all(self, kept: Array) -> dict[str, Array]:
        return (
            {"attention_mask": np.ones(kept.shape, "int64")}
            if "attention_mask" in self._takes
            else {}
        )

    def _repeated(self, kept: Array) -> Ids:
        return np.repeat(self.ids[None], len(kept), axis=0)

    def _prepared(self, ids: Ids, more: dict[str, Any]) -> ModelInputs:
        if "input_ids" in self._takes:
            more = {**self._beside(len(ids)), **more}
            given = ModelInputs((), {"input_ids": ids, **more})
        else:
            given = ModelInputs((ids,), more)
        return self.wrapper.prepared(given)[0]

    def _beside(self, rows: int) -> dict[str, Any]:
        """What every row has besides its ids."""
        found = {k: _tiled(v, rows, self.wrapper.backend) for k, v in self.others.items()}
        if self.written is not None:
            found["decoder_input_ids"] = np.repeat(self.written[None], rows, axis=0)
        if "use_cache" in self._takes:
            found["use_cache"] = False
        return found

    def _run(self, ids: Ids, more: dict[str, Any]) -> Any:
        options: dict[str, Any] = dict(more)
        if "logits_to_keep" in self._takes and self.written is None:
            options["logits_to_keep"] = self.steps
        return self.wrapper.fprop(self._prepared(ids, options))


def passes(ways: Passes, removal: Any, tokenizer: Any, probes: Array) -> tuple[Pass, str]:
    """How tokens are taken out, and what that is called.

    Args:
        ways: that there are.
        removal: "delete", "mask", "mean", "pad", "mask_token" or the id of a token.
        tokenizer: whose tokens stand for nothing.
        probes: which tokens are kept, some rows to find out with, (rows, tokens).

    Raises:
        ValueError: for another removal, or a token that the tokenizer does not have.
    """
    if removal == "delete":
        return ways.delete(probes)
    if removal == "mask":
        if "attention_mask" not in ways.text.accepts:
            raise ValueError("removal='mask' needs a model that takes an attention_mask")
        return ways.masked, "attention mask, places kept"
    if removal == "mean":
        return ways.embedded(_mean(ways)), "mean embedding"
    token = removal
    if removal in ("pad", "mask_token"):
        token = getattr(tokenizer, f"{removal.removesuffix('_token')}_token_id", None)
        if token is None:
            raise ValueError(f"removal={removal!r}: the tokenizer has no such token; give an id")
    if not is_index(token):
        raise ValueError(
            f"removal is {removal!r}; it must be 'delete', 'mask', 'mean', 'pad', 'mask_token' or "
            "the id of a token"
        )
    return ways.replaced(int(token)), f"token {int(token)} in its place"


def _mean(ways: Passes) -> Array:
    """The mean of the vocabulary's embeddings."""
    if ways.text.vocabulary is None:
        raise ValueError(
            "removal='mean' needs the embeddings of the whole vocabulary, and how many there are "
            "is not known of this model; give the id of a token"
        )
    like = ways.wrapper.fprop(ways._prepared(ways.ids[None], {}), to_cut=ways.text.embedding)
    found = Replacement(ways.wrapper, ways.text).vector("mean", like, ways.text.vocabulary)
    return ways.wrapper.backend.to_numpy(found)


def _tiled(value: Any, rows: int, backend: Backend) -> Any:
    """What belongs to one text, for as many as are read together."""
    if not getattr(value, "shape", ()):
        return value
    if backend.is_tensor(value):
        return backend.xp.concat([value] * rows, axis=0)
    return np.concatenate([np.asarray(value)] * rows)


def rows_of_one_pass(length: int, rebatch_size: int | None) -> int:
    """How many rows go together by default."""
    return rebatch_size or max(1, min(_ROWS, _TOKENS // max(1, length)))
