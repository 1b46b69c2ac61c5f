"""Looking changes nothing: not what the model computes, and not, later, what was seen."""

import contextlib
import random

import pytest
import torch
from torch import nn

from trulens_core import (
    ClassQoI,
    Cut,
    InternalInfluence,
    LinearDoi,
    OutputCut,
    get_model_wrapper,
)
from trulens_core.errors import CutError, NotConnectedError

WIDTH, ROWS = 4, 3


def dense(i=WIDTH, o=WIDTH):
    return nn.Linear(i, o, dtype=torch.float64)


def built(kind):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind().eval()


X = torch.randn(ROWS, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def close(a, b):
    return torch.allclose(a, b, rtol=1e-12, atol=1e-13)


# -- values that a layer after them changes in place -----------------------------------------


class Chain(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.relu, self.last = dense(), nn.ReLU(inplace=True), dense()

    def forward(self, x):
        return self.last(self.relu(self.first(x)))


class Statement(Chain):
    """What the layer returns is not used, what it does is."""

    def forward(self, x):
        h = self.first(x)
        self.relu(h)
        return self.last(h)


class View(Chain):
    """The layer is given a part of a value."""

    def forward(self, x):
        h = self.first(x)
        self.relu(h[:, 1:])
        return self.last(h)


@pytest.mark.parametrize("kind", [Chain, Statement, View])
@pytest.mark.parametrize("rows", [None, 1, 5, 50])
def test_a_value_before_a_layer_that_works_in_place(kind, rows):
    cut = Cut("relu", anchor="in")
    model = built(kind)
    wrapper = get_model_wrapper(model)
    doi = LinearDoi(1.0, 5, cut=cut)
    method = InternalInfluence(wrapper, cut, ClassQoI(1), doi, rebatch_size=rows)
    h = model.first(X).detach()
    if kind is View:
        h = h[:, 1:]

    def after(z):
        if kind is View:
            z = torch.cat([model.first(X)[:, :1], z.relu()], 1)
        return model.last(z.relu() if kind is not View else z)[:, 1].sum()

    total = 0
    for alpha in torch.linspace(1, 0, 5, dtype=torch.float64):
        z = (alpha * h + (1 - alpha)).requires_grad_()
        total = total + torch.autograd.grad(after(z), z)[0] / 5
    for _ in range(4):
        assert close(method.attributions(X), total * (h - 1))
        assert torch.equal(wrapper.fprop(X, to_cut=cut), h)


# -- values that other parts of the model see, too -------------------------------------------


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.p, self.a, self.b, self.relu = dense(), dense(), dense(), nn.ReLU(inplace=True)


class Before(Two):
    def forward(self, x):
        h = self.p(x)
        y = self.a(h)
        return y + self.b(self.relu(h))


class Between(Two):
    def forward(self, x):
        h = self.p(x)
        return self.a(self.relu(h) + 1) * self.b(h)


class Scale(nn.Module):
    """Changes its input in place, and returns it."""

    def forward(self, x):
        return x.mul_(1.5)


class Scaled(Two):
    """Changed by the model itself after the layer, under its other name."""

    def __init__(self):
        super().__init__()
        self.scale = Scale()

    def forward(self, x):
        h = self.p(x)
        y = self.scale(h)
        y.mul_(2.0)
        return self.a(y) + h


class Once(nn.Module):
    def forward(self, x, seen):
        seen.append(x.sigmoid())
        return x.tanh()


class Listed(Two):
    """A layer that appends to a list that it is given."""

    def __init__(self):
        super().__init__()
        self.once = Once()

    def forward(self, x):
        seen = [self.p(x)]
        y = self.once(seen[0], seen)
        return self.a(y) + sum(seen)


class Counted(nn.Module):
    def forward(self, state):
        state["h"].mul_(0.5)
        state["n"] = state["h"].square()
        return state["h"].sin()


class Named(Two):
    """A layer that changes a dict that it is given, and a tensor in it."""

    def __init__(self):
        super().__init__()
        self.counted = Counted()

    def forward(self, x):
        state = {"h": self.p(x)}
        y = self.counted(state)
        return self.a(y) * self.b(state["h"]) + state["n"]


class Gated(Two):
    """A layer in place whose input is a view of what another one reads."""

    def forward(self, x):
        h = self.p(x)
        half = h[:, :2]
        self.relu(half)
        return self.a(h) + half.sum(1, keepdim=True)


KINDS = [Before, Between, Scaled, Listed, Named, Gated]


def sides(model):
    return [Cut(n, anchor=a) for n, _ in model.named_modules() if n for a in ("in", "out")]


def reached(model, cut):
    """What is at a cut when the model is run plainly; None where nothing is."""
    seen = []

    def keep(value):
        found = [t.clone() for t in tensors(value)]
        seen.append(found[0] if found else None)

    module = model.get_submodule(cut.name)
    if cut.anchor == "in":
        handle = module.register_forward_pre_hook(
            lambda m, args, kwargs: keep((args, kwargs)), with_kwargs=True
        )
    else:
        handle = module.register_forward_hook(lambda m, args, out: keep(out))
    with torch.no_grad():
        model(X.clone())
    handle.remove()
    return seen[0] if seen else None


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    return [t for x in value for t in tensors(x)] if not isinstance(value, int) else []


def looked_at(model):
    """At every cut: whether the output, the value there, and the value tapped are as ever."""
    wrapper = get_model_wrapper(model)
    with torch.no_grad():
        output = model(X.clone())
    for cut in sides(model):
        plain = reached(model, cut)
        if plain is None:
            continue
        once = Cut(cut.name, anchor=cut.anchor, call=0)
        y, seen = wrapper.fprop(X, attribution_cut=once)
        first = seen[0] if isinstance(seen, list) else seen
        assert torch.equal(y, output), cut
        assert torch.equal(first, plain), cut
        method = InternalInfluence(wrapper, (once, OutputCut()), ClassQoI(1), "point")
        with contextlib.suppress(NotConnectedError):
            assert close(method.explain(X).quantity, output[:, 1]), cut


@pytest.mark.parametrize("kind", [Chain, Statement, View, *KINDS])
def test_every_cut_of_a_model(kind):
    looked_at(built(kind))


def test_a_change_in_place_is_differentiated():
    """The gradient at the input of the layer, through all that its change reaches."""
    model = built(Between)
    h = model.p(X).detach().requires_grad_()
    y = model.a(h.relu() + 1) * model.b(h.relu())
    (expected,) = torch.autograd.grad(y[:, 1].sum(), h)
    for cut in (Cut("relu", anchor="in"), Cut("p")):
        method = InternalInfluence(model, cut, ClassQoI(1), "point", multiply_activation=False)
        assert close(method.attributions(X), expected)


class Twice(Two):
    """A layer that changes in place what it is given twice."""

    class Inner(nn.Module):
        def forward(self, x, y):
            return x.mul_(2.0) + y

    def __init__(self):
        super().__init__()
        self.inner = self.Inner()

    def forward(self, x):
        h = self.p(x)
        return self.a(self.inner(h, h[:, :4]))


def test_what_cannot_be_looked_at_is_an_error():
    method = InternalInfluence(built(Twice), Cut("inner", anchor="in"), ClassQoI(1), "point")
    with pytest.raises(CutError, match=r"'inner'.*changes in place.*shares memory"):
        method.attributions(X)


# -- random networks -------------------------------------------------------------------------


# All operations keep nothing that a change in place could spoil for plain autograd, either.


class Gate(nn.Module):
    """A ReLU in place."""

    def forward(self, x):
        return x.mul_((x > 0).to(x.dtype))


class Sine(nn.Module):
    def forward(self, x):
        return (x * 1.0).sin()


class Halves(nn.Module):
    """Returns views of its input, in a list."""

    def forward(self, x):
        return [x[:, :2], x[:, 2:]]


class Grows(nn.Module):
    """Takes a list, changes its first member, appends to it."""

    def forward(self, values):
        values[0].add_(0.1)
        values.append((values[-1] * 1.0).sin())
        return (values[0] * 1.0).cos()


class Fills(nn.Module):
    """Takes a dict, puts something into it."""

    def forward(self, values):
        values["more"] = (values["x"] * 1.0).cos()
        return values["x"] * 0.5


LAYERS = dense, Sine, Gate, Scale, Halves, Grows, Fills


class Random(nn.Module):
    """Layers in a row, of values chosen among all so far, some of which change in between."""

    def __init__(self, seed):
        super().__init__()
        draw = random.Random(seed)
        kinds = [draw.choice(LAYERS) for _ in range(6)]
        self.layers = nn.ModuleList(kind() for kind in kinds)
        self.places = [draw.randrange(100) for _ in kinds]
        self.changes = [draw.random() < 0.3 for _ in kinds]
        self.head = dense()

    def forward(self, x):
        values = [x * 1.0]
        for layer, place, change in zip(self.layers, self.places, self.changes, strict=True):
            h = values[place % len(values)]
            if isinstance(layer, Halves):
                values += [torch.cat(layer(h), 1)]
            elif isinstance(layer, Grows):
                listed = [h, values[-1] * 1.0]
                values += [layer(listed), listed[-1]]
            elif isinstance(layer, Fills):
                named = {"x": h}
                values += [layer(named), named["more"]]
            else:
                values.append(layer(h))
            if change:
                values[place % len(values)].mul_(0.9)
        return self.head(sum(values))


@pytest.mark.parametrize("seed", range(40))
def test_random_networks(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        looked_at(Random(seed).double().eval())
