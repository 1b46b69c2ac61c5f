"""Texts with their continuations as one pass of a model: every next token asked for at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trulens_core.inputs import ModelInputs
from trulens_core.models.texts import TextModel
from trulens_core.quantities import TokenQoI
from trulens_core.text.tokens import Ids, Tokens

Spans = tuple[tuple[int, int], ...]
Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclasses.dataclass(frozen=True)
class Forced:
    """Prompts and what follows them, padded on the right, where padding changes nothing.

    What a causal model gives at a position depends on the tokens up to there, so that the whole
    text in one pass gives for each token what its own beginning of the text gives.

    Attributes:
        prompts: of each record.
        continuations: of each record.
        text: how the model reads.
        others: arguments of the model besides ids, as pictures.
    """

    prompts: Sequence[Tokens]
    continuations: Sequence[Tokens]
    text: TextModel
    others: Mapping[str, Any]

    @property
    def several(self) -> bool:
        """Whether prompt and continuation are two inputs, as of an encoder-decoder."""
        return self.text.decoder_embedding is not None

    @property
    def width(self) -> int:
        """The most targets of a record."""
        return max(map(len, self.continuations))

    def read(self) -> list[tuple[Ids, ...]]:
        """The ids that the model reads of each record, for each tensor of `text.cut`.

        The last token is never read: nothing that is asked for follows it.
        """
        start = self.text.start if self.text.start is not None else 0
        pairs = zip(self.prompts, self.continuations, strict=True)
        if self.several:
            return [(p.ids, np.concatenate([[start], c.ids[:-1]])) for p, c in pairs]
        return [(np.concatenate([p.ids, c.ids[:-1]]),) for p, c in pairs]

    def inputs(self, pad: int = 0) -> ModelInputs:
        """The arguments of the model."""
        columns = [list(column) for column in zip(*self.read(), strict=True)]
        if self.several:
            names = [("input_ids", "attention_mask")]
            names += [("decoder_input_ids", "decoder_attention_mask")]
        else:
            names = [("input_ids", "attention_mask")]
        if not self.text.accepts:
            return ModelInputs([_padded(column, pad) for column in columns], dict(self.others))
        kwargs = dict(self.others)
        for column, (ids, mask) in zip(columns, names, strict=True):
            kwargs[ids] = _padded(column, pad)
            if len(set(map(len, column))) > 1 and mask in self.text.accepts:
                kwargs[mask] = _padded([np.ones_like(row) for row in column], 0)
        if "use_cache" in self.text.accepts:
            kwargs["use_cache"] = False
        if self.keeps:
            kwargs["logits_to_keep"] = self._kept
        return ModelInputs([], kwargs)

    @property
    def keeps(self) -> bool:
        """Whether the model is asked for the last scores only."""
        return not self.several and "logits_to_keep" in self.text.accepts

    @property
    def length(self) -> int:
        """The most tokens that a record reads of one tensor."""
        return max(len(ids) for row in self.read() for ids in row)

    @property
    def _length(self) -> int:
        return max(len(row[-1]) for row in self.read())

    @property
    def _kept(self) -> int:
        return self._length - min(map(len, self.prompts)) + 1

    def quantity(self, quantity: Any, against: Sequence[Ids] | None, groups: Any) -> TokenQoI:
        """The quantity of every target of every record, or of their groups.

        Args:
            quantity: as `TokenQoI` takes it.
            against: the other tokens of a contrast, of each record.
            groups: (records, targets, n), None for each target.
        """
        lengths = [len(c) for c in self.continuations]
        tokens = _padded([c.ids for c in self.continuations], 0)
        other = None if against is None else _padded(list(against), 0)
        valid = None
        if min(lengths) < self.width:
            valid = np.arange(self.width) < np.asarray(lengths)[:, None]
        at = self._positions()
        return TokenQoI(tokens, at, quantity, valid=valid, against=other, groups=groups)

    def _positions(self) -> Any:
        """Where each target is foretold, among the scores that the model gives."""
        if self.several:
            return slice(0, self.width)
        firsts = [len(p) - 1 for p in self.prompts]
        dropped = self._length - self._kept if self.keeps else 0
        if len(set(firsts)) == 1:
            return slice(firsts[0] - dropped, firsts[0] - dropped + self.width)
        steps = np.arange(self.width)
        # a record without that many targets asks for its last one again, which does not count
        lengths = np.asarray([len(c) for c in self.continuations])
        steps = np.minimum(steps, lengths[:, None] - 1)
        return np.asarray(firsts)[:, None] - dropped + steps

    def of_tokens(self, record: int, rows: Sequence[np.ndarray[Any, Any]]) -> Any:
        """Numbers per token that is read, (…, length) per tensor, as numbers per token of the text.

        Those of the last token, and of an encoder-decoder's start, are no part of them: the last
        is read by nothing and has 0.
        """
        n, m = len(self.prompts[record]), len(self.continuations[record])
        zero = np.zeros((*rows[0].shape[:-1], 1), rows[0].dtype)
        if self.several:
            return np.concatenate([rows[0][..., :n], rows[1][..., 1:m], zero], axis=-1)
        return np.concatenate([rows[0][..., : n + m - 1], zero], axis=-1)


def groups_of(spans: Sequence[Spans], width: int) -> Floats:
    """Which targets each span sums, (records, targets, spans); records have as many spans."""
    n = max(map(len, spans))
    found = np.zeros((len(spans), width, n), "float32")
    for record, own in enumerate(spans):
        for k, (a, b) in enumerate(own):
            found[record, a:b, k] = 1.0
    return found


def _padded(rows: list[Ids], pad: int) -> Ids:
    n = max(map(len, rows))
    return np.stack([np.pad(row, (0, n - len(row)), constant_values=pad) for row in rows])


Written = Callable[[Tokens], Ids]


def continued(
    prompt: Tokens, text: TextModel, scores: Callable[[Ids], Any], options: Mapping[str, Any]
) -> Ids:
    """What a model writes after a prompt: its own `generate`, or the likeliest token each time.

    Args:
        prompt: it.
        text: how the model writes.
        scores: of the token after each place of the ids, (length, vocabulary).
        options: of `generate`; of any model `max_new_tokens`, 32 if not given.
    """
    most = int(options.get("max_new_tokens", 32))
    if text.generate is not None:
        given = {"max_new_tokens": most, "do_sample": False, **options}
        found = np.asarray(text.generate(prompt.ids.tolist(), given), "int64")
        return _to_end(found, text.ends)
    unknown = sorted(set(options) - {"max_new_tokens"})
    if unknown:
        raise TypeError(f"this model has no generate(), so that {unknown[0]}= has no effect")
    n = len(prompt)
    ids = np.concatenate([prompt.ids, np.zeros(most, "int64")])  # one length: compiled once
    for i in range(n, n + most):
        ids[i] = int(np.argmax(scores(ids)[i - 1]))
    return ids[n:]


def _to_end(ids: Ids, ends: Sequence[int]) -> Ids:
    """The ids as far as the first that ends a text; what follows is padding."""
    at = np.flatnonzero(np.isin(ids, list(ends)))
    return ids[: at[0] + 1] if len(at) else ids
