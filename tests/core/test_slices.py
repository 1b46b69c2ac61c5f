"""Cuts and slices: their short forms, and what is none."""

from typing import NamedTuple

import numpy as np
import pytest

from trulens_core import Cut, CutError, InputCut, LogitCut, OutputCut, Slice
from trulens_core.slices import as_slice, is_index, source_cut, target_cut


@pytest.mark.parametrize(
    ("value", "cut"),
    [
        (None, InputCut()),
        (0, InputCut()),
        (np.int64(0), InputCut()),
        (1, Cut(1)),
        (-1, Cut(-1)),
        ("conv1", Cut("conv1")),
        ("0", Cut("0")),
        (["a", 2], Cut(["a", 2])),
        (Cut(0), Cut(0)),
        (LogitCut(), LogitCut()),
    ],
)
def test_short_forms_of_sources(value, cut):
    assert source_cut(value) == cut


@pytest.mark.parametrize(
    ("value", "cut"),
    [(None, OutputCut()), (0, Cut(0)), ("fc", Cut("fc")), (InputCut(), InputCut())],
)
def test_short_forms_of_targets(value, cut):
    assert target_cut(value) == cut


@pytest.mark.parametrize(
    ("value", "slice_"),
    [
        (None, Slice(InputCut(), OutputCut())),
        (0, Slice.full_network()),
        ("a", Slice(Cut("a"), OutputCut())),
        (("a", "b"), Slice(Cut("a"), Cut("b"))),
        (["a", None], Slice(Cut("a"), OutputCut())),
        (["a", "b", "c"], Slice(Cut(["a", "b", "c"]), OutputCut())),
        (["a"], Slice(Cut(["a"]), OutputCut())),
        (Cut(["a", "b"]), Slice(Cut(["a", "b"]), OutputCut())),
        (Slice("a", 0), Slice(Cut("a"), Cut(0))),
    ],
)
def test_short_forms_of_slices(value, slice_):
    assert as_slice(value) == slice_


def test_cuts_are_values():
    accessor = len
    assert Cut("a", "in", accessor) == Cut("a", anchor="in", accessor=accessor)
    assert len({Cut("a"), Cut("a"), Cut("a", call=0), Cut(["a"]), InputCut(), InputCut()}) == 4
    assert Cut(np.int32(3)) == Cut(3)
    assert Cut(["a", np.int8(1)]).name == ("a", 1)
    assert Cut(["a", "b"], "in", call=1).parts() == (
        Cut("a", "in", call=1),
        Cut("b", "in", call=1),
    )
    assert Cut("a").parts() == (Cut("a"),)
    with pytest.raises(AttributeError):
        Cut("a").name = "b"


@pytest.mark.parametrize(
    ("cut", "text"),
    [
        (Cut("a"), "Cut('a')"),
        (
            Cut(["a", 2], "in", call=1, batch_axis=1),
            "Cut(['a', 2], anchor='in', call=1, batch_axis=1)",
        ),
        (Cut("a", accessor=len), "Cut('a', accessor=<built-in function len>)"),
        (InputCut(), "InputCut()"),
        (InputCut(names=["x"]), "InputCut(names=['x'])"),
        (OutputCut(), "OutputCut()"),
        (LogitCut(accessor=len), "LogitCut(accessor=<built-in function len>)"),
    ],
)
def test_cuts_show_what_they_are(cut, text):
    assert repr(cut) == str(cut) == text


@pytest.mark.parametrize("name", [True, None, 1.0, b"a", {}, [], [None], ["a", True]])
def test_what_names_no_layer(name):
    with pytest.raises(CutError, match=r"layer|names no"):
        Cut(name)


@pytest.mark.parametrize(
    "options",
    [
        {"anchor": "middle"},
        {"anchor": None},
        {"accessor": "first"},
        {"call": -1},
        {"call": True},
        {"call": 1.5},
        {"batch_axis": "0"},
        {"batch_axis": None},
    ],
)
def test_options_that_are_wrong(options):
    with pytest.raises(CutError, match=f"Cut {next(iter(options))} is"):
        Cut("a", **options)


def test_errors_are_value_errors():
    with pytest.raises(ValueError, match="names"):
        InputCut(names="pixels")
    with pytest.raises(CutError, match="slice"):
        Slice(Slice.full_network(), None)


def test_the_input_has_its_own_anchor():
    assert InputCut(anchor="in") == InputCut()
    assert InputCut().anchor == "in"
    assert InputCut() != OutputCut()


def test_indices():
    assert all(map(is_index, (0, -3, np.int64(2), np.uint8(1))))
    assert not any(map(is_index, (True, False, "0", 1.0, None, np.zeros(2), np.float32(1))))


class Output(NamedTuple):
    box: int
    score: int


@pytest.mark.parametrize(
    ("wanted", "output", "expected"),
    [
        ("score", {"box": 1, "score": 2}, 2),
        ("score", Output(1, 2), 2),
        ("a.b", {"a": {"b": 3}, "c": 4}, 3),
        ("a.b", {"a.b": 5, "a": {"b": 3}}, 5),
        (1, (1, 2), 2),
        (-1, [1, 2, 3], 3),
        (["score", "box"], {"box": 1, "score": 2}, [2, 1]),
    ],
)
def test_members_of_the_output(wanted, output, expected):
    cut = OutputCut(wanted)
    assert cut.accessor(output) == expected
    assert (cut, hash(cut)) == (OutputCut(wanted), hash(OutputCut(wanted)))
    assert repr(cut) == f"OutputCut({wanted!r})"
    assert cut.anchor == "out"


@pytest.mark.parametrize(
    ("wanted", "output", "said"),
    [
        ("scroe", {"box": 1, "score": 2}, r"'scroe'.*members \['box', 'score'\]"),
        (2, (1, 2), r"OutputCut\(2\).*tuple"),
        ("a.c", {"a": {"b": 3}}, r"'c'.*\['b'\]"),
        ("x", np.zeros(2), "ndarray"),
    ],
)
def test_a_member_that_is_not_there(wanted, output, said):
    with pytest.raises(CutError, match=said):
        OutputCut(wanted).accessor(output)


def test_what_is_no_member():
    for wrong in (True, 1.5, [None]):
        with pytest.raises(CutError, match="a name or a place"):
            OutputCut(wrong)
    with pytest.raises(CutError, match="one of the two"):
        OutputCut("score", accessor=len)
