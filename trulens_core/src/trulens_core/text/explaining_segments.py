"""Words, sentences, turns and documents of a prompt: what each did for an answer."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

import numpy as np

from trulens_core.distributions.quadrature import positive_int
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.perturbation import LIME, Ablation, KernelSHAP, Perturbation, ShapleyValues
from trulens_core.quantities import QoI, TokenQoI
from trulens_core.text.asked_tokens import shown_quantity, token_quantity
from trulens_core.text.reading import read_continuation, read_prompts
from trulens_core.text.removal import Passes, Removing, passes, rows_of_one_pass
from trulens_core.text.segment_result import SegmentsResult
from trulens_core.text.stretches import Stretches, stretches
from trulens_core.text.tokens import Tokens

Array = np.ndarray[Any, Any]
Method = Literal["leave_one_out", "shapley", "kernel_shap", "lime"]
Targets = Literal["sum", "each"]

_EXACT = 10
"""Up to so many segments, all coalitions are taken for Shapley values."""
_ORDERS = 40


def explain_segments(  # noqa: PLR0913 - keyword options, of which a call has few
    model: Any,
    tokenizer: Any,
    prompt: Any,
    answer: Any = None,
    *,
    segments: Any = "sentences",
    removal: Any = "delete",
    method: Method = "leave_one_out",
    quantity: Any = "log_prob",
    targets: Targets = "sum",
    samples: int | None = None,
    seed: int = 0,
    embeddings: Any = None,
    rebatch_size: int | None = None,
) -> SegmentsResult:
    """What each part of a prompt did for an answer, by taking parts out.

    "Deleted" means that the model reads the text as if they had never been written: a mask hides
    them, and the places of what is left are counted without gaps. Whether that is the same as a
    shorter text is found out for each call; where it is not, as with a window of attention or a
    recurrent network, shorter texts are read. The other removals ask other questions, and give
    other numbers: the result says which it was.

    Args:
        model: a causal language model or its wrapper.
        tokenizer: of Hugging Face; None where texts are ids.
        prompt: a string, a chat, or ids.
        answer: what follows, a string or ids. None: what is asked about is the next token, with a
            `quantity` such as `("contrast", token, other)`.
        segments: "words", "sentences", "lines", "paragraphs", "turns"; a list of texts such as the
            documents of a retrieval prompt; of (start, end); or a compiled pattern at which the
            prompt is split. What is in no segment is never removed.
        removal: "delete"; "mask" (hidden, but their places stay), "mean" (of the vocabulary's
            embeddings), "pad", "mask_token", or the id of a token in the place of each.
        method: "leave_one_out", q(prompt) − q(without it); "shapley", exact for up to ten
            segments, else of `samples` permutations; "kernel_shap"; "lime".
        quantity: of the answer's tokens, "log_prob", "logit" or "prob", which are added up; or a
            quantity of the next token, see `patch_attributions`.
        targets: "sum", or "each" for a number per token of the answer.
        samples: of permutations, coalitions or masks; None: enough for the number of segments.
        seed: of what is drawn.
        embeddings: the layer where tokens are vectors, where it is not known.
        rebatch_size: rows per pass.

    Returns:
        A `SegmentsResult`.

    Raises:
        ValueError: for segments that are not there, a removal, method or quantity that there is
            not, and where nothing would be left to read.

    Example:
        The ids are read as a text of their numbers, in which the spans are places:

        >>> from trulens_core.testing import small_writer
        >>> model, ids = small_writer()
        >>> options = {"segments": [(2, 4), (4, 6)], "embeddings": "embedding"}
        >>> r = explain_segments(model, None, ids, [3, 1], **options)
        >>> r.attributions.shape, r.segments
        ((2,), ('2', '6'))
    """
    if method not in get_args(Method):
        raise ValueError(
            f"method is {method!r}; it must be {', '.join(map(repr, get_args(Method)))}"
        )
    if targets not in get_args(Targets):
        raise ValueError(f"targets is {targets!r}; it must be 'sum' or 'each'")
    if samples is not None:
        positive_int(samples, "samples")
    wrapper = model if isinstance(model, ModelWrapper) else get_model_wrapper(model)
    asked = _Asked.read(prompt, answer, tokenizer, quantity)
    found = stretches(asked.prompt, segments)
    text = wrapper.text(embeddings)
    if text.decoder_embedding is not None:
        raise ValueError(
            "explain_segments reads causal language models, and this one has an encoder"
        )
    ways = Passes(wrapper, text, asked.ids, asked.steps)
    _check_left(found, removal)
    scores, how = passes(ways, removal, tokenizer, _probes(found, len(asked.ids)))
    rows = rows_of_one_pass(len(asked.ids), rebatch_size)
    value = Removing(wrapper, text, asked.ids, found, asked.qoi, asked.steps, scores, rows)
    made = _method(_function(value, targets), method, len(found), samples, seed)
    return _result(made, found, asked, method=method, removal=str(removal), removed_by=how)


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What is read, and which quantity of it."""

    prompt: Tokens
    answer: Tokens
    quantity: Any
    tokenizer: Any

    @classmethod
    def read(cls, prompt: Any, answer: Any, tokenizer: Any, quantity: Any) -> _Asked:
        texts = read_prompts(prompt, tokenizer).texts
        if len(texts) != 1:
            raise ValueError(f"the prompt holds {len(texts)} texts; explain one at a time")
        named = isinstance(quantity, str) and quantity != "entropy"
        if named == (answer is None):
            raise ValueError(
                "give an answer with quantity='log_prob', 'logit' or 'prob', which are of its "
                "tokens; or no answer and a quantity of the next token, such as ('contrast', "
                "token, other)"
            )
        nothing = Tokens.of_ids([])
        follows = nothing if answer is None else read_continuation(answer, texts[0], tokenizer)
        found = cls(texts[0], follows, quantity, tokenizer)
        found.qoi(1)  # or its errors would wait
        return found

    @property
    def ids(self) -> Array:
        """What the model reads: all but the answer's last token."""
        return np.concatenate([self.prompt.ids, self.answer.ids[:-1]])

    @property
    def steps(self) -> int:
        return max(1, len(self.answer))

    def qoi(self, rows: int) -> QoI:
        if not len(self.answer):
            return token_quantity(self.quantity, self.tokenizer, -1)
        tokens = np.repeat(self.answer.ids[None], rows, axis=0)
        return TokenQoI(tokens, slice(-self.steps, None), self.quantity)

    def __str__(self) -> str:
        if len(self.answer):
            return f"{self.quantity} of {self.answer.text.strip()!r}"
        return shown_quantity(self.quantity)


