"""Each rule beside its formula in NumPy, on the reference backend; rule sets, keys and reports."""

import numpy as np
import pytest

from trulens_core import (
    LRP,
    AttnLRP,
    Conductance,
    Cut,
    DeepLIFT,
    DeepSHAP,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    TrulensWarning,
    UncoveredOperationError,
    UnknownLayerError,
    get_model_wrapper,
)
from trulens_core.rules import (
    AlphaBeta,
    Box,
    Deconv,
    Epsilon,
    Flat,
    Gamma,
    Gradient,
    Guided,
    Identity,
    Numerator,
    Operation,
    Rescale,
    RescaleMax,
    RescalePath,
    RescaleProduct,
    RuleSet,
    Shared,
    Stop,
    WSquare,
    ZPlus,
    composites,
)
from trulens_core.rules.operation import AtReference
from trulens_core.testing import small_model
from trulens_core.testing.reference import BACKEND, ReferenceModel, register_reference
from trulens_core.testing.zoo import ZOO

register_reference()
RNG = np.random.default_rng(7)
X, G = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 5))
W, B = RNG.standard_normal((5, 4)), RNG.standard_normal(5)
EPS = 0.01


def stab(z):
    return z + EPS * np.where(z >= 0, 1.0, -1.0)


def up(t):
    return np.maximum(t, 0)


def down(t):
    return np.minimum(t, 0)


def linear(x, w, b):
    y = x @ BACKEND.xp.permute_dims(w, (1, 0))
    return y if b is None else y + b


def pulled(rule, function, operands, g, kind="linear", reference=None, **options):
    """What a rule passes back to each operand of g, and the operation's value."""
    tensors = list(map(BACKEND.from_numpy, operands))
    active = options.pop("active", [0])
    seen = []

    def run(tap):
        new = list(tensors)
        for i, t in zip(active, tap([tensors[i] for i in active]), strict=True):
            new[i] = t
        op = Operation(kind, function, new, active, BACKEND, reference=reference, **options)
        y = rule(op)
        seen.append(y.data)
        axes = tuple(range(1, y.ndim))
        return [BACKEND.xp.sum(y * BACKEND.from_numpy(g), axis=axes)]

    found = BACKEND.differentiate(run).gradients[0]
    gradients = [
        np.zeros_like(t.data) if f is None else f.data
        for f, t in zip(found, [tensors[i] for i in active], strict=True)
    ]
    plain = function(*tensors).data
    np.testing.assert_allclose(seen[0], plain, rtol=1e-14)
    return gradients


def of_linear(rule):
    return pulled(rule, linear, [X, W, B], G, weight=1, bias=2)[0]


V = X @ W.T + B
P = up(X) @ up(W).T + down(X) @ down(W).T + up(B)
N = up(X) @ down(W).T + down(X) @ up(W).T + down(B)


def test_epsilon():
    np.testing.assert_allclose(of_linear(Epsilon(EPS)), (G * V / stab(V)) @ W)


def of_signs(a, b):
    """a back through the positive branch, b through the negative one."""
    above = a @ up(W) * (X > 0) + a @ down(W) * (X < 0)
    return above + b @ down(W) * (X > 0) + b @ up(W) * (X < 0)


def test_alpha_beta():
    found = of_linear(AlphaBeta(2.0, 1.0, EPS))
    np.testing.assert_allclose(found, of_signs(2 * G * V / stab(P), -G * V / stab(N)))


def test_z_plus():
    np.testing.assert_allclose(of_linear(ZPlus(EPS)), of_signs(G * V / stab(P), 0 * G))


def test_gamma():
    c = 0.3
    wu, wd, bu, bd = W + c * up(W), W + c * down(W), B + c * up(B), B + c * down(B)
    above = up(X) @ wu.T + down(X) @ wd.T + bu
    below = up(X) @ wd.T + down(X) @ wu.T + bd
    a = np.where(V > 0, G * V / stab(above), 0)
    b = np.where(V < 0, G * V / stab(below), 0)
    expected = (a @ wu + b @ wd) * (X > 0) + (a @ wd + b @ wu) * (X < 0)
    np.testing.assert_allclose(of_linear(Gamma(c, EPS)), expected)


