"""Cuts of several layers, of which one is inside or before another: each as if it were alone."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from trulens_core import (
    Cut,
    CutError,
    DoI,
    GaussianDoi,
    InternalInfluence,
    LinearDoi,
    PointDoi,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

RNG = torch.Generator().manual_seed(0)


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=RNG)


X, IMAGES = normal(3, 4), normal(2, 3, 6, 6)


class Watched(nn.Module):
    """A model that adds, where it is told, to the output of its layers; the others are as they are.

    What is added is zero, and its gradient that of the layer by plain autograd.
    """

    def __init__(self, **layers):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleDict(layers)
        self.added = {}

    def at(self, name, x):
        y = self.layers[name](x)
        return y + self.added[name] if name in self.added else y


class Images(Watched):
    """As in the guide: a convolution, a ReLU in place, scores."""

    def __init__(self):
        conv, relu = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True)
        super().__init__(conv=conv, relu=relu, scores=nn.Linear(64, 3))

    def forward(self, x):
        return self.at("scores", self.at("relu", self.at("conv", x)).flatten(1))


class Shortcut(Watched):
    """Three layers deep, with a way around the second and one around all."""

    def __init__(self):
        layers = {n: nn.Linear(4, 4) for n in ("first", "second", "third")}
        super().__init__(**layers, last=nn.Linear(4, 3))

    def forward(self, x):
        a = torch.tanh(self.at("first", x))
        b = torch.sin(self.at("second", a)) * a
        c = self.at("third", b).cos_() + a
        return self.at("last", c * a)


class Block(Watched):
    """A container with layers of its own, whose last one's output is the container's too."""

    def __init__(self):
        super().__init__(one=nn.Linear(4, 4), two=nn.Linear(4, 4))

    def forward(self, x):
        return self.at("two", torch.tanh(self.at("one", x)) + x)


class Contained(Watched):
    """A container between two layers."""

    def __init__(self):
        super().__init__(start=nn.Linear(4, 4), block=Block(), end=nn.Linear(4, 3))

    def forward(self, x):
        return self.at("end", torch.tanh(self.at("block", self.at("start", x))))


class Recomputed(Shortcut):
    """The same, of which the backward pass computes the middle again."""

    def forward(self, x):
        a = torch.tanh(self.at("first", x))

        def middle(a):
            return torch.sin(self.at("third", torch.sin(self.at("second", a)) * a))

        return self.at("last", checkpoint(middle, a, use_reentrant=False) * a)


class Towers(Watched):
    """Two layers beside each other, and a third that both go into."""

    def __init__(self):
        layers = {n: nn.Linear(4, 4) for n in ("left", "right", "joint")}
        super().__init__(**layers, last=nn.Linear(4, 3))

    def forward(self, x):
        joint = self.at("joint", self.at("left", x) * torch.tanh(self.at("right", x)))
        return self.at("last", torch.sin(joint))


MODELS = {
    "images": (Images, IMAGES, ["conv", "scores"]),
    "in place": (Images, IMAGES, ["conv", "relu", "scores"]),
    "shortcut": (Shortcut, X, ["first", "second", "third"]),
    "container": (Contained, X, ["start", "block", "block.one", "block.two"]),
    "recomputed": (Recomputed, X, ["second", "third", "last"]),
}


def by_hand(model, x, name):
    """The gradient at a layer by plain autograd, and the value there."""
    *path, last = name.split(".")
    owner = model
    for step in path:
        owner = owner.layers[step]
    values = []
    hook = owner.layers[last].register_forward_hook(lambda m, a, y: values.append(y.clone()))
    with torch.no_grad():
        model(x)
    hook.remove()
    owner.added = {last: torch.zeros_like(values[0], requires_grad=True)}
    (gradient,) = torch.autograd.grad(model(x)[:, 1].sum(), owner.added[last])
    owner.added = {}
    return gradient, values[0]


def cut(names):
    return Cut(["layers." + n.replace(".", ".layers.") for n in names])


def asked(wrapper, names, x, doi="point", multiply=False):
    cuts = (cut(names), None)
    method = InternalInfluence(wrapper, cuts, lambda y: y[:, 1], doi, multiply_activation=multiply)
    return method.attributions(x)


@pytest.mark.parametrize("kind", MODELS)
def test_each_layer_has_its_total_derivative(kind):
    make, x, names = MODELS[kind]
    model = make().double()
    expected = {n: by_hand(model, x, n) for n in names}
    wrapper = get_model_wrapper(model)
    for order in itertools.permutations(names, min(len(names), 3)):
        found = asked(wrapper, order, x), asked(wrapper, order, x, multiply=True)
        for name, gradient, multiplied in zip(order, *found, strict=True):
            g, value = expected[name]
            assert g.abs().max() > 0
            assert relative_error(gradient, g) <= 1e-10
            assert relative_error(multiplied, g * value) <= 1e-10
    for name in names:
        assert relative_error(asked(wrapper, [name], x), expected[name][0]) <= 1e-10


def test_along_a_path_at_the_input():
    model, names = Shortcut().double(), ["third", "first"]
    found = asked(model, names, X, LinearDoi(0.3, 4, rule="midpoint"))
    points = [X + (i + 0.5) / 4 * (0.3 - X) for i in range(4)]
    for name, gradient in zip(names, found, strict=True):
        expected = sum(by_hand(model, p, name)[0] for p in points) / 4
        assert relative_error(gradient, expected) <= 1e-10


class Tagged(torch.Tensor):
    """A kind of tensor of the caller's."""


