"""Rules reach every operation of a torch model, in whatever form it is written."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from trulens_core import (
    LRP,
    AttnLRP,
    Conductance,
    Cut,
    DeepLIFT,
    ExpectedGradients,
    GuidedBackprop,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    NeuronConductance,
    SmoothGrad,
    UncoveredOperationError,
    get_model_wrapper,
)
from trulens_core.rules import Epsilon, Flat, Gradient, Guided, Rule, RuleSet, composites
from trulens_core.testing import relative_error

EXACT = 1e-12


def null():
    return RuleSet([("*", Gradient())])


def close(a, b, tolerance=EXACT):
    return relative_error(a.numpy(), b.numpy()) < tolerance


# -- one block, in all of its forms ---------------------------------------------------------------


class Residual(nn.Module):
    """A block of a residual network; `form` says how it is written."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(2))
        self.bn1, self.bn2 = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.relu, self.in_place = nn.ReLU(), nn.ReLU(inplace=True)
        self.head, self.form = nn.Linear(3, 2), "modules"
        for bn in (self.bn1, self.bn2):
            nn.init.uniform_(bn.running_var, 0.5, 2)
            nn.init.normal_(bn.running_mean, 0, 0.2)

    def forward(self, x):
        return self.head(getattr(self, self.form)(x * 1.0).mean((2, 3)))

    def modules_(self, x):
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))) + x)

    def functions(self, x):
        def conv(x, c):
            return functional.conv2d(x, c.weight, c.bias, padding=1)

        def norm(x, n):
            return functional.batch_norm(x, n.running_mean, n.running_var, n.weight, n.bias)

        y = functional.relu(norm(conv(x, self.conv1), self.bn1))
        return torch.relu(norm(conv(y, self.conv2), self.bn2).add(x))

    def changed(self, x):
        y = self.bn2(self.conv2(self.in_place(self.bn1(self.conv1(x)))))
        y += x
        return functional.relu_(y)

    def written(self, x):
        y = functional.conv2d(x, self.conv1.weight, padding=1) + self.conv1.bias[:, None, None]
        y = functional.conv2d(self.bn1(y).relu(), self.conv2.weight, padding=1)
        y += self.conv2.bias[:, None, None]
        return torch.add(self.bn2(y), x).relu()


class Transformer(nn.Module):
    """A block of a transformer; `form` says how attention, norms and activations are written."""

    def __init__(self, width=8, heads=2):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.up, self.down = nn.Linear(width, 16), nn.Linear(16, width)
        self.head, self.form, self.heads = nn.Linear(width, 3), "modules", heads
        for p in self.parameters():
            nn.init.normal_(p, 0, 0.5)

    def forward(self, x):
        attend, norm, act = {
            "modules": (self.as_module, self.as_layer, nn.GELU(approximate="tanh")),
            "fused": (self.fused, self.as_function, self.tanh_gelu),
            "written": (self.written, self.by_hand, self.gelu_by_hand),
        }[self.form]
        x = x + attend(norm(x, self.norm1))
        y = norm(x, self.norm2)
        x = x + self.down(act(self.up(y)))
        return self.head(x.mean(1))

    def as_layer(self, x, layer):
        return layer(x)

    def as_function(self, x, layer):
        return functional.layer_norm(x, x.shape[-1:], layer.weight, layer.bias)

    def by_hand(self, x, layer):
        centred = x - x.mean(-1, keepdim=True)
        scale = torch.rsqrt(centred.pow(2).mean(-1, keepdim=True) + layer.eps)
        return centred * scale * layer.weight + layer.bias

    def tanh_gelu(self, x):
        return functional.gelu(x, approximate="tanh")

    def gelu_by_hand(self, x):
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))

    def as_module(self, x):
        return self.attention(x, x, x, need_weights=False)[0]

    def parts(self, x):
        a = self.attention
        y = functional.linear(x, a.in_proj_weight, a.in_proj_bias)
        return [t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in y.chunk(3, -1)]

    def fused(self, x):
        y = functional.scaled_dot_product_attention(*self.parts(x))
        return self.attention.out_proj(y.transpose(1, 2).flatten(2))

    def written(self, x):
        q, k, v = self.parts(x)
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        powers = torch.exp(scores)
        y = (powers / powers.sum(-1, keepdim=True)) @ v
        a = self.attention.out_proj
        return y.transpose(1, 2).flatten(2) @ a.weight.t() + a.bias


def made(kind):
    torch.manual_seed(0)
    return kind().double().eval()


BLOCKS = {
    Residual: ("modules_", "functions", "changed", "written"),
    Transformer: ("modules", "fused", "written"),
}
SHAPES = {Residual: (2, 3, 6, 6), Transformer: (2, 5, 8)}
ASKED = {
    "lrp": lambda m: LRP(m, "alpha2_beta1", qoi=0),
    "merged": lambda m: LRP(m, "epsilon_plus", qoi=0, merge=True),
    "attn": lambda m: AttnLRP(m, qoi=0),
    "guided": lambda m: GuidedBackprop(m, qoi=0),
    "lift": lambda m: DeepLIFT(m, 0.3, qoi=0),
}


