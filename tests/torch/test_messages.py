"""Calls that a new user writes and that cannot be served: each message has the useful words."""

import re

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from trulens_core import (
    ClassQoI,
    Cut,
    CutError,
    DoiError,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    NotConnectedError,
    NotDifferentiableError,
    OutputCut,
    QoiCutSupportError,
    QoiError,
    Slice,
    get_model_wrapper,
)

torch.manual_seed(0)
X = torch.randn(5, 4)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))


class Sentences(Net):
    """Sentences are rows of a layer."""

    def forward(self, x):
        return self.b(torch.tanh(self.a(x.flatten(0, 1))).unflatten(0, x.shape[:2]).sum(1))


class Last(nn.Module):
    """A GRU as PyTorch has it by default: time first."""

    def __init__(self):
        super().__init__()
        self.gru, self.b = nn.GRU(4, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.b(self.gru(x)[1][0])


NET, MAP = Net(), nn.Conv2d(3, 4, 3)


def of(function, **options):
    """A function of tensors as the model."""
    return get_model_wrapper(function, backend="torch", **options)


def ig(model=NET, *args, x=(X,), **options):
    """Integrated gradients of a model at x."""
    given = {"qoi": 0, "resolution": 4, **options}
    return lambda: IntegratedGradients(model, *args, **given).attributions(*x)


def at(cut, model=NET, x=X, **options):
    """Influence at a layer."""
    return lambda: InternalInfluence(model, cut, 0, "point", **options).attributions(x)


def called(**words):
    return lambda: IntegratedGradients(NET, resolution=4).attributions(X, **words)


def heads(x):
    y = NET(x)
    return {"s": y, "t": y[:, :2]}


def targets(y):
    """Of data of its own with a row per record."""
    return y.gather(1, torch.tensor([[0], [1], [2], [0], [1]]))[:, 0]


ONE, TWO = torch.randn(3, 4), torch.randn(2, 4)
PACKED = pack_sequence([ONE, TWO])
SIZES = [torch.randn(3, 8, 8), torch.randn(3, 6, 7)]

CALLS = {
    # rows and records
    "time first": (ig(Last(), x=(torch.randn(7, 5, 4),)), CutError, r"\(5, 3\).*batched={'x': 1}"),
    "one record, a vector": (ig(x=(X[0],)), CutError, r"\(3,\).*have 4.*x\[None\]"),
    "one record, a picture": (
        ig(MAP, x=(torch.randn(3, 8, 8),), qoi=lambda y: y.sum((1, 2, 3))),
        CutError,
        r"\(4, 6, 6\).*x\[None\]",
    ),
    "a loss of all records": (
        ig(of(lambda x: NET(x).sum())),
        CutError,
        r"one number for all records.*leave out the mean",
    ),
    "a mean over the records": (
        ig(of(lambda x: NET(x).mean(0, keepdim=True))),
        CutError,
        r"\(1, 3\): 1 rows.*have 5",
    ),
    "sentences": (
        at("a", Sentences(), torch.randn(2, 5, 4)),
        CutError,
        r"Cut\('a', rows_per_record=5\)",
    ),
    "sentences on a path": (
        ig(Sentences(), x=(torch.randn(2, 5, 4),), qoi_cut="a"),
        CutError,
        r"\(10, 6\): 10 rows, but the inputs have 2; if 5 rows belong to each record",
    ),
    "time first within": (
        at(Cut("gru", accessor=lambda v: v[1]), Last(), torch.randn(7, 5, 4)),
        CutError,
        r"1 rows.*have 7.*batched={'x': 1}",
    ),
    "another number of rows": (
        at(Cut("a", rows_per_record=2)),
        CutError,
        r"5 rows are no multiple of 2.*'auto'",
    ),
    "rows that do not grow": (
        at(Cut("a", rows_per_record="auto"), of(lambda x: NET(X) + x.sum())),
        CutError,
        r"5 rows for one record and 5 for two",
    ),
    "no such axis of the inputs": (
        ig(doi_cut=InputCut(batch_axis=3)),
        ValueError,
        r"batched={0: 3}.*\(5, 4\).*no such axis",
    ),
    # kinds of inputs
    "packed": (ig(Last(), x=(PACKED,)), TypeError, r"PackedSequence.*pack_padded_sequence\(x, n"),
    "nested": (
        ig(x=(torch.nested.nested_tensor([ONE, TWO], layout=torch.jagged),)),
        TypeError,
        r"input 0 is a nested tensor.*to_padded_tensor",
    ),
    "sparse": (ig(x=(X.to_sparse(),)), TypeError, r"input 0 is sparse.*to_dense\(\).*batched="),
    "complex": (ig(x=(X + 1j,)), NotDifferentiableError, r"real numbers.*re \+ 1j \* im"),
    "a complex output": (
        ig(of(lambda x: torch.fft.fft(NET(x)))),
        QoiError,
        r"complex64.*real part.*y.abs\(\)",
    ),
    "integers": (ig(x=(X.long(),)), ValueError, r"no gradient at integers.*\.float\(\)"),
    "an argument that is None": (
        ig(of(lambda x, y=None: NET(x)), x=(X, None), doi_cut=InputCut(names=["y"])),
        NotDifferentiableError,
        r"an argument that is None",
    ),
    "a name that is not given": (
        ig(doi_cut=InputCut(names=["z"])),
        CutError,
        r"'z', which is not given; arguments: \['x'\]",
    ),
    "a generator": (ig(x=((r for r in X),)), TypeError, "found: generator.*numpy.asarray"),
    "a loader": (ig(x=(torch.utils.data.DataLoader(X),)), TypeError, "found: DataLoader"),
    # outputs and quantities
    "one number a record, by default": (
        ig(of(lambda x: NET(x)[:, 0]), qoi="max"),
        QoiCutSupportError,
        r"\(5,\).*qoi=lambda y: y",
    ),
    "one number a record, and a class": (
        ig(of(lambda x: NET(x)[:, 0])),
        QoiCutSupportError,
        "qoi=lambda y: y",
    ),
    "a list of labels": (ig(qoi=[0, 1, 2, 0, 1]), ValueError, r"ClassQoI\(labels\)"),
    "too few labels": (ig(qoi=torch.tensor([0, 1, 2])), QoiError, "3 values.*5 records"),
    "a class out of range": (ig(qoi=ClassQoI(7)), IndexError, "class 7.*class 0 to 2"),
    "a class by its number": (
        ig(qoi=7),
        IndexError,
        "class or unit 7 is out of range: there are 3",
    ),
    "a channel out of range": (
        ig(MAP, x=(torch.randn(2, 3, 8, 8),), qoi=9),
        IndexError,
        "channel 9.*channel 0 to 3",
    ),
    "a mean of all": (ig(qoi=lambda y: y.mean()), QoiError, r"one number per row of y"),
    "targets in a closure": (ig(qoi=targets), QoiError, r"row per record and point.*`arrays`"),
    "an argmax": (ig(qoi=lambda y: y.argmax(1)), QoiError, "int64, which has no gradient"),
    "nothing returned": (ig(of(lambda x: None)), CutError, "holds no tensor: it is None"),
    "a text returned": (ig(of(lambda x: "a")), CutError, "holds no tensor: it is a str"),
    "two heads": (ig(of(heads)), CutError, r"'s' \(5, 3\); 't' \(5, 2\).*accessor="),
    "no such head": (
        ig(of(heads), qoi_cut=OutputCut("r")),
        CutError,
        r"'r'.*no such member.*\['s', 't'\]",
    ),
    "a graph that ends": (
        ig(of(lambda x: NET(x.detach()))),
        NotConnectedError,
        r"stop gradients \(detach",
    ),
    # words
    "target": (called(target=1), TypeError, r"Captum's target= is qoi= here.*not to the call"),
    "n_steps": (called(n_steps=9), TypeError, "resolution= here"),
    "baselines": (called(baselines=X), TypeError, "baseline= here"),
    "internal_batch_size": (called(internal_batch_size=2), TypeError, "rebatch_size= here"),
    "nsamples": (called(nsamples=9), TypeError, "SHAP's nsamples= is samples= here"),
    "operator": (called(operator=None), TypeError, "Xplique's operator= is qoi= here"),
    "our own words": (called(qoi=1), TypeError, "qoi= belongs to the method, not to the call"),
    "a baseline in the call": (called(baseline=X), TypeError, "baseline= belongs to the method"),
    "a baseline of another shape": (
        ig(baseline=torch.zeros(5, 3)),
        DoiError,
        r"\(5, 3\).*\(5, 4\)",
    ),
    "a baseline in words": (ig(baseline="zeros"), DoiError, "baseline is str; give a number"),
    "a number for a cut": (lambda: InputAttribution(NET, 2), TypeError, r"qoi=2"),
    # cuts
    "a cut of a cut": (lambda: Cut(Cut("a")), CutError, r"Cut\('a'\) is a cut"),
    "a slice in a method's cut": (
        lambda: InputAttribution(NET, Slice("a", "b")),
        CutError,
        "is a slice; give one cut here",
    ),
    "a letter too many": (at("aa"), CutError, "did you mean 'a'"),
    "the wrong way round": (at(("b", "a")), NotConnectedError, "source cut after the target"),
    "inputs of fprop side by side": (
        lambda: get_model_wrapper(NET).fprop(X, X),
        TypeError,
        r"one list, fprop\(\[x, y\]\)",
    ),
    "no records": (ig(x=(X[:0],)), ValueError, "0 records; give at least one"),
    # a model's own errors
    "a batch by position": (
        ig(of(lambda **k: NET(k["x"])), x=({"x": X},)),
        TypeError,
        r"method.attributions\(\*\*batch\)",
    ),
    "pictures of several sizes": (
        ig(of(lambda p: torch.stack([t.mean((1, 2)) for t in p])), x=([SIZES],)),
        CutError,
        r"different sizes in a list.*one record a call",
    ),
    "rows of several sizes": (
        ig(of(lambda rows: torch.stack([NET(r).mean(0) for r in rows])), x=([ONE, TWO],)),
        TypeError,
        r"different sizes in a list.*one record a call",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_messages(name):
    call, error, words = CALLS[name]
    with pytest.raises(error) as caught:
        call()
    said = " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert re.search(words, said, re.DOTALL), said