def test_other_kinds_of_tensors():
    model, names = Shortcut().double(), ["second", "first"]
    found = asked(model, names, X.as_subclass(Tagged))
    for name, gradient in zip(names, found, strict=True):
        assert relative_error(torch.Tensor(gradient), by_hand(model, X, name)[0]) <= 1e-10


class Signs(nn.Module):
    """Layers whose zeros keep their signs: the gradient of x · sign(x) is the sign."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Identity(), nn.Identity()

    def forward(self, x):
        z = self.two(self.one(x))
        return z * torch.copysign(torch.ones_like(z), z.detach())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_zeros_keep_their_signs(dtype):
    x = torch.tensor([[0.0, -0.0, 1.0, -1.0]], dtype=dtype)
    method = InternalInfluence(Signs(), Cut(["two", "one"]), lambda y: y.sum(1), "point", False)
    assert [a.tolist() for a in method.attributions(x)] == [[[1, -1, 1, -1]]] * 2


def test_by_one_forward_and_one_backward_pass():
    model, passes = Contained().double(), []

    def count(module, args, output):
        passes.append("forward")
        if output.requires_grad:
            output.register_hook(lambda _: passes.append("backward"))

    model.layers["end"].register_forward_hook(count)
    wrapper = get_model_wrapper(model)
    asked(wrapper, ["start", "block", "block.one"], X)  # the first call looks closer
    passes.clear()
    asked(wrapper, ["start", "block", "block.one"], X)
    assert passes == ["forward", "backward"]


class Half(DoI):
    """A distribution of the caller's."""

    def __call__(self, z):
        return [[t / 2] for t in z]


@pytest.mark.parametrize("kind", [LinearDoi, GaussianDoi, Half])
def test_no_distribution_moves_layers_that_depend_on_each_other(kind):
    def doi(names):
        return kind(0.1, 2, cut=cut(names)) if kind is not Half else kind(cut(names))

    for model, x, names, words in (
        (Images(), IMAGES, ["scores", "conv"], "scores' is computed from that at 'layers.conv'"),
        (Contained(), X, ["block", "block.one"], "block' is computed from that at 'layers.block."),
        (Towers(), X, ["left", "right", "joint"], "joint' is computed from that at 'layers.left'"),
    ):
        wrapper = get_model_wrapper(model.double())
        with pytest.raises(CutError, match=f"{kind.__name__} .*{words}.*a method of its own"):
            asked(wrapper, names, x, doi(names))
        point = asked(wrapper, names, x, PointDoi(cut=cut(names)))
        for a, b in zip(point, asked(wrapper, names, x), strict=True):
            assert relative_error(a, b) <= 1e-10


def test_a_connection_counts_where_its_gradient_is_zero():
    """Elsewhere on the path the unit may be alive."""
    model = Images().double()
    nn.init.constant_(model.layers["conv"].bias, -100.0)
    with pytest.raises(CutError, match="scores' is computed from"):
        asked(model, ["conv", "scores"], IMAGES, LinearDoi(cut=cut(["conv", "scores"])))


@pytest.mark.parametrize("rebatch_size", [None, 3])
def test_a_path_over_layers_beside_each_other_is_complete(rebatch_size):
    model, at = Towers().double(), cut(["right", "left"])
    doi = LinearDoi(0.1, 40, cut=at, rule="gauss-legendre")
    method = InternalInfluence(model, at, lambda y: y[:, 1], doi, rebatch_size=rebatch_size)
    result = method.explain(X)
    change = result.quantity - result.baseline_quantity
    assert relative_error(sum(a.sum(1) for a in result.attributions), change) <= 1e-10
    assert result.residual.abs().max() <= 1e-10
    # and by hand, at the two values moved together
    left, right = (model.layers[n](X).detach() for n in ("left", "right"))

    def after(left, right):
        joint = model.layers["joint"](left * torch.tanh(right))
        return model.layers["last"](torch.sin(joint))[:, 1].sum()

    total = [torch.zeros_like(left)] * 2
    for point, weight in zip(*np.polynomial.legendre.leggauss(40), strict=True):
        t = (1 - point) / 2
        z = [(v + t * (0.1 - v)).requires_grad_() for v in (left, right)]
        gradients = torch.autograd.grad(after(*z), z)
        total = [s + weight / 2 * g for s, g in zip(total, gradients, strict=True)]
    expected = [(right - 0.1) * total[1], (left - 0.1) * total[0]]
    for a, b in zip(result.attributions, expected, strict=True):
        assert relative_error(a, b) <= 1e-10
