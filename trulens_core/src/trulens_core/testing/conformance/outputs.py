"""Quantities of every kind of output: maps, sequences, one unit, probabilities, tokens, boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trulens_core import (
    BinaryQoI,
    BoxQoI,
    ClassQoI,
    ComparativeQoI,
    Cut,
    DistanceQoI,
    EntropyQoI,
    InternalInfluence,
    LinearDoi,
    LogProbQoI,
    LossQoI,
    MaxClassQoI,
    PredictedClassQoI,
    QoI,
    QoiError,
    RegressionQoI,
    TokenQoI,
    get_backend,
)
from trulens_core.quantities import CombinedQoI
from trulens_core.testing.conformance.formulas import at, cosine, entropy, log_softmax, total
from trulens_core.testing.conformance.harness import Harness, checks
from trulens_core.testing.conformance.quantities import sigmoid, softmax

Array = np.ndarray[Any, Any]
Case = tuple[Any, Callable[[Array], Array]]
"""A quantity, and its formula over values in the zoo's layout, whose classes are on axis 1."""

RNG = np.random.default_rng(3)
ROWS = np.arange(4)
CLASSES = np.asarray([2, 0, 1, 2])
SHARED, EACH = RNG.random((8, 8)) > 0.5, RNG.random((4, 8, 8)).round(1)
BY_POSITION = RNG.integers(3, size=(4, 8, 8))
STEPS, EACH_STEP = np.asarray([0.0, 1, 1, 0.5, 0, 1]), RNG.random((4, 6)) > 0.5
BY_STEP = RNG.integers(5, size=(4, 6))
AT_STEPS = np.asarray([[0, 5], [1, 2], [3, 0], [4, -1]])
COUNTED, WEIGHTS = np.asarray([[1, 1], [1, 0], [0, 1], [1, 1]]), np.full((4, 2), [0.5, -2.0])
REFERENCE, REFERENCES = RNG.standard_normal(3), RNG.standard_normal((4, 3))
TARGETS = np.asarray([1.0, -2.0, 0.5, 0.0])


def _squares(y: Any, targets: Any) -> Any:
    return (y[:, 0] - targets) * (y[:, 0] - targets)


