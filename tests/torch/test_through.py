"""`through` on PyTorch: in place, under torch.func, compiled, and without a trace."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from trulens_core import InputAttribution, get_backend, get_model_wrapper
from trulens_core.testing import relative_error

RNG = np.random.default_rng(3)
X, V, W = (torch.tensor(RNG.standard_normal(s)) for s in ((3, 4), (3, 4), (4,)))
B = get_backend(X)
CONTEXTS = {
    "plain": lambda f, x, v: torch.autograd.grad(f(x, v), x)[0],
    "func.grad": lambda f, x, v: torch.func.grad(f)(x.detach(), v),
    "vmap of grad": lambda f, x, v: torch.func.vmap(torch.func.grad(f))(x.detach(), v),
    "grad of vmap": lambda f, x, v: torch.func.grad(lambda x: torch.func.vmap(f)(x, v).sum())(
        x.detach()
    ),
    "vmap, then autograd": lambda f, x, v: torch.autograd.grad(torch.func.vmap(f)(x, v).sum(), x)[
        0
    ],
    "vjp": lambda f, x, v: torch.func.vjp(lambda x: f(x, v), x.detach())[1](torch.ones(()).to(x))[
        0
    ],
    "checkpoint": lambda f, x, v: torch.autograd.grad(checkpoint(f, x, v, use_reentrant=False), x)[
        0
    ],
    "compiled": lambda f, x, v: torch.autograd.grad(
        torch.compile(f, backend="aot_eager", fullgraph=True)(x, v), x
    )[0],
}


def positive(g, v):
    return torch.where(g > 0, g * v, torch.zeros_like(g))


def value(x, v):
    y = B.through(torch.tanh(x), positive, v)
    return (y * W).sum() + (y * y).sum()


def expected(x, v):
    y = x.tanh()
    return positive(W + 2 * y, v) * (1 - y * y)


def close(found, wanted):
    assert relative_error(found.detach().numpy(), wanted.detach().numpy()) <= 1e-10


# torch's own, as it compiles a function with a derivative of its own
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("name", CONTEXTS)
def test_wherever_it_is_differentiated(name):
    close(CONTEXTS[name](value, X.clone().requires_grad_(), V), expected(X, V))


def test_what_is_held_may_be_shared_by_a_batch():
    def of(x, v, mask, counts):
        pull = lambda g, *held: torch.where(held[1], g * held[0], g * held[2])
        return B.through(x, pull, v, mask, counts).mul(W).sum()

    found = torch.func.vmap(torch.func.grad(of), (0, 0, 0, None))(X, V, V > 0, torch.arange(4))
    close(found, torch.where(V > 0, W * V, W * torch.arange(4)))


def test_several_cotangents_at_once():
    """As torch.func.jacrev and `is_grads_batched` give them; the pull sees one at a time."""
    x, cotangents = X.clone().requires_grad_(), torch.stack([X, V, -X])
    y = B.through(x, lambda g: g * g.sum())
    (found,) = torch.autograd.grad(y, x, cotangents, is_grads_batched=True)
    close(found, torch.stack([c * c.sum() for c in cotangents]))


def test_derivatives_of_a_higher_order():
    """They go through the pull, by its cotangent, are pulled too, and stop at what is held."""
    x, v = X.clone().requires_grad_(), V.clone().requires_grad_()
    (first,) = torch.autograd.grad(value(x, v), x, create_graph=True)
    second, held = torch.autograd.grad(first.sum(), (x, v), allow_unused=True)
    assert held is None
    y = x.tanh().detach()
    slope, g = 1 - y * y, W + 2 * y
    passed = torch.where(g > 0, V, 0.0)
    by_hand = slope * positive(2 * passed * slope, V) - 2 * y * slope * g * passed
    close(second, by_hand)
    close(torch.func.grad(lambda x: torch.func.grad(value)(x, V).sum())(X), by_hand)
    assert not torch.func.grad(lambda v: torch.func.grad(value)(X, v).sum())(V).any()


def test_what_changes_in_place_after_it():
    """The change is of what came back alone, and the pull is not lost."""
    x = X.clone().requires_grad_()
    z = x * 1.0
    y = B.through(z, lambda g: 10.0 * g)
    y.mul_(2.0)
    y += z
    (found,) = torch.autograd.grad((y * W).sum() + (z * V).sum(), x)
    close(z, X)
    close(found, 20 * W + W + V)
    view = B.through(x * 1.0, lambda g: 10.0 * g)[:, :2]
    view.relu_()
    (found,) = torch.autograd.grad(view.sum(), x)
    close(found[:, :2], 10.0 * (X[:, :2] > 0))


def test_nothing_is_left_on_the_callers_tensors():
    x = X.clone().requires_grad_()
    z = x * 1.0
    before = z.grad_fn, z._version, sorted(vars(z))
    y = B.through(z, positive, V)
    y.sum().backward(retain_graph=True)
    assert y is not z
    for t in (x, z, V):
        assert not t._backward_hooks
        assert not t._post_accumulate_grad_hooks if t.is_leaf else not t.grad_fn.metadata
    assert (z.grad_fn, z._version, sorted(vars(z))) == before
    assert not V.requires_grad
    (found,) = torch.autograd.grad(z.sum(), x)
    close(found, torch.ones_like(X))


def test_where_there_is_no_gradient_it_is_the_tensor_itself():
    fails = None
    assert B.through(X, fails) is X
    assert B.through(X, fails, V.clone().requires_grad_()) is X
    x = X.clone().requires_grad_()
    with torch.no_grad():
        assert B.through(x, fails) is x
    with torch.inference_mode():
        assert B.through(X, fails) is X
    close(torch.func.vmap(lambda x: B.through(x, fails))(X), X)
    counts = torch.arange(3)
    assert B.through(counts, fails) is counts


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_narrow_types(dtype):
    x = X.to(dtype).requires_grad_()
    (found,) = torch.autograd.grad(B.through(x, lambda g: g.double() * 3.0).sum(), x)
    assert found.dtype == dtype
    assert (found == 3).all()


def test_a_layout_in_memory_is_kept():
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last).requires_grad_()
    assert B.through(x, lambda g: g).is_contiguous(memory_format=torch.channels_last)


def test_an_error_in_the_pull_is_the_callers():
    def fails(g):
        raise KeyError("mine")

    x = X.clone().requires_grad_()
    with pytest.raises(KeyError, match="mine"):
        torch.autograd.grad(B.through(x, fails).sum(), x)
    with pytest.raises(ValueError, match=r"shape \(3,\), expected \(3, 4\)"):
        torch.autograd.grad(B.through(x, lambda g: g.sum(1)).sum(), x)


class Guided(nn.Module):
    """A layer whose forward is a tanh."""

    def forward(self, x):
        return B.through(torch.tanh(x), lambda g: positive(g, torch.ones_like(g)))


@pytest.mark.parametrize("compiled", [False, True])
def test_inside_a_model(compiled):
    """Of a model that torch compiled, the library explains what it is made of."""
    layers = nn.Linear(4, 5), Guided(), nn.ReLU(inplace=True), nn.Linear(5, 2)
    model = nn.Sequential(*layers).double()
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(torch.tensor(np.random.default_rng(i).standard_normal(p.shape)))
    explained = torch.compile(model, backend="eager") if compiled else model
    method = InputAttribution(get_model_wrapper(explained), qoi=1, multiply_activation=False)
    hidden = layers[0](X).tanh()
    g = torch.where((hidden > 0) & (layers[3].weight[1] > 0), layers[3].weight[1], 0.0)
    by_hand = (g * (1 - hidden**2)) @ layers[0].weight
    assert by_hand.any()
    close(method.attributions(X), by_hand)
