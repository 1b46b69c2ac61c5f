"""What is read and asked where parts of prompts are taken out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from trulens_core.models.texts import TextModel
from trulens_core.quantities import QoI, TokenQoI
from trulens_core.text.asked_tokens import shown_quantity, token_quantity
from trulens_core.text.reading import (
    Prompts,
    one_each,
    others_of,
    read_alone,
    read_continuation,
    read_prompts,
)
from trulens_core.text.tokens import Ids, Tokens


@dataclasses.dataclass(frozen=True, eq=False)
class SegmentQuestion:
    """A prompt, what follows it, and which quantity of that.

    Attributes:
        prompt: its tokens; those of pictures are held, as special ones are.
        answer: its tokens; none where the next token is asked about.
        quantity: as it was given.
        tokenizer: which reads the quantity's tokens.
        start: what an encoder-decoder's own text begins with; None of another model.
        others: arguments of the model besides ids, of this prompt.
    """

    prompt: Tokens
    answer: Tokens
    quantity: Any
    tokenizer: Any
    start: int | None
    others: Mapping[str, Any]

    @property
    def ids(self) -> Ids:
        """What the model reads, all but the answer's last token; of an encoder, the prompt."""
        if self.start is not None:
            return self.prompt.ids
        return np.concatenate([self.prompt.ids, self.answer.ids[:-1]])

    @property
    def written(self) -> Ids | None:
        """What a decoder of its own reads."""
        if self.start is None:
            return None
        return np.concatenate([np.asarray([self.start]), self.answer.ids[:-1]])

    @property
    def steps(self) -> int:
        """How many steps at the end are read."""
        return max(1, len(self.answer))

    def qoi(self, rows: int) -> QoI:
        """The quantity of the scores, for a number of rows."""
        if not len(self.answer):
            return token_quantity(self.quantity, self.tokenizer, -1)
        tokens = np.repeat(self.answer.ids[None], rows, axis=0)
        return TokenQoI(tokens, slice(-self.steps, None), self.quantity)

    def __str__(self) -> str:
        if len(self.answer):
            return f"{self.quantity} of {self.answer.text.strip()!r}"
        return shown_quantity(self.quantity)


class SegmentQuestions(NamedTuple):
    """One question for each prompt.

    Attributes:
        questions: they.
        single: whether one prompt was given, and not a list of them.
    """

    questions: list[SegmentQuestion]
    single: bool


def read_questions(
    prompt: Any, answer: Any, tokenizer: Any, quantity: Any, text: TextModel
) -> SegmentQuestions:
    """What was asked, of each prompt.

    Raises:
        ValueError: for a quantity that does not go with an answer, or its absence; for another
            number of answers; and for what `read_prompts` refuses.
    """
    prompts = read_prompts(prompt, tokenizer, text=text)
    if len(prompts.texts) == 1 and not isinstance(prompt, list | tuple):
        prompts = Prompts(prompts.texts, True)  # one row of an array
    named = isinstance(quantity, str) and quantity != "entropy"
    if named == (answer is None):
        raise ValueError(
            "give an answer with quantity='log_prob', 'logit' or 'prob', which are of its tokens; "
            "or no answer and a quantity of the next token, such as ('contrast', token, other)"
        )
    n = len(prompts.texts)
    answers = [None] * n if answer is None else one_each(answer, prompts, "answer")
    start = None if text.decoder_embedding is None else (text.start or 0)
    found = []
    for i, (own, follows) in enumerate(zip(prompts.texts, answers, strict=True)):
        given = _answer(follows, own, tokenizer, start is not None)
        held = own.special | np.isin(own.ids, text.pictures)
        text_alone = dataclasses.replace(own, special=held)
        others = others_of(prompt, i, n)
        found.append(SegmentQuestion(text_alone, given, quantity, tokenizer, start, others))
        found[-1].qoi(1)  # or its errors would wait
    return SegmentQuestions(found, prompts.single)


def one_of_each(segments: Any, asked: SegmentQuestions) -> list[Any]:
    """The segments of each prompt."""
    n = len(asked.questions)
    if isinstance(segments, str | re.Pattern):
        return [segments] * n
    prompts = Prompts([q.prompt for q in asked.questions], asked.single)
    return one_each(segments, prompts, "list of segments")


def _answer(answer: Any, prompt: Tokens, tokenizer: Any, apart: bool) -> Tokens:
    if answer is None:
        return Tokens.of_ids([])
    if not apart:
        return read_continuation(answer, prompt, tokenizer)
    found = read_alone(answer, tokenizer)
    if not len(found):
        raise ValueError("the answer has no tokens, so that there is nothing to explain")
    return found
