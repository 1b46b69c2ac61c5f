"""Inputs of every kind and structure arrive in the model, and results go back in the caller's."""

import runpy
from collections import OrderedDict, namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    Cut,
    DoI,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    ModelInputs,
    NotDifferentiableError,
    get_model_wrapper,
)
from trulens_core.errors import DoiCutSupportError
from trulens_core.testing import relative_error

PLAIN = runpy.run_path(str(Path(__file__).with_name("plain.py")))  # tests are no package
X, gradient = PLAIN["X"], PLAIN["gradient"]
A = X.numpy().astype("float32")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))


def saliency(model, *args, cut=None, **kwargs):
    method = InputAttribution(model, qoi=0, doi_cut=cut, multiply_activation=False)
    return method.attributions(*args, **kwargs)


# -- structures ----------------------------------------------------------------------------------


Both = namedtuple("Both", ["left", "right"])


class Structured(nn.Module):
    """Takes any structure of two tensors, at any depth, and keeps the types."""

    def __init__(self, read):
        super().__init__()
        self.read, self.head = read, nn.Linear(4, 3)

    def forward(self, *args, **kwargs):
        left, right = self.read(*args, **kwargs)
        return self.head(left * right.sin())


L, R = X.float(), X.float().flip(0)
STRUCTURES = {
    "positional": (lambda a, b: (a, b), (L, R), {}),
    "one list": (lambda a, b: (a, b), ([L, R],), {}),
    "a tuple": (lambda t: t, ((L, R),), {}),
    "a dict": (lambda d: (d["z"], d["a"]), ({"z": L, "a": R},), {}),
    "an ordered dict": (lambda d: d.values(), (OrderedDict(z=L, a=R),), {}),
    "nested": (lambda d: (d["x"]["y"][0], d["b"]), ({"x": {"y": (L,)}, "b": R},), {}),
    "a named tuple": (lambda t: (t.left, t.right), (Both(L, R),), {}),
    "keywords": (lambda *, left, right: (left, right), (), {"left": L, "right": R}),
    "nested keywords": (lambda *, d: (d["l"], d["r"][0]), (), {"d": {"l": L, "r": [R]}}),
    "flags beside": (lambda a, b, flag: (a, b * 2 if flag else b), (L, R), {"flag": False}),
    "text and None": (lambda a, mode, b: (a, b), (L, "text", R), {}),
}


def leaves(result):
    if isinstance(result, dict):
        return [t for v in result.values() for t in leaves(v)]
    if isinstance(result, list | tuple):
        return [t for v in result for t in leaves(v)]
    return [result]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_structures_go_in_and_come_back(structure):
    read, args, kwargs = STRUCTURES[structure]
    torch.manual_seed(0)
    model = Structured(read)
    left, right = L.clone().requires_grad_(), R.clone().requires_grad_()
    y = model.head(left * right.sin())[:, 0].sum()
    expected = torch.autograd.grad(y, [left, right])
    result = saliency(model, *args, **kwargs)
    found = leaves(result)
    assert len(found) == 2
    for e in expected:
        assert min(relative_error(f, e) for f in found) <= 1e-6
    if kwargs and not args:
        assert list(result) == list(kwargs)
    arrays = torch.utils._pytree.tree_map_only(torch.Tensor, torch.Tensor.numpy, (args, kwargs))
    assert all(type(t) is np.ndarray for t in leaves(saliency(model, *arrays[0], **arrays[1])))


def test_dicts_keep_their_order():
    seen = []

    def read(d):
        seen.append(list(d))
        return d["z"], d["a"]

    result = saliency(Structured(read), {"z": L, "m": "text", "a": R})
    assert list(result) == ["z", "a"]
    assert all(keys == ["z", "m", "a"] for keys in seen)


def test_model_inputs_hold_a_call():
    model = Structured(lambda a, *, right: (a, right))
    inputs = ModelInputs([L], {"right": R})
    assert torch.equal(saliency(model, inputs), saliency(model, L, right=R))
    assert inputs.args[0] is L


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, image, scale, mask=None):
        return self.head(image * scale * (1 if mask is None else mask))


def test_arguments_chosen_by_name():
    model = Named()
    for args, kwargs in (((L, R), {}), ((L,), {"scale": R}), ((), {"image": L, "scale": R})):
        for name, other in (("image", R), ("scale", L)):
            found = saliency(model, *args, cut=InputCut(names=[name]), **kwargs)
            (found,) = leaves(found)
            assert relative_error(found, model.head.weight[0].detach() * other) <= 1e-6
    with pytest.raises(
        ValueError, match=r"'mask', which is not given; arguments: \['image', 'scale'\]"
    ):
        saliency(model, L, R, cut=InputCut(names=["mask"]))


def test_arguments_chosen_by_an_accessor():
    model = Named()
    cut = InputCut(accessor=lambda inputs: inputs.args[1])
    assert torch.equal(saliency(model, L, R, cut=cut), saliency(model, L, R)[1])
    cut = InputCut(accessor=lambda inputs: inputs.args[1] * 2)
    with pytest.raises(ValueError, match="must select tensors of the inputs"):
        saliency(model, L, R, cut=cut)


# -- the batch axis ------------------------------------------------------------------------------


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x, scale, bias=None):
        assert scale.shape in ((4,), (3,), ())
        return self.head(x * scale.sum()) + (0 if bias is None else bias)