@pytest.mark.parametrize(
    ("kind", "asked"),
    [(Residual, n) for n in ASKED] + [(Transformer, n) for n in ("attn", "lift")],
)
def test_all_forms_of_a_block_are_one(kind, asked):
    model, x = made(kind), torch.randn(SHAPES[kind]).double()
    found = []
    for form in BLOCKS[kind]:
        model.form = form
        result = ASKED[asked](model).explain(x)
        assert result.coverage.complete
        found.append(result.attributions)
    # the fused attention has DeepLIFT's mean derivative in one, its parts in turn
    for other in found[1:] if (kind, asked) != (Transformer, "lift") else []:
        assert close(other, found[0])
    if asked == "lift":
        assert result.residual.abs().max() < EXACT


@pytest.mark.parametrize("kind", BLOCKS)
def test_gradients_everywhere_are_the_gradient(kind):
    """Of all forms, at the input and at an inner cut, along paths and of noise."""
    model, x = made(kind), torch.randn(SHAPES[kind]).double()
    cut = {Residual: "conv1", Transformer: "norm1"}[kind]
    for form in BLOCKS[kind]:
        model.form = form
        for method, options in (
            (InputAttribution, {}),
            (IntegratedGradients, {"resolution": 3}),
            (SmoothGrad, {"resolution": 2}),
        ):
            plain = method(model, **options).attributions(x)
            assert close(method(model, rules=null(), **options).attributions(x), plain), form
        if form.startswith("modules"):
            cuts = (cut, None)
            plain = InternalInfluence(model, cuts, 0, "linear").attributions(x)
            ruled = InternalInfluence(model, cuts, 0, "linear", rules=null()).attributions(x)
            assert close(ruled, plain)


class Masked(Transformer):
    """Attention with a mask of −∞, whose weights are returned."""

    def as_module(self, x):
        n = x.shape[1]
        mask = torch.full((n, n), float("-inf"), dtype=x.dtype).triu(1)
        return self.attention(x, x, x, attn_mask=mask)[0]


def test_masks_of_infinity_pass_nothing_back():
    model, x = made(Masked), torch.randn(SHAPES[Transformer]).double()
    plain = InputAttribution(model, qoi=0).attributions(x)
    assert close(InputAttribution(model, qoi=0, rules=null()).attributions(x), plain)
    assert DeepLIFT(model, 0.3, qoi=0).explain(x).residual.abs().max() < 1e-9
    assert AttnLRP(model, qoi=0).attributions(x).isfinite().all()


class Views(nn.Module):
    """What is written into parts of a tensor, and changed there."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        x = self.a(x)
        y = torch.zeros(x.shape, dtype=x.dtype)
        y[:, ::2] = x[:, ::2]
        y[:, 1] += torch.tanh(x[:, 0])
        part = y[:, 2:4]
        part.mul_(2.0)
        part.relu_()
        return self.b(y + x).sum(1)


def test_parts_of_a_tensor_are_followed():
    model, x = made(Views), torch.randn(3, 5, 8).double()
    plain = InputAttribution(model, qoi=0).attributions(x)
    assert close(InputAttribution(model, qoi=0, rules=null()).attributions(x), plain)
    assert DeepLIFT(model, 0.3, qoi=0).explain(x).residual.abs().max() < EXACT


# -- with the other parts -------------------------------------------------------------------------


@pytest.fixture
def mlp():
    torch.manual_seed(2)
    layers = nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3)
    return nn.Sequential(*layers).double().eval()


def test_rules_in_other_methods(mlp):
    """The path's mean of guided gradients; conductance and data likewise run by rules."""
    x = torch.randn(3, 4).double()
    guided = composites.guided()
    found = IntegratedGradients(mlp, resolution=4, qoi=0, rules=guided).attributions(x)
    points = [GuidedBackprop(mlp, qoi=0).attributions(a * x) for a in (0.125, 0.375, 0.625, 0.875)]
    assert close(found, torch.stack(points).mean(0) * x)
    for method in (
        lambda **o: Conductance(mlp, "1", qoi=0, resolution=4, **o),
        lambda **o: NeuronConductance(mlp, "1", 7, qoi=0, resolution=4, **o),
        lambda **o: ExpectedGradients(mlp, x, samples=4, qoi=0, **o),
    ):
        plain = method().attributions(x)
        assert close(method(rules=null()).attributions(x), plain)
        assert not close(method(rules=guided).attributions(x), plain, 1e-3)


def test_relevance_at_layers_is_conserved(mlp):
    """Without biases Σ R is q at every layer, and one neuron's relevance is its own (CRP)."""
    for layer in mlp[::2]:
        nn.init.zeros_(layer.bias)
    x = torch.randn(3, 4).double()
    rules = composites.epsilon(1e-12)
    q = mlp(x)[:, 1].detach()
    for layer in (None, "0", "1", "2", "3"):
        total = LRP(mlp, rules, qoi=1, layer=layer).attributions(x).flatten(1).sum(1)
        assert torch.allclose(total, q, atol=1e-8), layer
    inner = LRP(mlp, rules, qoi=lambda z: z[:, 2], qoi_cut="2").attributions(x).sum(1)
    assert torch.allclose(inner, mlp[:3](x)[:, 2].detach(), atol=1e-8)


