"""Attributions by plain autograd: record by record and point by point, with no batch.

Rows that see one another go together; everything else is one row at a time.
"""

import numpy as np
from plain_runs import Looking


class Oracle:
    """The answers to an explanation of a network, by loops.

    `sizes` is, for each record, how large what is summed up is.

    Args:
        fw: the framework with the network in it.
        args: the network's positional arguments, arrays with a row per record.
        kwargs: the others; those in `shared` are for all records.
        shared: their names.
        asked: what is asked, see `explanations.Explanation`.
    """

    def __init__(self, fw, args, kwargs, shared, asked, n):
        self.fw, self.asked, self.n = fw, asked, n
        self.args, self.kwargs, self.shared = args, kwargs, shared
        self.sources, self.doi_sites = asked.sources, asked.doi_sites
        self.target = asked.target
        self.sizes, self._size = np.zeros(n), 0.0
        self._graded = fw.prepared(self._of_eps)

    # -- evaluating --------------------------------------------------------------------------

    def rows(self, idx):
        args = [a[idx] for a in self.args]
        kwargs = {k: v if k in self.shared else v[idx] for k, v in self.kwargs.items()}
        return args, kwargs

    def look(self, given, put=None, eps=None, want=(), to=None):
        args, kwargs = given
        fw = self.fw
        looking = Looking(fw.is_float, put, eps, want)
        args = [fw.tensor(a) for a in args]
        kwargs = {k: fw.tensor(v) for k, v in kwargs.items()}
        fw.run(args, kwargs, looking)
        return looking.seen

    def captured(self, idx, sites, put=None):
        """Arrays at sites, a list for each."""
        put = self._placed(put) if put else None

        def found():
            seen = self.look(self.rows(idx), put=put, want=sites)
            return [[self.fw.numpy(t) for t in seen[s]] for s in sites]

        return self.fw.values(found)

    def _placed(self, arrays):
        """Arrays at the distribution's sites, by site; what is kept with the rows elsewhere."""
        found, arrays = {}, list(arrays)
        for site, count in zip(self.doi_sites, self.counts, strict=True):
            mine = [self.fw.tensor(a) for a in arrays[:count]]
            found[site] = [self._there(t, site) for t in mine]
            arrays = arrays[count:]
        return found

    def _there(self, t, site):
        return self.fw.moveaxis(t, 0, site.batch_axis) if site.batch_axis else t

    def _of_eps(self, eps, given, put, data):
        """The quantities, summed over the rows."""
        by_site, eps = {}, list(eps)
        for site, count in zip(self.sources, self.source_counts, strict=True):
            by_site[site], eps = eps[:count], eps[count:]
        put = self._placed(put) if put is not None else None
        seen = self.look(given, put=put, eps=by_site, want=(self.target,))
        y = seen[self.target]
        found = [
            self.asked.quantity.value(self.fw, [t[r : r + 1] for t in y], self.converted(d))
            for r, d in enumerate(data)
        ]
        return [sum(column[1:], column[0]) for column in zip(*found, strict=True)]

    def converted(self, d):
        if isinstance(d, dict):
            return {k: self.converted(v) for k, v in d.items()}
        if isinstance(d, list):
            return [self.converted(v) for v in d]
        return self.fw.tensor(d)

    # -- the loops ---------------------------------------------------------------------------

    def answer(self):
        """`[quantity][tensor]` arrays (records, …), and the quantities (records, k)."""
        groups = [list(range(self.n))] if self.asked.mixes else [[i] for i in range(self.n)]
        parts, quantities = [], []
        for idx in groups:
            found, q = self._group(idx)
            parts.append(found)
            quantities.append(q)
        joined = [
            [np.concatenate([p[k][j] for p in parts]) for j in range(len(parts[0][0]))]
            for k in range(len(parts[0]))
        ]
        return joined, np.concatenate(quantities)

    def _group(self, idx):
        sites = [*self.doi_sites, *self.sources, self.target]
        values = self.captured(idx, list(dict.fromkeys(sites)))
        known = dict(zip(dict.fromkeys(sites), values, strict=True))
        self.counts = [len(known[s]) for s in self.doi_sites]
        self.source_counts = [len(known[s]) for s in self.sources]
        z = [a for s in self.doi_sites for a in known[s]]
        act = [a for s in self.sources for a in known[s]]
        y0 = known[self.target]
        data = [
            self.asked.quantity.data(i, [self.fw.tensor(t[r : r + 1]) for t in y0])
            for r, i in enumerate(idx)
        ]
        q = self._quantities(y0, data)
        self._size = 0.0
        found = self.asked.method(self, idx, z, act, data)
        squared = 2 if self.asked.statistic in ("second_moment", "variance") else 1
        self.sizes[idx] = self._size**squared * max([1.0, *(np.abs(a).max() for a in (*z, *act))])
        return found, q

    def saw(self, size):
        """What is computed has parts of that size, of which little may be left."""
        self._size = max(self._size, float(size))

    def _quantities(self, y0, data):
        def found():
            return [
                [
                    float(v)
                    for v in self.asked.quantity.value(
                        self.fw, [self.fw.tensor(t[r : r + 1]) for t in y0], self.converted(d)
                    )
                ]
                for r, d in enumerate(data)
            ]

        return np.asarray(self.fw.values(found))

    def gradients(self, idx, point, act, data):
        """`[quantity][tensor]` at a point; None is the records themselves."""
        eps = [np.zeros_like(a) for a in act]
        _, grads = self._graded(eps, self.rows(idx), point, data)
        self.saw(max(np.abs(g).max(initial=0.0) for gs in grads for g in gs))
        return grads

    def at_source(self, idx, point):
        """The values at the sources for a point."""
        found = self.captured(idx, self.sources, point)
        return [a for values in found for a in values]


