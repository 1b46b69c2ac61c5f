"""What all attribution methods are."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import operator
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, Never, Self, TypedDict, final

from trulens_core.attribution import habits, remarks
from trulens_core.attribution.costs import Cost, Enough, Watch, sizes, waiting
from trulens_core.attribution.graph_kept import in_graph
from trulens_core.attribution.progress import bar
from trulens_core.cards import card, first_sentence
from trulens_core.distributions.quadrature import positive_int
from trulens_core.errors import TrulensWarning
from trulens_core.influence import plain_calls
from trulens_core.influence.mixtures import answered
from trulens_core.influence.owned import check_rows
from trulens_core.influence.questions import Answer, Question, Request
from trulens_core.influence.statistics import Mean, Statistic
from trulens_core.inputs import ModelInputs
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.models.conversion import CallerKind
from trulens_core.models.functions import refuse_gradients
from trulens_core.quantities import as_qoi
from trulens_core.results import AttributionResult
from trulens_core.results.about import about
from trulens_core.results.from_answers import Assembly
from trulens_core.rules import RuleSet
from trulens_core.slices import InputCut


class Pace(TypedDict, total=False):
    """How every method may be asked to go about its work, see `AttributionMethod`."""

    rebatch_size: int | Literal["auto"] | None
    progress: bool
    contract: int | Sequence[int] | None
    rules: RuleSet | None


class Options(Pace, total=False):
    """The options that every method takes, see `AttributionMethod`."""

    return_grads: bool
    return_doi: bool


class Recipe(Options, total=False):
    """The parts that a method may be given besides slice, quantity and distribution."""

    statistic: Statistic | str


class AttributionMethod(ABC):
    """A way to explain a model: a question that is asked of it, and nothing more.

    A method of one's own is a class with a constructor and `_question`, which says what is asked:
    which slice, which quantity, which distribution. Everything else is core's, and the same for
    all methods.

    Args:
        model: a model wrapper, or a model, which is wrapped.
        rebatch_size: rows (records × points) per pass of the model, any int ≥ 1. None: chosen by
            the size of a record, all records at once. "auto": that, halved whenever memory runs
            out.
        return_grads: whether `explain` returns each point's gradients.
        return_doi: whether `explain` returns the distribution's points.
        contract: axes of the value at the source cut that attributions are summed over as they
            come, such as -1 for an embedding's width; the records are on axis 0. Of several
            quantities only one's gradients are then held at a time.
        rules: of the backward pass, a `RuleSet`: how operations pass back what arrives at them.
            None: by their derivatives.
        **others: nothing else; other libraries' words are answered with ours.
        progress: whether to show a progress bar (needs tqdm).

    Raises:
        ValueError: for a `rebatch_size` or axes that are none of these.
        TypeError: for an option that there is not.
        NoBackendError: for a model that no installed backend serves.

    Example:
        >>> from trulens_core.attribution import as_question
        >>> from trulens_core.testing import small_model
        >>> class LayerGradient(AttributionMethod):
        ...     def __init__(self, model, layer, **options):
        ...         super().__init__(model, **options)
        ...         self.layer = layer
        ...
        ...     def _question(self):
        ...         return as_question(self.model, self.layer, multiply_activation=False)
        >>> model, x = small_model()
        >>> LayerGradient(model, "hidden", rebatch_size=8).attributions(x).shape
        (2, 4)
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        rebatch_size: int | Literal["auto"] | None = None,
        *,
        return_grads: bool = False,
        return_doi: bool = False,
        progress: bool = False,
        contract: int | Sequence[int] | None = None,
        rules: RuleSet | None = None,
        **others: Never,
    ) -> None:
        if others:
            raise habits.refused(type(self), others)
        self.model: ModelWrapper = (
            model if isinstance(model, ModelWrapper) else get_model_wrapper(model)
        )
        if rebatch_size not in (None, "auto"):
            rebatch_size = positive_int(rebatch_size, "rebatch_size")
        self.rebatch_size = rebatch_size
        self.return_grads = return_grads
        self.return_doi = return_doi
        self.progress = progress
        self.contract: tuple[int, ...] | None = _axes(contract)
        if rules is not None and not isinstance(rules, RuleSet):
            raise ValueError(f"rules is {rules!r}; it must be a RuleSet, see trulens_core.rules")
        self.rules: RuleSet | None = self._own_rules() if rules is None else rules
        self._asked: Question | None = None

    @final
    def attributions(
        self, *model_args: Any, differentiable: Any = False, **model_kwargs: Any
    ) -> Any:
        """The attributions for the records given as the model's arguments.

        Args:
            *model_args: positional arguments of the model, (records, …) each, arrays or tensors;
                or one list of them, or one `ModelInputs`.
            differentiable: whether the attributions can be differentiated, by the model's weights
                and by the inputs, so that a loss may hold them (PyTorch, JAX). The model is then
                in the modes that it is in, and results are tensors, of arrays too.
            **model_kwargs: keyword arguments of the model.

        Returns:
            Shaped as the value at the source cut, (records, …); `[quantity][tensor]` where there
            are several; dict in, dict out. NumPy in, NumPy out; tensor in, detached tensor out. In
            units of the quantity, or of quantity per activation where nothing is multiplied.

        Raises:
            CutError: for a cut that this call cannot serve, by its kinds.
            QoiError: for a quantity that is not one number per record, or several.
            DoiError: for points or a baseline that do not fit the value at their cut.
            IndexError: for a class or channel out of range.
            TypeError: for arguments that hold no array or tensor with a row per record.
        """
        asked, others = self._asked, differentiable or model_kwargs or self.progress
        if asked is not None and not others and len(model_args) == 1:
            found = plain_calls.again(asked, model_args[0], self.rebatch_size)
            if found is not None:
                return found
        with self.model.backend.outside():
            question = self.question()
            if differentiable:
                question = in_graph(question)
            answers = self._answers(question, model_args, model_kwargs, explain=False)
            return Assembly(*answers).attributions()

    @final
    def explain(self, *model_args: Any, **model_kwargs: Any) -> AttributionResult:
        """The attributions and what tells how good they are.

        Warns once where completeness fails by more than 10 % of q(x) − q(baseline).

        Args:
            *model_args: as for `attributions`.
            **model_kwargs: as for `attributions`.

        Returns:
            An `AttributionResult`; errors are those of `attributions`.
        """
        with self.model.backend.outside():
            given = ModelInputs.of_call(model_args, model_kwargs)
            answers = self._answers(self.question(), model_args, model_kwargs, explain=True)
            assembly, (question, inputs, *_) = Assembly(*answers), answers
            told = about(type(self).__name__, question, given, inputs, self.rebatch_size)
            advice = assembly.residual_advice()
            if advice:
                warnings.warn(advice, TrulensWarning, stacklevel=2)
            return AttributionResult(**assembly.fields(), **told)

    @final
    def cost(self, *model_args: Any, **model_kwargs: Any) -> Cost:
        """What `explain` would take, told after two passes of the model.

        Args:
            *model_args: as for `attributions`.
            **model_kwargs: as for `attributions`.

        Returns:
            A `Cost`: rows, passes, memory and time, as far as they are known before. The numbers
            of a call that is over after one pass are those of that call.

        Example:
            >>> from trulens_core import IntegratedGradients
            >>> from trulens_core.testing import small_model
            >>> model, x = small_model()
            >>> cost = IntegratedGradients(model, resolution=1000, rebatch_size=100).cost(x)
            >>> cost.rows, cost.passes, cost.rows_per_pass
            (2000, 20, 100)
        """
        with self.model.backend.outside():
            question, inputs, _ = self._asked_of(self.question(), model_args, model_kwargs)
            watch = Watch(waiting(question, inputs))
            with contextlib.suppress(Enough):
                request = Request(self.rebatch_size, quantities=True, advance=watch)
                answered(question, inputs, request)
            return watch.found(*sizes(question, inputs))

    def _answers(
        self, question: Question, args: Sequence[Any], kwargs: dict[str, Any], explain: bool
    ) -> tuple[Question, ModelInputs, CallerKind, list[Answer]]:
        try:
            return self._answered(question, args, kwargs, explain)
        except Exception as error:
            for hint in habits.in_call(kwargs):
                error.add_note(hint)
            raise

    def _asked_of(
        self, question: Question, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[Question, ModelInputs, CallerKind]:
        """The question as it is for these inputs, and the inputs as the model takes them."""
        given = ModelInputs.of_call(args, kwargs)
        for part in (*question.source.parts(), *question.doi_cut.parts()):
            given = given.lying_as(part) if isinstance(part, InputCut) else given
        inputs, kind = question.wrapper.prepared(given)
        question = question.counted(inputs)
        check_rows(question)
        return question, inputs, kind

    def _answered(
        self, question: Question, args: Sequence[Any], kwargs: dict[str, Any], explain: bool
    ) -> tuple[Question, ModelInputs, CallerKind, list[Answer]]:
        question, inputs, kind = self._asked_of(question, args, kwargs)
        remarks.of_integers(question, inputs)
        with bar(self.progress, _rows_in_all(question, inputs), inputs.n_records) as advance:
            request = Request(
                rebatch_size=self.rebatch_size,
                quantities=explain,
                gradients=explain and self.return_grads,
                points=explain and self.return_doi,
                advance=advance,
            )
            found = answered(question, inputs, request)
        remarks.of_gradients(question, found)
        remarks.of_type(question, found, kind)
        remarks.of_tolerance(question, found)
        return question, inputs, kind, found

    @abstractmethod
    def _question(self) -> Question:
        """What is asked of the model, as `as_question` makes it; called once, at first use."""

    @final
    def question(self) -> Question:
        """What is asked of the model; errors are those of the parts that it is made of."""
        if self._asked is None:
            asked = self._question()
            if asked.statistic.gradients:
                refuse_gradients(self.model.backend)
            else:
                self._check_without_gradients()
            if self.rules is not None:
                if self.rules.relevance and asked.statistic.follows_path:
                    raise ValueError(
                        f"rules with first={list(self.rules.first)!r} give relevance itself, which "
                        "is not multiplied with the steps of a path; leave first= out"
                    )
                multiply = asked.multiply and not self.rules.relevance
                asked = dataclasses.replace(asked, rules=self.rules, multiply=multiply)
            if self.contract is not None:
                self._check_contraction(asked)
                asked = dataclasses.replace(asked, contract=self.contract)
            self._asked = asked
        return self._asked

    @final
    def asking(self, qoi: Any) -> Self:
        """The same method, which explains another quantity.

        Args:
            qoi: a quantity of interest or its short form.

        Returns:
            A copy, which shares the model.

        Example:
            >>> from trulens_core import Saliency
            >>> from trulens_core.testing import small_model
            >>> model, x = small_model()
            >>> Saliency(model, qoi=0).asking(1).question().qoi
            InternalChannelQoI(1)
        """
        new = copy.copy(self)
        new._asked = dataclasses.replace(self.question(), qoi=as_qoi(qoi))
        return new

    def _check_without_gradients(self) -> None:
        for name in ("return_grads", "contract", "rules"):
            if getattr(self, name):
                raise ValueError(f"{type(self).__name__} takes no gradients, so {name}= has none")

    def _own_rules(self) -> RuleSet | None:
        """The rules of a method that has some, where the caller gives none."""
        return None

    def _check_contraction(self, q: Question) -> None:
        if self.return_grads:
            raise ValueError("contract= sums gradients as they come, so return_grads has none")
        if not q.statistic.linear and (q.multiply or "activations" in q.statistic.want):
            raise ValueError(
                f"contract= comes before the statistic {q.statistic!r}, which is not linear, and "
                "what is multiplied after it has the axes that are gone; sum the attributions "
                "themselves, or give multiply_activation=False"
            )
        if q.source.batch_axis:
            raise ValueError(
                f"contract= counts axes with the records first, and {q.source} has them elsewhere; "
                "sum the attributions themselves"
            )

    def _repr_html_(self) -> str:
        q = self.question()
        parts = {
            "model": f"{type(self.model.model).__name__} on {self.model.backend.name}",
            "slice": f"{q.source} to {q.target}",
            "quantity": repr(q.qoi),
            "distribution": f"{q.doi!r} at {q.doi_cut}",
            "statistic": repr(q.statistic),
        }
        rules = {} if q.rules is None else {"rules": repr(q.rules)}
        return card(type(self).__name__, first_sentence(self), {**parts, **rules})

    def __repr__(self) -> str:
        q = self.question()
        statistic = "" if q.statistic == Mean() else f", statistic={q.statistic!r}"
        rules = "" if q.rules is None else f", rules={q.rules!r}"
        return (
            f"{type(self).__name__}({type(self.model.model).__name__}, {q.source} to {q.target}, "
            f"qoi={q.qoi!r}, doi={q.doi!r} at {q.doi_cut}{statistic}{rules})"
        )


def _axes(contract: Any) -> tuple[int, ...] | None:
    """The axes that `contract` names."""
    if contract is None:
        return None
    listed = list(contract) if isinstance(contract, Sequence) else [contract]
    try:
        axes = tuple(operator.index(a) for a in listed)
    except TypeError:
        axes = ()
    if not axes or 0 in axes or any(isinstance(a, bool) for a in listed):
        raise ValueError(
            f"contract is {contract!r}; it must be an axis, or several, but not 0, that of records"
        )
    return axes


def _rows_in_all(question: Question, inputs: ModelInputs) -> int | None:
    """How many rows there will be, None where that is not known before."""
    points = None if question.tolerance else question.doi.n_points
    return None if points is None else points * inputs.n_records
