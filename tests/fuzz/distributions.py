"""Random distributions, each as the library takes it and as points computed here.

Arrays are NumPy's. `lines(idx, z)` gives, for records `idx` with values z (a list of arrays), a
list of lines that are averaged: each is a list of points `(weight, arrays, multipliers or None)`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import roots_legendre

from trulens_core import (
    Baselines,
    DataDoi,
    DoI,
    GaussianDoi,
    LinearDoi,
    PathDoi,
    PointDoi,
    Points,
)


@dataclasses.dataclass
class Distribution:
    name: str
    given: Any
    lines: Callable
    bases: Callable | None = None
    """The lines' ends, where the multiplier is measured from."""
    ends: Callable | None = None
    """Where the parts of each line end, from z down, for sums along a path."""
    several: bool = False
    options: tuple[str, ...] = ()


def nodes(rule, n):
    """Places on [0, 1] from 1 down, and weights."""
    if rule == "gauss-legendre":
        x, w = roots_legendre(n)
        return ((x + 1) / 2)[::-1], (w / 2)[::-1]
    if rule == "midpoint":
        return np.array([1 - (i + 0.5) / n for i in range(n)]), np.full(n, 1 / n)
    places = np.array([1 - i / (n - 1) for i in range(n)]) if n > 1 else np.ones(1)
    weights = np.full(n, 1 / n)
    if rule == "trapezoid":
        weights = np.full(n, 1 / (n - 1))
        weights[[0, -1]] = 0.5 / (n - 1)
    return places, weights


def points_on(places, weights, z, base):
    both = lambda a: [a * t + (1 - a) * b for t, b in zip(z, base, strict=True)]
    return [(w, both(a), None) for a, w in zip(places, weights, strict=True)]


def ends_on(weights, z, base):
    at = 1 - np.cumsum(weights)
    at[-1] = 0.0
    return [p for _, p, _ in points_on(at, weights, z, base)]


class Where:
    """What stands at the cut of a distribution: shapes with rows."""

    def __init__(self, fw, rng, n, shapes, cut):
        self.fw, self.rng, self.n, self.shapes, self.cut = fw, rng, n, shapes, cut

    def draw(self, each, rows=None):
        lead = (rows or self.n,) if each else ()
        return [self.rng.normal(size=(*lead, *s[1:])) * 0.5 for s in self.shapes]

    def as_given(self, arrays):
        return arrays[0] if len(arrays) == 1 else arrays


def baseline(w):
    """A name, a baseline as it is given, and the ends `(idx, z)` of its lines."""
    kind = list(BASELINES)[int(w.rng.integers(len(BASELINES)))]
    given, ends = BASELINES[kind](w)
    return kind, given, ends


def zeros(idx, z):
    return [0 * t for t in z]


def to(held):
    """Ends that are the same for all records."""
    return lambda idx, z: [0 * t + h for t, h in zip(z, held, strict=True)]


def times(c):
    return lambda z: [t * c for t in z] if isinstance(z, list | tuple) else z * c


def _number(w):
    c = round(float(w.rng.normal()) * 0.3, 2)
    return c, [lambda idx, z: [0 * t + c for t in z]]


def _array(w, change=lambda a: a):
    held = w.draw(False)
    return w.as_given([change(h) for h in held]), [to(held)]


def _records(w):
    held = w.draw(True)
    return w.as_given(held), [lambda idx, z: [h[idx] for h in held]]


def _function(w):
    return times(0.25), [lambda idx, z: times(0.25)(z)]


def _with_inputs(w):
    def function(z, model_inputs):
        assert model_inputs.args or model_inputs.kwargs
        return times(-0.55)(z)

    return function, [lambda idx, z: times(-0.55)(z)]


def _several(w):
    held = w.draw(False)
    return Baselines([0.0, w.as_given(held)]), [zeros, to(held)]


def _drawn(w):
    data, seed, samples = w.draw(True, 6), int(w.rng.integers(100)), int(w.rng.integers(1, 4))
    rows = [draw(seed, i, 6)[0] for i in range(samples)]
    given = Baselines.drawn(w.as_given(data), samples, seed=seed)
    return given, [to([d[r] for d in data]) for r in rows]


BASELINES = {
    "None": lambda w: (None, [zeros]),
    "number": _number,
    "array": _array,
    "one row": lambda w: _array(w, lambda a: a[None]),
    "tensor": lambda w: _array(w, w.fw.tensor),
    "records": _records,
    "function": _function,
    "function of inputs": _with_inputs,
    "Baselines": _several,
    "Baselines.drawn": _drawn,
}


def draw(seed, sample, rows):
    """A row and a place on the line to it, as documented: Philox of (seed, sample)."""
    random = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 1, sample]))
    return int(random.integers(rows)), float(random.random())


def noise(seed, point, tensor, shape):
    bits = np.random.Philox(key=seed, counter=[0, tensor, 0, point])
    return np.random.Generator(bits).standard_normal(shape)


RULES = ("endpoints", "midpoint", "trapezoid", "gauss-legendre")


def drawn_rule(w, default):
    """A rule and a resolution; nothing is evaluated at the very end where values may tie."""
    rule = RULES[int(w.rng.integers(4))] if w.rng.random() < 0.7 else default
    return rule, int(w.rng.integers(2 if rule == "trapezoid" else 1, 8))


