"""`explain`: a method that fits, chosen by what the model and the input are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from trulens_core.attribution import AttributionMethod, IntegratedGradients
from trulens_core.attribution.names import name_of, named
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.perturbation import KernelSHAP, ShapleyValues
from trulens_core.quantities import PredictedClassQoI, RegressionQoI
from trulens_core.recipes.given import Given, read, read_pictures
from trulens_core.results import AttributionResult
from trulens_core.slices import Cut, LogitCut, target_cut

_MOST_EXACT = 12
"""Features whose coalitions are all tried, 2^12 rows for each record."""


def explain(
    model: Any,
    x: Any,
    qoi: Any = None,
    method: str | type[AttributionMethod] = "auto",
    tokenizer: Any = None,
    **options: Any,
) -> AttributionResult:
    """Explain what a model says of some records, with a method that fits.

    What was chosen, and why, stands in the result: `result.method["why"]`.

    Args:
        model: a model of any framework, its wrapper, or a pipeline of Hugging Face that classifies
            texts, tokens or images.
        x: what is explained: an array or tensor, records first; a pandas DataFrame, whose columns
            name the features; a mapping of keyword arguments or a `ModelInputs`; with a tokenizer,
            texts; with a pipeline of images, pictures of Pillow, their files, or arrays.
        qoi: a quantity of interest or its short form; None is the class predicted, or, of a model
            with one number per record, that number. Of a model with classes for each token it is
            the sum over the tokens of a text, without special ones and padding.
        method: "auto", which is integrated gradients, or, of a table and a function that has no
            gradients, Shapley values, and KernelSHAP of more than 12 features; "ig", "saliency",
            "smoothgrad", "input x gradient"; or a class of a method, made with `options`.
        tokenizer: of Hugging Face, or anything that gives ids for texts, as an array, such as
            Keras's TextVectorization, or in a mapping of arguments.
        **options: of the method, such as `resolution=`.

    Returns:
        The result, with names of features, tokens and classes as far as they are known. Of texts
        and token ids it has a number per token, (records, tokens).

    Raises:
        ValueError: for a method that is not known, and for texts without a tokenizer.
        DoiError: for a table with columns of strings and no `baseline=`: zeros are none of theirs.
        TypeError: for an option that the method does not have.
        TrulensError: as the method raises it.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> result = explain(model, x)
        >>> result.method["why"]
        'integrated gradients, of the class predicted, from a baseline of zeros'
    """
    pictures = getattr(model, "image_processor", None) if _is_pipeline(model) else None
    if _is_pipeline(model):
        model, tokenizer = model.model, tokenizer or model.tokenizer
    wrapper = model if isinstance(model, ModelWrapper) else get_model_wrapper(model)
    if pictures is not None:
        given = read_pictures(x, wrapper, pictures)
    else:
        given = read(x, wrapper, tokenizer)
    blind = method == "auto" and not wrapper.backend.has_gradients
    kind = _without_gradients(given) if blind else _kind(method)
    at = target_cut(options.get("qoi_cut"))
    of, what = _quantity(wrapper, given, at) if qoi is None else (qoi, "of the quantity given")
    parts: dict[str, Any] = {"qoi": of}
    cut = _scores(wrapper) if options.get("qoi_cut") is None else None
    if cut is not None:
        parts["qoi_cut"] = cut
        what += ", at the scores before the softmax"
    if given.at is not None:
        parts |= {"doi_cut": given.at, "contract": -1}
    made = kind(wrapper, **{**parts, **options})
    result = made.explain(given.inputs)
    why = ", ".join([name_of(kind), what, *given.why, *_baseline(kind, options)])
    names = {**given.names, **_classes(wrapper)}
    found = dataclasses.replace(result, method={**(result.method or {}), "why": why})
    return found.named(**names) if names else found


def _is_pipeline(model: Any) -> bool:
    """Whether it is a model with what reads its inputs, as pipelines of Hugging Face are."""
    return callable(getattr(model, "preprocess", None)) and hasattr(model, "model")


def _kind(method: str | type[AttributionMethod]) -> type[AttributionMethod]:
    if isinstance(method, type) and issubclass(method, AttributionMethod):
        return method
    return named("ig" if method == "auto" else str(method), "'auto', ")


def _without_gradients(given: Given) -> type[AttributionMethod]:
    """What fits a function: Shapley values of a table's features."""
    shapes = [tuple(getattr(x, "shape", ())) for x in given.inputs.args]
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise ValueError(
            "the model has no gradients, and what it is given is no table, so no method is chosen: "
            "give one, explain(model, x, method=KernelSHAP, segments=Segments.superpixels(40))"
        )
    return ShapleyValues if shapes[0][1] <= _MOST_EXACT else KernelSHAP


def _quantity(wrapper: ModelWrapper, given: Given, at: Cut) -> tuple[Any, str]:
    """What a model with this value at the cut is asked: the class predicted, or its one number."""
    y = wrapper.fprop(given.inputs, to_cut=at)
    shape = tuple(getattr(y, "shape", ()))
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1):
        return RegressionQoI(), "of the one number that the model gives"
    if len(shape) == 3 and given.tokens is not None and given.tokens.shape == shape[:2]:
        return PredictedClassQoI(region=given.tokens), "of the classes predicted for its tokens"
    return PredictedClassQoI(), "of the class predicted"


def _scores(wrapper: ModelWrapper) -> LogitCut | None:
    """Where the scores are, for a model that ends in probabilities, where that is known."""
    if wrapper.logit_layer is None:
        return None
    wrapper.logit_cut()  # a layer that is none, or gives no scores, is an error and not left out
    return LogitCut()


def _baseline(kind: type[AttributionMethod], options: Mapping[str, Any]) -> list[str]:
    if kind not in (IntegratedGradients, ShapleyValues, KernelSHAP):
        return []
    return ["from the baseline given" if "baseline" in options else "from a baseline of zeros"]


def _classes(wrapper: ModelWrapper) -> dict[str, Sequence[Any]]:
    """The classes' names, where a model's configuration has them."""
    known = getattr(getattr(wrapper.model, "config", None), "id2label", None)
    if not isinstance(known, Mapping) or sorted(known) != list(range(len(known))):
        return {}
    return {"classes": [known[i] for i in range(len(known))]}
