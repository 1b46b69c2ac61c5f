"""What is computed, counted: as much as by a loop over the part of the model after the cut."""

import runpy
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from trulens_core import IntegratedGradients, get_model_wrapper

NETS = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "torch_models.py"))
POINTS, ROWS = 50, 10


def by_hand(halves, x):
    """Integrated gradients at the cut, the model split in two by its author."""
    before, after = halves
    with torch.no_grad():
        z = before(x)
    nodes = 1 - (torch.arange(POINTS) + 0.5) / POINTS
    total = torch.zeros_like(z)
    for alpha in nodes.split(ROWS):
        points = (alpha.reshape(-1, *[1] * (z.ndim - 1)) * z).requires_grad_()
        (g,) = torch.autograd.grad(after(points * 1).amax(1).sum(), points)
        total += g.sum(0, keepdim=True)
    return z * total / POINTS


def flops(function, *args):
    with FlopCounterMode(display=False) as counter:
        function(*args)
    return counter.get_total_flops()


CASES = {
    "resnet": ("resnet", 8, "layer4.0", (1, 3, 96, 96)),
    "transformer": ("transformer", 32, "layers.3", (1, 32, 8)),
}


@pytest.fixture(params=CASES)
def case(request):
    kind, width, cut, shape = CASES[request.param]
    torch.manual_seed(0)
    model = NETS[kind](width).eval().requires_grad_(False)
    return model, cut, NETS["halves"](model, cut), torch.randn(shape)


@pytest.fixture(autouse=True)
def slow_path():
    """Flops are counted where attention calls its layers one by one."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(before)


def asked(model, cut, **options):
    wrapper = get_model_wrapper(model, **options)
    return IntegratedGradients(wrapper, resolution=POINTS, doi_cut=cut, rebatch_size=ROWS)


def test_as_many_as_by_hand(case):
    model, cut, halves, x = case
    method = asked(model, cut)
    method.attributions(x)  # compares
    assert flops(method.attributions, x) <= 1.001 * flops(by_hand, halves, x)


def test_the_first_use_computes_one_block_more(case):
    """The first record is evaluated as a whole, and the part before the cut for one block."""
    model, cut, halves, x = case
    block = torch.cat([x] * ROWS)
    more = flops(halves[0], block) + flops(halves[1], halves[0](x))
    assert flops(asked(model, cut).attributions, x) <= 1.001 * (flops(by_hand, halves, x) + more)


def test_without_skipping_every_block_computes_all(case):
    model, cut, halves, x = case
    method = asked(model, cut, skip_prefix=False)
    method.attributions(x)
    prefix = flops(halves[0], torch.cat([x] * POINTS))
    found = flops(method.attributions, x)
    assert found == pytest.approx(flops(by_hand, halves, x) + prefix, rel=1e-3)


def test_the_results_are_those_by_hand(case):
    model, cut, halves, x = case
    method = asked(model, cut)
    expected = by_hand(halves, x)
    for _ in range(2):
        error = (method.attributions(x) - expected).abs().max() / expected.abs().max()
        assert error < 1e-5


def test_the_results_are_those_without_skipping(case):
    model, cut, _, x = case
    method, plain = asked(model, cut), asked(model, cut, skip_prefix=False)
    expected = plain.attributions(x)
    for _ in range(2):
        assert torch.equal(method.attributions(x), expected)
