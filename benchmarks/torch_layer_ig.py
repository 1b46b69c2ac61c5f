"""Integrated gradients at an inner layer: this library, Captum, and a loop written by hand.

A ResNet-18 (224×224) at layer4.0 and a transformer of six layers at the fourth; one record, 50
points, 10 a block. The loop by hand evaluates the two halves of the model by themselves, as an
author can who knows its code. Captum's line starts at the layer's value for an input of zeros, not
at zeros: as many evaluations, but other numbers where there are biases. The ways take turns within
one process, so that other load on the machine meets all of them alike: the ratios are medians of
the ratios of the turns.

    python benchmarks/torch_layer_ig.py [turns]
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import runpy
import statistics
import sys
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from trulens_core import IntegratedGradients, get_model_wrapper

MODELS = runpy.run_path(str(Path(__file__).parents[1] / "tests/torch/test_tape_flops.py"))
POINTS, ROWS = MODELS["POINTS"], MODELS["ROWS"]


def captum(model, layer, x):
    from captum.attr import LayerIntegratedGradients

    method = LayerIntegratedGradients(lambda x: model(x).amax(1), layer)
    return lambda: method.attribute(
        x, n_steps=POINTS, internal_batch_size=ROWS, method="riemann_middle"
    )


def ways(model, cut, x):
    def ours(**options):
        wrapper = get_model_wrapper(model, **options)
        method = IntegratedGradients(wrapper, resolution=POINTS, doi_cut=cut, rebatch_size=ROWS)
        return lambda: method.attributions(x)

    return {
        "ours": ours(),
        "by hand": lambda: MODELS["by_hand"](model, x),
        "ours, skip_prefix=False": ours(skip_prefix=False),
        "captum": captum(model, model.get_submodule(cut), x),
    }


def measured(functions, turns):
    """Seconds of each way in each turn; the order of the ways changes from turn to turn."""
    seconds = {name: [] for name in functions}
    names = list(functions)
    for turn in range(turns):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            functions[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def flops(function):
    """Counted exactly; NaN where the counter fails, as it does on gradients at Captum's leaves."""
    try:
        with FlopCounterMode(display=False) as counter:
            function()
    except RuntimeError:
        return float("nan")
    return counter.get_total_flops()


def spread(values):
    """The median, and the median absolute deviation from it."""
    middle = statistics.median(values)
    return middle, statistics.median(abs(v - middle) for v in values)


def report(title, functions, turns):
    print(f"\n{title}\n{'':26}{'seconds':>17}{'of ours':>16}{'GFLOP':>9}{'difference':>12}")
    expected = functions["by hand"]()
    first = flops(functions["ours"])
    for function in functions.values():
        function()  # what happens once, happens here
    seconds = measured(functions, turns)
    for name, function in functions.items():
        ratios = [a / b for a, b in zip(seconds[name], seconds["ours"], strict=True)]
        (t, dt), (r, dr) = spread(seconds[name]), spread(ratios)
        error = ((function() - expected).abs().max() / expected.abs().max()).item()
        print(
            f"{name:26}{t:9.3f} ± {dt:5.3f}{r:9.2f} ± {dr:4.2f}{flops(function) / 1e9:9.2f}"
            f"{error:12.0e}"
        )
    print(f"{'ours, the first time':51}{'':8}{first / 1e9:9.2f}")


def main():
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    torch.backends.mha.set_fastpath_enabled(False)  # else by hand is another computation
    torch.manual_seed(0)
    resnet = MODELS["ResNet"](64).eval().requires_grad_(False)
    x = torch.randn(1, 3, 224, 224)
    report("ResNet-18 at layer4.0", ways(resnet, "layer4.0", x), turns)
    transformer = MODELS["Encoder"](256).eval().requires_grad_(False)
    x = torch.randn(1, 128, 8)
    report("a transformer at layer 4 of 6", ways(transformer, "encoder.layers.3", x), turns)


if __name__ == "__main__":
    main()
