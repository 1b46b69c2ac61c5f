"""How a language model reads and writes tokens, for what is explained in a text."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trulens_core.backends import Tensor
from trulens_core.errors import CutError
from trulens_core.passes import CutModel
from trulens_core.slices import Cut

Embed = Callable[[Tensor], Tensor]
Remembered = Callable[[int, int], Mapping[str, Any]]
"""From how many tokens of a text count, and of how many rows, to arguments of the model."""
Generate = Callable[[Sequence[int], Mapping[str, Any]], Sequence[int]]


@dataclasses.dataclass(frozen=True)
class TextModel:
    """What there is to know of a language model besides its layers.

    Attributes:
        embedding: where tokens are vectors, (records, tokens, width): before anything mixes them.
        decoder_embedding: the same for the tokens that an encoder-decoder has written; else None.
        accepts: the names of the arguments that it takes, as "attention_mask" and
            "logits_to_keep"; none of a model that takes ids and nothing else.
        start: the id that an encoder-decoder's own text begins with.
        ends: the ids that end a text.
        window: how many tokens a position sees, where that is less than all before it.
        embed: ids, of any shape, as `embedding` has them before places are told; None where the
            model itself has to be asked.
        generate: writes on after one prompt's ids, given options; None where tokens are taken one
            by one, the likeliest.
        vocabulary: how many ids `embed` takes.
        merges: whether what is no text is put among the embeddings, as pictures are; `embedding`
            has them.
        pad: the id that fills up what is shorter than others.
        pictures: the ids in whose places something else is put.
        width: of an embedding, where it is known.
        remember: what the model keeps of a text that it has read, for what follows the beginnings
            of it; None where it keeps nothing.
        at_once: how many numbers of embeddings a pass had best hold that is gone back through once
            for each target; None: it does not matter.

    Example:
        >>> TextModel(Cut("embed_tokens")).cut
        Cut('embed_tokens')
    """

    embedding: Cut
    decoder_embedding: Cut | None = None
    accepts: frozenset[str] = frozenset()
    start: int | None = None
    ends: tuple[int, ...] = ()
    window: int | None = None
    embed: Embed | None = None
    generate: Generate | None = None
    vocabulary: int | None = None
    merges: bool = False
    pad: int | None = None
    pictures: tuple[int, ...] = ()
    width: int | None = None
    at_once: int | None = None
    remember: Callable[[Sequence[int]], Remembered | None] | None = None

    def rows(self, tokens: int, records: int) -> int | None:
        """How many rows a pass had best have that is gone back through once for each target.

        Args:
            tokens: of a record.
            records: which are not taken apart.

        Example:
            >>> TextModel(Cut("embed_tokens"), width=128, at_once=2**16).rows(100, 1)
            5
        """
        if self.at_once is None or self.width is None:
            return None
        return max(records, self.at_once // max(1, tokens * self.width))

    @property
    def cut(self) -> Cut:
        """Where all tokens are vectors: one tensor, or the encoder's and the decoder's."""
        if self.decoder_embedding is None:
            return self.embedding
        return Cut([self.embedding.name, self.decoder_embedding.name])


def text_model(model: CutModel, embeddings: Any = None) -> TextModel:
    """What is known of a model that says nothing of itself: where its embeddings are.

    Args:
        model: it.
        embeddings: the layer or cut where tokens are vectors; None: its only layer of that kind.

    Raises:
        CutError: where that is not known.
    """
    if embeddings is not None:
        cut = embeddings if isinstance(embeddings, Cut) else Cut(embeddings)
        return TextModel(model.resolved(cut))
    found = [x.name for x in model.layers() if x.kind.lower() in ("embedding", "embed")]
    if len(found) == 1:
        return TextModel(model.resolved(Cut(found[0])))
    listed = f"it has {', '.join(map(repr, found))}" if found else "it has none that is called so"
    raise CutError(
        f"which layer makes vectors of the token ids is not known: {listed}; name it with "
        "embeddings="
    )
