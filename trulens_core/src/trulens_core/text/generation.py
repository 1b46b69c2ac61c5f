"""Why a language model wrote what it wrote: every token explained by one forward pass."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trulens_core.attribution import (
    AttributionMethod,
    InputAttribution,
    IntegratedGradients,
    SmoothGrad,
)
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.results.arrays import host
from trulens_core.slices import Cut
from trulens_core.text.answers import check_causal, of_record, row_of, tables
from trulens_core.text.beside import beside
from trulens_core.text.forced import Forced, continued, groups_of
from trulens_core.text.held import held_tokens
from trulens_core.text.reading import (
    Prompts,
    one_each,
    read_alone,
    read_continuation,
    read_prompts,
)
from trulens_core.text.replaced import Replacement, baseline_of, remark_of_zeros
from trulens_core.text.result import GenerationResult
from trulens_core.text.spans import Spans, spans_of
from trulens_core.text.tokens import Ids, Tokens

METHODS: dict[str, type[AttributionMethod]] = {
    "input_x_gradient": InputAttribution,
    "ig": IntegratedGradients,
    "integrated_gradients": IntegratedGradients,
    "smoothgrad": SmoothGrad,
}
"""Methods by the names that `explain_generation` takes."""
_SAID = {
    "qoi": "quantity= says what is explained",
    "qoi_cut": "quantity= says what is explained, of the scores",
    "doi_cut": "embeddings= says where tokens are vectors",
    "layer": "embeddings= says where tokens are vectors",
    "contract": "numbers are summed over the embeddings' width",
}
"""Options of methods that are given here by other words."""


def explain_generation(  # noqa: PLR0913 - keyword options, of which a call has few
    model: Any,
    tokenizer: Any,
    prompt: Any,
    continuation: Any = None,
    *,
    quantity: Any = "log_prob",
    method: str | type[AttributionMethod] = "input_x_gradient",
    targets: Any = "each",
    baseline: Any = None,
    hold: Any = "special",
    attribute: Any = None,
    embeddings: Any = None,
    names: Sequence[str] | None = None,
    generate: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Explain each token that a language model wrote by the tokens before it.

    The text is given to the model whole, once: what it gives at a place depends on what stands
    before, so that one forward pass, or one path of them, serves all tokens. Each row is what the
    same method gives for the text cut off after the row's token.

    Args:
        model: a causal, encoder-decoder or vision-language model of transformers; or any model
            that gives scores (records, tokens, vocabulary) for ids; or its wrapper.
        tokenizer: of Hugging Face; None where ids are given.
        prompt: a text, a chat (a list of messages), ids, or what a tokenizer or processor gives,
            pictures included; or a list of texts, of chats or of ids.
        continuation: the text or ids whose tokens are explained, one per prompt. None: what the
            model writes, greedily.
        quantity: of a token: "log_prob", "logit", "prob", "entropy"; ("contrast", other) for its
            score less that of the other continuation's token at its place, after the same text; or
            a function of scores (rows, targets, vocabulary) that gives (rows, targets).
        method: "input_x_gradient", "ig", "smoothgrad", or a class of a method by gradients, made
            with `options`. `rules=` is one of these. Gradients are multiplied with the embeddings:
            by themselves they add up to 0 over a width that is normalised next.
        targets: "each" token; "sum" of all, by one backward pass; "words", "sentences"; or spans
            (start, end) of the continuation's tokens, each summed.
        baseline: what takes a token's place, for methods that have one: "mean" of all tokens'
            embeddings (the default), "eos", "pad", "unk", "bos", "zeros", a token's id, a vector.
        hold: what keeps its own place and gets exactly 0: "special" tokens and what a chat's
            template wrote; None; or places of tokens.
        attribute: what may get something: None is all; "prompt" holds what was generated; or spans
            of tokens, the rest being held.
        embeddings: the layer, or the cut, where tokens are vectors, where it is not known.
        names: how the prompt's tokens are written, without a tokenizer.
        generate: options of generation, such as `max_new_tokens` (32).
        **options: of the method: `resolution`, `tolerance`, `rules`, `rebatch_size`, `progress`.

    Returns:
        A `GenerationResult`; a list of them for a list of prompts.

    Raises:
        ValueError: for texts without a tokenizer, a continuation that changes how the prompt is
            read, two tokens that both begin the text, contrasts of another length, no tokens.
        CutError: where the embeddings are not known.
        TypeError: for an option that the method does not have.

    Example:
        >>> from trulens_core.testing import small_writer
        >>> model, ids = small_writer()
        >>> r = explain_generation(model, None, ids, [3, 1], embeddings="embedding")
        >>> r.attributions.shape, bool(r.attributions[0, -2:].any())
        ((2, 6), False)
    """
    wrapper = model if isinstance(model, ModelWrapper) else get_model_wrapper(model)
    work = _Work(wrapper, tokenizer, wrapper.text(embeddings), dict(options))
    prompts = read_prompts(prompt, tokenizer, names=names, text=work.text)
    others = beside(prompt)
    written = work.continuations(prompts, continuation, generate or {}, others)
    forced = Forced(prompts.texts, written, work.text, others)
    against, kind = work.compared(quantity, forced, prompts)
    spans = [_targets(c, targets) for c in written]
    held = [held_tokens(p, c, hold, attribute) for p, c in zip(prompts.texts, written, strict=True)]
    results = work.explained(forced, kind, against, spans, held, method, baseline)
    return results[0] if prompts.single else results


