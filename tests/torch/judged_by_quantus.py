"""What Quantus and we say of the same explanations at equal perturbations; run by a test.

It prints, as JSON, the largest deviation of each metric, and how long both take.
"""

import json
import os
import runpy
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import quantus
from quantus.functions.perturb_func import noisy_linear_imputation

from trulens_core import (
    ClassQoI,
    Complexity,
    Deletion,
    FaithfulnessCorrelation,
    Infidelity,
    InputAttribution,
    Localization,
    Monotonicity,
    PointingGame,
    RelevanceMass,
    RelevanceRank,
    Sensitivity,
    Sparseness,
    get_model_wrapper,
)
from trulens_core.metrics.road import filled_in

ROOT = Path(__file__).parents[2]
EXAMPLE = runpy.run_path(str(ROOT / "examples" / "embedding" / "quantus_metrics.py"))
QUIET = {"disable_warnings": True, "display_progressbar": False}
PLAIN = {**QUIET, "abs": False, "normalise": False}


class Noted:
    """A function that perturbs, and notes what it gave."""

    def __init__(self, function):
        self.function, self.given = function, []
        self.keywords = {"perturb_baseline": "black"}

    def __call__(self, arr, indices, **_):
        self.given.append(self.function(arr, indices))
        return self.given[-1]


def black(arr, indices):
    """Zeros at the indices, which are of each row or of all."""
    new = arr.copy()
    if isinstance(indices, np.ndarray) and indices.ndim == 2:
        np.put_along_axis(new, indices, 0.0, axis=1)
    else:
        new[:, np.asarray(indices).reshape(-1)] = 0.0
    return new


def deviation(ours, theirs):
    ours, theirs = (np.asarray(a, "float64") for a in (ours, theirs))
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max() / max(1e-12, np.abs(theirs).max()))


def explained(model, inputs, targets, **_):
    wrapper = get_model_wrapper(model)
    qoi = ClassQoI(np.asarray(targets))
    return np.asarray(InputAttribution(wrapper, qoi=qoi).attributions(np.asarray(inputs)))


def asked(metric, model, x, y, a, **others):
    options = {"channel_first": True, "softmax": False, **others}
    np.random.seed(0)  # noqa: NPY002 - Quantus draws from the global generator
    return metric(model=model, x_batch=x.copy(), y_batch=y, a_batch=a.copy(), **options)


def of_the_model(model, x, y, a):
    wrapper, qoi = get_model_wrapper(model), ClassQoI(y)
    found = {}
    flipped = asked(
        quantus.PixelFlipping(features_in_step=4, perturb_func=Noted(black), **PLAIN),
        model,
        x,
        y,
        a,
    )
    curve = Deletion(wrapper, qoi=qoi, steps=16).score(a, x).curve
    found["pixel flipping"] = deviation(curve.values[:, 1:], flipped)
    rising = asked(
        quantus.Monotonicity(
            features_in_step=4, perturb_func=_filling(x), perturb_baseline="black", **PLAIN
        ),
        model, x, y, a,
    )  # fmt: skip
    curve = Monotonicity(wrapper, qoi=qoi, steps=16).score(a, x).curve
    ours = np.all(np.diff(curve.values[:, 1:], axis=1) >= 0, axis=1)
    found["monotonicity"] = float(np.sum(ours != np.asarray(rising)))
    found["faithfulness correlation"] = _correlations(wrapper, model, x, y, a)
    noted = Noted(black)
    theirs = asked(
        quantus.Infidelity(
            perturb_func=noted, perturb_patch_sizes=[4], n_perturb_samples=1, **PLAIN
        ),
        model, x, y, a,
    )  # fmt: skip
    shifts = np.stack([x - g.reshape(x.shape) for g in noted.given])
    ours = Infidelity(wrapper, qoi=qoi, perturbation=shifts, per_activation=True).score(a, x)
    found["infidelity"] = deviation(ours.values, theirs)
    for kind, theirs in (("max", quantus.MaxSensitivity), ("average", quantus.AvgSensitivity)):
        noise = np.random.default_rng(0)
        noted = Noted(lambda arr, _, r=noise: arr + r.uniform(-0.02, 0.02, arr.shape).astype("f4"))
        metric = theirs(nr_samples=4, perturb_func=noted, **PLAIN)
        a = explained(model, x, y)
        expected = asked(metric, model, x, y, a, explain_func=explained)
        moves = np.stack([g.reshape(x.shape) - x for g in noted.given])
        method = InputAttribution(wrapper, qoi=qoi)
        ours = Sensitivity(kind, perturbation=moves).score(method, x)
        found[f"{kind} sensitivity"] = deviation(ours.values, expected)
    return found


