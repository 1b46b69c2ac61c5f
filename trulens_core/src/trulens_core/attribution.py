"""Attribution methods: recipes of slice, quantity and distribution."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, TypedDict, Unpack, final

from trulens_core import remarks
from trulens_core.distributions import DoI, LinearDoi, as_doi
from trulens_core.distributions.quadrature import Rule, positive_int
from trulens_core.errors import TrulensWarning
from trulens_core.influence.loop import answers
from trulens_core.influence.questions import Answer, Question, Request
from trulens_core.influence.tolerance import Tolerance, adaptive_answers
from trulens_core.inputs import ModelInputs
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.models.conversion import CallerKind
from trulens_core.positions import no_number_by_position
from trulens_core.progress import bar
from trulens_core.quantities import as_qoi
from trulens_core.results import AttributionResult
from trulens_core.results.from_answers import Assembly
from trulens_core.slices import Cut, InputCut, Slice, as_slice


class _Default(int):
    """An int that can be told from the same number given by the caller."""


_DEFAULT_RESOLUTION = _Default(50)


class Pace(TypedDict, total=False):
    """How every method may be asked to go about its work, see `AttributionMethod`."""

    rebatch_size: int | Literal["auto"] | None
    progress: bool


class Options(Pace, total=False):
    """The options that every method takes, see `AttributionMethod`."""

    return_grads: bool
    return_doi: bool


class AttributionMethod:
    """A way to explain a model; its kinds are choices of slice, quantity and distribution.

    Args:
        model: a model wrapper, or a model, which is wrapped.
        rebatch_size: rows (records × points) per pass of the model, any int ≥ 1. None: chosen by
            the size of a record, all records at once. "auto": that, halved whenever memory runs
            out.
        return_grads: whether `explain` returns each point's gradients.
        return_doi: whether `explain` returns the distribution's points.
        progress: whether to show a progress bar (needs tqdm).

    Raises:
        ValueError: for a `rebatch_size` that is none of these.
        NoBackendError: for a model that no installed backend serves.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> method = InputAttribution(model, rebatch_size=8)
        >>> isinstance(method, AttributionMethod), method.attributions(x).shape
        (True, (2, 5))
    """

    def __init__(
        self,
        model: Any,
        rebatch_size: int | Literal["auto"] | None = None,
        *,
        return_grads: bool = False,
        return_doi: bool = False,
        progress: bool = False,
    ) -> None:
        self.model: ModelWrapper = (
            model if isinstance(model, ModelWrapper) else get_model_wrapper(model)
        )
        if rebatch_size not in (None, "auto"):
            rebatch_size = positive_int(rebatch_size, "rebatch_size")
        self.rebatch_size = rebatch_size
        self.return_grads = return_grads
        self.return_doi = return_doi
        self.progress = progress
        self._question: Question | None = None

    @final
    def attributions(self, *model_args: Any, **model_kwargs: Any) -> Any:
        """The attributions for the records given as the model's arguments.

        Args:
            *model_args: positional arguments of the model, (records, …) each, arrays or tensors;
                or one list of them, or one `ModelInputs`.
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
        with self.model.backend.outside():
            inputs, kind, found = self._answers(model_args, model_kwargs, explain=False)
            return Assembly(self._asked(), inputs, kind, found).attributions()

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
            inputs, kind, found = self._answers(model_args, model_kwargs, explain=True)
            assembly = Assembly(self._asked(), inputs, kind, found)
            advice = assembly.residual_advice()
            if advice:
                warnings.warn(advice, TrulensWarning, stacklevel=2)
            return assembly.result()

    def _answers(
        self, args: Sequence[Any], kwargs: dict[str, Any], explain: bool
    ) -> tuple[ModelInputs, CallerKind, list[Answer]]:
        question = self._asked()
        inputs, kind = self.model.prepared(ModelInputs.of_call(args, kwargs))
        remarks.of_integers(question, inputs)
        with bar(self.progress, self._rows_in_all(question, inputs)) as advance:
            request = Request(
                rebatch_size=self.rebatch_size,
                quantities=explain,
                gradients=explain and self.return_grads,
                points=explain and self.return_doi,
                advance=advance,
            )
            found = self._computed(question, inputs, request)
        remarks.of_gradients(question, found)
        return inputs, kind, found

    def _rows_in_all(self, question: Question, inputs: ModelInputs) -> int | None:
        """How many rows there will be, None where that is not known before."""
        own = type(question.doi).points is DoI.points  # the caller's, and no word of how many
        points = None if own else getattr(question.doi, "resolution", None)
        return None if points is None else points * inputs.n_records

    def _computed(self, question: Question, inputs: ModelInputs, request: Request) -> list[Answer]:
        """The answers; a method with another way to spread its points refines this."""
        return answers(question, inputs, request)

    def _asked(self) -> Question:
        assert self._question is not None
        return self._question

    def __repr__(self) -> str:
        q = self._asked()
        return (
            f"{type(self).__name__}({type(self.model.model).__name__}, {q.source} to {q.target}, "
            f"qoi={q.qoi!r}, doi={q.doi!r} at {q.doi_cut})"
        )