class _Work:
    """What every step of an explanation needs."""

    def __init__(
        self, wrapper: ModelWrapper, tokenizer: Any, text: Any, options: dict[str, Any]
    ) -> None:
        self.wrapper, self.tokenizer, self.text, self.options = wrapper, tokenizer, text, options

    # -- what was written ---------------------------------------------------------------------

    def continuations(
        self, prompts: Any, given: Any, options: Mapping[str, Any], others: Mapping[str, Any]
    ) -> list[Tokens]:
        texts = prompts.texts
        if not isinstance(options, Mapping):
            raise TypeError(
                f"generate is {options!r}; it is a mapping of options, as {{'max_new_tokens': 5}}"
            )
        if given is None:
            return [self._generated(p, options, others) for p in texts]
        if options:
            raise ValueError("generate= is of what the model writes, and a continuation is given")
        listed = one_each(given, prompts, "continuation")
        return [self._read(c, p) for c, p in zip(listed, texts, strict=True)]

    def _read(self, continuation: Any, prompt: Tokens) -> Tokens:
        if self.text.decoder_embedding is None:
            return read_continuation(continuation, prompt, self.tokenizer)
        return read_alone(continuation, self.tokenizer)

    def _generated(
        self, prompt: Tokens, options: Mapping[str, Any], others: Mapping[str, Any]
    ) -> Tokens:
        ids = continued(prompt, self.text, self._scores, {**others, **options})
        if not len(ids):
            raise ValueError("the model wrote nothing, so that there is nothing to explain")
        return self._read(ids, prompt)

    def _scores(self, ids: Ids) -> Any:
        found = host(self.wrapper.fprop([ids[None]]))[0]
        if found.shape[:-1] != ids.shape:
            raise ValueError(
                f"the model gives no scores of a next token for each of {len(ids)} tokens, but "
                f"{found.shape}: it writes no text; explain(model, texts, tokenizer=) explains "
                "classifiers"
            )
        return found

    def compared(
        self, quantity: Any, forced: Forced, prompts: Prompts
    ) -> tuple[list[Tokens] | None, Any]:
        """The other tokens of a contrast, and the quantity as `TokenQoI` has it."""
        if not (isinstance(quantity, tuple) and len(quantity) == 2 and quantity[0] == "contrast"):
            return None, quantity
        others = one_each(quantity[1], prompts, "contrast")
        found = []
        for other, p, c in zip(others, forced.prompts, forced.continuations, strict=True):
            tokens = self._read(other, p)
            if len(tokens) != len(c):
                raise ValueError(
                    f"a contrast compares token by token, and {tokens.text!r} has {len(tokens)} "
                    f"tokens where {c.text!r} has {len(c)}"
                )
            found.append(tokens)
        return found, "contrast"

    # -- the explanation ----------------------------------------------------------------------

    def explained(  # noqa: PLR0913 - the parts of the question
        self,
        forced: Forced,
        quantity: Any,
        against: list[Tokens] | None,
        spans: list[Spans],
        held: list[np.ndarray[Any, Any]],
        method: Any,
        baseline: Any,
    ) -> list[GenerationResult]:
        pairs = zip(forced.continuations, spans, strict=True)
        each = all(own == spans_of(c, "tokens") for c, own in pairs)
        groups = None if each else groups_of(spans, forced.width)
        other = None if against is None else [tokens.ids for tokens in against]
        qoi = forced.quantity(quantity, other, groups)
        inputs = forced.inputs(getattr(self.tokenizer, "pad_token_id", None) or 0)
        kind = _kind(method)
        options = self._options(kind, forced, inputs, spans, held, baseline)
        found = kind(self.wrapper, **{"qoi": qoi, **options, **self.options}).explain(inputs)
        n_rows = max(map(len, spans))
        n_tensors = len(self.text.cut.parts())
        numbers = tables(found.attributions, n_rows, n_tensors)
        drawn = found.standard_error
        errors = None if drawn is None else tables(drawn, n_rows, n_tensors)
        about = {
            **{k: (found.method or {}).get(k) for k in ("name", "text", "model", "backend")},
            "quantity": quantity if isinstance(quantity, str) else _name(quantity),
            "baseline": _shown(baseline) if "baseline" in options else None,
        }
        results = []
        for i, own in enumerate(spans):
            values = of_record(numbers, i, len(own), forced, held[i])
            check_causal(values, forced, i, own)
            results.append(
                GenerationResult(
                    inputs=forced.prompts[i],
                    outputs=forced.continuations[i],
                    attributions=values,
                    targets=own,
                    sources=tuple((j, j + 1) for j in range(values.shape[1])),
                    quantity=row_of(found.quantity, i, own),
                    baseline_quantity=row_of(found.baseline_quantity, i, own),
                    residual=row_of(found.residual, i, own),
                    held=held[i],
                    method=about if against is None else {**about, **_over(against[i])},
                    standard_error=None
                    if errors is None
                    else of_record(errors, i, len(own), forced, held[i]),
                )
            )
        return results

    def _options(
        self,
        kind: type[AttributionMethod],
        forced: Forced,
        inputs: Any,
        spans: list[Spans],
        held: list[np.ndarray[Any, Any]],
        baseline: Any,
    ) -> dict[str, Any]:
        """What the method is given besides the quantity, where the caller says nothing else."""
        taken = [name for name in _SAID if name in self.options]
        if taken:
            raise TypeError(f"{taken[0]}= is no option here: {_SAID[taken[0]]}")
        known = inspect.signature(kind.__init__).parameters
        place = "doi_cut" if "doi_cut" in known or "layer" not in known else "layer"
        parts: dict[str, Any] = {place: self.text.cut, "contract": -1}
        at = [_laid_out(forced, i, h) for i, h in enumerate(held)]
        if "multiply_activation" in known:
            parts["multiply_activation"] = True
        if "baseline" in known:
            parts["baseline"] = self._baselines(inputs, at, baseline)
        elif baseline is not None:
            raise TypeError(f"{kind.__name__} has no baseline; leave baseline= out")
        several = max(map(len, spans)) > 1
        rows = self.text.rows(forced.length, len(spans)) if several else None
        if rows is not None:  # else the graph of all points is read from memory for every target
            parts["rebatch_size"] = rows
        return parts

    def _baselines(self, inputs: Any, at: Sequence[Any], baseline: Any) -> list[Any]:
        """The baseline of each tensor of the cut: the tokens' own vectors where they are held."""
        wrapper, cut = self.wrapper, self.text.cut
        z = [self._values(inputs, i, part) for i, part in enumerate(cut.parts())]
        replaced = Replacement(wrapper, self.text, self.tokenizer)
        found = []
        vectors = []
        for i, t in enumerate(z):
            rows = [row[i] for row in at]
            n = int(t.shape[1])
            mask = np.stack([np.pad(r, (0, n - len(r)), constant_values=True) for r in rows])
            given = "mean" if baseline is None else baseline
            size = self.text.vocabulary or self._vocabulary(inputs)
            vectors.append(replaced.vector(given, t, size))
            found.append(baseline_of(t, vectors[-1], mask, wrapper.backend))
        remark_of_zeros(vectors, z, wrapper)
        return found if len(found) > 1 else found[0]

    def _values(self, inputs: Any, i: int, cut: Cut) -> Any:
        """The embeddings of what is read."""
        prepared, _ = self.wrapper.prepared(inputs)
        ids = inputs.kwargs.get(("input_ids", "decoder_input_ids")[i])
        if self.text.embed is not None and not self.text.merges and i == 0:
            like = self.wrapper.like()
            return self.text.embed(self.wrapper.backend.from_numpy(ids, like=like))
        cut = self.wrapper.resolved(cut)
        with self.wrapper.backend.outside(), self.wrapper.opened(prepared, cut):
            return self.wrapper.activations(prepared, [cut])[cut][0]

    def _vocabulary(self, inputs: Any) -> int:
        return int(self.wrapper.fprop(inputs).shape[-1])


