"""Attributions of texts, token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from trulens_core.attribution import AttributionMethod
from trulens_core.inputs import ModelInputs
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.slices import OutputCut, is_index
from trulens_core.visualizations.images import Array, as_array
from trulens_core.visualizations.text_inputs import as_inputs, per_token, token_ids
from trulens_core.visualizations.text_lines import Column, TextLine, Token
from trulens_core.visualizations.text_outputs import Output, default_output
from trulens_core.visualizations.text_pieces import Marks, grouped, marks_of, pieces

Labels = Sequence[str] | Mapping[int, str]


@final
@dataclass(frozen=True, eq=False)
class NLP:
    """Shows which tokens of a text an explanation rests on.

    Args:
        wrapper: the model, or its wrapper.
        output: where to show it: `PlainText()`, `HTML()` or `IPython()`; None is IPython in a
            notebook and PlainText elsewhere.
        labels: the classes' names, in order, or by number (such as a model's `id2label`); None
            shows numbers.
        tokenize: from a list of texts to the model's inputs: a `ModelInputs`, a mapping of
            keyword arguments (such as a tokenizer's batch), a list of arguments, or one. None:
            `token_attribution` is given the inputs themselves.
        decode: from a token's id to its text, such as a tokenizer's `convert_ids_to_tokens`,
            which keeps the marks of where words begin, or `decode`. None shows the ids.
        input_accessor: from what `tokenize` returned to the token ids, (records, tokens). None:
            the argument `input_ids`, or the first ints of rank 2.
        output_accessor: from the model's whole output to the scores, (records, classes). None:
            its `logits`, or the first tensor.
        attr_aggregate: from one token's attributions to a number; None is their sum.
        hidden_tokens: ids that are not shown, such as those of padding.
        words: whether the pieces of a word become one, with the sum of their attributions.
            Otherwise they stand together, each with its own colour.

    Raises:
        ValueError: for an output that is none of the three, or hidden tokens that are no ids.

    Example:
        Which of seven tokens raise the largest score:

        >>> from trulens_core import InputAttribution, ModelInputs
        >>> from trulens_core.testing import ZOO, ReferenceModel, register_reference
        >>> from trulens_core.visualizations import PlainText
        >>> register_reference()
        >>> model = ReferenceModel(ZOO["text"])
        >>> words = "I do not like it at all".split()
        >>> show = NLP(
        ...     model,
        ...     PlainText(color=False),
        ...     labels=["bad", "fair", "good"],
        ...     tokenize=lambda texts: ModelInputs(
        ...         [np.array([[words.index(w) for w in t.split()] for t in texts])],
        ...         {"mask": np.ones((len(texts), 7))},
        ...     ),
        ...     decode=lambda token: words[token],
        ... )
        >>> method = InputAttribution(model, doi_cut="embedding")
        >>> shown = show.token_attribution(["I do not like it at all"], method)
        >>> [word.partition("(")[0] for word in shown.split()[1:8]]
        ['I', 'do', 'not', 'like', 'it', 'at', 'all']
    """

    wrapper: Any
    output: Output | None = None
    labels: Labels | None = None
    tokenize: Callable[[Any], Any] | None = None
    decode: Callable[[int], str] | None = None
    input_accessor: Callable[[Any], Any] | None = None
    output_accessor: Callable[[Any], Any] | None = None
    attr_aggregate: Callable[[Any], Any] | None = None
    hidden_tokens: Iterable[int] = ()
    words: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.wrapper, ModelWrapper):
            object.__setattr__(self, "wrapper", get_model_wrapper(self.wrapper))
        if self.output is not None and not isinstance(self.output, Output):
            raise ValueError(
                f"output is {self.output!r}; it must be PlainText(), HTML(), IPython() or None"
            )
        hidden = list(self.hidden_tokens)
        if not all(is_index(token) for token in hidden):
            raise ValueError(f"hidden_tokens is {hidden}; they must be token ids, which are ints")
        object.__setattr__(self, "hidden_tokens", frozenset(map(int, hidden)))

    def token_attribution(
        self, texts: Any, attr: AttributionMethod | Mapping[str, AttributionMethod]
    ) -> Any:
        """A line per text: the predicted label, then its tokens, coloured by attribution.

        Each text has its own scale of colours. Several quantities stand side by side under one
        scale: those of one method, or several methods by name.

        Args:
            texts: what `tokenize` takes, usually a list of str.
            attr: the method, which explains the embedding layer's output, or another value with
                one row per token; or a mapping from a name, such as a class, to the method.

        Returns:
            A str for `PlainText` and `HTML`, an object that a notebook shows for `IPython`.

        Raises:
            ValueError: for texts without `tokenize`, ids that are not found, attributions that do
                not have a row per token, or scores that are not (records, classes).
            IndexError: for a class that `labels` does not name.
        """
        tokenized = self._tokenized(texts)
        inputs = as_inputs(tokenized)
        ids = token_ids(tokenized, self.input_accessor)
        columns = self._columns(inputs, attr, ids)
        labels = self._labels(inputs)
        decoded = [[self._decoded(int(i)) for i in row] for row in ids]
        marks: Marks = (
            "none" if self.decode is None else marks_of(t for row in decoded for t in row)
        )
        lines = []
        for r, row in enumerate(ids):
            shown = [i for i, token in enumerate(row) if int(token) not in self.hidden_tokens]
            cells = [
                self._column(name, decoded[r], values[r], shown, marks)
                for name, values in columns.items()
            ]
            lines.append(TextLine(tuple(cells), labels[r]))
        return (self.output or default_output()).render(lines)

    def _tokenized(self, texts: Any) -> Any:
        if self.tokenize is None:
            if isinstance(texts, str) or (
                isinstance(texts, list | tuple) and any(isinstance(t, str) for t in texts)
            ):
                raise ValueError("to show texts, NLP needs tokenize=, from texts to model inputs")
            return texts
        if isinstance(texts, str):
            texts = [texts]
        return self.tokenize(texts if hasattr(texts, "shape") else list(texts))

    def _decoded(self, token: int) -> str:
        # nothing must not vanish: an id whose text is empty shows as its number
        return (str(self.decode(token)) if self.decode else "") or f"[{token}]"

    def _columns(self, inputs: ModelInputs, attr: Any, ids: Array) -> dict[str, Array]:
        """Per name of a quantity, attributions of (records, tokens)."""
        methods = attr if isinstance(attr, Mapping) else {"": attr}
        if not methods:
            raise ValueError("attr is empty; give an attribution method, or a mapping to them")
        found: dict[str, Array] = {}
        for name, method in methods.items():
            if not isinstance(method, AttributionMethod):
                raise ValueError(
                    f"attr is {type(method).__name__}; give an attribution method, or a mapping "
                    "from names to them"
                )
            given = method.attributions(inputs)
            parts = given if isinstance(given, list) else [given]
            for i, part in enumerate(parts):
                own = self._class_name(i) if len(parts) == self._n_labels else str(i)
                key = f"{name} {own}".strip() if len(parts) > 1 else str(name)
                found[key] = per_token(part, self.attr_aggregate, ids.shape)
        return found

    def _column(
        self, name: str, tokens: list[str], values: Array, shown: list[int], marks: Marks
    ) -> Column:
        groups = grouped(pieces(tokens, marks), shown, marks, self.words)
        cells = [Token(g.text, float(values[list(g.places)].sum()), g.spaced) for g in groups]
        hidden = np.delete(values, shown)
        return Column(tuple(cells), name, float(hidden.sum()))

    def _labels(self, inputs: ModelInputs) -> list[str]:
        """The predicted class of each text; of a model with one score, the score."""
        found = self.wrapper.fprop(inputs, to_cut=OutputCut(accessor=self.output_accessor))
        scores = as_array(found[0] if isinstance(found, list) else found, "the model's output")
        if scores.ndim == 1:
            scores = scores[:, np.newaxis]
        if scores.ndim != 2:
            raise ValueError(
                f"the model's output has shape {scores.shape}; a label is read from (records, "
                "classes): choose them with output_accessor="
            )
        if scores.shape[1] == 1:
            return [f"{row[0]:.3g}" for row in scores]
        return [self._class_name(int(i)) for i in scores.argmax(axis=1)]

    @property
    def _n_labels(self) -> int | None:
        return None if self.labels is None else len(self.labels)

    def _class_name(self, i: int) -> str:
        if self.labels is None:
            return str(i)
        try:
            return str(self.labels[i])
        except LookupError as error:
            raise IndexError(
                f"labels has {len(self.labels)} names, and none for class {i}"
            ) from error