# -- methods: how gradients become attributions ---------------------------------------------------


def contracted(g, axes):
    if axes is None:
        return g
    return g.sum(axis=tuple(a % g.ndim for a in axes))


def averaged(oracle, idx, z, act, data):
    """The formula: a statistic of the gradients over the points, times a multiplier."""
    asked = oracle.asked
    lines = asked.distribution.lines(idx, z)
    found = [_of_line(oracle, idx, z, act, data, i, line) for i, line in enumerate(lines)]
    return mean_of(found)


def mean_of(found):
    n = len(found)
    return [[sum(p) / n for p in zip(*ts, strict=True)] for ts in zip(*found, strict=True)]


def _of_line(oracle, idx, z, act, data, number, line):
    asked = oracle.asked
    here = asked.doi_sites == asked.sources
    if asked.statistic == "path":
        return _along(oracle, idx, z, act, data, number, line)
    singles, weights = [], []
    for w, point, own in line:
        put = None if asked.distribution.name in ("point", "PointDoi") else point
        grads = oracle.gradients(idx, put, act, data)
        if own is not None and asked.multiply:
            grads = [[g * m for g, m in zip(gs, own, strict=True)] for gs in grads]
        singles.append(grads)
        weights.append(w)
    by = _multiplier(oracle, idx, z, act, number, line, here)
    return _moment(asked, singles, weights, by)


def _multiplier(oracle, idx, z, act, number, line, here):
    asked = oracle.asked
    if not asked.multiply or line[0][2] is not None:
        return None
    if asked.distribution.bases is None:
        return act
    base = asked.distribution.bases(idx, z)[number]
    base = base if here else oracle.at_source(idx, base)
    return [a - b for a, b in zip(act, base, strict=True)]


def _moment(asked, singles, weights, by):
    kinds = range(len(singles[0]))
    tensors = range(len(singles[0][0]))
    axes, linear = asked.contract, asked.statistic == "mean"
    result = []
    for k in kinds:
        row = []
        for j in tensors:
            gs = np.stack([s[k][j] for s in singles])
            w = np.asarray(weights).reshape(-1, *[1] * (gs.ndim - 1))
            if not linear and axes is not None:
                gs = np.stack([contracted(g, axes) for g in gs])
                w = np.asarray(weights).reshape(-1, *[1] * (gs.ndim - 1))
            total = _statistic(asked.statistic, gs, w)
            total = total if by is None else total * by[j]
            row.append(contracted(total, axes) if linear else total)
        result.append(row)
    return result


def _statistic(kind, gs, w):
    mean = (w * gs).sum(0)
    if kind == "mean":
        return mean
    if kind == "absolute":
        return np.abs(mean)
    if kind == "second_moment":
        return (w * gs**2).sum(0)
    mean = mean / w.sum()
    return (w * (gs - mean) ** 2).sum(0) / w.sum()


