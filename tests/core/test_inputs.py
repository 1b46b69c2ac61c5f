"""One call's inputs: leaves, roles, rows, and putting them together again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trulens_core import CutError, InputCut, ModelInputs
from trulens_core.inputs.structure import BATCHED, SHARED, STATIC
from trulens_core.testing.reference import BACKEND


def roles(*args, batched=None, **kwargs):
    return [leaf.role for leaf in ModelInputs(args, kwargs, batched).leaves]


def zeros(*shape, dtype="float64"):
    return BACKEND.from_numpy(np.zeros(shape, dtype))


def test_the_first_tensor_tells_the_records():
    assert roles(zeros(3, 2), zeros(3), zeros(4), zeros(), "text", 3.0, None) == [
        *[BATCHED] * 2,
        *[SHARED] * 2,
        *[STATIC] * 3,
    ]
    assert roles("text", zeros(2), b={"a": [zeros(2, 5)], "c": np.float32(1)}) == [
        STATIC,
        BATCHED,
        BATCHED,
        STATIC,
    ]


def test_what_is_said_counts():
    assert roles(zeros(3), zeros(3), batched={1: False}) == [BATCHED, SHARED]
    assert roles(zeros(2), x=zeros(3), batched={"x": True}) == [BATCHED, BATCHED]
    assert roles(zeros(2), zeros(3), batched={0: False}) == [SHARED, BATCHED]
    inputs = ModelInputs([zeros(3), zeros(3)], batched={"scale": False}).renamed(["x", "scale"])
    assert [leaf.role for leaf in inputs.leaves] == [BATCHED, SHARED]
    assert inputs.renamed(["x", "scale"]) is inputs


@pytest.mark.parametrize("args", [(), ("text",), (3.0, None), (np.float64(1),), ([],)])
def test_inputs_without_records(args):
    with pytest.raises(TypeError, match="no array or tensor"):
        _ = ModelInputs(args).n_records


@given(st.integers(1, 6), st.integers(1, 4), st.data())
def test_rows_and_repetitions(n, k, data):
    x = np.arange(n * 2.0).reshape(n, 2)
    inputs = ModelInputs([BACKEND.from_numpy(x)], {"w": zeros(7), "flag": True}, {"w": False})
    i = data.draw(st.integers(0, n - 1))
    j = data.draw(st.integers(i + 1, n))
    rows = inputs.rows(i, j, BACKEND)
    assert rows.n_records == j - i
    assert (rows.args[0].data == x[i:j]).all()
    assert rows.kwargs["w"] is inputs.kwargs["w"]
    assert rows.kwargs["flag"] is True
    repeated = inputs.repeat(k, BACKEND)
    assert (repeated.args[0].data == np.tile(x, (k, 1))).all()
    assert repeated.kwargs["w"] is inputs.kwargs["w"]


def test_a_step_gets_tensors_and_gives_the_call_back():
    a, b, w, i = zeros(2, 3), zeros(2), zeros(5), zeros(2, dtype="int64")
    inputs = ModelInputs([{"a": a, "text": "t"}, (b, w)], {"ids": i, "flag": True})
    at = inputs.at(InputCut(), BACKEND)
    assert [inputs.leaves[p].value is x for p, x in zip(at, (a, b), strict=True)] == [True] * 2
    structure, batched, shared = inputs.split(at)
    assert (batched[0] is i, shared[0] is w) == (True, True)
    again = ModelInputs.joined(structure, [b, a], batched, shared)
    assert again.args[0] == {"a": b, "text": "t"}
    assert again.args[1][0] is a
    assert again.kwargs == {"ids": i, "flag": True}
    assert [leaf.role for leaf in again.leaves] == [leaf.role for leaf in inputs.leaves]
    other = ModelInputs([{"a": zeros(9, 3), "text": "t"}, (zeros(9), w)], {"ids": i, "flag": True})
    assert other.split(at)[0].names == structure.names


@pytest.mark.parametrize(
    ("names", "expected"),
    [(None, [0, 1]), (["b"], [1]), (["b", "a"], [1, 0]), (["c"], [2]), (["a", "c"], [0, 2])],
)
def test_arguments_at_the_input_cut(names, expected):
    inputs = ModelInputs([zeros(2), zeros(2)], {"c": zeros(2), "d": zeros(2, dtype="int64")})
    assert inputs.at(InputCut(names=names), BACKEND, ["a", "b", "c"]) == expected


def test_keyword_tensors_count_without_positional_ones():
    ids = zeros(2, dtype="int8")
    assert ModelInputs([], {"a": zeros(2), "i": ids}).at(InputCut(), BACKEND) == [0]
    assert ModelInputs(["text"], {"a": zeros(2)}).at(InputCut(), BACKEND) == [1]
    # positional integers are the input: there is no gradient at a mask beside them
    assert ModelInputs([ids], {"m": zeros(2)}).at(InputCut(), BACKEND) == []
    assert ModelInputs([zeros(2), zeros(5)]).at(InputCut(), BACKEND) == [0]


def test_names_that_are_not_given():
    inputs = ModelInputs([zeros(2)], {"c": zeros(2)})
    with pytest.raises(CutError, match=r"'d'.*arguments: \['a', 'c'\]"):
        inputs.at(InputCut(names=["d"]), BACKEND, ["a", "b"])
    with pytest.raises(CutError, match="computed new ones"):
        inputs.at(InputCut(accessor=lambda i: i.args[0] * 2.0), BACKEND)


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ([zeros(2)], {}, 0),
        ([zeros(2), zeros(2)], {}, [0, 1]),
        ([[zeros(2)], "text"], {}, [0]),
        ([{"a": zeros(2), "t": "t"}], {}, {"a": 0}),
        ([{"a": {"b": zeros(2)}, "t": {"c": 3}}], {}, {"a": {"b": 0}}),
        ([(zeros(2, dtype="int64"), zeros(2))], {}, [0]),
        ([], {"a": zeros(2), "b": zeros(2)}, {"a": 0, "b": 1}),
        ([], {"a": zeros(2), "flag": True}, {"a": 0}),
        (["text"], {"a": [zeros(2)]}, {"a": [0]}),
    ],
)
def test_results_have_the_callers_structure(args, kwargs, expected):
    inputs = ModelInputs(args, kwargs)
    at = inputs.at(InputCut(), BACKEND)
    found = inputs.arranged(at, list(range(len(at))))
    assert found == expected or list(found) == expected


def test_one_call_in_three_ways():
    x, y = zeros(2), zeros(2)
    whole = ModelInputs([x, y], {"flag": 1})
    assert ModelInputs.of_call([whole], {}).args == whole.args
    assert ModelInputs.of_call([whole], {}) is not whole
    assert ModelInputs.of_call([[x, y]], {}).args == (x, y)
    assert ModelInputs.of_call([(x, y)], {}).args == ((x, y),)
    assert ModelInputs.of_call([[x], y], {}).args == ([x], y)
    assert ModelInputs.of_call([[x]], {"flag": 1}).args == ([x],)


def test_a_callers_object_is_not_changed():
    x = np.zeros((2, 3))
    inputs = ModelInputs([x], {"flag": True}, {"flag": False})
    inputs.map_tensors(lambda leaf: leaf.value + 1)
    inputs.with_values([0], [x + 2])
    assert inputs.args[0] is x
    assert (x == 0).all()
    assert inputs.batched == {"flag": False}
    assert "flag" in repr(inputs)
