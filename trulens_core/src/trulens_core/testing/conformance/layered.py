"""Layers of the framework's own, as real models have them, against NumPy record by record."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    Cut,
    InputAttribution,
    InternalInfluence,
    LinearDoi,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.testing.conformance.compare import Array
from trulens_core.testing.conformance.harness import Harness, needs
from trulens_core.testing.conformance.snapshots import assert_same, copied
from trulens_core.testing.measure import relative_error
from trulens_core.testing.zoo import LAYERED
from trulens_core.testing.zoo.plain import Place, Plain

RECORDS, POINTS, COLUMN = 3, 3, 1
ROUNDING = 1e-6
QUOTIENT = 1e-7
"""What a difference quotient of the fourth order may miss of a derivative."""


@functools.cache
def plain(name: str) -> Plain:
    """A model of `LAYERED` in NumPy, evaluated once at its records."""
    model = Plain(LAYERED[name])
    model(*LAYERED[name].inputs(RECORDS))
    return model


def _record(value: Any, r: int) -> Any:
    return [v[r : r + 1] for v in value] if isinstance(value, list) else value[r : r + 1]


class FailedError(Exception):
    """A mistake in a user's function."""


class OwnLayers(Harness):
    """Modes, state, work in place; layers inside of layers; parts of several types."""

    law = "layers of the framework's own"

    def _mean_gradient(self, name: str, place: Place | str, value: Array) -> Array:
        """Of one class over the midpoints from `value` to 0, each record and point by itself."""
        a = LAYERED[name]
        args, kwargs = a.inputs(RECORDS)
        by_record = [
            ([_record(x, r) for x in args], {k: _record(v, r) for k, v in kwargs.items()})
            for r in range(RECORDS)
        ]
        model = Plain(a)

        def scores(z: Array, r: int) -> float:
            given, named = by_record[r]
            if isinstance(place, str):
                i = a.parameters.index(place)
                y = model([*given[:i], z[None], *given[i + 1 :]], named)
            else:
                y = model(given, named, {place: z[None]})
            return float(y[0, COLUMN])

        points = np.stack([value * (i + 0.5) / POINTS for i in range(POINTS)])
        return np.asarray(model.gradients(scores, points).mean(0))

    def _along(self, name: str, cut: Any, **options: Any) -> InternalInfluence:
        doi = LinearDoi(0.0, POINTS, cut=cut, rule="midpoint")
        slices, multiply = (cut, None), options.pop("multiply_activation", False)
        return InternalInfluence(
            self.wrapper(name), slices, ClassQoI(COLUMN), doi, multiply, **options
        )

    def _layer_at(self, name: str, cut: Any) -> Any:
        args, kwargs = self.records(name, RECORDS)
        return self.wrapper(name).fprop(args, kwargs, to_cut=cut)

    # -- modes, state, work in place -----------------------------------------------------------

    @needs("modes")
    def test_evaluation_mode(self) -> None:
        """Whatever mode the caller left the model in, it is evaluated as it is used."""
        (x,), _ = self.records("modes", RECORDS)
        (given,), _ = LAYERED["modes"].inputs(RECORDS)
        output = plain("modes").found["logits", 0]
        for what in ("the output in evaluation mode", "the output at the next call"):
            assert self.close(self.wrapper("modes")(x), output, what=what)
        found = self._along("modes", None).attributions(x)
        expected = self._mean_gradient("modes", "x", given)
        what = "gradients in evaluation mode"
        assert self.close(self.zoo_layout(found), expected, QUOTIENT, what)

    @needs("modes")
    def test_modes_state_and_generators_are_put_back(self) -> None:
        """Of a model that nobody has called, after a call and after an error in its middle."""
        model = self.build(LAYERED["modes"], "float64")
        wrapper = get_model_wrapper(model, backend=self.backend_name)
        args, _ = self.records("modes", RECORDS)

        def fail(_: Any) -> Any:
            raise FailedError

        before = copied({**self.state(model), "NumPy's random state": np.random.get_state()})  # noqa: NPY002
        InputAttribution(wrapper, qoi=ClassQoI(0)).attributions(*args)
        after = {**self.state(model), "NumPy's random state": np.random.get_state()}  # noqa: NPY002
        assert_same(before, copied(after))
        with pytest.raises(FailedError):
            InputAttribution(wrapper, qoi=fail).attributions(*args)
        after = {**self.state(model), "NumPy's random state": np.random.get_state()}  # noqa: NPY002
        assert_same(before, copied(after))

    @needs("modes")
    def test_looking_changes_nothing(self) -> None:
        """What is captured before a layer that works in place stays, and so does the output."""
        args, _ = self.records("modes", RECORDS)
        norm, output = (plain("modes").found[n, 0] for n in ("norm", "logits"))
        y, value = self.wrapper("modes").fprop(args, attribution_cut="norm")
        assert self.close(self.zoo_layout(value), norm, what="a value that is changed in place")
        assert self.close(y, output, what="the output, where a value inside is looked at")
        cut = Cut("act", anchor="in")
        expected = self._mean_gradient("modes", ("norm", 0), norm) * norm
        method = self._along("modes", cut, multiply_activation=True, rebatch_size=4)
        for what in ("what goes into a layer that works in place", "the same, asked again"):
            found = self.zoo_layout(method.attributions(*args))
            assert self.close(found, expected, QUOTIENT, what)

    # -- layers inside of layers ---------------------------------------------------------------

    @needs("blocks")
    def test_nested_layers(self) -> None:
        """They are listed, and cut at: what gives a dict or a tuple, and what is inside."""
        found, inner = plain("blocks").found, self.layer_name("encoder.inner")
        names = [layer.name for layer in self.wrapper("blocks").layers()]
        missing = {self.layer_name(path) for path, _ in found} - set(names)
        assert not missing, f"layers inside of layers that are not listed: {missing}"
        up = self._layer_at("blocks", self.layer_name("encoder.inner.up"))
        assert self.close(up, found["encoder.inner.up", 0], what="the value at a layer inside")
        assert self.close(self._layer_at("blocks", inner), found["encoder.inner", 0][0])
        pooled = Cut(self.layer_name("encoder"), accessor=lambda v: v["pooled"])
        assert self.close(self._layer_at("blocks", pooled), found["encoder", 0]["pooled"])

    @needs("blocks")
    def test_keyword_arguments_of_layers(self) -> None:
        """They are part of what goes into a layer, after those by position."""
        cut = Cut(self.layer_name("encoder"), anchor="in")
        (s,), named = plain("blocks").given["encoder", 0]
        what = "what a layer is given, by position and by keyword"
        assert self.close(self._layer_at("blocks", cut), [s, named["seen"]], what=what)

    @needs("blocks")
    def test_masks_after_an_inner_cut(self) -> None:
        """Each record's own, at all of its points; inside a tuple, whose rest stays."""
        args, kwargs = self.records("blocks", RECORDS)
        value = plain("blocks").found["encoder.inner", 0][0]
        expected = self._mean_gradient("blocks", ("encoder.inner", 0), value)
        method = self._along("blocks", self.layer_name("encoder.inner"), rebatch_size=4)
        found = method.attributions(*args, **kwargs)
        assert self.close(found, expected, QUOTIENT, "gradients before a mask is used")

    @needs("blocks")
    def test_calls_of_other_shapes(self) -> None:
        """Of one layer: along a sequence, and of its mean."""
        args, kwargs = self.records("blocks", RECORDS)
        for call in (0, 1):
            cut = Cut(self.layer_name("encoder.mix"), call=call)
            value = plain("blocks").found["encoder.mix", call]
            expected = self._mean_gradient("blocks", ("encoder.mix", call), value)
            method = self._along("blocks", cut, multiply_activation=True)
            found = method.attributions(*args, **kwargs)
            assert self.close(found, expected * value, QUOTIENT, f"attributions at {cut!r}")

    @needs("blocks")
    def test_integers_beside_floats(self) -> None:
        """They go in as they are, are no variables, and it is said."""
        args, kwargs = self.records("blocks", RECORDS)
        expected = self._mean_gradient("blocks", "x", args[1])
        method = self._along("blocks", None)
        with pytest.warns(TrulensWarning, match="ids"):
            found = method.attributions(*args, **kwargs)
        assert self.close(found, expected, QUOTIENT, "gradients beside integers")

    # -- parts of several types ------------------------------------------------------------------

    @needs("types")
    def test_parts_of_other_types(self) -> None:
        """What is of float64 stays so beside a part of float32; tensors go in as they are."""
        (x,), _ = self.records("types", RECORDS)
        w = LAYERED["types"].weights()
        h = plain("types").found["hidden", 0]
        wrapper, given = self.wrapper("types"), self.tensor(x)
        there = wrapper.fprop(given, to_cut="hidden")
        assert self.close(there, h, 1e-12, "a value of float64 in a model with a part of float32")
        narrow = self._of_float32(wrapper(given), plain("types").found["logits", 0])
        assert narrow <= ROUNDING, f"the output of a model with a part of float32: {narrow:.2g}"
        inner = self.backend.to_numpy(wrapper.fprop(given, to_cut="narrow"))
        assert (inner.astype("float32") == inner).all(), "the part of float32 was widened"
        gradient = InputAttribution(
            wrapper, qoi=ClassQoI(COLUMN), multiply_activation=False
        ).attributions(given)
        slopes = (w["logits.weight"][COLUMN] @ w["narrow.weight"]) * (1 - np.tanh(h) ** 2)
        narrow = self._of_float32(gradient, slopes @ w["hidden.weight"])
        assert narrow <= ROUNDING, f"gradients through a part of float32: {narrow:.2g}"

    def _of_float32(self, found: Any, expected: Array) -> float:
        """An error that is rounding, and tells nothing of how exact float64 is."""
        return relative_error(self.backend.to_numpy(found), expected)

    def _last(self, value: Any) -> Any:
        return value[-1] if isinstance(value, list) else value
