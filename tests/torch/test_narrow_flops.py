"""What is computed, counted: a loop by hand after the cut, and before it the records alone."""

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


def asked(model, cut, rows=ROWS, **options):
    wrapper = get_model_wrapper(model, **options)
    return IntegratedGradients(wrapper, resolution=POINTS, doi_cut=cut, rebatch_size=rows)


def settled(method, x):
    """The method after two calls, which look closer."""
    method.attributions(x), method.attributions(x)
    return method.attributions


def test_in_one_block_as_many_as_by_hand(case):
    model, cut, halves, x = case
    assert flops(settled(asked(model, cut, POINTS), x), x) <= 1.001 * flops(by_hand, halves, x)


def test_every_further_block_begins_with_the_record(case):
    model, cut, halves, x = case
    prefix, further = flops(halves[0], x), POINTS // ROWS - 1
    found = flops(settled(asked(model, cut), x), x)
    assert found == pytest.approx(flops(by_hand, halves, x) + further * prefix, rel=1e-3)


def test_the_first_use_computes_two_points_more(case):
    """The value at the cut, the block, and one of its points alone, with its gradient."""
    model, cut, halves, x = case
    once = flops(by_hand, halves, x)
    more = 2 * flops(halves[0], x) + once / POINTS + flops(halves[1], halves[0](x))
    assert flops(asked(model, cut, POINTS).attributions, x) <= 1.001 * (once + more)


def test_without_narrow_passes_every_block_computes_all(case):
    model, cut, halves, x = case
    found = flops(settled(asked(model, cut, skip_prefix=False), x), x)
    prefix = flops(halves[0], torch.cat([x] * POINTS)) - flops(halves[0], x)
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
        error = (method.attributions(x) - expected).abs().max() / expected.abs().max()
        assert error < 1e-5
