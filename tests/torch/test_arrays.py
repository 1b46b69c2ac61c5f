"""Arrays and tensors of every layout and type go in; the caller's are left alone."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    ClassQoI,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    NotDifferentiableError,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

PLAIN = runpy.run_path(str(Path(__file__).with_name("plain.py")))  # tests are no package
A = PLAIN["X"].numpy().astype("float32")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))


def saliency(model, *args, cut=None, **kwargs):
    method = InputAttribution(model, qoi=0, doi_cut=cut, multiply_activation=False)
    return method.attributions(*args, **kwargs)


# -- NumPy arrays --------------------------------------------------------------------------------


class Own(np.ndarray):
    pass


def wide(a):
    return np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3]


LAYOUTS = {
    "plain": lambda a: a,
    "column-major": np.asfortranarray,
    "transposed": lambda a: a.T.copy().T,
    "strided": wide,
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda a: np.broadcast_to(a, a.shape),
    "big-endian": lambda a: a.astype(">f4"),
    "big-endian, read-only, reversed": lambda a: np.broadcast_to(a.astype(">f4")[::-1], a.shape)[
        ::-1
    ],
    "not aligned": lambda a: (
        np.frombuffer(b"x" + a.tobytes(), "u1")[1:].view("f4").reshape(a.shape)
    ),
    "a subclass": lambda a: a.view(Own),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_of_every_layout(model, layout):
    a = LAYOUTS[layout](A)
    before = a.copy()
    found = saliency(model, a)
    assert relative_error(found, saliency(model, A)) <= 1e-6
    assert type(found) is np.ndarray
    assert found.dtype == a.dtype
    assert np.array_equal(a, before)
    IntegratedGradients(model, resolution=3, baseline=a).attributions(a)


def test_a_file_mapped_into_memory(model, tmp_path):
    mapped = np.memmap(tmp_path / "x", dtype="float32", mode="w+", shape=A.shape)
    mapped[:] = A
    assert relative_error(saliency(model, mapped), saliency(model, A)) <= 1e-6
    assert np.array_equal(mapped, A)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g"])
def test_arrays_of_every_float_type(model, dtype):
    a = A.astype(dtype)
    found = saliency(model, a)
    assert found.dtype == a.dtype
    assert relative_error(found, saliency(model, A)) <= 1e-3
    assert get_model_wrapper(model)(a).dtype == a.dtype


def test_images_of_bytes():
    """uint8 goes in as it is; the model makes floats of it."""

    class Images(nn.Module):
        def __init__(self):
            super().__init__()
            self.scaled, self.head = nn.Module(), nn.Linear(4, 3)
            self.scaled.forward = lambda x: x.float() / 255

        def forward(self, x):
            assert x.dtype == torch.uint8
            return self.head(self.scaled(x))

    model, x = Images(), np.arange(8, dtype="uint8").reshape(2, 4)
    found = saliency(model, x, cut="scaled")
    assert found.dtype == np.float32
    assert np.array_equal(found[0], model.head.weight[0].detach().numpy())
    with pytest.raises(NotDifferentiableError, match=r"no floating tensor \(0: torch.uint8\)"):
        saliency(model, x)


def test_results_share_no_memory_with_what_was_given(model):
    x = torch.tensor(A)
    wrapper = get_model_wrapper(model)
    method = InputAttribution(wrapper, return_doi=True, return_grads=True)
    result = method.explain(x)
    for t in (
        result.interventions,
        result.gradients,
        result.attributions,
        wrapper.fprop(x, to_cut=InputCut()),
        get_model_wrapper(nn.Identity())(x),
    ):
        t.zero_()
    assert np.array_equal(x, A)


# -- tensors -------------------------------------------------------------------------------------


def test_tensors_that_need_gradients_keep_none(model):
    leaf = torch.tensor(A, requires_grad=True)
    grown = leaf * 1
    for x in (leaf, grown, nn.Parameter(torch.tensor(A)), model[0].weight[:3]):
        found = saliency(model, x)
        assert not found.requires_grad
        assert found.grad_fn is None
    assert leaf.grad is None
    assert not get_model_wrapper(model)(leaf).requires_grad
    result = IntegratedGradients(model, baseline=grown * 0, resolution=64).explain(grown)
    assert not any(t.requires_grad for t in (result.quantity, result.residual))
    assert leaf.grad is None


def test_tensors_made_under_inference_mode(model):
    with torch.inference_mode():
        x, b, targets = torch.tensor(A), torch.zeros(3, 4), torch.tensor([0, 2, 1])
    plain = torch.tensor(A)
    for qoi in (ClassQoI(targets), ClassQoI([0, 2, 1])):
        found = IntegratedGradients(model, baseline=b, qoi=qoi, resolution=3).attributions(x)
        with torch.inference_mode():
            inside = IntegratedGradients(model, baseline=b, qoi=qoi, resolution=3).attributions(x)
        expected = IntegratedGradients(model, qoi=qoi, resolution=3).attributions(plain)
        assert torch.equal(found, expected)
        assert torch.equal(inside, expected)
    assert x.is_inference()


def test_views_and_transposed_tensors(model):
    base = torch.tensor(A).t().contiguous()
    assert relative_error(saliency(model, base.t()), saliency(model, A)) <= 1e-6
    repeated = torch.tensor(A[:1]).expand(3, 4)
    assert relative_error(saliency(model, repeated), saliency(model, repeated.clone())) <= 1e-6


def test_subclasses_of_tensors(model):
    class Own(torch.Tensor):
        pass

    found = saliency(model, torch.tensor(A).as_subclass(Own))
    assert type(found) is Own
    assert torch.equal(found.as_subclass(torch.Tensor), saliency(model, torch.tensor(A)))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_any_number_of_records(model, n):
    for x in (A[:n], torch.tensor(A[:n])):
        assert saliency(model, x).shape == (n, 4)
        result = IntegratedGradients(model, rebatch_size=1, resolution=64).explain(x)
        assert result.residual.shape == (n,)
