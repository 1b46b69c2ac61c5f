"""What core writes on top of a backend: names, layers, printed tables, values at cuts."""

import dataclasses

import numpy as np
import pytest

from trulens_core import Cut, CutError, UnknownLayerError, get_model_wrapper
from trulens_core.inputs import ModelInputs
from trulens_core.passes.names import suggestions
from trulens_core.passes.selection import read, select
from trulens_core.testing import ZOO, ReferenceModel, register_reference, small_model
from trulens_core.testing.reference import BACKEND, Tensor

NAMES = ["layer1.0.conv1", "layer1.0.conv2", "layer4.0.conv1", "fc", "relu"]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("layer4_0_conv1", "layer4.0.conv1"),
        ("model.layer4.0.conv1", "layer4.0.conv1"),
        ("conv2", "layer1.0.conv2"),
        ("FC", "fc"),
        ("fc1", "fc"),
        ("rellu", "relu"),
    ],
)
def test_suggestions(name, first):
    assert suggestions(name, NAMES)[0] == first


def test_nothing_is_like_it():
    assert suggestions("transformer", NAMES) == []
    assert suggestions("", NAMES) == []
    assert len(suggestions("conv1", NAMES, most=1)) == 1


def test_the_table_of_layers():
    model, _ = small_model()
    lines = repr(get_model_wrapper(model)).splitlines()
    assert lines[0] == "ReferenceModel on reference, 5 layers"
    assert lines[1].split() == ["layer", "kind", "calls"]
    assert [line.split()[0] for line in lines[2:]] == ["hidden", "act", "second", "act2", "logits"]


def test_layers_by_what_has_an_index():
    model, x = small_model()
    wrapper = get_model_wrapper(model)
    names = [layer.name for layer in wrapper.layers()]
    for i in (*range(-5, 5), np.int64(2)):
        assert (wrapper.fprop(x, to_cut=Cut(i)) == wrapper.fprop(x, to_cut=names[i])).all()
    with pytest.raises(UnknownLayerError, match=r"no layer 5.*from 0 to 4"):
        wrapper.fprop(x, to_cut=Cut(5))


def test_inputs_of_the_models_type():
    model = ReferenceModel(ZOO["mlp"], "float32")
    register_reference()
    wrapper = get_model_wrapper(model)
    given = ModelInputs([np.zeros((2, 5))], {"i": np.zeros(2, "uint8"), "b": np.zeros(2, bool)})
    prepared, _ = wrapper.prepared(given)
    assert [x.value.dtype.name for x in prepared.leaves] == ["float32", "uint8", "bool"]


# -- values at cuts -------------------------------------------------------------------------------


@dataclasses.dataclass
class Output:
    hidden: object
    logits: object = None


A, B, C = (Tensor(np.full((2, 3), i)) for i in (1.0, 2.0, 3.0))
I = Tensor(np.zeros((2, 3), "int64"))  # noqa: E741 - integers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (A, [A]),
        (I, [I]),
        ((A, B), [A]),
        ([I, (B, A)], [B]),
        ({"hidden": A, "logits": B}, [B]),
        (Output(A, B), [B]),
        (Output(A), [A]),
        ((I,), [I]),
        ({"hidden": A, "logits": (I, B, C)}, [B]),
    ],
)
def test_the_one_rule_for_outputs(value, expected):
    found = select(value, Cut("layer"), BACKEND)
    assert [x is y for x, y in zip(found.tensors, expected, strict=True)] == [True] * len(expected)
    same = zip(read(value, Cut("layer"), BACKEND), expected, strict=True)
    assert all(x is y for x, y in same)
    put = found.put(list(found.tensors))
    assert type(put) is type(value)
    new = [Tensor(np.zeros((2, 3))) for _ in expected]
    again = select(found.put(new), Cut("layer"), BACKEND)
    assert all(x is y for x, y in zip(again.tensors, new, strict=True))


def test_the_one_rule_for_inputs():
    """All floating tensors, positional ones first; the rest is put back as it was."""
    value = ((A, I, [B]), {"z": C, "flag": True})
    found = select(value, Cut("layer", anchor="in"), BACKEND)
    assert [x is y for x, y in zip(found.tensors, (A, B, C), strict=True)] == [True] * 3
    (x, i, [y]), keywords = found.put([C, A, B])
    assert (x is C, i is I, y is A, keywords["z"] is B, keywords["flag"]) == (True,) * 5


def test_accessors_select():
    value = (A, {"b": B, "i": I})
    cut = Cut("layer", accessor=lambda v: [v[1]["b"], v[0]])
    found = select(value, cut, BACKEND)
    assert [x is y for x, y in zip(found.tensors, (B, A), strict=True)] == [True, True]
    first, rest = found.put([C, C])
    assert (first is C, rest["b"] is C, rest["i"] is I) == (True,) * 3
    computing = Cut("layer", accessor=lambda v: v[0] * 2.0)
    assert read(value, computing, BACKEND)[0].data.tolist() == (A.data * 2).tolist()
    with pytest.raises(CutError, match="computed a new value"):
        select(value, computing, BACKEND)
    with pytest.raises(CutError, match="holds no tensor"):
        read(value, Cut("layer", accessor=lambda v: 3), BACKEND)


def test_one_tensor_at_several_places():
    """As in self-attention, called with q = k = v: the accessor is shown the places."""
    value = ((A, A, A), {})
    cut = Cut("layer", anchor="in", accessor=lambda inputs: inputs.args[1])
    found = select(value, cut, BACKEND)
    (x, y, z), _ = found.put([B])
    assert (x is A, y is B, z is A) == (True,) * 3
