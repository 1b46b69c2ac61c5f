"""Random quantities, each as the library takes it and as a formula for one record.

A formula has two parts: `data(i, y0)`, arrays for record i whose values at the target cut were y0,
and `value(fw, y, d)`, the numbers for values y of one row, in the framework's own operations.
"""

import numpy as np
from targets import Quantity

from trulens_core import (
    BinaryQoI,
    BoxQoI,
    ClassQoI,
    ClassSeqQoI,
    ComparativeQoI,
    DistanceQoI,
    EntropyQoI,
    InternalChannelQoI,
    LambdaQoI,
    LogProbQoI,
    LossQoI,
    MaxClassQoI,
    PredictedClassQoI,
    QoI,
    RegressionQoI,
    ThresholdQoI,
    TokenQoI,
)


def _of_classes(t, kind, named):
    """A quantity of one class per record or position, with a region."""
    region, of_record = t.region()
    how = t.rng.random()
    if how < 0.4:
        given = t.cl()
        given = given - t.classes if t.rng.random() < 0.2 else given
        at = lambda i: given % t.classes
        name = named
    elif how < 0.7 or not t.positions:
        given = t.rng.integers(t.classes, size=t.n)
        at = lambda i: given[i]
        name = f"{named} per record"
    else:
        given = t.rng.integers(t.classes, size=(t.n, *t.positions))
        at = lambda i: given[i]
        name = f"{named} per position"
    name += " with region" if region is not None else ""
    data = lambda i, y0: {"w": t.one_hot(at(i)) * of_record(i)[:, None]}
    qoi = kind(given) if region is None else kind(given, region=region)
    return name, qoi, data


def class_qoi(t):
    name, qoi, data = _of_classes(t, ClassQoI, "ClassQoI")
    return Quantity(name, qoi, data, lambda fw, y, d: [fw.sum(t.scores(y[0]) * d["w"])])


def log_prob(t):
    name, qoi, data = _of_classes(t, LogProbQoI, "LogProbQoI")

    def value(fw, y, d):
        m = t.scores(y[0])
        return [fw.sum((m - fw.logsumexp(m, 1)) * d["w"])]

    return Quantity(name, qoi, data, value)


def entropy(t):
    def value(fw, y, d):
        m = t.scores(y[0])
        return [-fw.sum(fw.softmax(m, 1) * (m - fw.logsumexp(m, 1)))]

    return Quantity("EntropyQoI", EntropyQoI(), nothing, value)


def nothing(i, y0):
    return {}


def largest(t):
    how = t.rng.random()
    activations = {None: lambda m: m}
    activations["softmax"] = lambda m: t.fw.softmax(m, 1)
    activations["sigmoid"] = t.fw.sigmoid
    function = lambda m: 0.5 * m + 1.0
    activations[function] = function
    chosen = list(activations)[int(t.rng.integers(4))] if how < 0.75 else None
    if chosen == "softmax" and t.classes == 1:
        chosen = None
    shown = chosen if chosen is None or isinstance(chosen, str) else "function"
    given = "max" if chosen is None and how > 0.8 else MaxClassQoI(activation=chosen)
    value = lambda fw, y, d: [fw.sum(fw.amax(activations[chosen](t.scores(y[0])), 1))]
    name = "max" if given == "max" else f"MaxClassQoI activation={shown}"
    return Quantity(name, given, nothing, value)


def predicted(t):
    region, of_record = t.region()
    given = "predicted" if region is None else PredictedClassQoI(region=region)

    def data(i, y0):
        best = np.asarray(t.fw.numpy(t.scores(y0[0]))).argmax(1)
        return {"w": t.one_hot(best) * of_record(i)[:, None]}

    value = lambda fw, y, d: [fw.sum(t.scores(y[0]) * d["w"])]
    return Quantity("predicted" if region is None else "predicted with region", given, data, value)


def channel(t):
    how = int(t.rng.integers(4))
    c = t.cl()
    several = [c, (c + 1) % t.classes]
    weights = {"w": t.one_hot(c)}
    value = lambda fw, y, d: [fw.sum(t.scores(y[0]) * d["w"])]
    if how == 0:
        return Quantity("int", c, lambda i, y0: weights, value)
    if how == 1:
        both = {"w": t.one_hot(several[0]) + t.one_hot(several[1])}
        return Quantity("channels", InternalChannelQoI(several), lambda i, y0: both, value)
    if how == 2 and t.positions:
        others = tuple(range(1, t.rank - 1))
        given = InternalChannelQoI(c, agg_fn=lambda v: t.fw.sum(v * v, others))
        square = lambda fw, y, d: [fw.sum(t.scores(y[0]) ** 2 * d["w"])]
        return Quantity("agg_fn", given, lambda i, y0: weights, square)
    given = InternalChannelQoI(c, channel_axis=t.axis)
    return Quantity("channel_axis", given, lambda i, y0: weights, value)


