"""Methods without gradients on PyTorch beside loops written by hand, Captum and shap.

A loop by hand knows its masks, makes points of a block of them, in blocks of the size that was
found best for it, and solves the same least squares. Numbers are compared first.
"""

import functools
import sys
import warnings

import measure
import numpy as np
import torch
import torch_models as nets

from trulens_core import Ablation, KernelSHAP, Marginal, Occlusion, Segments, ShapleyValues
from trulens_core.perturbation.kernel import Kernel
from trulens_core.segments import resolved
from trulens_core.testing import relative_error

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # they import what is deprecated
    import shap
    from captum import attr

BLOCKS = 64, 256, 1024, 4096, 8192


def tabular(features):
    torch.manual_seed(0)
    return nets.built(
        lambda: torch.nn.Sequential(
            torch.nn.Linear(features, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3)
        )
    )


@torch.no_grad()
def evaluated(model, x, masks, at, base, rows):
    """q of class 1 for masks (k, segments) of records, (k, records)."""
    found, k = [], max(1, rows // len(x))
    for block in masks.split(k):
        kept = block[:, at.flatten()].reshape(len(block), 1, *at.shape)
        points = torch.where(kept, x, base)
        found.append(model(points.flatten(0, 1))[:, 1].reshape(len(block), len(x)))
    return torch.cat(found)


@functools.cache
def best_block(model, x, masks, at, base):
    """The rows a pass with which the loop by hand is fastest."""
    ways = {str(b): functools.partial(evaluated, model, x, masks, at, base, b) for b in BLOCKS}
    seconds = measure.in_turns(ways, 3)
    return int(min(seconds, key=lambda name: min(seconds[name])))


def regression(q, design):
    """Constrained least squares over the design's masks."""
    z = design(2, design.n).astype("float64")
    drawn = len(z) - len(design.fixed)
    w = np.concatenate([design.weights, np.full(drawn, design.mass / max(1, drawn))])
    a, y = (z * w[:, None]).T @ z, q[2:] - q[1]
    both = np.linalg.solve(a, np.concatenate([np.ones((len(a), 1)), (z * w[:, None]).T @ y], 1))
    one, phi = both[:, :1], both[:, 1:]
    return (phi - one * (phi.sum(0) - (q[0] - q[1])) / one.sum()).T


def kernel(  # noqa: PLR0913 - what a case differs in
    make, x, labels, samples, *, captum=None, with_shap=False, limits=None
):
    """KernelSHAP: our masks by hand; Captum's and shap's own, as many."""
    torch.set_num_threads(1)
    model, n = make(), int(labels.max()) + 1
    segments = None if labels.ndim == 1 else Segments.of(labels.numpy()[None])
    ours = KernelSHAP(model, segments, samples=samples, qoi=1)
    design = Kernel(samples).masks(resolved(None, [np.zeros((1, n))])[0], drawn=False)
    masks = torch.from_numpy(design(0, design.n))
    base = torch.zeros(())
    at = labels if labels.ndim == 1 else labels[None]
    rows = best_block(model, x, masks, at, base)

    def by_hand():
        q = evaluated(model, x, masks, at, base, rows).numpy().astype("float64")
        return regression(q, design)

    def check():
        found = ours.attributions(x).numpy()
        values = by_hand()
        shown = (
            values[:, labels.numpy()] if labels.ndim == 1 else values[:, labels.numpy()][:, None]
        )
        assert relative_error(found, np.broadcast_to(shown, found.shape)) < 1e-3

    ways = {"ours": lambda: ours.attributions(x), "by hand": by_hand}
    if captum:
        theirs = attr.KernelShap(model)
        mask = labels if labels.ndim == 1 else labels[None, None]
        ways["captum"] = lambda: [
            theirs.attribute(
                row[None],
                target=1,
                feature_mask=mask if labels.ndim > 1 else None,
                n_samples=samples,
                perturbations_per_eval=captum,
            )
            for row in x
        ]
    if with_shap:
        zeros = np.zeros((1, n), "float32")

        @torch.no_grad()
        def f(a):
            return model(torch.from_numpy(a.astype("float32")))[:, 1].numpy()

        explainer = shap.KernelExplainer(f, zeros)
        ways["shap"] = lambda: explainer.shap_values(
            x.numpy(), nsamples=samples, silent=True, l1_reg=f"num_features({n})"
        )
    return measure.Case(ways, limits or {"by hand": 1.15}, check=check, memory=False)


def background(rows, records, samples=256):
    """KernelSHAP with every one of some background rows."""
    torch.set_num_threads(1)
    model, n = tabular(20), 20
    x, data = torch.rand(records, n), torch.rand(rows, n)
    ours = KernelSHAP(model, samples=samples, qoi=1, baseline=Marginal(data, every=True))

    @torch.no_grad()
    def f(a):
        return model(torch.from_numpy(a.astype("float32")))[:, 1].numpy()

    explainer = shap.KernelExplainer(f, data.numpy())
    ways = {
        "ours": lambda: ours.attributions(x),
        "shap": lambda: explainer.shap_values(
            x.numpy(), nsamples=samples, silent=True, l1_reg=f"num_features({n})"
        ),
    }
    return measure.Case(ways, {"shap": 1 / 3}, memory=False)


def ablation(records):
    torch.set_num_threads(1)
    model, n = tabular(20), 20
    x = torch.rand(records, n)
    ours, theirs = Ablation(model, qoi=1), attr.FeatureAblation(model)
    masks = torch.cat([torch.ones(1, n, dtype=torch.bool), ~torch.eye(n, dtype=torch.bool)])
    at, base = torch.arange(n), torch.zeros(())
    rows = best_block(model, x, masks, at, base)

    def by_hand():
        q = evaluated(model, x, masks, at, base, rows)
        return (q[0] - q[1:]).T

    def check():
        assert relative_error(ours.attributions(x).numpy(), by_hand().numpy()) < 1e-4

    ways = {
        "ours": lambda: ours.attributions(x),
        "by hand": by_hand,
        "captum, its default": lambda: theirs.attribute(x, target=1),
        "captum at its best": lambda: theirs.attribute(x, target=1, perturbations_per_eval=8),
    }
    return measure.Case(ways, {"by hand": 1.15}, calls=5, check=check, memory=False)


def occlusion(make, side, size, stride, records=1):
    torch.set_num_threads(1)
    model, x = nets.built(make), torch.rand(records, 3, side, side)
    ours, theirs = Occlusion(model, size, stride, qoi=1), attr.Occlusion(model)
    options = {"sliding_window_shapes": (3, size, size), "strides": (3, stride, stride)}
    options["target"] = 1
    count = -(-(side - size) // stride) + 1
    windows = torch.ones(count * count + 1, side, side, dtype=torch.bool)
    for i in range(count):
        for j in range(count):
            a, b = i * stride, j * stride
            windows[1 + i * count + j, a : a + size, b : b + size] = False

    @torch.no_grad()
    def by_hand(rows=64):
        found = []
        for block in windows.split(max(1, rows // records)):
            points = torch.where(block[:, None, None], x, 0.0)
            found.append(model(points.flatten(0, 1))[:, 1].reshape(len(block), records))
        q = torch.cat(found)
        out = (~windows[1:]).float()
        return torch.einsum("kr,kij->rij", q[0] - q[1:], out) / out.sum(0)

    def check():
        found = ours.attributions(x)[:, 0].numpy()
        assert relative_error(found, by_hand().numpy()) < 1e-3

    ways = {
        "ours": lambda: ours.attributions(x),
        "by hand": by_hand,
        "captum, its default": lambda: theirs.attribute(x, **options),
        "captum at its best": lambda: theirs.attribute(x, perturbations_per_eval=64, **options),
    }
    limits = {"by hand": 1.15, "captum, its default": 0.8, "captum at its best": 1.1}
    return measure.Case(ways, limits, check=check, memory=False)


def channels(samples=20):
    """Shapley values of the channels of an inner layer, from permutations."""
    torch.set_num_threads(1)
    model, x = nets.built(nets.cnn), torch.rand(4, 3, 32, 32)
    before, after = nets.halves(model, "block3")
    ours = ShapleyValues(model, Segments.channels(), samples=samples, qoi=1, doi_cut="block3")
    with torch.no_grad():
        n = before(x).shape[1]
    design = ours.question().doi.design.masks(resolved(None, [np.zeros((1, n))])[0], drawn=False)
    masks = torch.from_numpy(design(0, design.n))

    @torch.no_grad()
    def by_hand(rows=1024):
        z = before(x)
        found = []
        for block in masks.split(rows // len(x)):
            points = torch.where(block[:, None, :, None, None], z, 0.0)
            found.append(after(points.flatten(0, 1))[:, 1].reshape(len(block), len(x)))
        q = torch.cat(found).numpy().astype("float64")
        inner = q[2:].reshape(samples, n - 1, -1)
        ends = [np.broadcast_to(q[i], (samples, 1, len(x))) for i in (1, 0)]
        gains = np.diff(np.concatenate([ends[0], inner, ends[1]], axis=1), axis=1)
        ranks = design.ranks(0, samples // 2).reshape(samples, n)
        return np.take_along_axis(gains, ranks[..., None], axis=1).mean(0).T

    def check():
        assert relative_error(ours.attributions(x)[:, :, 0, 0].numpy(), by_hand()) < 1e-3

    ways = {"ours": lambda: ours.attributions(x), "by hand": by_hand}
    return measure.Case(ways, {"by hand": 1.15}, check=check, memory=False)


def squares(side, size):
    at = torch.arange(side) // size
    return at[:, None] * (side // size) + at


CASES = {
    "KernelSHAP, MLP, 1,000 rows × 256 masks": lambda: kernel(
        lambda: tabular(20),
        torch.rand(1000, 20),
        torch.arange(20),
        256,
        with_shap=True,
        limits={"by hand": 1.15, "shap": 1 / 3},
    ),
    "KernelSHAP, MLP, 50 rows, 10 of background": lambda: background(10, 50),
    "KernelSHAP, MLP, 20 rows, 50 of background": lambda: background(50, 20),
    "KernelSHAP, CNN, 64 segments, 2,048 masks": lambda: kernel(
        lambda: nets.built(nets.cnn),
        torch.rand(1, 3, 32, 32),
        squares(32, 4),
        2048,
        captum=64,
        limits={"by hand": 1.15, "captum": 0.8},
    ),
    "ablation, MLP, 1,000 rows": lambda: ablation(1000),
    "occlusion, CNN 32×32": lambda: occlusion(nets.cnn, 32, 8, 2),
    "occlusion, ResNet-18 112×112": lambda: occlusion(nets.resnet, 112, 28, 14),
    "Shapley values of a layer's channels, CNN": channels,
}

if __name__ == "__main__":
    sys.exit(measure.main(CASES))