class InternalInfluence(AttributionMethod):
    """Influence of the value at a cut on a quantity, over a distribution (Leino et al., 2018).

        influence(g ∘ h, q, D)(x) = E over z ~ D(h(x)) of ∂q(g(z)) / ∂z

    times the activation's multiplier, if `multiply_activation`.

    Args:
        model: a model or its wrapper.
        cuts: a `Slice`, a pair of cuts, or the source cut alone (up to the output); None is the
            full network.
        qoi: a quantity of interest or its short form.
        doi: a distribution of interest or its short form; without a cut of its own it acts at
            the model's input.
        multiply_activation: whether the gradient is multiplied with the activation at the source
            cut, less the baseline's where the distribution has one.
        return_grads: see `AttributionMethod`, as the two that follow.
        return_doi: by position too, as it always was; what follows is by keyword only.
        **options: `rebatch_size` and `progress`.

    Raises:
        UnknownLayerError: for a cut that names no layer of the model.
        ValueError: for anything that is no slice, quantity or distribution.

    Example:
        Gradients of the class scores with respect to a layer, at the records themselves:

        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> InternalInfluence(model, "hidden", "max", "point").attributions(x).shape
        (2, 4)
    """

    def __init__(  # noqa: PLR0913 - the documented signature
        self,
        model: Any,
        cuts: Any,
        qoi: Any,
        doi: DoI | str,
        multiply_activation: bool = True,
        return_grads: bool = False,
        return_doi: bool = False,
        **options: Unpack[Pace],
    ) -> None:
        super().__init__(model, return_grads=return_grads, return_doi=return_doi, **options)
        chosen, doi = as_slice(cuts), as_doi(doi)
        self._question = Question(
            self.model,
            self.model.resolved(chosen.from_cut),
            self.model.resolved(chosen.to_cut),
            as_qoi(qoi),
            doi,
            self.model.resolved(self._place(doi, chosen.from_cut)),
            bool(multiply_activation),
        )

    def _place(self, doi: DoI, source: Cut) -> Cut:  # noqa: ARG002 - for others to refine
        """Where the distribution acts: at the input, unless it says so itself."""
        return doi.cut() or InputCut()


