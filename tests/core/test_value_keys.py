"""Keys by value: when a step that is kept may serve another call."""

import collections
import enum
import functools
import types

import numpy as np
import pytest

from trulens_core import ClassQoI, InternalChannelQoI, MaxClassQoI, ThresholdQoI
from trulens_core.value_keys import attributes, by_value


class Given:
    def __init__(self, c):
        self.c = c

    def method(self, y):
        return self.c * y

    def __hash__(self):
        return 1

    def __eq__(self, other):
        return True


class Color(enum.Enum):
    RED = 1
    BLUE = 2


ONE = Given(2)
SAME = [
    (1, 1),
    ([1, {"a": (2, None)}], [1, {"a": (2, None)}]),
    (np.arange(3), np.arange(3)),
    ({1, 2}, {2, 1}),
    (float("nan"), float("nan")),
    (functools.partial(max, 2, key=abs), functools.partial(max, 2, key=abs)),
    (ONE, ONE),
    (ONE.method, ONE.method),
    (Color.RED, Color.RED),
    (slice(1, None), slice(1, None)),
]
DIFFERENT = [
    (1, 2),
    (1, 1.0),
    (1, True),
    (0.0, -0.0),
    (np.float32(0), np.float64(0)),
    ([1], (1,)),
    ({"a": 1}, {"b": 1}),
    (np.arange(3), np.arange(3.0)),
    (np.arange(3), np.arange(3)[::-1]),
    (np.zeros((2, 1)), np.zeros((1, 2))),
    (functools.partial(max, 2), functools.partial(max, 3)),
    (Given(2), Given(2)),  # the other may be changed before a step is traced again
    (Given(2).method, Given(3).method),
    (lambda y: y, lambda y: y),
    (Color.RED, Color.BLUE),
]


@pytest.mark.parametrize("pair", SAME)
def test_equal_values_have_equal_keys(pair):
    a, b = map(by_value, pair)
    assert a == b
    assert hash(a) == hash(b)


@pytest.mark.parametrize("pair", DIFFERENT)
def test_other_values_have_other_keys(pair):
    assert by_value(pair[0]) != by_value(pair[1])


def _set(x, value):
    x.c = value


CHANGED = {
    "list": ([1], lambda x: x.append(2)),
    "dict": ({"a": 1}, lambda x: x.update(a=2)),
    "nested": ([{"a": [1]}], lambda x: x[0]["a"].append(2)),
    "deque": (collections.deque([1]), lambda x: x.append(2)),
    "ordered": (collections.OrderedDict(a=1, b=2), lambda x: x.move_to_end("a")),
    "counter": (collections.Counter("a"), lambda x: x.update("b")),
    "array": (np.zeros(2), lambda x: x.__setitem__(0, 1)),
    "array of objects": (np.array(["a", None], object), lambda x: x.__setitem__(1, "b")),
    "object": (Given(1), lambda x: _set(x, 2)),
    "object in an object": (Given(Given([1])), lambda x: x.c.c.append(2)),
    "namespace": (types.SimpleNamespace(c=1), lambda x: _set(x, 2)),
    "to minus zero": (types.SimpleNamespace(c=0.0), lambda x: _set(x, -0.0)),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_is_changed_in_place_has_another_key(name):
    value, change = CHANGED[name]
    before = by_value(value)
    assert by_value(value) == before
    change(value)
    assert by_value(value) != before


def test_what_leads_back_to_itself():
    held = [1]
    held.append(held)
    one = Given(None)
    one.c = one
    assert by_value(held) == by_value(held)
    assert by_value(one) == by_value(one)


def test_what_cannot_be_taken_apart_equals_itself():
    one, other = object(), object()
    assert by_value(one) == by_value(one)
    assert by_value(one) != by_value(other)


def test_attributes_are_the_key_of_an_object():
    assert attributes(Given([1])) == attributes(Given([1]))
    assert attributes(Given([1])) != attributes(Given([2]))
    assert attributes(Given(1), leave_out=("c",)) == attributes(Given(2), leave_out=("c",))


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
        (MaxClassQoI(), MaxClassQoI(axis=2), False),
        (MaxClassQoI(), MaxClassQoI(activation="softmax"), False),
        (ClassQoI(1), MaxClassQoI(), False),
    ],
)
def test_what_is_data_is_no_part_of_a_quantitys_key(a, b, same):
    assert (a.key() == b.key()) == same
    hash(a.key())
