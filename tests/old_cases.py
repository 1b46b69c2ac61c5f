"""Code as it was written for the old library, on any framework, beside what it must give.

The networks are polynomials with weights by hand, so that every derivative is a line of NumPy and
every path of a quadratic one has the gradient of its middle.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import pytest

from trulens.nn.attribution import InputAttribution, IntegratedGradients, InternalInfluence
from trulens.nn.backend import get_backend
from trulens.nn.distributions import DoI, GaussianDoi, LinearDoi, PointDoi
from trulens.nn.models import get_model_wrapper
from trulens.nn.quantities import (
    ClassQoI,
    ComparativeQoI,
    InternalChannelQoI,
    LambdaQoI,
    MaxClassQoI,
    QoI,
    ThresholdQoI,
)
from trulens.nn.slices import Cut, InputCut, OutputCut, Slice
from trulens.utils.typing import ModelInputs
from trulens_core.testing import relative_error

W = np.array([[1.0, -1.0, 2.0], [0.5, 2.0, -1.0]])
V = np.array([[1.0, -2.0], [0.5, 1.0], [-1.0, 3.0]])
X = np.array([[1.0, 2.0], [-1.0, 0.5], [0.25, -2.0]])
Z = np.array([[0.5, 1.0], [2.0, -0.25], [-1.0, 1.5]])
B = np.array([[0.5, -1.0]])
LABELS = np.array([0, 1, 1])


class Kind(ABC):
    """A way of writing the two networks.

    `square`: x to h = x @ W, sq = h ** 2 and y = sq @ V. `pair`: x and z to p = x @ W, q = z @ W
    and y = p * q.

    Attributes:
        spellings: of the backend's name, as `backend=` takes it.
        limit: the largest relative error that is allowed.
    """

    spellings: tuple[str, ...] = ()
    limit = 1e-10
    dtype = "float64"

    def __init__(self):
        self._wrappers = {}

    @abstractmethod
    def build(self, network):
        """The model, and the options that `get_model_wrapper` needs for it."""

    def at(self, layer):
        """What the framework calls a layer."""
        return layer

    def wrapper(self, network="square", **more):
        """The wrapped network, one for all cases that ask for nothing more."""
        if more:
            model, options = self.build(network)
            return get_model_wrapper(model, **options, **more)
        if network not in self._wrappers:
            model, options = self.build(network)
            self._wrappers[network] = get_model_wrapper(model, **options)
        return self._wrappers[network]

    def given(self, a):
        """An array as this network takes it."""
        return a.astype(self.dtype)


def scores(x):
    return (x @ W) ** 2 @ V


def by_layer(h, c):
    """∂ y_c / ∂ h; c may be one class per record."""
    return 2 * h * V.T[c]


def by_input(x, c):
    """∂ y_c / ∂ x."""
    return by_layer(x @ W, c) @ W.T


# -- what subclasses say ---------------------------------------------------------------------------


class Shifted(PointDoi):
    def __call__(self, z):
        return [z - 0.5, z + 1.0]


class NearHalf(LinearDoi):
    """Only the half of the line that is nearer to the record."""

    def __call__(self, z, *, model_inputs=None):
        return [(z + p) / 2 for p in super().__call__(z)]


class FromBaseline(DoI):
    """Reads the call's inputs, and has a multiplier of its own."""

    def __call__(self, z, *, model_inputs=None):
        assert model_inputs.args
        return [0.5 * z]

    def get_activation_multiplier(self, activation, *, model_inputs=None):
        return 2.0 * activation


class Power(ComparativeQoI):
    def __call__(self, y):
        return super().__call__(y) ** 2


class Weighted(QoI):
    def __init__(self, weights):
        self.weights = weights

    def __call__(self, y):
        return sum(w * y[:, i] for i, w in enumerate(self.weights))


# -- the cases: what is found, and what it must be -------------------------------------------------


def influence(kind, cuts, qoi, doi="point", multiply=False, x=X):
    return InternalInfluence(kind.wrapper(), cuts, qoi, doi, multiply).attributions(kind.given(x))


def slices_from_the_input(kind):
    layer = kind.at("sq")
    whole = (Slice.full_network(), Slice(InputCut(), OutputCut()), (None, None), (0, None))
    for cuts in (*whole, InputCut(), None, 0):
        yield influence(kind, cuts, 1), by_input(X, 1)
    for to in (layer, Cut(layer), Cut(kind.at("y"), anchor="in", accessor=_first_argument)):
        yield influence(kind, (None, to), 2), np.outer((X @ W)[:, 2], 2 * W[:, 2])


