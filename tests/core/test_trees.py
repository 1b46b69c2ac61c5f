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
        ({"b": A, "a": B}, None),
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
    if leaves is not None:
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


def test_a_framework_flattens_first():
    def lists(value):  # as a framework that knows lists alone
        if isinstance(value, list):
            return value, len(value), list
        return [value], None, lambda new: new[0]

    pair = (A, B)
    assert flatten([A, pair], lists).leaves[1] is pair
    tree = flatten([Output(A, pair), {"b": B}], lists)
    assert [x is y for x, y in zip(tree.leaves, [A, pair, B], strict=True)] == [True] * 3
    assert tree.unflatten([1, 2, 3]) == [Output(1, 2), {"b": 3}]
