"""Integrated gradients and saliency at the input: this library, captum, and a loop by hand.

The loop by hand is what an author would write: points of the path stacked to blocks of as many
rows, one forward and one backward pass each. The ways take turns within one process, so that
other load on the machine meets all of them alike: a ratio is the median over the turns, ± the
median absolute deviation.

    python benchmarks/torch_ig.py [turns]
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import sys
import time
import warnings

import torch
from torch import nn

from trulens_core import InputAttribution, IntegratedGradients
from trulens_core.testing import relative_error

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # captum imports what is deprecated
    from captum import attr

POINTS, ROWS = 48, 48


def mlp(width=64):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, 10),
    )  # fmt: skip


def cnn(channels=3, width=32):
    def block(i, o):
        return [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]

    return nn.Sequential(
        *block(channels, width), *block(width, width), nn.MaxPool2d(2),
        *block(width, 2 * width), *block(2 * width, 2 * width), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(2 * width, 10),
    )  # fmt: skip


def transformer(width=64, layers=3):
    layer = nn.TransformerEncoderLayer(
        width, 4, 2 * width, activation="gelu", batch_first=True, norm_first=True
    )
    encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
    return nn.Sequential(encoder, nn.Flatten(), nn.Linear(32 * width, 10))


MODELS = {
    "MLP, 8×8": (mlp, (8, 1, 8, 8)),
    "CNN, 32×32": (cnn, (4, 3, 32, 32)),
    "CNN, 64×64": (cnn, (1, 3, 64, 64)),
    "transformer, 32×64": (transformer, (4, 32, 64)),
}


def gradient(model, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(model(x).amax(1).sum(), x)[0]


def integrated(model, x):
    total, end = torch.zeros_like(x), torch.zeros_like(x)
    k = ROWS // len(x)
    nodes = (torch.arange(POINTS) + 0.5) / POINTS
    for block in nodes.split(k):
        a = block.reshape(-1, *[1] * x.ndim)
        points = (a * x + (1 - a) * end).flatten(0, 1)
        total += gradient(model, points).reshape(len(block), *x.shape).sum(0)
    return (x - end) * total / POINTS


def largest(model):
    return lambda x: model(x).amax(1)


def integrated_by(model, x):
    """Integrated gradients of the largest score, 48 midpoints, 48 rows per pass."""
    ours = IntegratedGradients(model, resolution=POINTS, rebatch_size=ROWS)
    theirs = attr.IntegratedGradients(largest(model))
    options = {"n_steps": POINTS, "method": "riemann_middle", "internal_batch_size": ROWS}
    return {
        "by hand": lambda: integrated(model, x),
        "ours": lambda: ours.attributions(x),
        "captum": lambda: theirs.attribute(x, **options),
    }


def saliency_by(model, x):
    """The gradient of the largest score."""
    ours = InputAttribution(model, multiply_activation=False)
    theirs = attr.Saliency(largest(model))
    return {
        "by hand": lambda: gradient(model, x),
        "ours": lambda: ours.attributions(x),
        "captum": lambda: theirs.attribute(x.clone().requires_grad_(), abs=False),
    }


def measured(ways, turns, calls):
    """Seconds per call of each way in each turn; the order changes from turn to turn."""
    seconds = {name: [] for name in ways}
    names = list(ways)
    for turn in range(turns + 1):  # the first does not count
        for i in range(len(names)):
            name = names[(i + turn) % len(names)]
            start = time.perf_counter()
            for _ in range(calls):
                ways[name]()
            seconds[name].append((time.perf_counter() - start) / calls)
    return {name: s[1:] for name, s in seconds.items()}


def row(title, ways, turns, calls=1):
    expected = ways["by hand"]()
    for name, way in ways.items():
        assert relative_error(way().detach(), expected) < 1e-4, (title, name)
    seconds = measured(ways, turns, calls)
    cells = [f"{1e3 * statistics.median(seconds['by hand']):9.3f}"]
    for name in ("ours", "captum"):
        ratios = [a / b for a, b in zip(seconds[name], seconds["by hand"], strict=True)]
        middle = statistics.median(ratios)
        spread = statistics.median(abs(r - middle) for r in ratios)
        extra = [a - b for a, b in zip(seconds[name], seconds["by hand"], strict=True)]
        cells.append(f"{middle:6.2f} ± {spread:4.2f} {1e3 * statistics.median(extra):+8.3f}")
    print(f"{title:26} {'  '.join(cells)}")


def main(turns):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print("times by hand in ms per call; ratio to it, ± deviation, and the difference in ms\n")
    for ways, records, calls in ((integrated_by, None, 1), (saliency_by, 1, 5)):
        print(ways.__doc__)
        print(f"{'':26} {'by hand':>9}  {'ours':>22}  {'captum':>22}")
        for title, (make, shape) in MODELS.items():
            model, x = make().eval(), torch.rand(shape)[:records]
            many = 20 if title.startswith("MLP") else 1
            row(f"{len(x)} × {title}", ways(model, x), turns, many * calls)
        print()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 11)
