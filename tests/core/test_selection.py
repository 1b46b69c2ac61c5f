"""Which of several tensors a value means: one rule, in the order of insertion."""

import collections
import dataclasses

import numpy as np
import pytest

from trulens_core import Cut, CutError, InputCut, LogitCut, ModelInputs, OutputCut
from trulens_core.passes.selection import read, select
from trulens_core.testing.reference import BACKEND, Tensor

A, B, C = (Tensor(np.full((2, 3), i)) for i in (1.0, 2.0, 3.0))
N = Tensor(np.zeros((2, 3), "int64"))
Pair = collections.namedtuple("Pair", "features logits")
States = collections.namedtuple("States", "h c")


@dataclasses.dataclass
class Output:
    hidden: object = None
    logits: object = None


class Batch(collections.UserDict):
    """A mapping that is no dict."""


@dataclasses.dataclass
class Both(collections.OrderedDict):
    """A mapping and a dataclass, as the outputs of some libraries: its items count."""

    scores: object = None
    spare: object = None


def at(value, cut=OutputCut()):  # noqa: B008 - frozen
    """The tensors at a cut, which are the same wherever they are asked for."""
    read_, chosen = read(value, cut, BACKEND), select(value, cut, BACKEND)
    assert [id(x) for x in read_] == [id(x) for x in chosen.tensors]
    return read_


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"z": A, "ids": N, "none": None, "note": "text", "n": 3}, A),
        ({"deep": [{"er": (N, A)}], "a": N}, A),
        ({"ids": N}, N),
        ({"z": A, "logits": B, "a": C}, B),
        ({"z": A, "logits": None}, A),
        (collections.OrderedDict(z=A, logits=B), B),
        (Batch(z=A, logits=B), B),
        ({"z": A, "logits": {"logits": C, "extra": B}}, C),
        ({"z": A, "logits": [N, (B, C)]}, B),
        (Output(A, B), B),
        (Output(A), A),
        (Pair(A, B), B),
        (States(A, B), A),
        ((None, N, [N, (B, A)]), B),
        (({"z": A, "logits": B}, C), B),
        ([Output(None), Output(A, B), C], B),
        (collections.deque([B, A]), B),
    ],
)
def test_which_tensor_is_meant(value, expected):
    (found,) = at(value)
    assert found is expected


@pytest.mark.parametrize(
    ("value", "cut", "message"),
    [
        (
            {"z": A, "a": B, "ids": N},
            OutputCut(),
            (
                r"is a dict of several tensors without 'logits': 'z' \(2, 3\); 'a' \(2, 3\)\. "
                r"Say which is meant: OutputCut\(accessor=lambda v: v\['z'\]\)$"
            ),
        ),
        ({"z": (A, B), "ids": N}, Cut("l"), r"'z' \(2, 3\), .*Cut\('l', accessor=.*v\['z'\]\)"),
        ({"out": {"logits": A, "a": B}}, Cut("l", call=1), r"'out'.*Cut\('l', call=1, accessor="),
        (Output(hidden=[A, B]), Cut(3), r"a Output of.*'hidden'.*lambda v: v\.hidden\)"),
        ((N, {"y": A, "x": B}, C), OutputCut(), r"'y'.*'x'.*lambda v: v\[1\]\['y'\]\)"),
        ({"z": A, "logits": {"q": A, "p": B}}, LogitCut(), r"'q'.*v\['logits'\]\['q'\]\)"),
        (Batch(z=A, a=B), OutputCut(), "'z'.*'a'"),
        ({"j": N, "i": N}, OutputCut(), "'j'.*'i'"),
    ],
)
def test_several_by_name_must_be_told(value, cut, message):
    for ask in (read, select):
        with pytest.raises(CutError, match=message):
            ask(value, cut, BACKEND)


def test_items_count_where_a_mapping_is_a_dataclass_too():
    value = Both()
    value["scores"], value["other"] = A, B
    with pytest.raises(CutError, match=r"'scores'.*'other'.*v\['scores'\]"):
        at(value)


def test_one_tensor_under_two_names():
    """What takes its place stands where the rule says."""
    selection = select({"features": A, "logits": A, "z": B}, OutputCut(), BACKEND)
    put = selection.put([C])
    assert (put["features"] is A, put["logits"] is C, put["z"] is B) == (True,) * 3
    assert list(put) == ["features", "logits", "z"]


def test_all_of_them_in_the_order_of_insertion():
    value = {"z": A, "note": "text", "a": [B, {"y": C, "b": N}]}
    found = select(value, OutputCut(accessor=lambda v: v), BACKEND)
    assert [id(x) for x in found.tensors] == [id(x) for x in (A, B, C, N)]
    put = found.put([C, A, B, N])
    assert (put["z"] is C, put["a"][0] is A, put["a"][1]["y"] is B) == (True,) * 3
    assert put["note"] == "text"
    reverse = Cut("layer", accessor=lambda v: {"q": v["a"], "p": v["z"]})
    assert [id(x) for x in at(value, reverse)] == [id(x) for x in (B, C, N, A)]


def test_at_the_input_of_a_layer():
    given = ((B, {"z": C, "a": A}, N), {"y": A, "b": C, "flag": True})
    expected = [B, C, A, A, C]
    assert [id(x) for x in at(given, Cut("l", anchor="in"))] == [id(x) for x in expected]
    everything = Cut("l", anchor="in", accessor=lambda inputs: inputs)
    assert [id(x) for x in at(given, everything)] == [id(x) for x in (B, C, A, N, A, C)]


def test_at_the_input_of_a_model():
    x, y, z = (Tensor(np.full((2, 3), i)) for i in (1.0, 2.0, 3.0))
    inputs = ModelInputs([{"z": z, "a": [x, "text"]}], {"y": y})

    def held(accessor):
        at = inputs.at(InputCut(accessor=accessor), BACKEND)
        return [id(inputs.leaves[i].value) for i in at]

    assert held(None) == [id(z), id(x)]
    assert held(lambda i: i) == [id(z), id(x), id(y)]
    assert held(lambda i: {"k": i.kwargs, "a": i.args[0]["a"]}) == [id(y), id(x)]


def test_a_tensor_given_twice():
    inputs = ModelInputs([A, A])
    for i in (0, 1):
        cut = InputCut(accessor=lambda given, i=i: given.args[i])
        assert inputs.at(cut, BACKEND) == [i]