SCORES: dict[str, Case] = {
    "log probability": (LogProbQoI(1), lambda y: log_softmax(y)[:, 1]),
    "log probabilities": (LogProbQoI(CLASSES), lambda y: log_softmax(y)[ROWS, CLASSES]),
    "last axis": (LogProbQoI(-1, axis=-1), lambda y: log_softmax(y)[:, 2]),
    "entropy": (EntropyQoI(), entropy),
    "column": (RegressionQoI(output=2), lambda y: y[:, 2]),
    "columns": (RegressionQoI(CLASSES), lambda y: y[ROWS, CLASSES]),
    "loss": (LossQoI(_squares, TARGETS), lambda y: (y[:, 0] - TARGETS) ** 2),
    "distance": (DistanceQoI(REFERENCE), lambda y: np.linalg.norm(y - REFERENCE, axis=1)),
    "distances": (DistanceQoI(REFERENCES), lambda y: np.linalg.norm(y - REFERENCES, axis=1)),
    "distance to a number": (DistanceQoI(0.5), lambda y: np.linalg.norm(y - 0.5, axis=1)),
    "squares": (DistanceQoI(REFERENCES, "squared"), lambda y: ((y - REFERENCES) ** 2).sum(1)),
    "cosine": (DistanceQoI(REFERENCE, "cosine"), lambda y: cosine(y, REFERENCE)),
    "cosines": (DistanceQoI(REFERENCES, "cosine"), lambda y: cosine(y, REFERENCES)),
    "sum": (
        LogProbQoI(CLASSES) - 2 * EntropyQoI() + DistanceQoI(REFERENCES) / 4,
        lambda y: (
            log_softmax(y)[ROWS, CLASSES]
            - 2 * entropy(y)
            + np.linalg.norm(y - REFERENCES, axis=1) / 4
        ),
    ),
}
UNITS: dict[str, Case] = {
    "class 1": (BinaryQoI(1), lambda y: y),
    "class 0": (BinaryQoI(0), lambda y: -y),
    "classes": (BinaryQoI([0, 1, -1, -2]), lambda y: y * [-1, 1, 1, -1]),
    "probability": (BinaryQoI(1, activation="sigmoid"), sigmoid),
    "probabilities": (
        BinaryQoI([0, 1, 1, 0], activation="sigmoid"),
        lambda y: np.where([True, False, False, True], 1 - sigmoid(y), sigmoid(y)),
    ),
    "prediction": (RegressionQoI(), lambda y: y),
}
MAPS: dict[str, Case] = {
    "class": (ClassQoI(1), lambda y: total(y[:, 1])),
    "last class": (ClassQoI(-1), lambda y: total(y[:, 2])),
    "classes": (ClassQoI(CLASSES), lambda y: total(y[ROWS, CLASSES])),
    "classes by position": (ClassQoI(BY_POSITION), lambda y: total(at(y, BY_POSITION))),
    "classes by position for all": (
        ClassQoI(BY_POSITION[:1]),
        lambda y: total(at(y, np.repeat(BY_POSITION[:1], 4, 0))),
    ),
    "region": (ClassQoI(1, region=SHARED), lambda y: total(y[:, 1] * SHARED)),
    "regions": (ClassQoI(CLASSES, EACH), lambda y: total(y[ROWS, CLASSES] * EACH)),
    "a row of a region": (ClassQoI(0, EACH[:1, :, :1]), lambda y: total(y[:, 0] * EACH[0, :, :1])),
    "no region": (ClassQoI(1, 0.0 * EACH) + ClassQoI(2), lambda y: total(y[:, 2])),
    "difference": (ComparativeQoI(CLASSES, 0), lambda y: total(y[ROWS, CLASSES] - y[:, 0])),
    "max": (MaxClassQoI(), lambda y: total(y.max(1))),
    "max of probabilities": (
        MaxClassQoI(activation="softmax"),
        lambda y: total(softmax(y).max(1)),
    ),
    "predicted": (PredictedClassQoI(), lambda y: total(y.max(1))),
    "predicted in a region": (
        PredictedClassQoI(region=EACH),
        lambda y: total(y.max(1) * EACH),
    ),
    "log probability": (
        LogProbQoI(BY_POSITION, region=SHARED),
        lambda y: total(at(log_softmax(y), BY_POSITION) * SHARED),
    ),
    "entropy": (EntropyQoI(), lambda y: total(entropy(y))),
}
SEQUENCES: dict[str, Case] = {
    "class": (ClassQoI(1), lambda y: total(y[:, 1])),
    "classes by step": (ClassQoI(BY_STEP), lambda y: total(at(y, BY_STEP))),
    "steps": (ClassQoI(CLASSES, STEPS), lambda y: total(y[ROWS, CLASSES] * STEPS)),
    "steps of each": (LogProbQoI(3, EACH_STEP), lambda y: total(log_softmax(y)[:, 3] * EACH_STEP)),
    "max": (MaxClassQoI(), lambda y: total(y.max(1))),
    "predicted": (PredictedClassQoI(region=STEPS), lambda y: total(y.max(1) * STEPS)),
    "along the steps": (ClassQoI([0, 5, -1, 2], axis=1), lambda y: total(y[ROWS, :, [0, 5, 5, 2]])),
    "max along the steps": (MaxClassQoI(axis=1), lambda y: total(y.max(2))),
    "token": (TokenQoI(4), lambda y: y[:, 4, -1]),
    "tokens": (
        TokenQoI(BY_STEP[:, 0], [0, -1, 3, 5]),
        lambda y: y[ROWS, BY_STEP[:, 0], [0, 5, 3, 5]],
    ),
    "log probability of a token": (
        TokenQoI(BY_STEP[:, 0], 2, quantity="log_prob"),
        lambda y: log_softmax(y)[ROWS, BY_STEP[:, 0], 2],
    ),
    "probabilities that count": (
        TokenQoI(BY_STEP[:, :2], AT_STEPS, "prob", valid=COUNTED, groups=COUNTED),
        lambda y: (COUNTED * np.exp(log_softmax(y)[ROWS[:, None], BY_STEP[:, :2], AT_STEPS])).sum(
            1
        ),
    ),
    "contrasts": (
        TokenQoI(BY_STEP[:, :2], slice(1, 3), "contrast", against=BY_STEP[:, 2:4], groups=WEIGHTS),
        lambda y: (
            (
                y[ROWS[:, None], BY_STEP[:, :2], [[1, 2]]]
                - y[ROWS[:, None], BY_STEP[:, 2:4], [[1, 2]]]
            )
            * WEIGHTS
        ).sum(1),
    ),
}
KINDS: dict[str, tuple[str, Any, dict[str, Case]]] = {
    "scores": ("mlp", None, SCORES),
    "units": ("mlp", Cut("logits", accessor=lambda v: v[:, :1]), UNITS),
    "unit": ("mlp", Cut("logits", accessor=lambda v: v[:, 0]), UNITS),
    "maps": ("cnn", "conv1", MAPS),
    "sequences": ("recurrent", "rnn", SEQUENCES),
}
CASES = [(kind, name) for kind, (_, _, cases) in KINDS.items() for name in cases]
IN_MODELS = {"scores": "sum", "units": "probabilities", "maps": "regions", "sequences": "tokens"}
"""Those that are read inside a model, each one to trace. All are evaluated by themselves."""