def test_flat():
    scale = G * V / stab(np.full_like(V, X.shape[1]))
    np.testing.assert_allclose(of_linear(Flat(EPS)), scale @ np.ones_like(W))


def test_w_square():
    scale = G * V / stab(np.sum(W * W, 1) + B * B)
    np.testing.assert_allclose(of_linear(WSquare(EPS)), scale @ (W * W))


def test_box():
    low, high = np.full(4, -3.0), np.asarray([2.0, 3.0, 4.0, 5.0])
    z = V - (low @ up(W).T + up(B)) - (high @ down(W).T + down(B))
    s = G * V / stab(z)
    expected = X * (s @ W) - low * (s @ up(W)) - high * (s @ down(W))
    np.testing.assert_allclose(of_linear(Box(low, high, EPS)), expected)
    assert Box(low, high) == Box(list(low), list(high))


def test_stop_and_gradient():
    np.testing.assert_allclose(of_linear(Gradient()), G @ W)
    assert not of_linear(Stop()).any()


def tanh(x):
    return BACKEND.xp.tanh(x)


def relu(x):
    return BACKEND.xp.where(x > 0, x, BACKEND.xp.zeros_like(x))


H = G[:, :4]


def test_identity_also_where_masks_are_infinite():
    x = X.copy()
    x[0, 0] = 0.0
    found = pulled(Identity(), tanh, [x], H, "pointwise")[0]
    expected = np.where(x == 0, 0, np.tanh(x) / np.where(x == 0, 1, x))
    np.testing.assert_allclose(found, H * expected)
    mask = np.where(X > 0, 0.0, -np.inf)
    parts = [X, mask]
    found = pulled(Identity(), lambda x, m: x + m, parts, np.abs(H), "affine")[0]
    np.testing.assert_allclose(found, np.abs(H) * (X > 0))


def test_guided_and_deconvolution():
    found = pulled(Guided(), relu, [X], H, "relu")[0]
    np.testing.assert_allclose(found, up(H) * (X > 0))
    np.testing.assert_allclose(pulled(Deconv(), relu, [X], H, "relu")[0], up(H))


def test_products_are_shared():
    y = RNG.standard_normal(X.shape)
    to_x, to_y = pulled(Shared(), lambda a, b: a * b, [X, y], H, "multiply", active=[0, 1])
    np.testing.assert_allclose(to_x, H * y / 2)
    np.testing.assert_allclose(to_y, H * X / 2)
    rule = Shared((0.25, 0.75))
    to_x, to_y = pulled(rule, lambda a, b: a * b, [X, y], H, "multiply", active=[0, 1])
    np.testing.assert_allclose(to_y, 0.75 * H * X)
    to_x, to_y = pulled(Numerator(), lambda a, b: a / b, [X, y], H, "divide", active=[0, 1])
    np.testing.assert_allclose(to_x, H / y)
    assert not to_y.any()


# -- DeepLIFT: each rule's own completeness -------------------------------------------------------


def lifted(rule, function, operands, starts, kind):
    tensors = list(map(BACKEND.from_numpy, starts))
    y0 = function(*tensors)
    active = list(range(len(operands)))
    g = np.ones_like(y0.data)
    held = AtReference(tensors, y0)
    found = pulled(rule, function, operands, g, kind, held, active=active)
    total = sum((m * (x - s)).sum() for m, x, s in zip(found, operands, starts, strict=True))
    y = function(*map(BACKEND.from_numpy, operands)).data
    np.testing.assert_allclose(total, (y - y0.data).sum(), rtol=1e-9, atol=1e-12)
    return found


def test_rescale():
    x0 = RNG.standard_normal(X.shape)
    x0[0] = X[0]  # where nothing changes it is the derivative
    (found,) = lifted(Rescale(), tanh, [X], [x0], "pointwise")
    np.testing.assert_allclose(found[0], 1 - np.tanh(X[0]) ** 2)
    np.testing.assert_allclose(found[1:], ((np.tanh(X) - np.tanh(x0)) / (X - x0 + 1e-300))[1:])


