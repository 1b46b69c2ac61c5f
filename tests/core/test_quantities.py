"""Quantities by themselves: construction, short forms, the algebra, and strict array-API arrays."""

import array_api_strict
import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    ClassSeqQoI,
    ComparativeQoI,
    InternalChannelQoI,
    LambdaQoI,
    MaxClassQoI,
    PredictedClassQoI,
    QoI,
    QoiError,
    ThresholdQoI,
)
from trulens_core.quantities import CombinedQoI, as_qoi
from trulens_core.testing.conformance.quantities import FORMULAS

NUMBERS = np.random.default_rng(0).standard_normal((4, 3))


class First(QoI):
    def __call__(self, y):
        return y[:, 0]


# -- construction --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("max", MaxClassQoI),
        ("predicted", PredictedClassQoI),
        (3, InternalChannelQoI),
        (np.uint8(3), InternalChannelQoI),
        ((0, 1), ComparativeQoI),
        ([np.int64(0), 1], ComparativeQoI),
        (len, LambdaQoI),
        (lambda y: y, LambdaQoI),
        (First(), First),
    ],
)
def test_short_forms(value, kind):
    assert type(as_qoi(value)) is kind


@pytest.mark.parametrize(
    "value",
    [True, None, "maximum", 1.0, (0, 1, 2), (0,), (0, True), ("a", "b"), First, {}, [[0], 1]],
)
def test_what_is_no_short_form(value):
    with pytest.raises(ValueError, match=r"qoi is .*it must be a QoI"):
        as_qoi(value)


@pytest.mark.parametrize("cl", [True, "1", 1.5, None, [1.0], [[1.0]], [], np.zeros((2, 0), int)])
def test_what_is_no_class(cl):
    with pytest.raises(ValueError, match="needs an int, or one per record"):
        ClassQoI(cl)


@pytest.mark.parametrize("channel", [True, [], [True], 1.5, "a", None])
def test_what_is_no_channel(channel):
    with pytest.raises((ValueError, TypeError)):
        InternalChannelQoI(channel)


def test_what_a_function_must_take():
    for function in (len, lambda y: y, lambda y, c=1: y, lambda y, *a: y, First().__call__, np.sum):
        LambdaQoI(function)
    for function in (lambda: 0, lambda a, b: a, lambda *, y: y, lambda a, *, b: a, lambda *y: y):
        with pytest.raises(ValueError, match="exactly one argument"):
            LambdaQoI(function)
    with pytest.raises(ValueError, match="needs a function"):
        LambdaQoI(3)


def test_what_is_no_activation():
    for make in (MaxClassQoI, lambda activation: ThresholdQoI(0, activation=activation)):
        with pytest.raises(ValueError, match="activation is 'relu'"):
            make(activation="relu")
    with pytest.raises(ValueError, match="one number"):
        ThresholdQoI([0.1, 0.2])
    with pytest.raises(ValueError, match="one class per record"):
        ClassSeqQoI(2)


@pytest.mark.parametrize(
    ("qoi", "text"),
    [
        (MaxClassQoI(axis=2, activation="softmax"), "MaxClassQoI(axis=2, activation='softmax')"),
        (PredictedClassQoI(axis=1), "PredictedClassQoI(axis=1)"),
        (PredictedClassQoI(), "PredictedClassQoI()"),
        (MaxClassQoI(), "MaxClassQoI()"),
        (ClassQoI(-1), "ClassQoI(-1)"),
        (ClassQoI(np.asarray([1, 2])), "ClassQoI([1, 2])"),
        (ClassSeqQoI((1, 2)), "ClassSeqQoI([1, 2])"),
        (InternalChannelQoI([1, 2], channel_axis=1), "InternalChannelQoI([1, 2], channel_axis=1)"),
        (ComparativeQoI(3, [0, 1]), "ComparativeQoI(3, [0, 1])"),
        (2 * ClassQoI(0) - ClassQoI(1), "2.0 * ClassQoI(0) + -1.0 * ClassQoI(1)"),
        (ThresholdQoI(0.5), "ThresholdQoI(0.5, low_minus_high=False, activation=None)"),
    ],
)
def test_quantities_show_what_they_are(qoi, text):
    assert repr(qoi) == text


# -- the algebra ---------------------------------------------------------------------------------


def test_sums_are_flat():
    a, b, c = First(), ClassQoI(1), MaxClassQoI()
    combined = 2 * (a - 3 * b) + c / 4 - -a
    assert isinstance(combined, CombinedQoI)
    assert combined.coefficients == (2.0, -6.0, 0.25, 1.0)
    assert combined.members == (a, b, c, a)
    assert (a * np.float32(2)).coefficients == (2.0,)


@pytest.mark.parametrize(
    "operation",
    [
        lambda q: q + 1,
        lambda q: 1 + q,
        lambda q: q - 1.0,
        lambda q: q * q,
        lambda q: q * "2",
        lambda q: True * q,
        lambda q: q * 1j,
        lambda q: q / q,
        lambda q: 2 / q,
        lambda q: q * np.ones(2),
    ],
)
def test_what_is_no_operation(operation):
    with pytest.raises(TypeError):
        operation(ClassQoI(0))


def test_combinations_hand_on_what_they_are_told():
    qoi = ClassQoI([0, 1, 2]) - 2 * PredictedClassQoI()
    assert qoi.binds
    assert not (ClassQoI(0) + First()).binds
    assert qoi.for_records(1, 3, 3).members[0].cl.tolist() == [1, 2]
    assert qoi.for_records(0, 3, 3) is qoi
    with pytest.raises(QoiError, match="3 values"):
        qoi.for_records(0, 4, 4)
    values = [d.value for d in qoi.data()]
    assert [np.shape(v) for v in values] == [(), (), (3,)]
    other = qoi.with_data([5.0, 7.0, np.asarray([2, 2, 2])])
    assert (other.coefficients, other.members[0].cl.tolist()) == ((5.0, 7.0), [2, 2, 2])
    assert qoi.coefficients == (1.0, -2.0)


def test_a_snapshot_is_not_reached_by_changes():
    qoi = ThresholdQoI(0.0, low_minus_high=True)
    kept, combined = qoi.snapshot(), (2.0 * qoi).snapshot()
    qoi.low_minus_high = False
    assert (kept.low_minus_high, combined.members[0].low_minus_high) == (True, True)


def test_only_the_library_s_own_quantities_are_standard():
    class Mine(ClassQoI):
        """Says nothing of its own, and could."""

    class Told(ClassQoI):
        is_standard = True

    assert not ClassQoI(1).custom
    assert not (2.0 * ClassQoI(1) - MaxClassQoI()).custom
    assert Mine(1).custom
    assert (Mine(1) + ClassQoI(1)).custom
    assert not Told(1).custom
    assert MaxClassQoI(activation=np.tanh).custom
    assert LambdaQoI(lambda y: y).custom


# -- nothing but the standard --------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in FORMULAS if not n.startswith("user")])
def test_over_strict_arrays(strict, name):
    """Quantities use no function that the array-API standard lacks, and mix no types."""
    qoi, formula = FORMULAS[name]
    y = array_api_strict.asarray(NUMBERS)
    found = as_qoi(qoi)(y)
    np.testing.assert_allclose(np.asarray(found), formula(NUMBERS), rtol=1e-12)