def _detected(v: Any) -> list[Any]:
    """Scores and boxes of two detections, made of a layer of six units."""
    xp = get_backend(v).xp
    boxes = xp.abs(xp.concat([v, v[:, 1:3]], axis=1)) + 0.1
    return [xp.reshape(v, (-1, 2, 3)), xp.reshape(boxes, (-1, 2, 4))]


_TWO = Cut("second", accessor=_detected)


class Outputs(Harness):
    """Values and gradients by their formulas, far from zero too, and per record."""

    law = "quantities of every output"

    def _in_zoo(self, kind: str, value: Array) -> Array:
        """A value with its classes on axis 1; the only number of each record alone."""
        if kind == "units":
            return value[:, 0]
        return value.swapaxes(1, 2) if kind == "sequences" else self.zoo_layout(value)

    def _out_of_zoo(self, kind: str, value: Array) -> Array:
        if kind == "units":
            return value[:, None]
        return value.swapaxes(1, 2) if kind == "sequences" else self.layout(value)

    def _method(self, name: str, cut: Any, qoi: Any, doi: Any = "point", **options: Any) -> Any:
        return InternalInfluence(self.wrapper(name), (None, cut), qoi, doi, **options)

    def _gradient(self, qoi: Any, value: Array, axis: int | None = None) -> tuple[Array, Array]:
        """The quantity and its gradient at values, as they are by themselves."""
        placed = qoi if axis is None else qoi.with_channel_axis(axis)
        if placed.binds:
            placed = placed.bind(self.tensor(value))

        def run(tap: Any) -> list[Any]:
            return [placed(tap([self.tensor(value)])[0])]

        found = self.backend.differentiate(run)
        to_numpy = self.backend.to_numpy
        return to_numpy(found.quantities[0]), to_numpy(found.gradients[0][0])

    @pytest.mark.parametrize(("kind", "case"), IN_MODELS.items())
    def test_values_of_every_output(self, kind: str, case: str) -> None:
        name, cut, cases = KINDS[kind]
        args, kwargs = self.records(name, 4)
        qoi, formula = cases[case]
        value = self.wrapper(name).fprop(args, kwargs, to_cut=cut)
        found = self._method(name, cut, qoi).explain(*args, **kwargs).quantity
        assert self.close(found, formula(self._in_zoo(kind, value)))

    @pytest.mark.parametrize(("kind", "case"), CASES)
    def test_gradients_of_every_output(self, kind: str, case: str) -> None:
        """Against differences of the formula."""
        qoi, formula = KINDS[kind][2][case]
        shape = {"maps": (4, 3, 8, 8), "sequences": (4, 5, 6), "scores": (4, 3)}.get(kind, (4,))
        value = np.random.default_rng(8).standard_normal(shape)
        axis = {"maps": -1 if self.channels_last else 1}.get(kind)
        quantity, gradient = self._gradient(qoi, self._out_of_zoo(kind, value), axis)
        np.testing.assert_allclose(quantity, formula(value), rtol=1e-12)
        expected, step = np.zeros((4, value.size // 4)), 1e-6
        for i in range(expected.shape[1]):
            up, down = value.copy(), value.copy()
            up.reshape(4, -1)[:, i] += step
            down.reshape(4, -1)[:, i] -= step
            expected[:, i] = (formula(up) - formula(down)) / (2 * step)
        expected = self._out_of_zoo(kind, expected.reshape(shape))
        np.testing.assert_allclose(gradient, expected, atol=2e-7)

    @checks("batch independence")
    @pytest.mark.parametrize("kind", ["scores", "maps", "sequences"])
    def test_rows_of_arrays_go_with_their_records(self, kind: str) -> None:
        """Points of some records in a block give what all at once give."""
        name, cut, cases = KINDS[kind]
        args, kwargs = self.records(name, 4)
        given = [qoi for qoi, _ in cases.values() if qoi.arrays or isinstance(qoi, CombinedQoI)]
        qoi = given[0]
        for i, more in enumerate(given[1:], 2):
            qoi = qoi + more / i
        whole, other = (
            self._method(name, cut, qoi, LinearDoi(resolution=3), rebatch_size=size).attributions(
                *args, **kwargs
            )
            for size in (None, 5)
        )
        assert self.close(other, whole, what="the same in another batch")

    def test_predicted_classes_stay_along_a_path(self) -> None:
        """They are those of the unmodified record, at each position."""
        for name, cut, axis in (
            ("cnn", "conv1", -1 if self.channels_last else 1),
            ("recurrent", "rnn", 2),
        ):
            args, kwargs = self.records(name, 4)
            best = self.wrapper(name).fprop(args, kwargs, to_cut=cut).argmax(axis)
            of = [PredictedClassQoI(), ClassQoI(best), ClassQoI(best[:, ::-1])]
            found = [
                self._method(name, cut, qoi, LinearDoi(resolution=3)).attributions(*args, **kwargs)
                for qoi in of
            ]
            assert self.close(found[0], found[1])
            assert not np.allclose(found[0], found[2])

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_scores_far_from_zero(self, dtype: str) -> None:
        """And of −∞, as masks make them; gradients are finite everywhere."""
        z = np.asarray([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [0.0, -np.inf, 1.0]], dtype)
        zeros = z - z.max(1, keepdims=True).astype("float64")
        powers = np.exp(zeros)
        p = powers / powers.sum(1, keepdims=True)
        logs = zeros - np.log(powers.sum(1, keepdims=True))
        tolerance = 1e-6 if dtype == "float32" else 1e-12
        for cl in range(3):
            quantity, gradient = self._gradient(LogProbQoI(cl), z)
            np.testing.assert_allclose(quantity, logs[:, cl], rtol=tolerance)
            np.testing.assert_allclose(gradient, np.eye(3)[cl] - p, atol=tolerance)
        information = np.where(p > 0, logs, 0.0)
        expected = -(p * information).sum(1)
        quantity, gradient = self._gradient(EntropyQoI(), z)
        np.testing.assert_allclose(quantity, expected, atol=tolerance)
        slopes = -p * (information + expected[:, None])
        np.testing.assert_allclose(gradient, slopes, atol=tolerance)
        for cl, sign in ((0, -1.0), (1, 1.0)):
            unit = np.asarray([-1e4, 1e4, -20.0], dtype)
            small = np.exp(-np.abs(unit.astype("float64")))
            quantity, gradient = self._gradient(BinaryQoI(cl, activation="sigmoid"), unit)
            chosen = np.where(sign * unit > 0, 1 / (1 + small), small / (1 + small))
            np.testing.assert_allclose(quantity, chosen, rtol=10 * tolerance)
            slope = sign * small / (1 + small) ** 2
            np.testing.assert_allclose(gradient, slope, rtol=10 * tolerance)

    def test_scores_outside_of_a_region_count_for_nothing(self) -> None:
        """Be they infinite."""
        z = np.asarray([[[1.0, 2.0], [np.inf, -np.inf]]])
        for region in ([True, False], [[2.0, 0.0]]):
            quantity, gradient = self._gradient(ClassQoI(1, region), z)
            weight = float(np.asarray(region).max())
            assert self.close(quantity, np.asarray([2.0 * weight]))
            assert self.close(gradient, np.asarray([[[0.0, weight], [0.0, 0.0]]]))

    def test_one_class_is_certain(self) -> None:
        z = np.asarray([[3.0], [-1e4]])
        for qoi in (EntropyQoI(), LogProbQoI(0)):
            quantity, gradient = self._gradient(qoi, z)
            assert not quantity.any()
            assert not gradient.any()

    def test_distances_of_nothing(self) -> None:
        """Where there is no gradient, 0 stands for it."""
        y = np.asarray([[3.0, 4.0], [0.0, 0.0]])
        quantity, gradient = self._gradient(DistanceQoI(y), y)
        assert not quantity.any()
        assert not gradient.any()
        quantity, gradient = self._gradient(DistanceQoI([3.0, 4.0], metric="cosine"), y)
        np.testing.assert_allclose(quantity, [0.0, 1.0], atol=1e-15)
        np.testing.assert_allclose(gradient, np.zeros((2, 2)), atol=1e-15)

    def test_distances_of_maps(self) -> None:
        """Over all axes but that of the records, in the framework's layout."""
        args, kwargs = self.records("cnn", 4)
        value = self.wrapper("cnn").fprop(args, kwargs, to_cut="conv1")
        for reference in (value[::-1] / 2, value[1] / 2):
            found = self._method("cnn", "conv1", DistanceQoI(reference)).explain(*args, **kwargs)
            expected = np.sqrt(((value - reference) ** 2).sum((1, 2, 3)))
            assert self.close(found.quantity, expected)

    @pytest.mark.parametrize("case", ["one", "each"])
    def test_boxes(self, case: str) -> None:
        """The box that is met at the unmodified record is explained along a path."""
        (x,), _ = self.records("mlp", 4)
        scores, boxes = self.wrapper("mlp").fprop([x], to_cut=_TWO)
        numbers = np.asarray([1, 0, 1, 1])
        box: Any = self.tensor(boxes[ROWS, numbers])
        if case == "one":
            box = np.asarray([0.6, 0.6, 3.0, 3.0])
            numbers = _best(boxes, box)
        qoi = BoxQoI(box, CLASSES, format="cxcywh")
        at_records = self._method("mlp", _TWO, qoi).explain(x).quantity
        assert self.close(at_records, scores[ROWS, numbers, CLASSES])
        doi = LinearDoi(resolution=3)
        known = _Numbered(numbers, CLASSES)
        expected = self._method("mlp", _TWO, known, doi).attributions(x)
        for size in (None, 1):
            method = self._method("mlp", _TWO, qoi, doi, rebatch_size=size)
            assert self.close(method.attributions(x), expected)

    def test_a_box_that_nothing_overlaps(self) -> None:
        (x,), _ = self.records("mlp", 4)
        method = self._method("mlp", _TWO, BoxQoI([7.0, 7.0, 9.0, 9.0], 0))
        with pytest.raises(QoiError, match=r"no box overlaps .* records \[0, 1, 2, 3\]"):
            method.attributions(x)


def _best(boxes: Array, given: Array) -> Array:
    """The first box of each record that shares most with a given one, by a loop."""

    def share(a: Array, b: Array) -> float:
        sides = [
            max(
                0.0,
                min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2)
                - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2),
            )
            for i in (0, 1)
        ]
        both = float(sides[0] * sides[1])
        return both / float(a[2] * a[3] + b[2] * b[3] - both)

    return np.asarray([int(np.argmax([share(b, given) for b in row])) for row in boxes])


class _Numbered(QoI):
    """The score of a class of one box of each record."""

    arrays = ("places",)

    def __init__(self, numbers: Array, classes: Array) -> None:
        self.places = (3 * numbers + classes).astype("int32")[:, None]

    def __call__(self, y: Any) -> Any:
        xp = get_backend(y[0]).xp
        scores = xp.reshape(y[0], (-1, 6))
        return xp.squeeze(xp.take_along_axis(scores, self.places, axis=1), axis=1)