def _first_argument(inputs):
    return inputs.args[0]


def slices_from_a_layer(kind):
    name, names = kind.at("h"), [layer.name for layer in kind.wrapper().layers()]
    for cuts in (name, Cut(name), Cut(names.index(name)), Slice(name, None), (name, None)):
        yield influence(kind, cuts, 1), by_layer(X @ W, 1)
    index = names.index(kind.at("sq"))
    for cuts in (index, np.int64(index), index - len(names)):
        yield influence(kind, cuts, 1), np.broadcast_to(V[:, 1], (3, 3))
    alone = 2 * (X @ W) * [0, 1, 0]
    for cuts in ((name, kind.at("sq")), Slice(Cut(name), Cut(kind.at("sq")))):
        yield influence(kind, cuts, InternalChannelQoI(1)), alone
    before = Cut(kind.at("sq"), anchor="in")
    yield influence(kind, before, 0), by_layer(X @ W, 0)


def quantities(kind):
    y = scores(X)
    gradients = [by_input(X, c) for c in (0, 1)]
    both, difference = gradients[0] + gradients[1], gradients[0] - gradients[1]
    best = by_input(X, y.argmax(1))
    for qoi, expected in (
        (MaxClassQoI(), best),
        ("max", best),
        (ClassQoI(1), gradients[1]),
        (1, gradients[1]),
        (ClassQoI(LABELS), by_input(X, LABELS)),
        (ComparativeQoI(0, 1), difference),
        ((0, 1), difference),
        (InternalChannelQoI(0), gradients[0]),
        (InternalChannelQoI([0, 1]), both),
        (LambdaQoI(lambda y: y[:, 0] ** 2), 2 * y[:, :1] * gradients[0]),
        (lambda y: y[:, 0] * y[:, 1], y[:, :1] * gradients[1] + y[:, 1:] * gradients[0]),
        (2.0 * ClassQoI(0) - ClassQoI(1), 2 * gradients[0] - gradients[1]),
    ):
        yield influence(kind, None, qoi), expected


def quantities_of_probabilities(kind):
    x = X / 4  # where they are neither 0 nor 1
    best, apart = scores(x).argmax(1), np.abs(scores(x)[:, 0] - scores(x)[:, 1])
    expected = _slope(apart) * (by_input(x, best) - by_input(x, 1 - best))
    yield influence(kind, None, MaxClassQoI(activation="softmax"), x=x), expected
    expected = _slope(scores(x)[:, 0]) * by_input(x, 0)

    def sigmoid(y):
        return get_backend(y).sigmoid(y)[:, 0]

    yield influence(kind, None, sigmoid, x=x), expected


def _slope(t):
    """The derivative of the logistic function."""
    return (1 / (2 + 2 * np.cosh(t)))[:, None]


def quantities_on_either_side_of_a_threshold(kind):
    signs = np.where(scores(X) > 2.0, 1.0, -1.0)
    expected = sum(signs[:, c : c + 1] * by_input(X, c) for c in (0, 1))
    yield influence(kind, None, ThresholdQoI(2.0)), expected


def subclasses_of_quantities(kind):
    y = scores(X)
    difference = (y[:, 0] - y[:, 1])[:, None]
    expected = 2 * difference * (by_input(X, 0) - by_input(X, 1))
    yield influence(kind, None, Power(0, 1)), expected
    yield (
        influence(kind, kind.at("h"), Power(0, 1)),
        2 * difference * 2 * (X @ W) * (V[:, 0] - V[:, 1]),
    )
    for weights in ((3.0, -1.0), (0.0, 2.0)):
        expected = sum(w * by_input(X, c) for c, w in enumerate(weights))
        yield influence(kind, None, Weighted(weights)), expected
        yield influence(kind, None, Weighted(weights) - ClassQoI(0)), expected - by_input(X, 0)


def distributions(kind):
    middle = by_input((X + B) / 2, 1)
    line, name = LinearDoi(kind.given(B), 5), kind.at("h")
    yield influence(kind, None, 1, PointDoi(), True), X * by_input(X, 1)
    yield influence(kind, None, 1, "linear", True), X * by_input(X / 2, 1)
    yield influence(kind, None, 1, line), middle
    yield influence(kind, None, 1, line, True), (X - B) * middle
    yield influence(kind, None, 1, LinearDoi(0.5, 3), True), (X - 0.5) * by_input(X / 2 + 0.25, 1)
    # a distribution acts at the input unless it says otherwise
    yield influence(kind, name, 1, line), by_layer((X + B) / 2 @ W, 1)
    at_layer = LinearDoi(resolution=3, cut=name)
    yield influence(kind, name, 1, at_layer, True), (X @ W) * by_layer(X @ W / 2, 1)
    noisy = GaussianDoi(0.1, 4)
    points = [np.asarray(p) for p in noisy(kind.given(X))]
    yield influence(kind, None, 1, noisy), by_input(np.mean(points, axis=0), 1)


