"""What is judged: attributions of a method of ours, of a function, or an array of numbers."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trulens_core.attribution.method import AttributionMethod
from trulens_core.inputs import ModelInputs
from trulens_core.models import ModelWrapper
from trulens_core.results import AttributionResult
from trulens_core.results.arrays import Array, host, leaves
from trulens_core.results.upsampling import upsampled
from trulens_core.segments import Regions


def _as_it_is(values: Array) -> Array:
    return values


@dataclasses.dataclass(frozen=True, eq=False)
class Explained:
    """An explanation of some records, on the host.

    Attributes:
        values: (records, …), a number for each element. A segment that was kept or removed whole
            has its number divided among its elements, so that they add up to it.
        inputs: what was explained; None where only numbers were given.
        again: explains other inputs, on the host; None where only numbers were given.
        method: what was given, where it is a method of ours.
        shaped: gives other explanations of these records the shape of `values`.
        per_activation: whether numbers are the quantity's change per change of the value, as a
            gradient; False: its share in units of the quantity; None where that is not known.
    """

    values: Array
    inputs: ModelInputs | None = None
    again: Callable[[ModelInputs], Array] | None = None
    method: AttributionMethod | None = None
    per_activation: bool | None = None
    shaped: Callable[[Array], Array] = _as_it_is

    @staticmethod
    def read(given: Any, inputs: ModelInputs | None) -> Explained:
        """What a method, a function of the model's arguments, a result or an array says.

        Raises:
            ValueError: for a method or a function without the records, and for attributions of
                several quantities or tensors.
        """
        if isinstance(given, Explained):
            return given
        if isinstance(given, AttributionMethod):
            asked = _inputs(given, inputs)
            again = _by_method(given)
            return Explained(again(asked), asked, again, given, is_per_activation(given))
        if isinstance(given, AttributionResult):
            asked = given.inputs if inputs is None else inputs
            question = (given.method or {}).get("question", {})
            return Explained(
                of_result(given), asked, per_activation=question.get("multiply") is False
            )
        if callable(given) and not hasattr(given, "shape"):
            asked, again = _inputs(given, inputs), _by_function(given)
            return Explained(again(asked), asked, again)
        return Explained(_one(given), inputs)

    def fitted(self, like: Array, channel_axis: int | None = None) -> Explained:
        """The same with a number for each element of a value, (records, …).

        Numbers for all channels, or for all of a token's vector, are divided among them; maps of
        another size are interpolated.
        """

        def shaped(values: Array) -> Array:
            return fit(values, like, channel_axis)

        again = self.again
        return dataclasses.replace(
            self,
            values=shaped(self.values),
            again=None if again is None else lambda inputs: shaped(again(inputs)),
            shaped=shaped,
        )


def on_model(method: AttributionMethod, model: ModelWrapper) -> AttributionMethod:
    """The same method of another model of the same layers."""
    new = copy.copy(method)
    new.model = model
    new._asked = None
    return new


def is_per_activation(method: AttributionMethod) -> bool:
    """Whether a method's numbers are per activation, as those of a gradient are."""
    question = method.question()
    return question.statistic.gradients and not question.multiply


def of_result(result: AttributionResult) -> Array:
    """A result's numbers on the host, those of segments divided among their elements."""
    values = _one(result.attributions)
    if result.segments is None or isinstance(result.segments, tuple):
        return values
    listed = result.segments if isinstance(result.segments, list) else [result.segments]
    if not all(isinstance(r, Regions) and r.shape == values.shape[1:] for r in listed):
        return values
    sizes = [sizes_of_elements(r) for r in listed]
    return np.asarray(values / (np.stack(sizes) if len(sizes) > 1 else sizes[0]))


def sizes_of_elements(regions: Regions) -> Array:
    """For each element of a record, how many there are in its segment."""
    labels = regions.labels
    if labels is None:
        assert regions.members is not None
        whole = np.broadcast_to(regions.members, (len(regions.members), *regions.shape))
        return regions.spread(whole.reshape(len(whole), -1).sum(axis=1).astype("float64"))
    wide = np.broadcast_to(labels, regions.shape)
    counts = np.bincount(wide[wide >= 0] - regions.first, minlength=1)
    of_each = counts[np.maximum(wide - regions.first, 0)]
    return np.asarray(np.where(wide >= 0, of_each, 1), "float64")


def fit(values: Array, like: Array, channel_axis: int | None = None) -> Array:
    """Numbers for each element of a value; see `Explained.fitted`."""
    shape = like.shape
    if values.shape == shape:
        return values
    if len(values) == len(like):
        if values.ndim == len(shape) - 1:
            lost = [
                a for a in range(1, len(shape)) if values.shape == (*shape[:a], *shape[a + 1 :])
            ]
            if lost:  # of several that fit the one with the channels, or else the last
                channels = None if channel_axis is None else channel_axis % len(shape)
                axis = channels if channels in lost else lost[-1]
                return _shared(np.expand_dims(values, axis), shape)
        if values.ndim == len(shape):
            if all(n in (1, m) for n, m in zip(values.shape, shape, strict=True)):
                return _shared(values, shape)
            if len(shape) > 2 and 1 in values.shape[1:]:
                return _shared(upsampled(values, like, channel_axis), shape)
    raise ValueError(
        f"attributions of shape {values.shape} do not fit the value of shape {shape} that is "
        "changed; of a layer give doi_cut= that layer, or upsampled maps"
    )


def finite(values: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which records have numbers everywhere, none of them nan or infinite."""
    return np.asarray(np.isfinite(values).reshape(len(values), -1).all(axis=1))


def _shared(values: Array, shape: Sequence[int]) -> Array:
    """Each number divided among the elements that it is for."""
    parts = np.prod([m for n, m in zip(values.shape, shape, strict=True) if n != m])
    return np.broadcast_to(values / parts, shape)


def _inputs(given: Any, inputs: ModelInputs | None) -> ModelInputs:
    if inputs is None:
        raise ValueError(f"{type(given).__name__} is to explain records: give these too")
    return inputs


def _by_method(method: AttributionMethod) -> Callable[[ModelInputs], Array]:
    def again(inputs: ModelInputs) -> Array:
        if method.question().statistic.gradients:
            return _one(method.attributions(inputs))
        return of_result(method.explain(inputs))

    return again


def _by_function(function: Callable[..., Any]) -> Callable[[ModelInputs], Array]:
    return lambda inputs: _one(function(*inputs.args, **inputs.kwargs))


def _one(given: Any) -> Array:
    """The one array of numbers that was given, as float64."""
    found = [host(x) for x in leaves(given)] if not hasattr(given, "shape") else [host(given)]
    if isinstance(given, list | tuple) and not found:
        found = [np.asarray(given, "float64")]
    if len(found) != 1 or not found[0].ndim:
        raise ValueError(
            f"a metric judges one number per element, and found {len(found)} arrays; give one "
            "quantity's attributions, at one tensor"
        )
    return found[0].astype("float64")