def compared(t):
    a, b = t.cl(), t.cl()
    each = t.rng.integers(t.classes, size=(2, t.n))
    how = int(t.rng.integers(3))
    at = (lambda i: (each[0][i], each[1][i])) if how == 2 else (lambda i: (a, b))
    given = ((a, b), ComparativeQoI(a, b), ComparativeQoI(each[0], each[1]))[how]
    name = ("pair", "ComparativeQoI", "ComparativeQoI per record")[how]
    data = lambda i, y0: {"w": t.one_hot(at(i)[0]) - t.one_hot(at(i)[1])}
    return Quantity(name, given, data, lambda fw, y, d: [fw.sum(t.scores(y[0]) * d["w"])])


def labels(t):
    each = t.rng.integers(t.classes, size=t.n)
    given, name = (each, "labels") if t.rng.random() < 0.5 else (ClassSeqQoI(each), "ClassSeqQoI")
    data = lambda i, y0: {"w": t.one_hot(each[i])}
    return Quantity(name, given, data, lambda fw, y, d: [fw.sum(t.scores(y[0]) * d["w"])])


def threshold(t):
    at, turned = float(t.rng.normal() * 0.3), bool(t.rng.random() < 0.4)
    activation = [None, "sigmoid", "softmax"][int(t.rng.integers(3))]
    apply = {None: lambda m: m, "sigmoid": t.fw.sigmoid, "softmax": lambda m: t.fw.softmax(m, 1)}

    def value(fw, y, d):
        a = apply[activation](t.scores(y[0]))
        return [(-1.0 if turned else 1.0) * fw.sum(fw.sign(a - at) * a)]

    given = ThresholdQoI(at, low_minus_high=turned, activation=activation)
    return Quantity("ThresholdQoI", given, nothing, value)


def loss(t):
    fw, each = t.fw, t.rng.normal(size=t.n)
    others = tuple(range(1, t.rank))
    shape = (-1, *[1] * (t.rank - 1))
    function = lambda y, targets: fw.sum((y - fw.reshape(targets, shape)) ** 2, others)
    value = lambda fw, y, d: [fw.sum((y[0] - d["t"]) ** 2)]
    return Quantity("LossQoI", LossQoI(function, each), lambda i, y0: {"t": each[i]}, value)


def distance(t):
    metric = ["euclidean", "squared", "cosine"][int(t.rng.integers(3))]
    record = t.shapes[0][1:]
    each = t.rng.random() < 0.5 and t.n > 1
    reference = t.rng.normal(size=(t.n, *record) if each else record)
    shown = reference if each or len(record) == 1 else reference[None]

    def value(fw, y, d):
        y, r = y[0][0], d["r"]
        if metric == "cosine":
            return [1.0 - fw.sum(y * r) / (fw.sqrt(fw.sum(y * y)) * fw.sqrt(fw.sum(r * r)))]
        s = fw.sum((y - r) ** 2)
        return [s if metric == "squared" else fw.sqrt(s)]

    data = lambda i, y0: {"r": reference[i] if each else reference}
    name = f"DistanceQoI {metric}" + (" per record" if each else "")
    return Quantity(name, DistanceQoI(shown, metric=metric), data, value)


def regression(t):
    if t.rank != 2:
        return channel(t)
    if t.classes == 1 and t.rng.random() < 0.5:
        each = t.rng.integers(2, size=t.n)
        activation = [None, "sigmoid"][int(t.rng.integers(2))]

        def value(fw, y, d):
            z = fw.sum(y[0]) * d["s"]
            return [fw.sigmoid(z) if activation else z]

        given = BinaryQoI(each, activation=activation)
        return Quantity("BinaryQoI", given, lambda i, y0: {"s": 2.0 * each[i] - 1.0}, value)
    each = t.rng.integers(t.classes, size=t.n)
    given = RegressionQoI() if t.classes == 1 else RegressionQoI(output=each)
    data = lambda i, y0: {"w": t.one_hot(each[i])}
    value = lambda fw, y, d: [fw.sum(t.scores(y[0]) * d["w"])]
    return Quantity("RegressionQoI", given, data, value)


def token(t):
    if t.rank != 3:
        return class_qoi(t)
    steps = t.positions[0]
    tokens = t.rng.integers(t.classes, size=t.n)
    at = t.rng.integers(steps, size=t.n)
    log_prob = bool(t.rng.random() < 0.5)

    def value(fw, y, d):
        m = t.scores(y[0])
        return [fw.sum((m - fw.logsumexp(m, 1) if log_prob else m) * d["w"])]

    def data(i, y0):
        w = np.zeros((steps, t.classes))
        w[at[i], tokens[i]] = 1
        return {"w": w}

    given = TokenQoI(tokens, position=at, quantity="log_prob" if log_prob else "logit")
    return Quantity(f"TokenQoI log_prob={log_prob}", given, data, value)


