"""What rules cannot serve raises, and says what and where: silence would be a wrong number."""

import warnings

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from trulens_core import (
    LRP,
    AttnLRP,
    DeepLIFT,
    GuidedBackprop,
    InputAttribution,
    TrulensError,
    UncoveredOperationError,
    get_model_wrapper,
)
from trulens_core.rules import Epsilon, Gradient, Guided, RuleSet, composites
from trulens_torch import ruled

X = torch.linspace(-1, 1, 12).reshape(3, 4).double()


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g * ctx.saved_tensors[0]


def gated(x):
    return x * torch.sigmoid(x)


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    scripted = torch.jit.script(gated)
    traced = torch.jit.trace(gated, X)


@torch.library.custom_op("trulens_tests::doubled", mutates_args=())
def doubled(x: torch.Tensor) -> torch.Tensor:
    return x * 2


doubled.register_autograd(lambda ctx, g: g * 2)


class Net(nn.Module):
    """A layer, a function, a layer."""

    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)
        self.function = function
        self.double()

    def forward(self, x):
        return self.b(self.function(self.a(x)))


class First(nn.Module):
    def forward(self, pair):
        return pair[0]


def out_of(x):
    return torch.mul(x, 2.0, out=torch.empty(0, dtype=x.dtype))


def weights_of(x):
    return nn.functional.linear(x, x.t() @ x)


def branches(x):
    return torch.tanh(x) if x.detach().sum() > 0 else torch.tanh(x).relu()


UNSEEN = {
    "an autograd.Function": (Square.apply, "SquareBackward"),
    "a scripted function": (scripted, "comes from"),
    "a traced function": (traced, "comes from"),
    "a custom operator": (doubled, "doubled|comes from"),
    "topk": (lambda x: x.topk(4, -1).values, "'topk'"),
    "sort": (lambda x: x.sort(-1).values, "'sort'"),
    "a special function": (torch.special.i0, "i0"),
    "cumprod": (lambda x: x.cumprod(-1), "'cumprod'"),
    "a norm": (lambda x: x / x.norm(dim=-1, keepdim=True), "norm"),
    "maxima of two": (lambda x: torch.maximum(x, -x), "'maximum'"),
    "a switch by another value": (lambda x: torch.where(x[:, :1] > 0, x, 2 * x), "'where'"),
    "weights from the source": (weights_of, "depend on the source"),
    "a projected recurrence": (nn.Sequential(nn.LSTM(4, 6, proj_size=4), First()), "proj_size"),
}


@pytest.mark.parametrize("case", UNSEEN)
@pytest.mark.parametrize("asked", [AttnLRP, DeepLIFT, GuidedBackprop])
def test_what_rules_cannot_see_raises(case, asked):
    function, said = UNSEEN[case]
    with pytest.raises(UncoveredOperationError, match=said):
        asked(Net(function)).attributions(X)


def test_an_operation_without_a_rule_names_itself_and_its_layer():
    model = Net(nn.Softmax(-1))
    said = r"'softmax' \(kind 'softmax'\).*'function'.*explain the scores"
    with pytest.raises(UncoveredOperationError, match=said):
        LRP(model, "epsilon").attributions(X)
    rules = RuleSet([("linear", Epsilon())], uncovered="gradient")
    found = LRP(model, rules).explain(X)
    assert (found.coverage.ruled, found.coverage.missed) == (2, 1)
    assert "none for 'softmax'" in str(found.coverage)
    assert not found.coverage.complete


def test_output_arguments_are_refused():
    with pytest.raises((UncoveredOperationError, RuntimeError), match="out="):
        AttnLRP(Net(out_of)).attributions(X)


def test_batch_norm_in_training_mode_is_refused():
    model = get_model_wrapper(Net(nn.BatchNorm1d(4).double()).train(), force_eval=False)
    with pytest.raises(UncoveredOperationError, match="training mode"):
        AttnLRP(model).attributions(X)


