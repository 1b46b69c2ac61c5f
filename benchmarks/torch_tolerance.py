"""How many gradients it takes to put every record within 1 % of completeness.

Two networks trained on scikit-learn's handwritten digits, a plain one and one with shortcuts and
batch norms; the records are the 450 digits that they were not trained on. Error: that of
completeness, as a part of q(x) − q(baseline), as `tolerance=` measures it. Fixed rules need the
smallest of 8, 16, … 256 points at which no record is over; `tolerance=` as many as each needs.

    python benchmarks/torch_tolerance.py
"""

import sys
import warnings

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from trulens_core import IntegratedGradients

TOLERANCE, AIM = 0.01, 2.5
RESOLUTIONS = (8, 16, 32, 64, 128, 256)
RULES = ("midpoint", "gauss-legendre")


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.parts = nn.Sequential(
            nn.Conv2d(c, c, 3, padding=1), nn.BatchNorm2d(c), nn.ReLU(),
            nn.Conv2d(c, c, 3, padding=1), nn.BatchNorm2d(c),
        )  # fmt: skip

    def forward(self, x):
        return torch.relu(x + self.parts(x))


def resnet():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), Residual(16),
        nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), Residual(32),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip


def digits():
    data = load_digits()
    x = torch.tensor(data.images[:, None] / 16, dtype=torch.float32)
    return x, torch.tensor(data.target)


def trained(make, x, y, epochs=12):
    torch.manual_seed(0)
    model = make()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    return model.eval()


def errors(result):
    q, b = np.asarray(result.quantity), np.asarray(result.baseline_quantity)
    scale = np.maximum(np.abs(q - b), 1e-3 * np.maximum(np.abs(q), np.abs(b)))
    return np.abs(np.asarray(result.residual)) / scale


def explained(model, x, **options):
    """In float64, so that rounding does not count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the table shows
        return IntegratedGradients(model, qoi="predicted", rebatch_size=512, **options).explain(x)


def table(found, points, records):
    """For the first `records`: each rule at each n, then what `tolerance=` needs."""
    print(f"  the first {records} records")
    print(f"  {'points':>8}" + "".join(f"{rule + ': within, worst':>32}" for rule in RULES))
    needed = []
    for n in RESOLUTIONS:
        cells = []
        for rule in RULES:
            error = found[n, rule][:records]
            cells.append(f"{np.mean(error <= TOLERANCE):>20.1%}, {error.max():9.1%} ")
            needed += [n] if (error <= TOLERANCE).all() else []
        print(f"  {n:8}" + "".join(cells))
    counts, times = np.unique(points[:records], return_counts=True)
    mean = float(np.mean(points[:records]))
    least = min(needed, default=RESOLUTIONS[-1])
    ratio = least / mean
    print(
        f"  tolerance=0.01: {mean:.1f} points on average ("
        + ", ".join(f"{k} records {n}" for n, k in zip(counts, times, strict=True))
        + f")\n  a fixed rule needs {'' if needed else 'more than '}{least}: {ratio:.1f} times as "
        f"many (aim {AIM}) {'ok' if ratio >= AIM else 'MISSED'}"
    )
    return ratio < AIM


def report(title, make, x, y):
    train, test = slice(0, -450), slice(-450, None)
    model = trained(make, x[train], y[train]).double()
    x, y = x[test].double(), y[test]
    right = float((model(x).argmax(1) == y).double().mean())
    print(f"\n{title}, {right:.1%} of the {len(x)} records classified rightly")
    found = {
        (n, rule): errors(explained(model, x, resolution=n, rule=rule))
        for n in RESOLUTIONS
        for rule in RULES
    }
    result = explained(model, x, tolerance=TOLERANCE)
    print(f"  tolerance=0.01, at most 729 points: {np.mean(result.converged):.1%} converge")
    points = np.asarray(result.n_points)
    return table(found, points, 64) | table(found, points, len(x))


def main():
    x, y = digits()
    return report("CNN", cnn, x, y) | report("ResNet", resnet, x, y)


if __name__ == "__main__":
    sys.exit(main())