def subclasses_of_distributions(kind):
    line, name = NearHalf(kind.given(B), 5), kind.at("h")
    near = by_input((3 * X + B) / 4, 0)
    yield influence(kind, None, 0, Shifted()), by_input(X + 0.25, 0)
    yield influence(kind, None, 0, line), near
    yield influence(kind, None, 0, line, True), (X - B) * near
    yield influence(kind, name, 0, Shifted(cut=name)), by_layer(X @ W + 0.25, 0)
    yield influence(kind, None, 0, FromBaseline(), True), 2 * X * by_input(X / 2, 0)


def methods_by_position(kind):
    wrapper, x, b, name = kind.wrapper(), kind.given(X), kind.given(B), kind.at("sq")
    middle = (X - B) * by_input((X + B) / 2, 1)
    result = InternalInfluence(wrapper, InputCut(), 1, LinearDoi(b, 3), True, True, True).explain(x)
    yield result.attributions, middle
    yield result.gradients, [by_input(a * X + (1 - a) * B, 1) for a in (1, 0.5, 0)]
    yield result.interventions, [a * X + (1 - a) * B for a in (1, 0.5, 0)]
    yield InputAttribution(wrapper, OutputCut(), ClassQoI(1)).attributions(x), X * by_input(X, 1)
    line = LinearDoi(b, 3)
    yield (
        InputAttribution(wrapper, None, 1, InputCut(), line, False).attributions(x),
        middle / (X - B),
    )
    yield (
        InputAttribution(wrapper, name, 0).attributions(x),
        X * np.outer((X @ W)[:, 0], 2 * W[:, 0]),
    )
    yield IntegratedGradients(wrapper, b, 4, None, 1, OutputCut()).attributions(x), middle
    at_layer = IntegratedGradients(wrapper, 0.0, 4, kind.at("h"), 1)
    yield at_layer.attributions(x), (X @ W) * by_layer(X @ W / 2, 1)
    # the rule of the old library, both ends among the points, is exact here too
    old = IntegratedGradients(wrapper, b, 4, qoi=1, rule="endpoints")
    yield old.attributions(x), middle


def inputs_in_old_forms(kind):
    method = InputAttribution(kind.wrapper(), None, 1)
    x, expected = kind.given(X), X * by_input(X, 1)
    yield method.attributions(ModelInputs((x,))), expected
    yield method.attributions(ModelInputs((x,)).map(lambda t: 2 * t)), 8 * expected / 2
    alone = InputAttribution(kind.wrapper(), None, 1, rebatch_size=1)
    yield alone.attributions(x), expected


def several_tensors(kind):
    wrapper, inputs = kind.wrapper("pair"), [kind.given(X), kind.given(Z)]
    p, q = X @ W, Z @ W
    by_x, by_z = np.outer(q[:, 1], W[:, 1]), np.outer(p[:, 1], W[:, 1])
    found = InternalInfluence(wrapper, None, 1, "point", False).attributions(*inputs)
    yield from zip(found, (by_x, by_z), strict=True)
    found = InputAttribution(wrapper, None, 1, None, "linear").attributions(inputs)
    yield from zip(found, (X * by_x / 2, Z * by_z / 2), strict=True)
    line = LinearDoi([kind.given(B), kind.given(2 * B)], 3)
    found = InputAttribution(wrapper, None, 1, None, line, False).attributions(*inputs)
    middle = [(X + B) / 2 @ W[:, 1], (Z + 2 * B) / 2 @ W[:, 1]]
    yield from zip(found, (np.outer(m, W[:, 1]) for m in middle[::-1]), strict=True)
    both = Cut([kind.at("p"), kind.at("q")])
    found = InternalInfluence(wrapper, both, 1, "point", False).attributions(*inputs)
    yield from zip(found, (q * [0, 1, 0], p * [0, 1, 0]), strict=True)


def nested_layers_in_one_cut(kind):
    """Each layer's own, total derivative."""
    h = X @ W
    cut = Cut([kind.at("h"), kind.at("sq")])
    found = influence(kind, cut, 1)
    yield from zip(found, (by_layer(h, 1), np.broadcast_to(V[:, 1], h.shape)), strict=True)
    found = influence(kind, cut, 1, "point", True)
    yield from zip(found, (h * by_layer(h, 1), h**2 * V[:, 1]), strict=True)


