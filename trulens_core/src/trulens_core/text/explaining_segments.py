"""Words, sentences, turns and documents of a prompt: what each did for an answer."""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from trulens_core.distributions.quadrature import positive_int
from trulens_core.errors import TrulensWarning
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.models.texts import TextModel
from trulens_core.perturbation import LIME, Ablation, KernelSHAP, Perturbation, ShapleyValues
from trulens_core.quantities import QoI
from trulens_core.text.removal import Passes, Removing, passes, rows_of_one_pass
from trulens_core.text.segment_question import SegmentQuestion, one_of_each, read_questions
from trulens_core.text.segment_result import SegmentsResult
from trulens_core.text.stretches import Stretches, stretches

Array = np.ndarray[Any, Any]
Method = Literal["leave_one_out", "shapley", "kernel_shap", "lime"]
Targets = Literal["sum", "each"]

_EXACT = 10
"""Up to so many segments, all coalitions are taken for Shapley values."""
_ORDERS = 40
_AHEAD = (
    "what was written has an effect on the scores of its own first token, so that the model is not "
    "causal, or its tokens compete for room, as experts of a limited capacity do; the scores are "
    "not those with which it would write"
)


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
) -> Any:
    """What each part of a prompt did for an answer, by taking parts out.

    "Deleted" means that the model reads the text as if they had never been written: a mask hides
    them, and the places of what is left are counted without gaps. Whether that is the same as a
    shorter text is found out for each call; where it is not, as with a window of attention or a
    recurrent network, shorter texts are read. The other removals ask other questions, and give
    other numbers: the result says which it was.

    Args:
        model: a causal, encoder-decoder or vision-language model, or its wrapper.
        tokenizer: of Hugging Face; None where texts are ids.
        prompt: a string, a chat, ids, or what a tokenizer or processor gives, pictures included,
            which are never removed; or a list of strings, of chats or of ids.
        answer: what follows, a string or ids, one per prompt. None: what is asked about is the next
            token, with a `quantity` such as `("contrast", token, other)`.
        segments: "words", "sentences", "lines", "paragraphs", "turns"; a list of texts such as the
            documents of a retrieval prompt; of (start, end); or a compiled pattern at which the
            prompt is split. What is in no segment is never removed. For a list of prompts, names
            and patterns are those of each, and a list has one entry per prompt.
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
        A `SegmentsResult`; a list of them for a list of prompts.

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
    if rebatch_size is not None:
        positive_int(rebatch_size, "rebatch_size")
    wrapper = model if isinstance(model, ModelWrapper) else get_model_wrapper(model)
    text = wrapper.text(embeddings)
    asked = read_questions(prompt, answer, tokenizer, quantity, text)
    each = one_of_each(segments, asked)
    work = _Work(wrapper, tokenizer, text, removal, method, targets, samples, seed, rebatch_size)
    results = [work.explained(a, s) for a, s in zip(asked.questions, each, strict=True)]
    return results[0] if asked.single else results


class _Work(NamedTuple):
    """What is the same for all prompts."""

    wrapper: ModelWrapper
    tokenizer: Any
    text: TextModel
    removal: Any
    method: Method
    targets: Targets
    samples: int | None
    seed: int
    rebatch_size: int | None

    def explained(self, asked: SegmentQuestion, segments: Any) -> SegmentsResult:
        """The result of one prompt."""
        found, ids = stretches(asked.prompt, segments), asked.ids
        ways = Passes(self.wrapper, self.text, ids, asked.steps, asked.written, asked.others)
        _check_left(found, self.removal, asked.written is None)
        if ways.looks_ahead():
            warnings.warn(_AHEAD, TrulensWarning, stacklevel=3)
        scores, how = passes(ways, self.removal, self.tokenizer, _probes(found, len(ids)))
        rows = rows_of_one_pass(len(ids), self.rebatch_size)
        value = Removing(self.wrapper, ids, found, asked.qoi, scores, rows)
        of_kept = _function(value, self.targets)
        made = _method(of_kept, self.method, len(found), self.samples, self.seed)
        told: dict[str, Any] = {
            "method": self.method,
            "removal": str(self.removal),
            "removed_by": how,
        }
        return _result(made, found, asked, self.targets == "each", **told)


def _check_left(found: Stretches, removal: Any, follows: bool) -> None:
    """See that something is left to read, and of what the answer follows, its last token."""
    if follows and found.of_token[-1] >= 0 and removal != "delete":
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
    """Rows that tell whether a mask is as good as a shorter text: none, every second one, all.

    All is among them since what is read beside the whole text may be read as one of its length.
    """
    n = len(found)
    keep = np.stack([np.zeros(n), np.arange(n) % 2, np.ones(n)])
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


def _result(
    made: Perturbation, found: Stretches, asked: SegmentQuestion, each: bool, **told: Any
) -> SegmentsResult:
    r = made.explain(np.ones((1, len(found))))

    def listed(given: Any) -> Any:
        """(targets, …), or without that axis where all were asked about together."""
        if given is None:
            return None
        parts = given if isinstance(given, list) else [given]
        rows = np.stack([np.asarray(part).reshape(-1) for part in parts])
        return rows if each else rows[0]

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