# -- what was asked, as parts ----------------------------------------------------------------------


def _kind(method: Any) -> type[AttributionMethod]:
    if isinstance(method, type) and issubclass(method, AttributionMethod):
        return method
    if method not in METHODS:
        raise ValueError(
            f"method is {method!r}; it must be {', '.join(map(repr, METHODS))}, or a class of a "
            "method by gradients"
        )
    return METHODS[method]


def _targets(continuation: Tokens, targets: Any) -> Spans:
    if targets == "each":
        return spans_of(continuation, "tokens")
    if targets == "sum":
        return ((0, len(continuation)),)
    if isinstance(targets, str):
        return spans_of(continuation, targets)
    pairs = isinstance(targets, list | tuple) and len(targets) > 0
    if not pairs or any(np.shape(span) != (2,) for span in targets):
        raise ValueError(
            f"targets is {targets!r}; it must be 'each', 'sum', 'words', 'sentences' or a list of "
            "spans (start, end) of the continuation's tokens"
        )
    wanted = {(int(a), int(b)) for a, b in targets}
    return tuple(s for s in spans_of(continuation, targets) if s in wanted)


def _laid_out(
    forced: Forced, record: int, held: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], ...]:
    """Which tokens are held, as the model reads them: what begins the text of a decoder is."""
    if not forced.several:
        return (held[:-1],)
    n = len(forced.prompts[record])
    return held[:n], np.concatenate([[True], held[n:-1]])


def _name(quantity: Any) -> str:
    return str(getattr(quantity, "__name__", type(quantity).__name__))


def _over(other: Tokens) -> dict[str, str]:
    return {"quantity": f"contrast with {other.text.strip()!r}"}


def _shown(baseline: Any) -> str:
    if baseline is None or isinstance(baseline, str | int):
        return "mean" if baseline is None else str(baseline)
    return "a vector"