def test_rescale_of_maxima_products_and_others():
    x0, y, y0 = (RNG.standard_normal(X.shape) for _ in range(3))
    lifted(RescaleMax(), lambda x: BACKEND.xp.max(x, axis=1, keepdims=True), [X], [x0], "max_pool")
    to_x, to_y = lifted(RescaleProduct(), lambda a, b: a * b, [X, y], [x0, y0], "multiply")
    np.testing.assert_allclose(to_x, (y + y0) / 2)
    np.testing.assert_allclose(to_y, (X + x0) / 2)
    lifted(RescalePath(), lambda x: BACKEND.softmax(x, 1), [X], [x0], "softmax")
    over, over0 = np.abs(y) + 2, np.abs(y0) + 2
    lifted(RescalePath(), lambda a, b: a / b, [X, over], [x0, over0], "divide")


def test_a_maximum_by_hand():
    """x = (3, 1), b = (1, 2): the way up is the first's, and there is none down."""
    x, b = np.asarray([[3.0, 1.0]]), np.asarray([[1.0, 2.0]])
    (found,) = lifted(
        RescaleMax(), lambda x: BACKEND.xp.max(x, axis=1, keepdims=True), [x], [b], "max_pool"
    )
    assert found.tolist() == [[0.5, 0.0]]


# -- whole models ---------------------------------------------------------------------------------


def model(name):
    return get_model_wrapper(ReferenceModel(ZOO[name])), ZOO[name].inputs(3)[0][0]


def test_lrp_of_an_mlp_by_hand():
    wrapper, x = model("mlp_relu")
    weights = wrapper.model.weights
    layers = [n for n, (kind, *_) in wrapper.model.architecture.layers.items() if kind == "dense"]
    values, signs, h = [x], [], x
    for name in layers:
        v = h @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        signs.append(v)
        h = v if name == layers[-1] else np.maximum(v, 0)
        values.append(h)
    relevance = np.zeros_like(h)
    relevance[:, 1] = h[:, 1]
    for name, v, below in list(zip(layers, signs, values, strict=False))[::-1]:
        relevance = below * ((relevance / stab(v)) @ weights[f"{name}.weight"])
    found = LRP(wrapper, composites.epsilon(EPS), qoi=1).attributions(x)
    np.testing.assert_allclose(found, relevance, atol=1e-14)


def test_first_rules_are_not_multiplied():
    wrapper, x = model("mlp_relu")
    rules = composites.epsilon_plus_flat()
    found = LRP(wrapper, "epsilon_plus_flat", qoi=1).attributions(x)
    for multiply in (True, False):
        method = InternalInfluence(wrapper, None, 1, "point", multiply, rules=rules)
        np.testing.assert_array_equal(method.attributions(x), found)


def test_deeplift_is_complete_and_a_mixture():
    wrapper, x = model("mlp")
    result = DeepLIFT(wrapper, 0.3, qoi=1).explain(x)
    np.testing.assert_allclose(result.residual, 0, atol=1e-13)
    data = RNG.standard_normal((4, x.shape[1]))
    each = [DeepLIFT(wrapper, b, qoi=1).attributions(x) for b in data]
    np.testing.assert_allclose(
        DeepSHAP(wrapper, data, qoi=1).attributions(x), np.mean(each, axis=0), atol=1e-14
    )
    drawn = DeepSHAP(wrapper, data, samples=3, qoi=1).explain(x)
    assert drawn.standard_error.shape == x.shape
    inner = DeepLIFT(wrapper, 0.3, qoi=1, layer="hidden").attributions(x)
    change = result.quantity - result.baseline_quantity
    np.testing.assert_allclose(inner.sum(1), change, atol=1e-13)


def test_paths_have_no_residual_by_rules_but_those_that_compare():
    wrapper, x = model("mlp_relu")
    guided = IntegratedGradients(wrapper, resolution=4, rules=composites.guided()).explain(x)
    assert guided.residual is None
    assert guided.baseline_quantity is None
    assert DeepLIFT(wrapper).explain(x).residual is not None
    along = IntegratedGradients(wrapper, resolution=4, rules=composites.deep_lift()).explain(x)
    assert along.residual is None  # each point's is complete, their mean is not