def on_lines(name, make, rule, n, found):
    """A distribution on lines to baselines; `make(baseline, resolution, rule)` is the library's."""
    kind, given, ends = found
    places, weights = nodes(rule, n)
    return Distribution(
        name,
        make(given, n, rule),
        lambda idx, z: [points_on(places, weights, z, e(idx, z)) for e in ends],
        lambda idx, z: [e(idx, z) for e in ends],
        lambda idx, z: [ends_on(weights, z, e(idx, z)) for e in ends],
        len(ends) > 1,
        (f"rule: {rule}", f"baseline: {kind}"),
    )


def linear(w):
    rule, n = drawn_rule(w, "endpoints")
    make = lambda b, n, rule: LinearDoi(b, n, rule=rule, cut=w.cut)
    return on_lines("LinearDoi", make, rule, n, baseline(w))


def point(w):
    given = "point" if w.cut is None and w.rng.random() < 0.5 else PointDoi(w.cut)
    name = "point" if given == "point" else "PointDoi"
    return Distribution(name, given, lambda idx, z: [[(1.0, z, None)]])


def short_linear(w):
    if w.cut is not None:
        return linear(w)
    make = lambda b, n, rule: "linear"
    return on_lines("linear", make, "endpoints", 10, ("None", None, [zeros]))


def gaussian(w):
    var, n = float(w.rng.uniform(0.01, 0.2)), int(w.rng.integers(1, 8))
    seed = int(w.rng.integers(1000))
    given = GaussianDoi(var, n, cut=w.cut, seed=seed)
    return Distribution(
        "GaussianDoi", given, lambda idx, z: [noisy(z, n, seed, [var**0.5] * len(z))]
    )


def noisy(z, n, seed, sizes):
    """Weighted points around z; sizes are numbers, or (b, 1, …) arrays."""
    found = []
    for p in range(n):
        points = [
            t + noise(seed, p, j, (1, *t.shape[1:])) * s
            for j, (t, s) in enumerate(zip(z, sizes, strict=True))
        ]
        found.append((1 / n, points, None))
    return found


def part_of_range(t, part):
    flat = t.reshape(len(t), -1)
    spread = (flat.max(1) - flat.min(1)) * part
    return spread.reshape(-1, *[1] * (t.ndim - 1))


def relative_noise(n, seed, part):
    return lambda idx, z: [noisy(z, n, seed, [part_of_range(t, part) for t in z])]


def curve(w):
    """A path on which values come faster at first."""
    rule, n = drawn_rule(w, "midpoint")
    listed = len(w.shapes) > 1
    of = lambda t, z: [v * t**2 + (1 - t) * 0.3 for v in z]
    function = lambda z, t: of(t, z) if listed else of(t, [z])[0]
    places, weights = nodes(rule, n)
    at = 1 - np.cumsum(weights)
    at[-1] = 0.0
    return Distribution(
        "PathDoi",
        PathDoi(function, n, rule=rule, cut=w.cut),
        lambda idx, z: [[(c, of(t, z), None) for t, c in zip(places, weights, strict=True)]],
        None,
        lambda idx, z: [[of(t, z) for t in at]],
        options=(f"rule: {rule}",),
    )


def to_data(w, data, samples, seed):
    """The points between z and rows of data, with multipliers of their own."""

    def lines(idx, z):
        found = []
        for i in range(samples):
            row, a = draw(seed, i, len(data[0]))
            ends = [0 * t + d[row] for t, d in zip(z, data, strict=True)]
            points = [a * t + (1 - a) * e for t, e in zip(z, ends, strict=True)]
            found.append((1 / samples, points, [t - e for t, e in zip(z, ends, strict=True)]))
        return [found]

    return lines


def data_doi(w):
    data, seed, samples = w.draw(True, 5), int(w.rng.integers(100)), int(w.rng.integers(1, 8))
    given = DataDoi(w.as_given(data), samples, cut=w.cut, seed=seed)
    return Distribution("DataDoi", given, to_data(w, data, samples, seed))


class Shaken(DoI):
    """A caller's own: some points, with weights, and with multipliers."""

    def __init__(self, cut, how):
        super().__init__(cut)
        self.how = how

    def __call__(self, z):
        if isinstance(z, list | tuple):
            return self.given([self.of(t) for t in z], z)
        return self.given(self.of(z), z)

    def of(self, t):
        return [t, t * 0.5, t * 0.75 - 0.25]

    def given(self, points, z):
        if self.how == "points":
            return points
        if self.how == "weights":
            return Points(points, (0.5, 0.3, 0.2))
        many = isinstance(z, list | tuple)
        multipliers = [[t, t * 2.0, t * 3.0] for t in z] if many else [z, z * 2.0, z * 3.0]
        return Points(points, (0.5, 0.3, 0.2), multipliers)


def own(w, may_multiply):
    how = ["points", "weights", "multipliers"][int(w.rng.integers(3 if may_multiply else 2))]
    weights = (1 / 3,) * 3 if how == "points" else (0.5, 0.3, 0.2)

    def lines(idx, z):
        found = []
        for k, (a, b, c) in enumerate(((1.0, 0.0, 1.0), (0.5, 0.0, 2.0), (0.75, 0.25, 3.0))):
            multipliers = [t * c for t in z] if how == "multipliers" else None
            found.append((weights[k], [t * a - b for t in z], multipliers))
        return [found]

    return Distribution(f"own DoI, {how}", Shaken(w.cut, how), lines)
