"""`evaluate`: several methods judged by several metrics, beside explanations that know nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trulens_core.attribution.method import AttributionMethod
from trulens_core.attribution.names import named
from trulens_core.inputs import ModelInputs
from trulens_core.metrics.agreements import agreement
from trulens_core.metrics.complexity import Sparseness
from trulens_core.metrics.curves import Deletion, Insertion
from trulens_core.metrics.evaluation import Evaluation
from trulens_core.metrics.explained import Explained
from trulens_core.metrics.faithfulness import FaithfulnessCorrelation
from trulens_core.metrics.localization import PointingGame, RelevanceMass
from trulens_core.metrics.metric import Metric
from trulens_core.metrics.scores import Array
from trulens_core.metrics.stability import Sensitivity
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.quantities import ClassQoI, QoI, as_qoi
from trulens_core.results.arrays import host, leaves
from trulens_core.segments import Segments
from trulens_core.slices import InputCut, source_cut

RANDOM, EDGES = "random", "edges"
_GUESSES = 14
"""The stream of draws of an explanation that knows nothing."""


def evaluate(  # noqa: PLR0913 - keyword options, of which a call has few
    methods: Any,
    model: Any,
    x: Any,
    y: Any = None,
    *,
    metrics: Sequence[Metric] | None = None,
    segments: Segments | None = None,
    baseline: Any = None,
    masks: Any = None,
    qoi: Any = None,
    qoi_cut: Any = None,
    doi_cut: Any = None,
    baselines: bool = True,
    seed: int = 0,
    rebatch_size: Any = None,
    progress: bool = False,
) -> Evaluation:
    """Judge one or several explanations of some records, and say which is best by how much.

    Beside them stand an explanation that is random, and for images one of edges, which looks at
    the record and never at the model: what is not better than these tells nothing of the model.

    Args:
        methods: a method, which explains the quantity that it was made with; a class of methods,
            which is made with this model and quantity, or its name, as `explain` takes it: "ig",
            "saliency", "smoothgrad", "input x gradient"; a function of the model's arguments; a
            result, or an array of attributions; or a list of them, or a mapping from names.
        model: a model of any framework, or its wrapper.
        x: the records: an array or tensor, a list of the model's arguments, or a `ModelInputs`.
        y: their classes, whose scores are looked at; None and "predicted" are the class
            predicted, or `qoi` is asked.
        metrics: which; None: `Deletion`, `Insertion`, `FaithfulnessCorrelation`, `Sensitivity`
            (of methods and functions), `Sparseness`, and with masks `PointingGame` and
            `RelevanceMass`.
        segments: what is removed together; None: pixels of all channels where the records are
            images, else every element by itself.
        baseline: what takes the place of what is removed, see `Perturbation`; None is zeros.
        masks: where the thing is, booleans (records, …).
        qoi: a quantity of interest or its short form, instead of y.
        qoi_cut: where it is read; None is the output.
        doi_cut: what attributions are for; None is the input.
        baselines: whether explanations that know nothing are judged too.
        seed: of all draws.
        rebatch_size: rows per pass, see `AttributionMethod`.
        progress: whether a bar is shown.

    Returns:
        An `Evaluation`: printed a table, `to_frame()` a pandas DataFrame, `plot()` a figure with
        the curves, `winners()` what is best by how much.

    Raises:
        ValueError: for nothing to judge, for y and qoi both, and as the metrics raise it.

    Example:
        >>> from trulens_core import InputAttribution, Saliency
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> found = evaluate([Saliency, InputAttribution], model, x, [0, 1])
        >>> list(found.scores), found.winner("Sparseness").name in found.scores
        (['Saliency', 'InputAttribution', 'random'], True)
    """
    wrapper = model if isinstance(model, ModelWrapper) else get_model_wrapper(model)
    inputs = ModelInputs.of_call((x,), {})
    if y is not None and qoi is not None:
        raise ValueError("give y, the records' classes, or qoi=, not both")
    of: QoI = as_qoi("predicted" if qoi is None else qoi) if y is None else _classes(y)
    at = wrapper.resolved(source_cut(doi_cut))
    value = _value(wrapper, inputs, doi_cut)
    axis = None if value.ndim != 4 else wrapper.channel_axis(at)
    options = {"qoi": of, "qoi_cut": qoi_cut}
    made = {n: _made(m, wrapper, options) for n, m in _named(methods).items()}
    judged = {n: Explained.read(m, inputs).fitted(value, axis) for n, m in made.items()}
    guesses = _guesses(value, axis, inputs, seed) if baselines else {}
    if metrics is None:
        common = {"baseline": baseline, "doi_cut": doi_cut, "seed": seed, **options}
        work = {"rebatch_size": rebatch_size, "progress": progress}
        if segments is None and axis is not None:
            segments = Segments.grid(1)
        metrics = _standard(wrapper, segments, {**common, **work}, masks, isinstance(at, InputCut))
    _check(metrics)
    every = {**judged, **guesses}
    return Evaluation(
        {n: {m.name: m.score(e) for m in metrics if m.judges(e)} for n, e in every.items()},
        tuple(m.name for m in metrics),
        tuple(guesses),
        agreement(judged) if len(judged) > 1 else None,
    )


def _check(metrics: Sequence[Any]) -> None:
    for m in metrics:
        if not isinstance(m, Metric):
            raise ValueError(f"metrics holds {m!r}; give metrics, such as [Sparseness()]")


def _classes(y: Any) -> QoI:
    if isinstance(y, str):
        return as_qoi(y)
    found = np.asarray(host(y) if hasattr(y, "shape") else y)
    return ClassQoI(int(found) if found.ndim == 0 else found)


def _named(methods: Any) -> dict[str, Any]:
    """What is to be judged, by name."""
    if isinstance(methods, Mapping):
        given = {str(n): m for n, m in methods.items()}
    else:
        listed = list(methods) if isinstance(methods, list | tuple) else [methods]
        given = {}
        for m in listed:
            name = m if isinstance(m, str) else getattr(m, "__name__", type(m).__name__)
            same = sum(n == name or n.startswith(f"{name} ") for n in given)
            given[f"{name} {same + 1}" if same else name] = m
    taken = [n for n in (RANDOM, EDGES) if n in given]
    if not given or taken:
        raise ValueError(
            f"the names {taken} are those of explanations that know nothing; choose others"
            if taken
            else "there is nothing to judge; give a method, or several"
        )
    return given


def _made(given: Any, wrapper: ModelWrapper, options: dict[str, Any]) -> Any:
    if isinstance(given, str):
        given = named(given)
    if isinstance(given, type) and issubclass(given, AttributionMethod):
        kind: Any = given
        return kind(wrapper, **options)
    return given


def _value(wrapper: ModelWrapper, inputs: ModelInputs, doi_cut: Any) -> Array:
    """The value that attributions are for, on the host."""
    cut = wrapper.resolved(source_cut(doi_cut))
    if not isinstance(cut, InputCut):
        found = leaves(wrapper.fprop(inputs, to_cut=doi_cut))
    else:
        prepared = wrapper.prepared(inputs)[0]
        at = prepared.at(cut, wrapper.backend, wrapper.parameters)
        found = [wrapper.backend.to_numpy(prepared.leaves[i].value) for i in at]
    if len(found) != 1:
        raise ValueError(
            f"attributions are judged at one tensor, and {cut} holds {len(found)}; choose one "
            "with doi_cut="
        )
    return host(found[0])


def _standard(
    wrapper: ModelWrapper,
    segments: Segments | None,
    options: dict[str, Any],
    masks: Any,
    at_input: bool,
) -> list[Metric]:
    found: list[Metric] = [
        Deletion(wrapper, segments, **options),
        Insertion(wrapper, segments, **options),
        FaithfulnessCorrelation(wrapper, segments, **options),
    ]
    if at_input:
        found.append(Sensitivity(samples=5, seed=options["seed"]))
    found.append(Sparseness())
    return found if masks is None else [*found, PointingGame(masks), RelevanceMass(masks)]


def _guesses(
    value: Array, axis: int | None, inputs: ModelInputs, seed: int
) -> dict[str, Explained]:
    """Explanations that know nothing of the model."""
    bits = np.random.Philox(key=seed, counter=[0, _GUESSES, 0, 0])
    drawn = np.random.Generator(bits).standard_normal(value.shape)
    found = {RANDOM: Explained(drawn, inputs)}
    if axis is not None and min(np.delete(value.shape[1:], axis % 4 - 1)) > 1:
        found[EDGES] = Explained(edges(value, axis), inputs)
    return found


def edges(images: Array, channel_axis: int) -> Array:
    """The size of images' gradient over their places, of each channel: it looks at no model.

    Args:
        images: (records, …) of four axes.
        channel_axis: of the channels.

    Example:
        >>> edges(np.array([[[[0.0, 0.0, 2.0, 2.0]] * 2]]), 1)[0, 0, 0]
        array([0., 1., 1., 0.])
    """
    places = tuple(a for a in range(1, images.ndim) if a != channel_axis % images.ndim)
    each = np.gradient(images.astype("float64"), axis=places)
    return np.asarray(np.sqrt(sum(g**2 for g in each)))