def test_rules_act_neither_before_the_source_nor_in_the_quantity(mlp):
    """What would be changed there would not be the gradient any more."""
    x = torch.randn(3, 4).double()
    stop = RuleSet([("relu", Guided()), ("linear", Gradient())])

    def qoi(y):
        return torch.relu(y[:, 0] + 2.0) * y[:, 1] ** 2

    z = mlp[:4](x).detach().requires_grad_()
    (expected,) = torch.autograd.grad(qoi(mlp[4](z)).sum(), z)
    method = InternalInfluence(mlp, ("3", None), qoi, "point", False, rules=stop)
    assert close(method.attributions(x), expected)
    assert method.explain(x).coverage.ruled == 1


def test_batches_blocks_and_cuts_do_not_matter(mlp):
    x = torch.randn(5, 4).double()
    options = {"qoi": 0, "resolution": 6, "rules": composites.guided()}
    whole = IntegratedGradients(mlp, **options).attributions(x)
    for size in (1, 3, 7):
        assert close(IntegratedGradients(mlp, rebatch_size=size, **options).attributions(x), whole)
    inner = InternalInfluence(mlp, ("1", None), 0, "linear", rules=composites.guided())
    full = get_model_wrapper(mlp, skip_prefix=False)
    other = InternalInfluence(full, ("1", None), 0, "linear", rules=composites.guided())
    assert close(inner.attributions(x), other.attributions(x))
    several = InternalInfluence(mlp, (Cut(["1", "3"]), None), 0, "point", rules=composites.guided())
    for name, found in zip(("1", "3"), several.attributions(x), strict=True):
        alone = InternalInfluence(mlp, (name, None), 0, "point", rules=composites.guided())
        assert close(found, alone.attributions(x))


def test_layers_and_functions_choose(mlp):
    """A layer's name goes before kinds; a function sees the operation."""
    x = torch.randn(3, 4).double()
    rest = [("linear", Gradient()), ("relu", Gradient())]
    by_layer = RuleSet([("layer:1", Guided()), *rest])
    by_call = RuleSet([(lambda op: op.layer == "1", Guided()), *rest])
    found = InputAttribution(mlp, qoi=0, rules=by_layer).explain(x)
    assert found.coverage.by_kind()["relu", "Guided()"] == 1
    assert close(found.attributions, InputAttribution(mlp, qoi=0, rules=by_call).attributions(x))
    plain = InputAttribution(mlp, qoi=0).attributions(x)
    assert not close(found.attributions, plain, 1e-3)


class Doubled(Rule):
    def __call__(self, op):
        return op.backend.through(op(), lambda g: 2 * g)


def test_a_rule_of_ones_own(mlp):
    x = torch.randn(3, 4).double()
    rules = RuleSet([("linear", Doubled()), ("*", Gradient())])
    found = InputAttribution(mlp, qoi=0, rules=rules).attributions(x)
    assert close(found, 8 * InputAttribution(mlp, qoi=0).attributions(x))


def test_first_rules_give_relevance_and_say_where_they_cannot(mlp):
    x = torch.randn(3, 4).double()
    rules = RuleSet([("linear|relu", Epsilon())], first=[("linear", Flat())])
    multiplied = InternalInfluence(mlp, None, 0, "point", True, rules=rules).attributions(x)
    assert close(
        InternalInfluence(mlp, None, 0, "point", False, rules=rules).attributions(x), multiplied
    )
    assert (multiplied.std(1) < 1e-12).all()  # flat: all inputs alike
    for model in (
        nn.Sequential(nn.Flatten(), mlp),
        nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Flatten(), mlp),
    ):
        found = InternalInfluence(model, None, 0, "point", rules=rules).attributions(x)
        assert close(found, multiplied)
    for model in (nn.Sequential(nn.ReLU(), mlp), nn.Sequential(nn.LayerNorm(4).double(), mlp)):
        with pytest.raises(UncoveredOperationError, match="first="):
            InternalInfluence(model, None, 0, "point", rules=rules).attributions(x)


# -- no trace -------------------------------------------------------------------------------------


def test_nothing_is_left_behind(mlp):
    """Also after an operation that raises: no hook, mode, mark of a parameter, or gradient."""
    hooks = torch.nn.modules.module._global_forward_hooks
    before = copy.deepcopy(mlp.state_dict())
    model = nn.Sequential(mlp, nn.Softmin(1), nn.CELU()).double()
    x = torch.randn(2, 4).double()
    AttnLRP(model).attributions(x)
    with pytest.raises(UncoveredOperationError):
        LRP(model, "epsilon").attributions(x)
    assert not hooks
    assert not torch.nn.modules.module._global_forward_pre_hooks
    assert torch.overrides._get_current_function_mode() is None
    for name, p in mlp.named_parameters():
        assert p.grad is None
        assert p.requires_grad
        assert torch.equal(p, before[name])
        assert not any("trulens" in k for k in vars(p))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not any("trulens" in k for k in vars(x))