def _filling(x):
    """Brings pixels of the records back, as the test of monotonicity does."""
    rows = x.reshape(len(x), -1)

    def fill(arr, indices):
        new = arr.copy()
        np.put_along_axis(new, indices, np.take_along_axis(rows, indices, axis=1), axis=1)
        return new

    return Noted(fill)


def _correlations(wrapper, model, x, y, a):
    """Record by record: there every record has masks of its own."""
    worst = 0.0
    for i in range(len(x)):
        one = slice(i, i + 1)
        noted = Noted(black)
        places = []
        noted.function = lambda arr, ix, p=places: (p.append(ix[0]), black(arr, ix))[1]
        metric = quantus.FaithfulnessCorrelation(
            nr_runs=30, subset_size=12, perturb_func=noted, **PLAIN
        )
        theirs = asked(metric, model, x[one], y[one], a[one])
        masks = np.ones((30, x[0].size), bool)
        np.put_along_axis(masks, np.stack(places), False, axis=1)
        ours = FaithfulnessCorrelation(wrapper, qoi=ClassQoI(y[one]), samples=masks)
        worst = max(worst, deviation(ours.score(a[one], x[one]).values, theirs))
    return worst


def of_numbers(model, x, y, a):
    masks = np.zeros(x.shape, bool)
    masks[:, :, 2:6, 3:7] = True
    sized = {**QUIET, "abs": True, "normalise": False}
    cases = {
        "complexity": (quantus.Complexity(**sized), Complexity()),
        "sparseness": (quantus.Sparseness(**sized), Sparseness()),
        "pointing game": (quantus.PointingGame(**sized), PointingGame(masks, of="size")),
        "relevance mass": (quantus.RelevanceMassAccuracy(**sized), RelevanceMass(masks, of="size")),
        "relevance rank": (quantus.RelevanceRankAccuracy(**sized), RelevanceRank(masks, of="size")),
        "localisation": (
            quantus.AttributionLocalisation(**{**PLAIN, "positive_attributions": True}),
            RelevanceMass(masks),
        ),
        "AUC": (quantus.AUC(**PLAIN), Localization(masks)),
    }
    found = {}
    for name, (theirs, ours) in cases.items():
        expected = asked(theirs, model, x, y, a, s_batch=masks)
        found[name] = deviation(ours.score(a).values, expected)
    removed = np.random.default_rng(1).random((8, 8)) < 0.4
    theirs = noisy_linear_imputation(x[0], np.flatnonzero(removed), noise=0.0)
    found["ROAD"] = deviation(filled_in(x[0], removed), theirs)
    return found


def seconds(model, x, y, a):
    """Both with their own draws: the best of three, in turns."""
    wrapper, qoi = get_model_wrapper(model), ClassQoI(y)
    method = InputAttribution(wrapper, qoi=qoi)
    cases = {
        "faithfulness correlation": (
            lambda: asked(
                quantus.FaithfulnessCorrelation(nr_runs=100, subset_size=12, **PLAIN),
                model, x, y, a,
            ),
            lambda: FaithfulnessCorrelation(wrapper, qoi=qoi, size=12).score(a, x),
        ),
        "pixel flipping": (
            lambda: asked(quantus.PixelFlipping(features_in_step=1, **PLAIN), model, x, y, a),
            lambda: Deletion(wrapper, qoi=qoi, steps=64).score(a, x),
        ),
        "max sensitivity": (
            lambda: asked(
                quantus.MaxSensitivity(nr_samples=10, **PLAIN), model, x, y, a,
                explain_func=explained,
            ),
            lambda: Sensitivity(samples=10).score(method, x),
        ),
    }  # fmt: skip
    found = {}
    for name, both in cases.items():
        times = []
        for _ in range(3):
            for run in both:
                start = time.perf_counter()
                run()
                times.append(time.perf_counter() - start)
        found[name] = [min(times[0::2]), min(times[1::2])]
    return found


def main():
    warnings.simplefilter("ignore")
    model, x, y = EXAMPLE["trained"]()
    few = slice(0, 8)
    a = np.random.default_rng(0).normal(size=x.shape)
    found = {
        "deviations": {
            **of_the_model(model, x[few], y[few], a[few]),
            **of_numbers(model, x[few], y[few], a[few]),
        }
    }
    if os.environ.get("TRULENS_EVERY") or "--seconds" in sys.argv:
        found["seconds"] = seconds(model, x, y, a)
    print(json.dumps(found))  # noqa: T201 - to the test


if __name__ == "__main__":
    main()