class InputAttribution(InternalInfluence):
    """Influence of the model's input, or of `doi_cut` as its beginning, on a quantity.

    InputAttribution(m, qc, q, dc, d) = InternalInfluence(m, (dc, qc), q, d placed at dc).

    With `"point"` these are input × gradient, and saliency (Simonyan et al., 2014) where nothing
    is multiplied.

    Args:
        model: a model or its wrapper.
        qoi_cut: where the quantity is read; None is the output.
        qoi: a quantity of interest or its short form.
        doi_cut: where the differentiable part begins; None is the input.
        doi: a distribution of interest or its short form; it acts at `doi_cut`.
        multiply_activation: see `InternalInfluence`.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`.

    Raises:
        ValueError: for a distribution with another cut of its own, or anything that is no cut,
            quantity or distribution.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> InputAttribution(model).attributions(x).shape == x.shape
        True
    """

    @no_number_by_position
    def __init__(
        self,
        model: Any,
        qoi_cut: Any = None,
        qoi: Any = "max",
        doi_cut: Any = None,
        doi: DoI | str = "point",
        multiply_activation: bool = True,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(model, Slice(doi_cut, qoi_cut), qoi, doi, multiply_activation, **options)

    def _place(self, doi: DoI, source: Cut) -> Cut:
        """Where the variables live."""
        own = doi.cut()
        if own is not None and own != source:
            raise ValueError(
                f"doi has its own cut, {own}, but doi_cut is {source}; give the same, or use "
                "InternalInfluence, where they may differ"
            )
        return source


class IntegratedGradients(InputAttribution):
    """Integrated gradients (Sundararajan et al., 2017): the mean gradient on a line, times it.

        (x − b) ⊙ ∫₀¹ ∂q(b + α (x − b)) / ∂x dα

    Completeness: the attributions of a record add up to q(x) − q(b), to the quadrature's error,
    which `explain` reports as `residual`.

    IntegratedGradients(m, b, n, rule=r) = InternalInfluence(m, (InputCut(), OutputCut()), 'max',
    LinearDoi(b, n, rule=r)) for every r; the default rules differ.

    Args:
        model: a model or its wrapper.
        baseline: where the line starts, see `LinearDoi`; None is zeros.
        resolution: how many points. Not together with `tolerance`.
        doi_cut: where the line lives; None is the input.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        rule: of quadrature. The default, "midpoint", is as good as any where the network is
            piecewise linear (ReLU) and never evaluates at the baseline itself; for smooth ones
            (GELU, tanh) "gauss-legendre" needs far fewer points. `LinearDoi` has another default,
            "endpoints".
        tolerance: instead of a number of points, the error of completeness that is accepted, as
            a part of q(x) − q(b): each record gets 3, 9, 27, … midpoints until it meets it, see
            `trulens_core.influence.tolerance`. `explain` tells `n_points` and `converged` for
            each record.
        max_resolution: the most points a record may use to meet the tolerance.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`.

    Raises:
        ValueError: for a resolution, rule or tolerance that cannot be used, or two of them that
            exclude each other.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> result = IntegratedGradients(model, resolution=64).explain(x)
        >>> bool((abs(result.residual) < 0.05).all())
        True
    """

    @no_number_by_position
    def __init__(  # noqa: PLR0913 - the documented signature
        self,
        model: Any,
        baseline: Any = None,
        resolution: int = _DEFAULT_RESOLUTION,
        doi_cut: Any = None,
        qoi: Any = "max",
        qoi_cut: Any = None,
        *,
        rule: Rule = "midpoint",
        tolerance: float | None = None,
        max_resolution: int = 729,
        **options: Unpack[Options],
    ) -> None:
        doi = LinearDoi(baseline, resolution, rule=rule)
        super().__init__(model, qoi_cut=qoi_cut, qoi=qoi, doi_cut=doi_cut, doi=doi, **options)
        self._tolerance = None if tolerance is None else Tolerance(tolerance, max_resolution)
        if self._tolerance is not None:
            self._check_tolerance(resolution, rule)

    def _check_tolerance(self, resolution: int, rule: Rule) -> None:
        if resolution is not _DEFAULT_RESOLUTION:
            raise ValueError("give resolution= or tolerance=, not both")
        if rule != "midpoint":
            raise ValueError(f"tolerance= nests midpoints, so rule={rule!r} cannot be chosen")
        if self.return_grads or self.return_doi:
            raise ValueError(
                "with tolerance= records have different numbers of points: return_grads and "
                "return_doi need resolution="
            )

    def _rows_in_all(self, question: Question, inputs: ModelInputs) -> int | None:
        return super()._rows_in_all(question, inputs) if self._tolerance is None else None

    def _computed(self, question: Question, inputs: ModelInputs, request: Request) -> list[Answer]:
        if self._tolerance is None:
            return super()._computed(question, inputs, request)
        found = adaptive_answers(question, inputs, request, self._tolerance)
        open_ = sum(int((~a.converged).sum()) for a in found if a.converged is not None)
        if open_:
            warnings.warn(
                f"{open_} of {inputs.n_records} records do not meet tolerance="
                f"{self._tolerance.error} with {self._tolerance.max_resolution} points; raise "
                "max_resolution=, or look at their residual and baseline",
                TrulensWarning,
                stacklevel=4,
            )
        return found