def interventions_forward(kind):
    wrapper, x, name = kind.wrapper(), kind.given(X), kind.at("h")
    new = np.concatenate([X @ W + 1.0, -2 * (X @ W)])  # two rows for each record
    options = {"doi_cut": Cut(name), "intervention": kind.given(new)}
    yield wrapper.fprop((x,)), scores(X)
    yield wrapper.fprop(x, to_cut=Cut(kind.at("sq"))), (X @ W) ** 2
    yield wrapper.fprop((x,), **options), new**2 @ V
    at_end, inner = wrapper.fprop((x,), attribution_cut=Cut(kind.at("sq")), **options)
    yield at_end, new**2 @ V
    yield inner, new**2
    yield wrapper.fprop((x,), doi_cut=InputCut(), intervention=kind.given(3 * X)), scores(3 * X)
    other = ModelInputs((kind.given(-1.5 * X),))
    yield wrapper.fprop((x,), intervention=other), scores(1.5 * X)


def interventions_backward(kind):
    wrapper, x, name = kind.wrapper(), kind.given(X), kind.at("h")
    new = np.concatenate([X @ W + 1.0, -2 * (X @ W)])
    options = {"doi_cut": Cut(name), "intervention": kind.given(new)}
    yield wrapper.qoi_bprop(ClassQoI(1), (x,)), by_input(X, 1)
    yield wrapper.qoi_bprop(ClassQoI(1), (x,), attribution_cut=Cut(name)), by_layer(X @ W, 1)
    yield wrapper.qoi_bprop(lambda y: y[:, 0], (x,), **options), by_layer(new, 0)
    at = Cut(kind.at("sq"))
    found = wrapper.qoi_bprop(ClassQoI(0), (x,), attribution_cut=at, **options)
    yield found, np.broadcast_to(V[:, 0], new.shape)
    found = wrapper.qoi_bprop(InternalChannelQoI(2), (x,), to_cut=at, **options)
    yield found, 2 * new * [0, 0, 1]
    found = wrapper.qoi_bprop(ClassQoI(1), (x,), intervention=kind.given(3 * X))
    yield found, by_input(3 * X, 1)


def distributions_called_by_themselves(kind):
    z = kind.given(X)
    points = LinearDoi(kind.given(B), 21)(z)
    assert isinstance(points, list)
    assert len(points) == len(LinearDoi(resolution=21)(z)) == 21
    yield points[0], X
    yield points[20], np.broadcast_to(B, X.shape)
    yield PointDoi()(z, model_inputs=ModelInputs((z,)))[0], X
    yield LinearDoi(kind.given(B)).get_activation_multiplier(z), X - B
    native = get_backend(kind.wrapper()).from_numpy(z)
    points = LinearDoi(kind.given(B), 3)(native)
    assert isinstance(points, list)
    yield [np.asarray(p) for p in points], [a * X + (1 - a) * B for a in (1, 0.5, 0)]


def names_of_backends(kind):
    assert kind.spellings
    for name in kind.spellings:
        wrapper = kind.wrapper(backend=name)
        yield InputAttribution(wrapper, None, 1).attributions(kind.given(X)), X * by_input(X, 1)


CASES = [
    slices_from_the_input,
    slices_from_a_layer,
    quantities,
    quantities_of_probabilities,
    quantities_on_either_side_of_a_threshold,
    subclasses_of_quantities,
    distributions,
    subclasses_of_distributions,
    methods_by_position,
    inputs_in_old_forms,
    several_tensors,
    nested_layers_in_one_cut,
    interventions_forward,
    interventions_backward,
    distributions_called_by_themselves,
    names_of_backends,
]


class OldCases:
    """The cases on the kinds of models that the fixture `kind` gives."""

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
    def test_case(self, kind, case):
        for i, pair in enumerate(case(kind)):
            found, expected = map(np.asarray, pair)
            assert found.shape == expected.shape, f"the {i}th: {found.shape}, {expected.shape}"
            error = np.max(relative_error(found, expected))
            assert error <= kind.limit, f"the {i}th is {error:.1e} off"

    def test_layers_are_printed(self, kind, capsys):
        kind.wrapper().print_layer_names()
        printed = capsys.readouterr().out
        assert printed == f"{kind.wrapper()}\n"
        assert all(kind.at(name) in printed for name in ("h", "sq", "y"))
