"""The standard quantities by their formulas, and what a quantity may return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    ClassSeqQoI,
    ComparativeQoI,
    Cut,
    InputAttribution,
    InternalChannelQoI,
    InternalInfluence,
    MaxClassQoI,
    NotConnectedError,
    PredictedClassQoI,
    QoI,
    QoiCutSupportError,
    QoiError,
    ThresholdQoI,
    get_backend,
)
from trulens_core.testing.conformance.harness import Harness
from trulens_core.testing.conformance.subjects import Scaled

ROWS = np.arange(4)
CLASSES = np.asarray([2, 0, 1, 2])


def sigmoid(y: Any) -> Any:
    """By its formula."""
    return 1 / (1 + np.exp(-y))


def softmax(y: Any, axis: int = 1) -> Any:
    """By its formula."""
    powers = np.exp(y)
    return powers / powers.sum(axis=axis, keepdims=True)


def thresholded(y: Any, t: float) -> Any:
    """High less low."""
    return (np.sign(y - t) * y).sum(tuple(range(1, y.ndim)))


def _halves(y: Any) -> Any:
    return y / 2


def _squares(z: Any) -> Any:
    return (z * z)[:, 0, 0]


FORMULAS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "max": (MaxClassQoI(), lambda y: y.max(1)),
    "max of probabilities": (MaxClassQoI(activation="softmax"), lambda y: softmax(y).max(1)),
    "max of sigmoids": (MaxClassQoI(activation="sigmoid"), lambda y: sigmoid(y).max(1)),
    "max of a function": (MaxClassQoI(activation=_halves), lambda y: y.max(1) / 2),
    "max of the last axis": (MaxClassQoI(axis=-1), lambda y: y.max(1)),
    "predicted": (PredictedClassQoI(), lambda y: y.max(1)),
    "class": (ClassQoI(1), lambda y: y[:, 1]),
    "last class": (ClassQoI(-1), lambda y: y[:, -1]),
    "class as array": (ClassQoI(np.int64(2)), lambda y: y[:, 2]),
    "classes": (ClassQoI(CLASSES), lambda y: y[ROWS, CLASSES]),
    "classes as list": (ClassQoI([-1, 0, 1, -3]), lambda y: y[ROWS, [2, 0, 1, 0]]),
    "old name": (ClassSeqQoI([1, 1, 0, 2]), lambda y: y[ROWS, [1, 1, 0, 2]]),
    "difference": (ComparativeQoI(2, 0), lambda y: y[:, 2] - y[:, 0]),
    "differences": (ComparativeQoI(CLASSES, 1), lambda y: y[ROWS, CLASSES] - y[:, 1]),
    "unit": (InternalChannelQoI(2), lambda y: y[:, 2]),
    "units": (InternalChannelQoI([0, -1]), lambda y: y[:, 0] + y[:, 2]),
    "threshold": (ThresholdQoI(0.1), lambda y: thresholded(y, 0.1)),
    "low": (ThresholdQoI(0.1, low_minus_high=True), lambda y: -thresholded(y, 0.1)),
    "threshold of sigmoids": (
        ThresholdQoI(0.5, activation="sigmoid"),
        lambda y: thresholded(sigmoid(y), 0.5),
    ),
    "threshold of probabilities": (
        ThresholdQoI(0.3, activation="softmax"),
        lambda y: thresholded(softmax(y), 0.3),
    ),
    "combination": (
        2.0 * ClassQoI(CLASSES) - ThresholdQoI(0.1) / 4 + -ClassQoI(0),
        lambda y: 2 * y[ROWS, CLASSES] - thresholded(y, 0.1) / 4 - y[:, 0],
    ),
    "function": (lambda y: y[:, 0] * y[:, 1], lambda y: y[:, 0] * y[:, 1]),
    "user's data": (
        Scaled(np.asarray([1.0, 2.0, -1.0, 0.5]), 3.0),
        lambda y: y[:, 0] * np.asarray([1.0, 2.0, -1.0, 0.5]) + 3 * y[:, 1],
    ),
    "user's lists": (
        Scaled([1.0, 2.0, -1.0, 1.0]),
        lambda y: y[:, 0] * [1, 2, -1, 1] + 2 * y[:, 1],
    ),
}
IMAGES: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "channel": (InternalChannelQoI(1), lambda y: y[:, 1].sum((1, 2))),
    "channels": (InternalChannelQoI([2, 0]), lambda y: y[:, [0, 2]].sum((1, 2, 3))),
    "last channel": (InternalChannelQoI(-1), lambda y: y[:, -1].sum((1, 2))),
    "aggregated": (InternalChannelQoI(1, agg_fn=_squares), lambda y: y[:, 1, 0, 0] ** 2),
    "threshold": (ThresholdQoI(0.2), lambda y: thresholded(y, 0.2)),
    "threshold of probabilities": (
        ThresholdQoI(0.3, activation="softmax"),
        lambda y: thresholded(softmax(y), 0.3),
    ),
}


class Quantities(Harness):
    """Values and gradients of every quantity, and errors that say what is wrong."""

    law = "quantities"

    def _quantity(self, qoi: Any, name: str = "mlp", cut: Any = None) -> Any:
        args, kwargs = self.records(name, 4)
        method = InternalInfluence(self.wrapper(name), (None, cut), qoi, "point")
        return method.explain(*args, **kwargs).quantity

    def _value(self, name: str = "mlp", cut: Any = None) -> Any:
        args, kwargs = self.records(name, 4)
        return self.wrapper(name).fprop(args, kwargs, to_cut=cut)

    # -- values ------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", FORMULAS)
    def test_values_of_quantities(self, name: str) -> None:
        qoi, formula = FORMULAS[name]
        assert self.close(self._quantity(qoi), formula(self._value()))

    @pytest.mark.parametrize("name", FORMULAS)
    def test_gradients_of_quantities(self, name: str) -> None:
        """At the output itself, against differences of the formula."""
        (x,), _ = self.records("mlp", 4)
        qoi, formula = FORMULAS[name]
        method = InternalInfluence(self.wrapper("mlp"), "logits", qoi, "point", False)
        y, step = self._value(), 1e-6
        expected = np.zeros_like(y)
        for i in range(3):
            up, down = y.copy(), y.copy()
            up[:, i] += step
            down[:, i] -= step
            expected[:, i] = (formula(up) - formula(down)) / (2 * step)
        np.testing.assert_allclose(method.attributions(x), expected, atol=1e-7)

    @pytest.mark.parametrize("name", IMAGES)
    @pytest.mark.parametrize("layer", ["conv1", "pool1"])
    def test_values_of_images(self, name: str, layer: str) -> None:
        """Channels are on the axis of the framework or the layer."""
        qoi, formula = IMAGES[name]
        value = self.zoo_layout(self._value("cnn", layer))
        assert self.close(self._quantity(qoi, "cnn", layer), formula(value))

    def test_axes_of_channels(self) -> None:
        """The last of rank 3; any other by `channel_axis`."""
        value = self._value("recurrent", "rnn")
        for qoi, expected in (
            (InternalChannelQoI(2), value[..., 2].sum(1)),
            (InternalChannelQoI(2, channel_axis=1), value[:, 2].sum(1)),
            (InternalChannelQoI([2, -1], channel_axis=-2), value[:, [2, -1]].sum((1, 2))),
            (2, value[..., 2].sum(1)),
            (ThresholdQoI(0.2, activation="softmax"), thresholded(softmax(value, 2), 0.2)),
        ):
            assert self.close(self._quantity(qoi, "recurrent", "rnn"), expected)
        images = self.zoo_layout(self._value("cnn", "conv2"))
        axis = 1 if self.channels_last else 2
        found = self._quantity(InternalChannelQoI(3, channel_axis=axis), "cnn", "conv2")
        assert self.close(found, images[:, :, 3].sum((1, 2)))

    # -- ties --------------------------------------------------------------------------------

    def test_ties_go_to_the_first(self) -> None:
        """One rule on every framework, for `max` and for `predicted`."""
        z = np.asarray([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, -1.0, 0.0]])
        expected = np.asarray([[0.0, 1, 0], [1, 0, 0], [1, 0, 0]])
        (x,), _ = self.records("mlp", 3)
        wrapper = self.wrapper("mlp")
        found = wrapper.qoi_bprop("max", x, doi_cut="logits", intervention=z)
        assert self.close(found, expected, what="`max` of equal scores, where the first counts")
        bound = PredictedClassQoI().bind(self.tensor(z))
        assert self.close(wrapper.qoi_bprop(bound, x, doi_cut="logits", intervention=z), expected)

    def test_a_threshold_met_exactly_counts_for_nothing(self) -> None:
        z = np.asarray([[0.5, 0.0, 1.0]])
        (x,), _ = self.records("mlp", 1)
        wrapper = self.wrapper("mlp")
        found = wrapper.qoi_bprop(ThresholdQoI(0.5), x, doi_cut="logits", intervention=z)
        assert self.close(found, np.asarray([[0.0, -1.0, 1.0]]))

    # -- what a quantity may return ----------------------------------------------------------

    @pytest.mark.parametrize(
        ("function", "message"),
        [
            (lambda y: get_backend(y).xp.sum(y), r"shape \(\).*expected \(rows,\)"),
            (lambda y: y[:, :, None], r"shape \(4, 3, 1\).*expected \(rows,\)"),
            (lambda y: y[:1, 0], r"shape \(1,\).*\(rows,\)"),
            (lambda y: y[:, :0], r"no quantities"),
            (lambda y: [y[:, 0], y], r"shape \(4, 3\).*\(rows,\)"),
            (lambda _: [], "empty list"),
            (lambda _: 3.0, "returned float"),
            (lambda _: None, "returned NoneType"),
            (lambda y: get_backend(y).xp.argmax(y, axis=1), r"INTEGERS.*no gradient"),
            (lambda y: y[:, 0] > 0, r"BOOLEANS.*no gradient"),
        ],
    )
    def test_anything_else_is_an_error(self, function: Any, message: str) -> None:
        (x,), _ = self.records("mlp", 4)
        y = self.tensor(np.zeros((1, 2)))
        message = message.replace("INTEGERS", self.named(self.backend.xp.argmax(y, axis=1)))
        message = message.replace("BOOLEANS", self.named(y > 0))
        message = message.replace(r"\(4,", r"\((4|None),")  # open while a step is traced
        for ask in ("attributions", "explain"):
            with pytest.raises(QoiError, match=message) as info:
                getattr(InputAttribution(self.wrapper("mlp"), qoi=function), ask)(x)
            assert isinstance(info.value, ValueError)

    def test_an_array_is_no_quantity(self) -> None:
        """Or, where arrays are the framework's tensors, one that depends on nothing."""
        (x,), _ = self.records("mlp", 4)
        method = InputAttribution(self.wrapper("mlp"), qoi=lambda _: np.zeros(4))
        arrays = self.backend.is_tensor(np.zeros(4))
        with pytest.raises(
            NotConnectedError if arrays else QoiError,
            match="does not depend" if arrays else "returned ndarray",
        ):
            method.attributions(x)

    def test_errors_of_a_users_quantity_are_his_own(self) -> None:
        class MistakeError(Exception):
            pass

        def wrong(y: Any) -> Any:
            raise MistakeError(len(y.shape))

        (x,), _ = self.records("mlp", 2)
        with pytest.raises(MistakeError):
            InputAttribution(self.wrapper("mlp"), qoi=wrong).attributions(x)

    # -- arguments that do not fit -----------------------------------------------------------

    @pytest.mark.parametrize(
        "qoi", [ClassQoI(3), ClassQoI(-4), ClassQoI([0, 1, 2, 3]), ComparativeQoI(0, 3), (0, 3)]
    )
    def test_classes_out_of_range(self, qoi: Any) -> None:
        for combined in (qoi, 2 * qoi if isinstance(qoi, QoI) else qoi):
            with pytest.raises(IndexError, match=r"class (3|-4).*there are 3"):
                self._quantity(combined)

    def test_channels_out_of_range(self) -> None:
        for channel in (3, -4, [0, 3]):
            with pytest.raises(IndexError, match=r"class or unit (3|-4).*there are 3"):
                self._quantity(InternalChannelQoI(channel))

    def test_axes_that_are_none(self) -> None:
        for qoi in (
            MaxClassQoI(axis=2),
            MaxClassQoI(axis=0),
            MaxClassQoI(axis=-2),
            PredictedClassQoI(axis=2),
            InternalChannelQoI(0, channel_axis=2),
            InternalChannelQoI(0, channel_axis=0),
        ):
            with pytest.raises(QoiCutSupportError, match=r"ax[ei]s"):
                self._quantity(qoi)

    def test_standard_quantities_read_one_tensor(self) -> None:
        for qoi in (
            "max",
            "predicted",
            0,
            (0, 1),
            ThresholdQoI(0.0),
            ClassQoI([0, 1, 0, 1]),
            2 * ClassQoI(0),
        ):
            with pytest.raises(QoiCutSupportError, match="2"):
                self._quantity(qoi, "two_inputs", Cut(["left", "right"]))
        both = self._quantity(
            lambda y: y[0][:, 0] * y[1][:, 1], "two_inputs", Cut(["left", "right"])
        )
        left, right = self._value("two_inputs", "left"), self._value("two_inputs", "right")
        assert self.close(both, left[:, 0] * right[:, 1])

    def test_data_for_another_number_of_records(self) -> None:
        for qoi in (ClassQoI([0, 1, 2]), Scaled(np.ones(5)), ClassQoI([0, 1, 2]) + ClassQoI(0)):
            with pytest.raises(QoiError, match=r"(3|5) values.*4 records"):
                self._quantity(qoi)

    def test_data_may_be_tensors(self) -> None:
        classes = self.tensor(CLASSES.astype("int32"))
        assert self.close(self._quantity(ClassQoI(classes)), self._quantity(ClassQoI(CLASSES)))
        scales = np.asarray([1.0, 2.0, 0.0, -1.0])
        found = self._quantity(Scaled(self.tensor(scales)))
        assert self.close(found, self._quantity(Scaled(scales)))

    def test_what_changed_between_calls_counts(self) -> None:
        """A quantity is read at each call, whatever was computed with it before."""
        (x,), _ = self.records("mlp", 4)
        qoi = Scaled(np.ones(4), 2.0)
        method = InputAttribution(self.wrapper("mlp"), qoi=qoi, multiply_activation=False)
        first = method.attributions(x)
        qoi.scales, qoi.number = np.zeros(4), -1.0
        again = method.attributions(x)
        negative = InputAttribution(self.wrapper("mlp"), qoi=ClassQoI(1), multiply_activation=False)
        assert self.close(again, -negative.attributions(x))
        assert not np.allclose(first, again)
        power = [1.0]
        scaled = InputAttribution(self.wrapper("mlp"), qoi=lambda y: y[:, 0] * power[0])
        one = scaled.attributions(x)
        power[0] = 2.0
        assert self.close(scaled.attributions(x), 2 * one)
