"""What a caller's own code raises is shown as they raised it, whatever the way of the blocks."""

import pytest
import torch
from torch import nn

from trulens_core import Conductance, InternalInfluence, LinearDoi, QoI

X = torch.linspace(-1, 1, 8).reshape(2, 4)


class Own(Exception):  # noqa: N818 - of no kind that the library knows
    """An error of the caller's."""


class Fails(QoI):
    """A quantity that raises at one of its calls, and at no other."""

    def __init__(self, error, at):
        self.error, self.at, self.calls = error, at, 0

    def __call__(self, y):
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return y[:, 0] * 1.0


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))


def path(net, qoi):
    doi = LinearDoi(resolution=12, cut="1", rule="midpoint")
    return InternalInfluence(net, ("1", None), qoi, doi, rebatch_size=4)


def conductance(net, qoi):
    return Conductance(net, "1", qoi=qoi, resolution=12, rebatch_size=4)


def calls(method):
    """How often its quantity is called by one call."""
    qoi = Fails(None, -1)
    method(model(), qoi).attributions(X)
    return qoi.calls


@pytest.mark.parametrize("error", [Own("mine"), KeyError("mine"), KeyboardInterrupt()])
@pytest.mark.parametrize("method", [path, conductance])
def test_what_a_quantity_raises_once(method, error):
    """At whichever of its calls: no other way is tried, in which it may not come again."""
    for at in range(1, calls(method) + 1):
        net, qoi = model(), Fails(error, at)
        with pytest.raises(type(error)) as raised:
            method(net, qoi).attributions(X)
        assert raised.value is error
        assert qoi.calls == at
        assert net.training
        assert all(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize("error", [ValueError("mine"), RuntimeError("mine"), IndexError("mine")])
def test_what_could_be_the_rows_once_blocks_are_known(error):
    """In the first blocks it may be that it takes no such number of rows; later it is its own."""
    net, qoi = model(), Fails(error, -1)
    method = path(net, qoi)
    method.attributions(X)
    for at in range(1, 4):
        qoi.calls, qoi.at = 0, at
        with pytest.raises(type(error)) as raised:
            method.attributions(X)
        assert raised.value is error
        assert qoi.calls == at


@pytest.mark.parametrize("method", [path, conductance])
def test_memory_that_ran_out(method):
    for at in range(1, calls(method) + 1):
        error = torch.OutOfMemoryError("CUDA out of memory")
        qoi = Fails(error, at)
        with pytest.raises(torch.OutOfMemoryError) as raised:
            method(model(), qoi).attributions(X)
        assert raised.value is error
        assert qoi.calls == at