def test_what_runs_otherwise_at_the_baseline_is_refused():
    with pytest.raises(UncoveredOperationError, match="otherwise at the baseline"):
        DeepLIFT(Net(branches), -5.0, rebatch_size=1, qoi=0).attributions(5 * X.abs())


def test_rules_that_compare_need_a_baseline():
    method = InputAttribution(Net(torch.tanh), rules=composites.deep_lift())
    with pytest.raises(UncoveredOperationError, match="LinearDoi"):
        method.attributions(X)


def test_recomputation_is_seen_or_refused():
    """The recomputed part obeys the rules as well, or it is an error; never another number."""
    plain = Net(nn.Sequential(nn.ReLU(), nn.Tanh()))
    again = Net(lambda x: checkpoint(plain.function, x, use_reentrant=False))
    again.load_state_dict({k: v for k, v in plain.state_dict().items() if "function" not in k})
    expected = GuidedBackprop(plain, qoi=0).attributions(X)
    try:
        found = GuidedBackprop(again, qoi=0).attributions(X)
    except TrulensError:
        return
    assert torch.allclose(found, expected)


def test_what_is_no_rule_set_is_refused():
    for given, said in (("epsilon", "RuleSet"), ([("relu", Guided())], "RuleSet")):
        with pytest.raises(ValueError, match=said):
            InputAttribution(Net(torch.tanh), rules=given)
    with pytest.raises(ValueError, match="epsilon_plus"):
        LRP(Net(torch.tanh), "epsilonplus")
    with pytest.raises(ValueError, match="low="):
        LRP(Net(torch.tanh), "epsilon_gamma_box")
    with pytest.raises(ValueError, match="'lineer'"):
        RuleSet([("lineer", Gradient())])
    with pytest.raises(ValueError, match=r"Guided\(\)"):
        RuleSet([("relu", Guided)])


@pytest.mark.parametrize(
    "written",
    [
        lambda x: x * (x > 0),
        lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
        lambda x: torch.where(x <= 0, 0.0, x),
        lambda x: x.masked_fill(x < 0, 0.0),
        lambda x: x * (x > 0).double(),
        lambda x: x * ~(x <= 0),
        lambda x: x.clamp(min=0),
    ],
)
def test_a_relu_that_is_written_out_is_one(written):
    """What looks linear is not, where a comparison of the values decides."""
    plain, other = Net(torch.relu), Net(written)
    gradient = InputAttribution(plain, qoi=1, multiply_activation=False).attributions(X)
    assert not torch.allclose(GuidedBackprop(plain, qoi=1).attributions(X), gradient)
    for asked in (GuidedBackprop, AttnLRP, DeepLIFT):
        expected = asked(plain, qoi=1).attributions(X)
        assert torch.allclose(asked(other, qoi=1).attributions(X), expected, atol=1e-14)


def test_a_leaky_relu_that_is_written_out_is_one():
    written = Net(lambda x: torch.where(x > 0, x, 0.1 * x))
    plain = Net(lambda x: torch.nn.functional.leaky_relu(x, 0.1))
    for asked in (GuidedBackprop, DeepLIFT):
        expected = asked(plain, -0.4, qoi=1) if asked is DeepLIFT else asked(plain, qoi=1)
        found = asked(written, -0.4, qoi=1) if asked is DeepLIFT else asked(written, qoi=1)
        assert torch.allclose(found.attributions(X), expected.attributions(X), atol=1e-14)


@pytest.mark.parametrize("asked", [GuidedBackprop, AttnLRP, DeepLIFT])
def test_an_operation_that_the_mode_lets_by_is_found(asked, monkeypatch):
    """A defect of ours would be no silent one: what it gives has no mark."""
    known = ruled.known

    def blind(function):
        found = known(function)
        return found._replace(kind="plain") if found.name == "relu" else found

    asked(Net(torch.relu)).attributions(X)
    monkeypatch.setattr(ruled, "known", blind)
    with pytest.raises(UncoveredOperationError, match="ReluBackward"):
        asked(Net(torch.relu)).attributions(X)
