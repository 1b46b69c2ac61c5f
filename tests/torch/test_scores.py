"""The layer that LogitCut means gives scores; one that gives probabilities is refused."""

import runpy
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    CutError,
    InputAttribution,
    InternalInfluence,
    LogitCut,
    OutputCut,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

PLAIN = runpy.run_path(str(Path(__file__).with_name("plain.py")))  # tests are no package
X, gradient = PLAIN["X"], PLAIN["gradient"]


def model(*end):
    torch.manual_seed(0)
    names = ("body", "act", "scores", *(f"p{i}" for i in range(len(end))))
    parts = (nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3), *end)
    return nn.Sequential(OrderedDict(zip(names, parts, strict=True))).double()


class Softly(nn.Module):
    """A softmax that no type tells."""

    def __init__(self, log=False):
        super().__init__()
        self.log = log

    def forward(self, x):
        return x.log_softmax(1) if self.log else x.softmax(1)


@pytest.mark.parametrize(
    "end",
    [
        nn.Softmax(1),
        nn.LogSoftmax(1),
        nn.Sigmoid(),
        nn.Sequential(nn.Linear(3, 3), nn.Softmax(1)),
        nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.LogSigmoid())),
        Softly(),
        Softly(log=True),
        nn.Sequential(nn.Linear(3, 3), Softly()),
    ],
)
def test_probabilities_are_no_scores(end):
    net = model(end)
    told = r"LogitCut: the layer 'p0' gives probabilities.*logit_layer="
    for ask in (
        lambda w: w.logits(X),
        lambda w: w.probits(X),
        lambda w: w.fprop(X, to_cut=LogitCut()),
        lambda w: InternalInfluence(w, (None, LogitCut()), 0, "point").attributions(X),
        lambda w: w.qoi_bprop(0, X, to_cut=LogitCut()),
    ):
        with pytest.raises(CutError, match=told):
            ask(get_model_wrapper(net, logit_layer="p0"))
    named = get_model_wrapper(net, logit_layer="scores")
    found = InputAttribution(named, LogitCut(), 1, multiply_activation=False).attributions(X)
    assert relative_error(found, gradient(net[:3], X, 1)) <= 1e-10
    assert torch.equal(get_model_wrapper(net)(X), net(X))


def test_it_is_refused_each_time():
    wrapper = get_model_wrapper(model(Softly()), logit_layer="p0")
    method = InputAttribution(wrapper, LogitCut(), 1)
    for _ in range(3):
        with pytest.raises(CutError, match="'p0' gives probabilities"):
            method.attributions(X)


def test_a_layer_called_logits_is_held_to_its_name():
    net = nn.Sequential(nn.Linear(4, 3), nn.Identity())
    net.add_module("logits", nn.Softmax(1))
    with pytest.raises(CutError, match="'logits' gives probabilities"):
        get_model_wrapper(net.double()).logits(X)


@pytest.mark.parametrize("end", [nn.ReLU(), nn.Identity(), nn.Tanh(), nn.Hardtanh(0, 1)])
def test_other_layers_may_give_the_scores(end):
    net = model(end)
    assert torch.equal(get_model_wrapper(net, logit_layer="p0").logits(X), net(X))


def test_the_model_is_looked_at_once():
    """In the first call, by itself or with what else is looked at there; not after it."""
    net, passes = model(), []
    net.body.register_forward_hook(lambda *_: passes.append(1))
    method = InputAttribution(get_model_wrapper(net, logit_layer="scores"), LogitCut(), 1)
    counts = []
    for _ in range(3):
        passes.clear()
        method.attributions(X)
        counts.append(len(passes))
    assert counts[0] > counts[1] == counts[2] == 1


def test_an_accessor_may_compute_probabilities():
    net = model()
    cut = LogitCut(accessor=lambda y: y.softmax(1))
    wrapper = get_model_wrapper(net, logit_layer="scores")
    found = InputAttribution(wrapper, cut, 1, multiply_activation=False).attributions(X)
    assert relative_error(found, gradient(lambda x: net(x).softmax(1), X, 1)) <= 1e-10


# -- outputs of several tensors -------------------------------------------------------------------


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.z, self.a = nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return {"z": self.z(x), "a": self.a(x).tanh(), "n": torch.arange(3)}


def test_heads_by_name():
    torch.manual_seed(1)
    net = Heads().double()
    for ask in (
        get_model_wrapper(net),
        InputAttribution(net, qoi=0).attributions,
        InternalInfluence(net, ("z", None), 0, "point").attributions,
    ):
        with pytest.raises(CutError, match=r"OutputCut.*'z' \(3, 3\); 'a' \(3, 2\).*accessor="):
            ask(X)
    for name in "za":
        cut = OutputCut(accessor=lambda v, name=name: v[name])
        found = InputAttribution(net, cut, 1, multiply_activation=False).attributions(X)
        assert relative_error(found, gradient(lambda x, n=name: net(x)[n], X, 1)) <= 1e-10
    shapes = [
        t.shape for t in get_model_wrapper(net).fprop(X, to_cut=OutputCut(accessor=lambda v: v))
    ]
    assert shapes == [(3, 3), (3, 2), (3,)]


def test_answers_of_a_question_answering_model():
    """Two kinds of logits, neither of which is called so."""
    outputs = pytest.importorskip("transformers.modeling_outputs")
    net = nn.Sequential(nn.Linear(4, 6), nn.Module()).double()
    net[1].forward = lambda h: outputs.QuestionAnsweringModelOutput(
        start_logits=h[:, :3], end_logits=h[:, 3:]
    )
    with pytest.raises(CutError, match=r"'start_logits'.*'end_logits'.*v\['start_logits'\]"):
        InputAttribution(net, qoi=0).attributions(X)
    cut = OutputCut(accessor=lambda v: v.end_logits)
    found = InputAttribution(net, cut, 0, multiply_activation=False).attributions(X)
    assert np.allclose(found, net[0].weight[3].detach())
