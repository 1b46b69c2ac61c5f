"""Keys by value: when a step that is kept may serve another quantity."""

import functools

import numpy as np
import pytest

from trulens_core import ClassQoI, InternalChannelQoI, LambdaQoI, MaxClassQoI, QoI, ThresholdQoI
from trulens_core.value_keys import attributes, by_value, snapshot


def scaled(c):
    return lambda y: c * y


def shifted(c):
    return lambda y: c + y


class Given:
    def __init__(self, c):
        self.c = c

    def method(self, y):
        return self.c * y

    def __hash__(self):
        return hash(self.c)

    def __eq__(self, other):
        return self.c == other.c


def recursive():
    def f(y):
        return f(y)

    return f


SAME = [
    (1, 1),
    ([1, {"a": (2, None)}], [1, {"a": (2, None)}]),
    (np.arange(3), np.arange(3)),
    ({1, 2}, {2, 1}),
    (scaled(2), scaled(2)),
    (scaled(np.ones(2)), scaled(np.ones(2))),
    (functools.partial(max, 2, key=abs), functools.partial(max, 2, key=abs)),
    (Given(2).method, Given(2).method),
    (recursive(), recursive()),
]
DIFFERENT = [
    (1, 2),
    (1, 1.0),
    (1, True),
    ([1], (1,)),
    ({"a": 1}, {"b": 1}),
    (np.arange(3), np.arange(3.0)),
    (np.arange(3), np.arange(3)[::-1]),
    (np.zeros((2, 1)), np.zeros((1, 2))),
    (scaled(2), scaled(3)),
    (scaled(2), shifted(2)),
    (scaled([1]), scaled([2])),
    (lambda y, c=1: c, lambda y, c=2: c),
    (functools.partial(max, 2), functools.partial(max, 3)),
    (Given(2).method, Given(3).method),
]


@pytest.mark.parametrize("pair", SAME)
def test_equal_values_have_equal_keys(pair):
    a, b = map(by_value, pair)
    assert a == b
    assert hash(a) == hash(b)


@pytest.mark.parametrize("pair", DIFFERENT)
def test_other_values_have_other_keys(pair):
    assert by_value(pair[0]) != by_value(pair[1])


def test_what_cannot_be_hashed_equals_itself():
    class Unhashable:
        __hash__ = None

    one, other = Unhashable(), Unhashable()
    assert by_value(one) == by_value(one)
    assert by_value(one) != by_value(other)


def test_a_changed_container_has_another_key():
    held = [1]
    function = scaled(held)
    before = by_value(function)
    held.append(2)
    assert by_value(function) != before


def test_snapshots_do_not_change():
    held, array = [1.0], np.ones(2)

    def function(y, c=held):
        return y * held[0] + array[0] + c[0]

    kept = snapshot(function)
    parts = snapshot({"a": [array], "b": (held, {1})})
    held[0], array[0] = 5.0, 7.0
    assert kept(2.0) == 4.0
    assert function(2.0) == 22.0
    assert parts["a"][0].tolist() == [1, 1]
    assert parts["b"] == ([1.0], {1})
    assert snapshot(len) is len
    f = recursive()
    assert snapshot(f).__code__ is f.__code__


def test_attributes_are_the_key_of_an_object():
    assert attributes(Given([1])) == attributes(Given([1]))
    assert attributes(Given([1])) != attributes(Given([2]))
    assert attributes(Given(1), leave_out=("c",)) == attributes(Given(2), leave_out=("c",))


class User(QoI):
    arrays = ("targets",)

    def __init__(self, targets, power):
        self.targets, self.power = targets, power

    def __call__(self, y):
        return y[:, 0]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (ClassQoI(1), ClassQoI(2), True),
        (ClassQoI([1, 2]), ClassQoI([0, 0]), True),
        (2.0 * ClassQoI(1) - ClassQoI(0), 3.0 * ClassQoI(2) + ClassQoI(1), True),
        (ThresholdQoI(0.1), ThresholdQoI(0.2), True),
        (ThresholdQoI(0.1), ThresholdQoI(0.1, low_minus_high=True), False),
        (InternalChannelQoI(1), InternalChannelQoI(2), True),
        (InternalChannelQoI(1), InternalChannelQoI([1, 2]), False),
        (InternalChannelQoI(1), InternalChannelQoI(1, channel_axis=2), False),
        (InternalChannelQoI(1, agg_fn=len), InternalChannelQoI(1), False),
        (MaxClassQoI(), MaxClassQoI(axis=2), False),
        (MaxClassQoI(), MaxClassQoI(activation="softmax"), False),
        (ClassQoI(1), MaxClassQoI(), False),
        (LambdaQoI(scaled(1)), LambdaQoI(scaled(1)), True),
        (LambdaQoI(scaled(1)), LambdaQoI(scaled(2)), False),
        (User(np.zeros(3), 2), User(np.ones(3), 2), True),
        (User(np.zeros(3), 2), User(np.zeros(3), 3), False),
    ],
)
def test_what_is_data_is_no_part_of_a_quantitys_key(a, b, same):
    assert (a.key() == b.key()) == same
    hash(a.key())


def test_functions_whose_closures_lead_back_to_them():
    def made():
        def first(x):
            return second(x - 1) if x else 0

        def second(x):
            return first(x) + 1

        return first

    function = made()
    kept = snapshot(function)
    assert kept is not function
    assert kept(3) == 3
    assert by_value(kept) == by_value(function)
