"""Patching: what a place inside a language model carries of what two texts differ in."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any, Literal, get_args

import numpy as np

from trulens_core.attribution import InternalInfluence
from trulens_core.distributions import LinearDoi
from trulens_core.inputs import ModelInputs
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.perturbation import Ablation
from trulens_core.quantities import QoI
from trulens_core.segments import Segments
from trulens_core.slices import Cut, OutputCut
from trulens_core.text.asked_tokens import shown_quantity, token_quantity
from trulens_core.text.lens import LensQoI, reading
from trulens_core.text.patching_result import PatchingResult
from trulens_core.text.reading import read_prompts
from trulens_core.text.sites import At, Sites, sites
from trulens_core.text.tokens import Tokens

Array = np.ndarray[Any, Any]
Along = Literal["embeddings", "sites"]


def patch_attributions(  # noqa: PLR0913 - keyword options, of which a call has few
    model: Any,
    tokenizer: Any,
    clean: Any,
    corrupted: Any,
    quantity: Any,
    *,
    at: At = "layers",
    path: int | Literal["exact"] = 1,
    along: Along = "embeddings",
    position: int = -1,
    read_at: str | None = None,
    read: Any = None,
    layers: Sequence[str] | None = None,
    heads: int | None = None,
    embeddings: Any = None,
    rebatch_size: int | Literal["auto"] | None = None,
) -> PatchingResult:
    """What each place inside a model carries of the difference between two texts.

    For a place s, a layer's value at a token (or a head's, or a neuron's), with h its value in the
    clean run and c in the corrupted one, it approximates what activation patching measures:

        q(clean) − q(clean, with s's value from the corrupted run)

    so that a place has a positive number where what it carries of the clean text supports q. It is
    attribution patching (Nanda, 2023; Syed et al., 2023), a slice with a baseline:

        (h − c) · ∂q/∂h at the clean run                            path=1
        the same with the gradient's mean over points between        path=n

    A gradient at one point is wrong where the model is sure of its answer, as a softmax or an
    attention that is saturated has none; points between the two mend it. With
    `along="embeddings"` these lie on the line between the two texts' embeddings (EAP-IG, Hanna et
    al., 2024), and one pass for each serves all layers; with "sites" on the line between the two
    values of each layer, layer by layer.

    Args:
        model: a causal language model or its wrapper.
        tokenizer: of Hugging Face; None where the texts are ids.
        clean: the text, in any form that prompts have: a string, a chat, ids.
        corrupted: another of as many tokens, which differs in what is asked about.
        quantity: `("contrast", token, other)`, `("log_prob", token)`, `("logit", token)`,
            `("prob", token)`, `"entropy"`, or a `QoI` of the scores (records, steps, vocabulary).
        at: "layers" (the embeddings, then what each block gives), "heads" or "neurons".
        path: how many points, midpoints where they are more than one; 1 is the clean run itself.
            Or "exact": every place is patched, one pass each; of layers and heads.
        along: where the points lie: "embeddings" or "sites".
        position: of the token whose scores are read: the last one tells what follows the text.
        read_at: a layer, whose value is read as the last one's is, through the last normalisation
            and the head: what would the model say, stopped there? See `LensQoI`.
        read: how that is, a function from (rows, steps, width) to scores, where it is not known.
        layers: the names of the layers whose places are looked at, where they are not known or not
            all are wanted.
        heads: how many an attention has, where the model's configuration does not say.
        embeddings: the layer where tokens are vectors, where it is not known.
        rebatch_size: rows per pass.

    Returns:
        A `PatchingResult`: a number for each layer and token; (layers, tokens, heads) or (layers,
        tokens, neurons).

    Raises:
        ValueError: for texts of different lengths, or equal ones; for a path or a place that
            cannot be.
        CutError: for a model whose layers are not known, see `layers`.

    Example:
        >>> from trulens_core.testing import small_writer
        >>> model, ids = small_writer()
        >>> options = {"layers": ["embedding"], "embeddings": "embedding"}
        >>> r = patch_attributions(model, None, ids, [5, 3, 6, 1], ("contrast", 3, 1), **options)
        >>> r.attributions.shape, np.flatnonzero(r.attributions[0]).tolist() == r.changed
        ((1, 4), True)
    """
    wrapper = model if isinstance(model, ModelWrapper) else get_model_wrapper(model)
    _check(at, path, along)
    pair = _Pair.read(clean, corrupted, tokenizer)
    text = wrapper.text(embeddings)
    places = sites(wrapper, at, layers, heads, text.embedding.name)
    target, qoi = _target(wrapper, token_quantity(quantity, tokenizer, position), read_at, read)
    work = _Work(wrapper, pair, places, text.embedding, target, qoi, rebatch_size, text.accepts)
    if path == "exact":
        table = work.exact()
    elif path == 1 or along == "embeddings":
        table = work.over_embeddings(path)
    else:
        table = work.over_sites(path)
    ends = work.ends()
    return PatchingResult(
        np.stack(table),
        pair.clean,
        pair.corrupted,
        places.layers,
        quantity=ends[0],
        corrupted_quantity=ends[1],
        at=at,
        path=path,
        along=along if path not in (1, "exact") else None,
        asked=_shown(quantity, position, read_at),
    )


@dataclasses.dataclass(frozen=True)
class _Pair:
    """Two texts of as many tokens."""

    clean: Tokens
    corrupted: Tokens

    @classmethod
    def read(cls, clean: Any, corrupted: Any, tokenizer: Any) -> _Pair:
        found = []
        for name, given in (("clean", clean), ("corrupted", corrupted)):
            texts = read_prompts(given, tokenizer).texts
            if len(texts) != 1:
                raise ValueError(f"{name} holds {len(texts)} texts; patch one pair at a time")
            found += texts
        a, b = found
        if len(a) != len(b):
            raise ValueError(
                f"clean has {len(a)} tokens and corrupted {len(b)}: a place of one is none of the "
                "other; write them with as many tokens, by words that are one token each"
            )
        if np.array_equal(a.ids, b.ids):
            raise ValueError("clean and corrupted are the same tokens: nothing is patched")
        return cls(a, b)


@dataclasses.dataclass(frozen=True)
class _Work:
    """One question about a pair of texts, in the parts that a method has."""

    wrapper: ModelWrapper
    pair: _Pair
    places: Sites
    embeddings: Cut
    target: Cut
    qoi: QoI
    rebatch_size: int | Literal["auto"] | None

    accepts: frozenset[str]

    def inputs(self, tokens: Tokens) -> ModelInputs:
        """The text as the model's own tensors, so that values come back as these."""
        return self.wrapper.prepared(token_inputs(tokens.ids[None], self.accepts))[0]

    def over_embeddings(self, points: int) -> list[Array]:
        """All layers from one pass for each point, which lie between the texts' embeddings."""
        given = self.wrapper.fprop(self.inputs(self.pair.corrupted), to_cut=self.embeddings)
        doi = LinearDoi(given, points, cut=self.embeddings, rule=_rule(points))
        return self._listed(self._gradients(self.places.cut, doi))

    def over_sites(self, points: int) -> list[Array]:
        """Layer by layer, of points between the layer's own two values."""
        found = []
        for cut in self.places.cut.parts():
            given = self.wrapper.fprop(self.inputs(self.pair.corrupted), to_cut=cut)
            doi = LinearDoi(given, points, cut=cut, rule=_rule(points))
            found += self._listed(self._gradients(cut, doi))
        return found

    def exact(self) -> list[Array]:
        """Each place patched by itself: ablation whose baseline is the corrupted run."""
        found = []
        for cut in self.places.cut.parts():
            given = self.wrapper.fprop(self.inputs(self.pair.corrupted), to_cut=cut)
            method = Ablation(
                self.wrapper,
                self._segments(given),
                baseline=given,
                doi_cut=cut,
                qoi=self.qoi,
                qoi_cut=self.target,
                rebatch_size=self.rebatch_size,
            )
            whole = self._host(method.attributions(self.inputs(self.pair.clean)))[0]
            if self.places.parts:  # every element of a head has the head's number
                whole = whole.reshape(len(whole), self.places.parts, -1)
            found.append(whole[..., 0])
        return found

    def ends(self) -> tuple[float, float]:
        """The quantity of the clean run and of the corrupted one."""
        return self._quantity(self.pair.clean), self._quantity(self.pair.corrupted)

    def _quantity(self, tokens: Tokens) -> float:
        value = self.wrapper.fprop(self.inputs(tokens), to_cut=self.target)
        return float(self._host(self.qoi(value)).reshape(-1)[0])

    def _segments(self, value: Any) -> Segments:
        _, tokens, width = value.shape
        parts = self.places.parts or 1
        numbers = np.arange(tokens * parts).reshape(tokens, parts)
        return Segments.of(np.repeat(numbers, width // parts, axis=1))

    def _gradients(self, cut: Cut, doi: LinearDoi) -> Any:
        method = InternalInfluence(
            self.wrapper,
            (cut, self.target),
            self.qoi,
            doi,
            contract=-1 if self.places.at == "layers" else None,
            rebatch_size=self.rebatch_size,
        )
        return method.attributions(self.inputs(self.pair.clean))

    def _listed(self, given: Any) -> list[Array]:
        found = [self._host(t)[0] for t in (given if isinstance(given, list) else [given])]
        if self.places.parts:
            found = [t.reshape(len(t), self.places.parts, -1).sum(-1) for t in found]
        return found

    def _host(self, given: Any) -> Array:
        if isinstance(given, np.ndarray):
            return np.asarray(given)
        return self.wrapper.backend.to_numpy(given)


def token_inputs(ids: Array, accepts: Collection[str]) -> ModelInputs:
    """Token ids as a model takes them: by name where it has one for them, else the first."""
    if "input_ids" in accepts:
        return ModelInputs((), {"input_ids": ids})
    return ModelInputs((ids,), {})


def _rule(points: int) -> Any:
    return "endpoints" if points == 1 else "midpoint"


def _target(wrapper: ModelWrapper, qoi: QoI, read_at: str | None, read: Any) -> tuple[Cut, QoI]:
    if read_at is None:
        if read is not None:
            raise ValueError("read= says how a layer is read; say which, with read_at=")
        return OutputCut(), qoi
    return Cut(read_at), LensQoI(read or reading(wrapper), qoi)


def _check(at: str, path: Any, along: str) -> None:
    if along not in get_args(Along):
        raise ValueError(f"along is {along!r}; it must be 'embeddings' or 'sites'")
    if path == "exact":
        if at == "neurons":
            raise ValueError(
                "path='exact' takes a pass for every place, and neurons are many; give a number "
                "of points, or at='heads'"
            )
    elif isinstance(path, bool) or not isinstance(path, int) or path < 1:
        raise ValueError(f"path is {path!r}; it must be a number of points, from 1, or 'exact'")


def _shown(quantity: Any, position: int, read_at: str | None) -> str:
    name = shown_quantity(quantity)
    at = "" if position == -1 else f" at token {position}"
    return f"{name}{at}{'' if read_at is None else f', read at {read_at}'}"