def _check_left(found: Stretches, removal: Any) -> None:
    if found.of_token[-1] >= 0 and removal != "delete":
        raise ValueError(
            "what follows is read at the prompt's last token, which is in a segment: only "
            f"removal='delete' can remove it, not {removal!r}; leave it out of the segments"
        )
    if (found.of_token < 0).any():
        return
    raise ValueError(
        "every token of the prompt is in a segment, so that nothing would be left to read where "
        "all are removed; leave one out of the segments, or let the prompt begin with a token that "
        "marks the start"
    )


def _probes(found: Stretches, length: int) -> Array:
    """Rows that tell whether a mask is as good as a shorter text: none, and every second one."""
    n = len(found)
    keep = np.stack([np.zeros(n), np.arange(n) % 2, 1 - np.arange(n) % 2])
    kept = found.kept(keep)
    return np.concatenate([kept, np.ones((3, length - kept.shape[1]), bool)], axis=1)


def _function(value: Removing, targets: Targets) -> Any:
    def quantities(keep: Array) -> Array:
        found = value(keep)
        return found if targets == "each" else found.sum(axis=1, keepdims=True)

    return get_model_wrapper(quantities, backend="function")


def _method(function: Any, name: Method, n: int, samples: int | None, seed: int) -> Perturbation:
    qoi = _Every()
    if name == "leave_one_out":
        return Ablation(function, qoi=qoi)
    if name == "shapley":
        orders = samples or (None if n <= _EXACT else _ORDERS)
        return ShapleyValues(function, samples=orders, qoi=qoi, seed=seed)
    if name == "kernel_shap":
        return KernelSHAP(function, samples=samples, qoi=qoi, seed=seed)
    return LIME(function, samples=samples or 1000, qoi=qoi, seed=seed)


class _Every(QoI):
    """Each column of what the function gives."""

    def __call__(self, y: Any) -> Any:
        return y


def _result(made: Perturbation, found: Stretches, asked: _Asked, **told: Any) -> SegmentsResult:
    r = made.explain(np.ones((1, len(found))))

    def listed(given: Any) -> Any:
        """(targets, …), or without that axis where there is one target."""
        if given is None:
            return None
        each = given if isinstance(given, list) else [given]
        rows = np.stack([np.asarray(part).reshape(-1) for part in each])
        return rows[0] if len(rows) == 1 else rows

    def number(given: Any) -> Any:
        return None if given is None else np.asarray(given, "float64").reshape(-1)

    return SegmentsResult(
        listed(r.attributions),
        found.names,
        found.spans,
        asked.prompt,
        asked.answer,
        number(r.quantity),
        number(r.baseline_quantity),
        number(r.residual),
        listed(r.standard_error),
        n_evaluations=int(np.max(r.n_evaluations)) if r.n_evaluations is not None else 0,
        asked=str(asked),
        **told,
    )