# -- rule sets ------------------------------------------------------------------------------------


class Own(Epsilon):
    """A rule of the caller's."""


def test_keys_are_by_value_and_leave_out_code_of_the_callers():
    assert composites.epsilon().key() == composites.epsilon().key()
    assert composites.epsilon(0.1).key() != composites.epsilon().key()
    assert composites.epsilon(merge=True).key() != composites.epsilon().key()
    for rules in ([("linear", Own())], [(lambda op: True, Epsilon())]):
        assert RuleSet(rules).key() is None


def test_the_first_that_fits_is_taken():
    def kind(kind, layer="", first=False):
        return Operation(kind, None, [], [], BACKEND, layer=layer, first=first)

    rules = RuleSet(
        [("layer:encoder.*", Stop()), ("linear|conv", Epsilon()), ("*", Gradient())],
        first=[("linear", Flat())],
    )
    assert rules.find(kind("linear", "encoder.0")) == Stop()
    assert rules.find(kind("conv", "encoder")) == Epsilon()
    assert rules.find(kind("linear", first=True)) == Flat()
    assert rules.find(kind("softmax")) == Gradient()
    for nobody in ("unknown", "structural"):
        assert rules.find(kind(nobody)) is None
    assert rules.find(kind("unknown", "encoder.0")) is None


@pytest.mark.parametrize("rules", [[("linear",)], [("lin", Epsilon())], [("linear", Epsilon)], [3]])
def test_what_is_no_rule_is_refused(rules):
    with pytest.raises(ValueError, match=r"selector|rule|Rule"):
        RuleSet(rules)


def test_the_result_tells_what_was_covered():
    wrapper, x = model("mlp_relu")
    result = LRP(wrapper, "epsilon").explain(x)
    assert str(result.coverage).startswith("5 of 5 operations that need a rule had one")
    assert result.coverage.by_kind()[("relu", "Identity(eps=1e-10)")] == 2
    assert InputAttribution(wrapper).explain(x).coverage is None


class Blind(type(model("linear")[0])):
    """A backend that serves no rules."""

    def ruled(self, inputs, **options):
        from trulens_core.passes import CutModel

        return CutModel.ruled(self, inputs, **options)


def test_a_layer_that_no_operation_is_of_is_said():
    model, x = small_model()
    model = get_model_wrapper(model)
    *_, last = (layer.name for layer in model.layers())

    def asked(pattern, **cut):
        rules = RuleSet([(f"layer:{pattern}", Gradient()), ("*", Gradient())])
        return InputAttribution(model, rules=rules, **cut).attributions(x)

    with pytest.raises(UnknownLayerError, match=f"'layer:{last}x'.*did you mean .*'{last}'"):
        asked(f"{last}x")
    first = model.layers()[0].name
    asked(first)
    with pytest.warns(TrulensWarning, match=f"'layer:{first}' met no operation between"):
        asked(first, doi_cut=Cut(first))


def test_a_backend_without_rules_says_so():
    wrapper = Blind(ReferenceModel(ZOO["mlp"]))
    with pytest.raises(UncoveredOperationError, match="not served by the backend"):
        AttnLRP(wrapper).attributions(ZOO["mlp"].inputs(2)[0][0])


def test_lrp_takes_one_composite():
    wrapper, _ = model("mlp")
    with pytest.raises(ValueError, match="composite="):
        LRP(wrapper, rules=composites.epsilon())
    with pytest.raises(ValueError, match="merge"):
        LRP(wrapper, composites.epsilon(), merge=True)


def test_linear_doi_of_one_point_is_deeplift():
    wrapper, x = model("mlp")
    rules = composites.deep_lift()
    found = InternalInfluence(wrapper, None, 1, LinearDoi(0.3, 1), rules=rules).attributions(x)
    np.testing.assert_array_equal(found, DeepLIFT(wrapper, 0.3, qoi=1).attributions(x))


def test_relevance_is_not_multiplied_with_steps_of_a_path():
    wrapper, _ = model("mlp_relu")
    with pytest.raises(ValueError, match="relevance itself"):
        Conductance(wrapper, "hidden", rules=composites.epsilon_plus_flat())
