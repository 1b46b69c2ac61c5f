"""Narrow passes leave nothing behind in the model, whatever ends them and whoever else is at it."""

import runpy
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from trulens_core import IntegratedGradients, get_model_wrapper

HELP = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("narrow_models.py"))))
WIDTH, built, dense, method, vectors = (
    getattr(HELP, n) for n in ("WIDTH", "built", "dense", "method", "vectors")
)


class Net(nn.Module):
    """A stem of two layers, the cut, a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(dense(), nn.Tanh(), nn.Dropout(0.5))
        self.cut, self.head = dense(), dense(WIDTH, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.cut(self.stem(x))))


def full(kind=Net, x=None):
    wrapper = get_model_wrapper(built(kind), skip_prefix=False)
    return method(wrapper, "cut").attributions(x if x is not None else vectors(1, WIDTH))


class Failing(Net):
    """Fails when told to, before the cut or after it."""

    where = None

    def forward(self, x):
        y = self.stem(x)
        if self.where == "before":
            raise KeyError("before")
        z = self.head(torch.tanh(self.cut(y)))
        if self.where == "after":
            raise KeyError("after")
        if self.where == "interrupt":
            raise KeyboardInterrupt
        return z


def attributes(model):
    return [sorted(vars(m)) for m in model.modules()]


@pytest.mark.parametrize("where", ["before", "after", "interrupt"])
@pytest.mark.parametrize("known", [False, True])
def test_an_error_in_the_middle(where, known):
    model = built(Failing)
    wrapper = get_model_wrapper(model)
    asked = method(wrapper, "cut")
    before = attributes(model)
    if known:
        asked.attributions(vectors(1, WIDTH))
    model.where = where
    with pytest.raises((KeyError, KeyboardInterrupt)):
        asked.attributions(vectors(1, WIDTH))
    model.where = None
    assert attributes(model) in (before, [[*sorted([*before[0], "where"])], *before[1:]])
    assert torch.allclose(asked.attributions(vectors(1, WIDTH)), full(Failing), rtol=1e-12)


def test_own_forwards_are_put_back():
    model = built(Net)
    own = model.stem[1].forward = torch.tanh
    method(get_model_wrapper(model), "cut").attributions(vectors(1, WIDTH))
    assert model.stem[1].__dict__["forward"] is own
    assert "forward" not in model.stem[0].__dict__


def test_two_threads():
    """Two explanations at once of one model, and a third thread that just uses it."""
    model = built(Net)
    wrapper = get_model_wrapper(model)
    inputs = [vectors(1, WIDTH) * (i + 1) for i in range(2)]
    expected = [full(x=x) for x in inputs]
    with torch.no_grad():
        output = model(inputs[0])
    wrong, stop = [], threading.Event()

    def explain(i):
        found = [method(wrapper, "cut").attributions(inputs[i]) for _ in range(15)]
        wrong.extend(f for f in found if not torch.allclose(f, expected[i], rtol=1e-12))

    @torch.no_grad()
    def use():
        while not stop.is_set():
            y = model(inputs[0])
            wrong.extend([y] * (not torch.equal(y, output)))

    user = threading.Thread(target=use)
    threads = [threading.Thread(target=explain, args=(i,)) for i in range(2)]
    for t in (user, *threads):
        t.start()
    for t in threads:
        t.join()
    stop.set()
    user.join()
    assert wrong == []


def test_nested_explanations():
    """A baseline that explains the same model inside, at another cut."""
    model = built(Net)
    wrapper = get_model_wrapper(model)
    other = vectors(1, WIDTH) + 1.0

    def baseline(z):
        with torch.no_grad():
            model(other)
        return (
            0.0 * z
            + IntegratedGradients(wrapper, resolution=3, doi_cut="stem", rebatch_size=1)
            .attributions(other)
            .mean()
        )

    asked = IntegratedGradients(wrapper, baseline, 6, doi_cut="cut", rebatch_size=2)
    found = [asked.attributions(vectors(1, WIDTH)) for _ in range(2)]
    plain = get_model_wrapper(built(Net), skip_prefix=False)
    wrapper = plain
    expected = IntegratedGradients(plain, baseline, 6, doi_cut="cut", rebatch_size=2)
    expected = expected.attributions(vectors(1, WIDTH))
    assert all(torch.allclose(f, expected, rtol=1e-12) for f in found)