@pytest.mark.parametrize("scale", [torch.rand(4), torch.tensor(2.0), np.float64(2.0)])
def test_what_has_no_row_per_record_goes_to_all(scale):
    model = Shared()
    scale = torch.as_tensor(scale) if isinstance(scale, np.generic) else scale
    method = IntegratedGradients(model, qoi=0, resolution=5, rebatch_size=4)
    found = method.attributions(L, scale, bias=torch.ones(1, 3))
    assert relative_error(found, L * model.head.weight[0].detach() * scale.sum()) <= 1e-5


def test_a_length_that_is_equal_by_chance_needs_to_be_said():
    """Three numbers for three records: only the caller knows."""
    model, scale = Shared(), torch.rand(3)
    expected = L * model.head.weight[0].detach() * scale.sum()
    by_name = get_model_wrapper(model, batched={"scale": False})
    by_position = ModelInputs([L, scale], batched={1: False})
    by_keyword = ModelInputs([L], {"scale": scale}, batched={"scale": False})
    for wrapper, args in ((by_name, (L, scale)), (model, (by_position,)), (model, (by_keyword,))):
        method = IntegratedGradients(wrapper, qoi=0, resolution=5, rebatch_size=2)
        assert relative_error(leaves(method.attributions(*args))[0], expected) <= 1e-5
    with pytest.raises(AssertionError):  # repeated with the records
        IntegratedGradients(model, qoi=0).attributions(L, scale)


# -- integers ------------------------------------------------------------------------------------


class Words(nn.Module):
    """Token ids and a mask of integers; a model as of texts."""

    def __init__(self):
        super().__init__()
        self.embed, self.position = nn.Embedding(10, 4), nn.Embedding(6, 4)
        self.head = nn.Linear(4, 3)

    def after(self, z, mask):
        z = z + self.position(torch.arange(z.shape[1]))
        return self.head((z * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))

    def forward(self, ids, mask):
        assert ids.dtype == torch.int64
        return self.after(self.embed(ids), mask)


IDS = torch.arange(18).reshape(3, 6) % 10
MASK = (torch.arange(6) < torch.tensor([[6], [4], [3]])).long()


def test_integers_with_the_cut_at_the_embedding():
    model = Words()
    expected = gradient(lambda z: model.after(z, MASK), model.embed(IDS))
    for ids, mask in ((IDS, MASK), (IDS.numpy(), MASK.numpy())):
        for args, kwargs in (((ids, mask), {}), ((), {"ids": ids, "mask": mask})):
            found = saliency(model, *args, cut="embed", **kwargs)
            assert relative_error(found, expected) <= 1e-6
            assert isinstance(found, type(ids))
            method = IntegratedGradients(model, doi_cut="embed", qoi="predicted", rebatch_size=4)
            result = method.explain(*args, **kwargs)  # linear in the embedding: nothing is missed
            assert np.abs(np.asarray(result.residual)).max() <= 1e-5


def test_a_point_at_integers_is_fine():
    method = InternalInfluence(Words(), ("embed", None), 0, "point")
    assert method.attributions(IDS, MASK).shape == (3, 6, 4)


def test_integers_at_a_differentiable_cut_say_where_to_cut():
    model = Words()
    advice = r"no floating tensor.*torch.int64.*Cut\('embed'\).*found: embed, position"
    with pytest.raises(NotDifferentiableError, match=advice):
        saliency(model, IDS, MASK)
    with pytest.raises(NotDifferentiableError, match=advice):
        IntegratedGradients(model).attributions(ids=IDS, mask=MASK)
    with pytest.raises(DoiCutSupportError, match=advice):
        InternalInfluence(model, ("embed", None), 0, "linear").attributions(IDS, MASK)
    with pytest.raises(NotDifferentiableError, match=r"torch.int64.*output of an embedding"):
        InternalInfluence(model, (Cut("embed", "in"), None), 0, "point").attributions(IDS, MASK)


def test_floats_are_not_given_in_place_of_integers():
    wrapper = get_model_wrapper(Words())
    with pytest.raises(ValueError, match=r"nothing is cast to integers.*embedding"):
        wrapper.fprop([IDS, MASK], doi_cut=Cut("embed", "in"), intervention=IDS.float())
    other = wrapper.fprop([IDS, MASK], doi_cut=Cut("embed", "in"), intervention=IDS.flip(0))
    torch.testing.assert_close(other, wrapper(IDS.flip(0), MASK))


# -- functions of the user's that work in place --------------------------------------------------


class Halving(DoI):
    def __call__(self, z, *, model_inputs):
        model_inputs.args[0].zero_()
        return [z.mul_(0.5)]

    def get_activation_multiplier(self, activation):
        return activation.mul_(2)


def test_a_distribution_may_work_in_place(model):
    x, a = torch.tensor(A), A.copy()
    expected = 2 * L * gradient(model, L / 2)
    for given in (x, a):
        found = InputAttribution(model, qoi=0, doi=Halving()).attributions(given)
        assert relative_error(found, expected) <= 1e-6
        assert np.array_equal(given, A)


def test_a_baseline_may_work_in_place(model):
    x = torch.tensor(A)
    for baseline in (lambda z: z.zero_(), lambda z, model_inputs: model_inputs.args[0].zero_()):
        found = IntegratedGradients(model, baseline, resolution=5).attributions(x)
        assert torch.equal(found, IntegratedGradients(model, resolution=5).attributions(x))
        assert np.array_equal(x, A)
    line = LinearDoi(lambda z: z.zero_(), cut="0")
    assert InternalInfluence(model, ("0", None), 0, line).attributions(x).shape == (3, 6)