def _along(oracle, idx, z, act, data, number, line):
    """Σ gradient · step of the value at the source."""
    asked = oracle.asked
    ends = asked.distribution.ends(idx, z)[number]
    last, total = act, None
    for (_, point, _), end in zip(line, ends, strict=True):
        now = oracle.at_source(idx, end)
        grads = oracle.gradients(idx, point, act, data)
        steps = [a - b for a, b in zip(last, now, strict=True)]
        new = [[g * s for g, s in zip(gs, steps, strict=True)] for gs in grads]
        total = (
            new
            if total is None
            else [
                [a + b for a, b in zip(x, y, strict=True)] for x, y in zip(total, new, strict=True)
            ]
        )
        last = now
    return [[contracted(t, asked.contract) for t in ts] for ts in total]


def maps(kind, relu, axis):
    """Class activation maps of one layer, by their formulas; channels on an axis."""

    def method(oracle, idx, z, act, data):
        a = act[0]
        total = None
        for gs in oracle.gradients(idx, None, act, data):
            total = [*(total or []), [combined(kind, gs[0], a, axis % a.ndim)]]
        return [[np.maximum(t, 0) if relu else t for t in ts] for ts in total]

    return method


def combined(kind, g, a, axis):
    places = tuple(i for i in range(1, a.ndim) if i != axis)
    over = lambda x: x.sum(axis=places, keepdims=True)
    channels = lambda x: x.sum(axis=axis, keepdims=True)
    if kind == "gradcam":
        return channels(g.mean(axis=places, keepdims=True) * a)
    if kind == "hirescam":
        return channels(g * a)
    if kind == "layercam":
        return channels(np.maximum(g, 0) * a)
    if kind == "xgradcam":
        low = over(a)
        return channels(np.where(low == 0, 0, over(g * a) / np.where(low == 0, 1, low)) * a)
    below = 2 * g**2 + g**3 * over(a)
    alpha = np.where(below == 0, 0, g**2 / np.where(below == 0, 1, below))
    return channels(over(alpha * np.maximum(g, 0)) * a)


def through_unit(layer, unit):
    """(x − b) ⊙ Σ w ∂u/∂x · ∂q/∂u: the oracle's source is the cut, `layer` where the unit is."""

    def method(oracle, idx, z, act, data):
        found = []
        for number, line in enumerate(oracle.asked.distribution.lines(idx, z)):
            base = oracle.asked.distribution.bases(idx, z)[number]
            total = None
            for w, point, _ in line:
                new = _through(oracle, layer, unit, idx, z, point, data)
                new = [[w * g * (t - b) for g, t, b in zip(gs, z, base, strict=True)] for gs in new]
                total = (
                    new
                    if total is None
                    else [
                        [x + y for x, y in zip(xs, ys, strict=True)]
                        for xs, ys in zip(total, new, strict=True)
                    ]
                )
            found.append(total)
        found = mean_of(found)
        return [[contracted(t, oracle.asked.contract) for t in ts] for ts in found]

    return method


def _through(oracle, layer, unit, idx, z, point, data):
    inner = Oracle(oracle.fw, oracle.args, oracle.kwargs, oracle.shared, oracle.asked, oracle.n)
    inner.sources, inner.doi_sites, inner.counts = [layer], oracle.doi_sites, oracle.counts
    inner.source_counts = [1]
    (h,) = inner.at_source(idx, point)
    after = inner.gradients(idx, point, [h], data)

    def of_unit(eps, given, put):
        seen = oracle.look(given, put=oracle._placed(put), eps=by_count(oracle, eps), want=(layer,))
        (u,) = seen[layer]
        return [oracle.fw.sum(u[(slice(None), *unit)])]

    _, (before,) = oracle.fw.prepared(of_unit)(
        [np.zeros_like(t) for t in z], oracle.rows(idx), point
    )
    scale = [a[0][(slice(None), *unit)] for a in after]
    oracle.saw(max(np.abs(s).max() for s in scale) * max(np.abs(b).max() for b in before))
    return [[s.reshape(-1, *[1] * (b.ndim - 1)) * b for b in before] for s in scale]


def by_count(oracle, eps):
    found, eps = {}, list(eps)
    for site, count in zip(oracle.doi_sites, oracle.counts, strict=True):
        found[site], eps = eps[:count], eps[count:]
    return found


def with_points_of(make):
    """On lines with as many points as the library says that it took; `make(n)` has n points."""

    def method(oracle, idx, z, act, data):
        (i,) = idx
        oracle.asked.distribution = make(int(oracle.asked.n_points[i]))
        return averaged(oracle, idx, z, act, data)

    return method
