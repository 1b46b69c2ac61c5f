"""Structures taken apart and put together again."""

import collections
import dataclasses
import types

import numpy as np
import pytest

from trulens_core.trees import flatten


@dataclasses.dataclass
class Output:
    logits: object
    hidden: object = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: object
    b: object


class Batch(collections.UserDict):
    """As a tokenizer's batch: a mapping that is no dict."""


class Ordered(collections.OrderedDict):
    """As a model's output: a dict with attributes of its own."""


Pair = collections.namedtuple("Pair", "first second")
A, B = np.zeros(2), np.ones(3)


@pytest.mark.parametrize(
    ("value", "leaves"),
    [
        (A, [A]),
        ([A, (B, None)], [A, B, None]),
        ({"b": A, "a": B}, [A, B]),
        (Pair(A, [B]), [A, B]),
        (Output(A, {"x": B}), [A, B]),
        (Frozen(A, (B,)), [A, B]),
        (Batch(x=A, y=[B]), [A, B]),
        (Ordered([("x", A), ("y", B)]), [A, B]),
        (collections.OrderedDict(b=A, a=B), [A, B]),
        ([Output(Batch(x=A), B), "text", 3], [A, B, "text", 3]),
        ([], []),
        ({}, []),
        ("text", ["text"]),
    ],
    ids=lambda x: type(x).__name__,
)
def test_the_inverse(value, leaves):
    tree = flatten(value)
    assert [id(x) for x in tree.leaves] == [id(x) for x in leaves]
    again = tree.unflatten(list(tree.leaves))
    assert type(again) is type(value)
    assert flatten(again).key == tree.key
    assert all(x is y for x, y in zip(flatten(again).leaves, tree.leaves, strict=True))


def test_new_leaves_leave_the_old_structure_alone():
    value = Output(Batch(x=A), [B])
    tree = flatten(value)
    new = tree.unflatten([1, 2])
    assert (new.logits["x"], new.hidden) == (1, [2])
    assert value.logits["x"] is A
    assert value.hidden == [B]


def test_keys_tell_structures_apart():
    different = [A, [A], (A,), {"a": A}, {"b": A}, Output(A), Frozen(A, None), Batch(a=A), [A, A]]
    keys = [flatten(v).key for v in different]
    assert all(keys[i] != keys[j] for i in range(len(keys)) for j in range(i))
    assert flatten(Output(A)).key == flatten(Output(B)).key


def test_what_holds_nothing_is_a_leaf():
    for value in (types.SimpleNamespace(a=A), Output, {1, 2}, range(3), lambda: 0):
        assert flatten(value).leaves == [value]


def test_what_only_a_framework_knows():
    class Box:
        def __init__(self, *held):
            self.held = held

    def boxes(value):
        if isinstance(value, Box):
            return value.held, Box, lambda new: Box(*new)
        return [value], None, lambda new: new[0]

    tree = flatten([Output(A, Box(B, {"b": 1, "a": 2})), {"b": B}], boxes)
    assert tree.leaves[2:] == [1, 2, B]
    new = tree.unflatten([5, 6, 7, 8, 9])
    assert (new[0].logits, *new[0].hidden.held, new[1]) == (5, 6, {"b": 7, "a": 8}, {"b": 9})
    assert flatten(Box(A)).leaves[0].held == (A,)


def test_the_order_is_that_of_insertion():
    value = {"b": 1, "a": [{"d": 2, "c": 3}], "B": types.MappingProxyType({"z": 4, "y": 5})}
    tree = flatten(value)
    assert tree.leaves == [1, 2, 3, 4, 5]
    again = tree.unflatten([10, 20, 30, 40, 50])
    assert list(again) == ["b", "a", "B"]
    assert again == {"b": 10, "a": [{"d": 20, "c": 30}], "B": {"z": 40, "y": 50}}
    assert flatten({"b": 1, "a": 2}).key != flatten({"a": 2, "b": 1}).key