def by_function(t):
    fw, others = t.fw, tuple(range(1, t.rank))
    function = lambda y: fw.sum(fw.sigmoid(y) * y, others)
    value = lambda fw, y, d: [fw.sum(fw.sigmoid(y[0]) * y[0])]
    given = function if t.rng.random() < 0.5 else LambdaQoI(function)
    return Quantity("function", given, nothing, value, own=True)


def several(t):
    """Several quantities at once: columns, or a list."""
    fw, others = t.fw, tuple(range(1, t.rank))
    first = lambda y: fw.sum(y * y, others)
    second = lambda y: fw.sum(fw.sigmoid(y), others)
    listed = t.rng.random() < 0.5
    both = lambda y: [first(y), second(y)] if listed else fw.stack([first(y), second(y)])
    value = lambda fw, y, d: [fw.sum(y[0] * y[0]), fw.sum(fw.sigmoid(y[0]))]
    name = "several, listed" if listed else "several, columns"
    return Quantity(name, LambdaQoI(both), nothing, value, own=True)


class Weighted(QoI):
    """A caller's own, with data for each record."""

    arrays = ("weights",)

    def __init__(self, fw, weights, rank):
        self.fw, self.weights, self.rank = fw, weights, rank

    def __call__(self, y):
        rows = self.fw.reshape(self.weights, (-1, *[1] * (self.rank - 1)))
        return self.fw.sum(y * y * rows, tuple(range(1, self.rank)))


def own_class(t):
    each = t.rng.normal(size=t.n)
    given = Weighted(t.fw, t.fw.tensor(each), t.rank)
    value = lambda fw, y, d: [fw.sum(y[0] * y[0] * d["w"])]
    return Quantity("own class", given, lambda i, y0: {"w": each[i]}, value, own=True)


def combined(t):
    parts = [class_qoi(t), [largest, log_prob, compared, threshold][int(t.rng.integers(4))](t)]
    for p in parts:
        if isinstance(p.given, str | tuple):
            return parts[0]
    a, b = (round(float(x), 2) for x in t.rng.normal(size=2))
    given = a * parts[0].given - parts[1].given / 2.0 if b > 0 else -parts[0].given + parts[1].given
    weights = (a, -0.5) if b > 0 else (-1.0, 1.0)

    def data(i, y0):
        return {"parts": [p.data(i, y0) for p in parts]}

    def value(fw, y, d):
        found = [p.value(fw, y, e)[0] for p, e in zip(parts, d["parts"], strict=True)]
        return [weights[0] * found[0] + weights[1] * found[1]]

    return Quantity("combined", given, data, value)


def of_tensors(t):
    """Of several tensors at the target cut."""
    fw = t.fw
    ranks = [tuple(range(1, len(s))) for s in t.shapes]

    def function(ys):
        found = [fw.sum(y * y, axes) for y, axes in zip(ys, ranks, strict=True)]
        return sum(found[1:], found[0])

    def value(fw, y, d):
        found = [fw.sum(v * v) for v in y]
        return [sum(found[1:], found[0])]

    return Quantity("of several tensors", LambdaQoI(function), nothing, value, own=True)


def box(t):
    """Of a detector: scores (rows, boxes, 3), boxes (rows, boxes, 4) of positive sizes."""
    each = t.rng.integers(3, size=t.n)

    def data(i, y0):
        middle, half = np.split(np.asarray(t.fw.numpy(y0[1]))[0] / (1.0, 1.0, 2.0, 2.0), 2, 1)
        low, high = np.maximum(middle - half, -15.0), np.minimum(middle + half, 15.0)
        both = np.maximum(high - low, 0).prod(1)
        w = np.zeros(t.shapes[0][1:])
        w[(both / ((2 * half).prod(1) + 900.0 - both)).argmax(), each[i]] = 1
        return {"w": w}

    given = BoxQoI([0.0, 0.0, 30.0, 30.0], each, format="cxcywh")
    return Quantity("BoxQoI", given, data, lambda fw, y, d: [fw.sum(y[0][0] * d["w"])])


KINDS = [
    class_qoi,
    class_qoi,
    log_prob,
    entropy,
    largest,
    largest,
    largest,
    predicted,
    channel,
    channel,
    channel,
    compared,
    compared,
    labels,
    threshold,
    loss,
    distance,
    distance,
    distance,
    regression,
    regression,
    token,
    by_function,
    several,
    own_class,
    combined,
]
SEQUENCE = [token, token, token, log_prob, log_prob, predicted, class_qoi, class_qoi, channel]


def quantity(target):
    """A random quantity that can be read at a target."""
    if len(target.shapes) > 1:
        return box(target) if target.boxes else of_tensors(target)
    rng = target.rng
    kinds = SEQUENCE if target.rank == 3 and rng.random() < 0.4 else KINDS
    kinds = [regression] if target.shapes[0][1:] == (1,) and rng.random() < 0.6 else kinds
    return kinds[int(rng.integers(len(kinds)))](target)
