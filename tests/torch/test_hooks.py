"""Values at layers are seen and replaced however the model is written, wrapped or compiled."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from trulens_core import (
    Cut,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LayerNotReachedError,
    LinearDoi,
    NotDifferentiableError,
    OutputCut,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

PLAIN = runpy.run_path(str(Path(__file__).with_name("plain.py")))  # tests are no package
X, Z, Net = PLAIN["X"], PLAIN["Z"], PLAIN["Net"]
agrees, gradient, influence = PLAIN["agrees"], PLAIN["gradient"], PLAIN["influence"]


@pytest.fixture
def model():
    torch.manual_seed(1)
    return Net().double()


# -- changes in place ----------------------------------------------------------------------------


class InPlace(Net):
    """What comes after the layer writes over its output."""

    def after(self, z):
        z = z * 1 if z.is_leaf and z.requires_grad else z  # as the test itself calls it
        z += 1
        z[:, 0] = 0
        return self.b(torch.relu_(z))


def test_changes_in_place_after_the_cut():
    torch.manual_seed(1)
    agrees(InPlace().double())


def test_a_relu_in_place_does_not_change_what_was_read():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Linear(6, 3)).double()
    z = model[0](X).detach()
    assert (z < 0).any()
    assert torch.equal(get_model_wrapper(model).fprop(X, to_cut="0"), z)
    found = InternalInfluence(model, (None, "0"), 2, "point", multiply_activation=False)
    assert relative_error(found.attributions(X), gradient(model[0], X, 2)) <= 1e-10
    found = InternalInfluence(model, ("0", None), 0, "point")
    expected = z * gradient(lambda t: model[2](torch.relu(t)), z)
    assert relative_error(found.attributions(X), expected) <= 1e-10


def test_the_input_may_be_changed_in_place():
    class Scaling(nn.Module):
        def forward(self, x):
            x.mul_(2)
            x += 1
            return x.sin_()

    before = X.clone()
    for x in (X, X.numpy()):
        found = InputAttribution(Scaling(), qoi=1, multiply_activation=False).attributions(x)
        assert relative_error(found[:, 1], 2 * torch.cos(2 * before[:, 1] + 1)) <= 1e-10
        IntegratedGradients(Scaling(), resolution=3).attributions(x)
        get_model_wrapper(Scaling())(x)
        assert torch.equal(X, before)


def test_a_quantity_of_the_input_itself():
    """Read before the model changes it."""
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3)).double()
    found = influence(model, None, to=InputCut())
    expected = torch.zeros(3, 4, dtype=torch.float64)
    expected[:, 0] = 1
    assert torch.equal(found, expected)


@pytest.mark.parametrize("target", [None, "a"])
def test_a_quantity_may_work_in_place(model, target):
    def doubled(y):
        y.mul_(2)
        return y[:, 0]

    results = [
        InternalInfluence(model, (source, target), qoi, doi).explain(X)
        for source in (None, "a")
        for doi in ("point", LinearDoi(cut=source))
        for qoi in (doubled, lambda y: 2 * y[:, 0])
    ]
    for found, expected in zip(results[::2], results[1::2], strict=True):
        assert relative_error(found.attributions, expected.attributions) <= 1e-10
        assert relative_error(found.quantity, expected.quantity) <= 1e-10


# -- hooks and calls of the user's ---------------------------------------------------------------


def test_hooks_of_the_user_s_that_change_values(model):
    model.a.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    model.a.register_forward_hook(lambda m, args, y: y.sin())
    z = torch.sin(nn.functional.linear(2 * X, model.a.weight, model.a.bias)).detach()
    assert torch.equal(get_model_wrapper(model).fprop(X, to_cut="a"), z)
    assert relative_error(influence(model, "a"), gradient(model.after, z)) <= 1e-10
    assert relative_error(influence(model, None), gradient(model, X)) <= 1e-10


def test_hooks_on_all_modules(model):
    def double(module, args, y):
        return 2 * y if module is model.act else None

    handle = nn.modules.module.register_module_forward_hook(double)
    try:
        assert relative_error(influence(model, "a"), gradient(model.after, model.a(X))) <= 1e-10
    finally:
        handle.remove()


def test_hooks_on_gradients(model):
    seen = []
    model.act.register_full_backward_hook(lambda m, gi, go: seen.append(go[0].shape))
    model.act.register_full_backward_pre_hook(lambda m, go: (3 * go[0],))
    assert relative_error(influence(model, "a"), gradient(model.after, model.a(X))) <= 1e-10
    assert seen == [(3, 6)] * 2


def test_a_call_of_the_class_s_own():
    class Own(Net):
        def __call__(self, x, scale=2):
            return super().__call__(x * scale)

    model = Own().double()
    assert relative_error(influence(model, None), gradient(model, X)) <= 1e-10
    assert torch.equal(get_model_wrapper(model)(X), model(X).detach())


def test_a_layer_whose_forward_is_called_directly_is_not_reached(model):
    model.forward = lambda x: model.after(model.a.forward(x))
    with pytest.raises(LayerNotReachedError, match=r"'a'.*not called.*layer around it"):
        influence(model, "a")


# -- what has no gradient ------------------------------------------------------------------------


def test_a_part_under_no_grad_can_be_cut_behind(model):
    class Frozen(Net):
        def forward(self, x):
            with torch.no_grad():
                z = self.a(x)
            return self.after(z)

    frozen = Frozen().double()
    z = frozen.a(X).detach()
    assert relative_error(influence(frozen, "a"), gradient(frozen.after, z)) <= 1e-10
    with pytest.raises(ValueError, match="no_grad"):
        influence(frozen, None)


# -- what is computed again in the backward pass -------------------------------------------------


class Recomputed(nn.Module):
    """Three layers, of which the second computes what is inside it again."""

    def __init__(self, checkpointed=True, reentrant=False):
        super().__init__()
        self.reentrant = reentrant if checkpointed else None
        self.first, self.inner, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.act = nn.Tanh()

    def part(self, x):
        return self.act(self.inner(x.sin()).square() + x)

    def forward(self, x):
        x = self.first(x)
        if self.reentrant is None:
            return self.last(self.part(x))
        return self.last(checkpoint(self.part, x, use_reentrant=self.reentrant))


def pair(**options):
    """A model that computes a part again, and the same without."""
    torch.manual_seed(1)
    plain = Recomputed(checkpointed=False).double()
    model = Recomputed(**options).double()
    model.load_state_dict(plain.state_dict())
    return model, plain


@pytest.mark.parametrize("requires_grad", [False, True], ids=["", "embeddings require gradients"])
@pytest.mark.parametrize("source", [None, "first", "inner", Cut("inner", "in"), "act", "last"])
def test_parts_that_are_computed_again(source, requires_grad):
    """What was put at a cut inside goes on from there again, in every block."""
    model, plain = pair()
    if requires_grad:  # as Hugging Face's models do, so that nothing tells one pass from another
        model.first.register_forward_hook(lambda m, args, y: y.requires_grad_())
    for doi in ("point", LinearDoi(cut=source, resolution=5)):
        options = {"rebatch_size": 6, "multiply_activation": False}
        for qoi in (0, lambda y: y):
            found, expected = (
                InternalInfluence(m, (source, None), qoi, doi, **options).attributions(X)
                for m in (model, plain)
            )
            if qoi == 0:
                found, expected = [found], [expected]
            for f, e in zip(found, expected, strict=True):
                assert relative_error(f, e) <= 1e-10
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in (model.inner, model.act))


def test_a_target_inside_a_part_that_is_computed_again():
    model, plain = pair()
    method = InternalInfluence(model, ("first", "inner"), lambda y: y[:, 0], "linear")
    expected = InternalInfluence(plain, ("first", "inner"), lambda y: y[:, 0], "linear")
    for _ in range(2):  # the second is cut short
        found = method.attributions(X)
        assert relative_error(found, expected.attributions(X)) <= 1e-10


def test_a_quantity_that_asks_the_model_while_its_part_waits_to_be_computed_again():
    model, plain = pair()

    def against(m):
        return lambda y: y[:, 0] * m(X + 1)[:, 1].detach().sum()

    found, expected = (
        InternalInfluence(m, ("inner", None), against(m), LinearDoi(cut="inner")).attributions(X)
        for m in (model, plain)
    )
    assert relative_error(found, expected) <= 1e-10


def test_what_cannot_be_told_or_asked_when_it_is_computed_again():
    model, _ = pair()
    model.part = lambda x: model.inner(model.inner(x).sin())
    cut = Cut("inner", call=0)
    with pytest.raises(NotDifferentiableError, match=r"'inner' is called 2 times.*cut outside"):
        influence(model, cut, LinearDoi(cut=cut))


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")  # in passes without
def test_reentrant_checkpoints_let_nobody_ask():
    model, plain = pair(reentrant=True)
    with pytest.raises(NotDifferentiableError, match=r"use_reentrant=True.*cut outside"):
        influence(model, "first")
    assert relative_error(influence(model, "last"), influence(plain, "last")) <= 1e-10


# -- parts of several layers, other anchors ------------------------------------------------------


def test_a_cut_of_several_layers_in_any_order():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(4, 2), nn.Linear(4, 3)
            self.head = nn.Linear(5, 3)

        def after(self, left, right):
            return self.head(torch.cat([left, right], 1).tanh())

        def forward(self, x):
            right = self.right(x)
            return self.after(self.left(x), right)

    model = Branches().double()
    z = [model.left(X).detach().requires_grad_(), model.right(X).detach().requires_grad_()]
    expected = torch.autograd.grad(model.after(*z)[:, 0].sum(), z)
    for names in (["left", "right"], ["right", "left"]):
        found = dict(zip(names, influence(model, Cut(names)), strict=True))
        for name, e in zip(("left", "right"), expected, strict=True):
            assert relative_error(found[name], e) <= 1e-10


def test_source_and_target_at_one_layer(model):
    found = influence(model, "a", to="a")
    expected = np.zeros((3, 6))
    expected[:, 0] = 1
    assert np.array_equal(found, expected)


def test_an_intervention_before_the_source(model):
    """With the value given at "a", the gradient at "act" is that for the given value."""
    found = influence(model, "act", LinearDoi(Z, 1, rule="midpoint", cut="a"))
    z = (model.a(X) + Z) / 2
    expected = gradient(model.b, torch.tanh(z).detach())
    assert relative_error(found, expected) <= 1e-10


def test_modules_with_keyword_arguments_only():
    class Keyword(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3, dtype=torch.float64))

        def forward(self, *, states, mask=None, scale=1.0):
            return (states * mask) @ self.weight * scale

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Keyword()

        def forward(self, x):
            return self.inner(states=x.sin(), mask=torch.ones(4, dtype=torch.bool), scale=2.0)

    model = Outer()
    found = influence(model, Cut("inner", "in"))
    assert relative_error(found, gradient(lambda s: 2 * s @ model.inner.weight, X.sin())) <= 1e-10
    chosen = Cut("inner", "in", accessor=lambda inputs: inputs.kwargs["states"])
    assert torch.equal(influence(model, chosen), found)
    read = get_model_wrapper(model).fprop(X, to_cut=chosen)
    assert torch.equal(read, X.sin())
    with pytest.raises(ValueError, match=r"OutputCut.*names|must select|not depend"):
        influence(model, OutputCut(), to=Cut("inner", "in"))
