"""Random networks as data: a seed describes one, and every framework builds it.

A network is a list of nodes in the order in which they run. A node is a layer, which has a name
and can be cut, a function, which cannot, or a block of more nodes. Its value has a form: `vec`
(records, n), `seq` (records, steps, d), `map` (records, channels, steps), `img` (records,
channels, h, w), with the channels last where the framework has them so.
"""

import dataclasses
from typing import Any

FRESH = {"linear", "conv1d", "conv2d", "batch_norm", "add"}
"""What does not need its own value for the backward pass, so that it may be overwritten."""


@dataclasses.dataclass(frozen=True)
class Node:
    """One step: the value `name` from those of `inputs` and `keywords`."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    sizes: dict[str, Any] = dataclasses.field(default_factory=dict)
    layer: str | None = None
    keywords: dict[str, str] = dataclasses.field(default_factory=dict)
    body: tuple["Node", ...] = ()


@dataclasses.dataclass(frozen=True)
class Argument:
    """An argument of the network.

    `role` is "float", "ids" or "index" (integers below `size`), "mask" (booleans), or "shared"
    (one for all records).
    """

    name: str
    role: str
    shape: tuple[int, ...]
    size: int = 0
    keyword: bool = False


@dataclasses.dataclass(frozen=True)
class Network:
    """What a seed describes.

    `output` is how values become what the network returns: "tensor", "tuple", or the names of a
    dict; `gives` are their values. `mixes` says whether rows see one another.
    """

    arguments: tuple[Argument, ...]
    nodes: tuple[Node, ...]
    output: str | tuple[str, ...]
    gives: tuple[str, ...]
    mixes: bool = False
    functional: bool = False


@dataclasses.dataclass(frozen=True)
class Abilities:
    """What a framework has."""

    activations: tuple[str, ...]
    layers: frozenset[str]
    overwrites: bool = False
    few: bool = False
    all_by_place: bool = False
    """Sizes are few, since something is compiled for each; in a functional model, every
    argument goes by place."""

    def functional(self, arguments):
        by_name = any(a.keyword or a.role == "shared" for a in arguments)
        return not (self.all_by_place and by_name)


class Maker:
    """Draws a network, a step at a time; `now` is the value that the next step goes on from."""

    def __init__(self, rng, abilities, inside=None):
        self.rng, self.can = rng, abilities
        self.nodes, self.arguments = [], []
        self.forms, self.now = {}, None
        self.kept = []  # values that a later step may come back to
        self.fresh = self.mixes = False
        self.names = inside.names if inside else {}
        self.depth = inside.depth + 1 if inside else 0

    # -- drawing -----------------------------------------------------------------------------

    def chance(self, p):
        return self.rng.random() < p

    def one(self, options):
        return options[int(self.rng.integers(len(options)))]

    def between(self, low, high):
        if self.can.few:
            return self.one((low, high))
        return int(self.rng.integers(low, high + 1))

    def name(self, kind):
        self.names[kind] = self.names.get(kind, 0) + 1
        return f"{kind}{self.names[kind]}"

    # -- adding ------------------------------------------------------------------------------

    def add(self, kind, form, inputs=None, *, layer=False, keywords=None, body=(), **sizes):
        inputs = (self.now,) if inputs is None else tuple(inputs)
        name = self.name(kind)
        called = name if layer is True else (layer or None)
        self.nodes.append(Node(f"v_{name}", kind, inputs, sizes, called, keywords or {}, body))
        self.forms[f"v_{name}"] = form
        self.now, self.fresh = f"v_{name}", kind in FRESH
        return self.now

    def argument(self, role, shape, size=0, keyword=False):
        name = {"float": "x", "ids": "ids", "index": "which", "mask": "mask", "shared": "shift"}
        new = Argument(self.name(name[role]), role, tuple(shape), size, keyword)
        self.arguments.append(new)
        return new.name

    @property
    def form(self):
        return self.forms[self.now]

    @property
    def width(self):
        """How many features: units, or channels."""
        kind, *sizes = self.form
        return sizes[-1] if kind in ("vec", "seq") else sizes[0]

    def wide(self, n):
        """The same form with another width."""
        kind, *sizes = self.form
        return (kind, *sizes[:-1], n) if kind in ("vec", "seq") else (kind, n, *sizes[1:])

    @property
    def named(self):
        """Whether the first argument is given by name, as all that follow must be."""
        return self.arguments[0].keyword

    # -- steps that every form has -----------------------------------------------------------

    def project(self, width=None):
        """Features to features: a dense layer or a convolution."""
        n = width or self.between(2, 6)
        kind = self.form[0]
        if kind in ("vec", "seq"):
            self.add("linear", self.wide(n), layer=True, i=self.width, o=n)
        else:
            conv = "conv2d" if kind == "img" else "conv1d"
            self.add(conv, self.wide(n), layer=True, i=self.width, o=n, k=self.one((1, 3)))

    def activate(self):
        kind = self.one(self.can.activations)
        how = self.one(("module", "function", "function"))
        over = self.can.overwrites and self.fresh and kind in ("relu", "elu", "hardtanh", "silu")
        over = over and self.now not in self.kept and self.chance(0.6)
        self.add("act", self.form, layer=how == "module", act=kind, over=over)

    def normalise(self):
        kinds = [k for k in ("batch_norm", "layer_norm", "group_norm") if k in self.can.layers]
        kind = self.one(kinds)
        if kind == "group_norm" and (self.form[0] in ("vec", "seq") or self.width % 2):
            kind = "batch_norm"
        if kind == "layer_norm" and (self.form[0] not in ("vec", "seq") or self.width < 3):
            kind = "batch_norm"
        if kind == "batch_norm" and self.form[0] == "seq":
            return self.activate()
        rank = len(self.form) - 1
        return self.add(kind, self.form, layer=True, c=self.width, rank=rank, groups=2)

    def drop(self):
        self.add("dropout", self.form, layer=True, p=0.5)

    def residual(self):
        start, width = self.now, self.width
        self.keep()
        self.project()
        self.activate()
        if self.chance(0.5):
            self.normalise()
        self.project(width)
        over = self.can.overwrites and self.chance(0.4)
        self.add("add", self.form, (self.now, start), over=over)

    def dense(self):
        start, width = self.now, self.width
        self.keep()
        self.project()
        self.activate()
        self.add("concat", self.wide(self.width + width), (self.now, start))

    def branches(self):
        start = self.now
        self.keep()
        width = self.between(2, 5)
        ends = []
        for _ in range(2):
            self.now, self.fresh = start, False
            self.project(width)
            if self.chance(0.6):
                self.activate()
            ends.append(self.now)
        self.add(self.one(("add", "multiply", "gate")), self.form, ends)

    def twice(self):
        """One layer that runs twice."""
        self.project(self.width)
        first = self.nodes[-1]
        if first.sizes.get("stride"):
            return
        self.activate()
        again = self.name(first.kind)
        self.nodes.append(dataclasses.replace(first, name=f"v_{again}", inputs=(self.now,)))
        self.forms[f"v_{again}"] = self.form
        self.now, self.fresh = f"v_{again}", True

    def scale(self):
        over = self.can.overwrites and self.fresh and self.now not in self.kept
        over = over and self.chance(0.5)
        self.add("scale", self.form, by=float(self.rng.choice([0.5, -1.5, 2.0])), over=over)

    def block(self):
        """A module with modules inside."""
        if self.depth > 1:
            return self.activate()
        inner = Maker(self.rng, self.can, inside=self)
        inner.forms["x"], inner.now = self.form, "x"
        chain = self.chance(0.4)
        for _ in range(self.between(1, 3)):
            steps = [inner.project, inner.activate, inner.normalise]
            steps += [] if chain else [inner.residual, inner.scale, inner.block]
            self.one(steps)()
        if not inner.nodes or inner.nodes[-1].kind == "act":
            inner.project()
        chain = chain and "sequential" in self.can.layers and all(n.layer for n in inner.nodes)
        if chain:  # a framework's own container numbers what is in it
            numbered = enumerate(inner.nodes)
            inner.nodes = [dataclasses.replace(n, layer=str(i)) for i, n in numbered]
        return self.add("block", inner.form, layer=True, body=tuple(inner.nodes), chain=chain)

    def keep(self):
        self.kept.append(self.now)

    # -- arguments beside the first ----------------------------------------------------------

    def side(self):
        """Something more that the network is given."""
        kind = self.one(("float", "index", "shared"))
        here, width = self.now, self.width
        self.keep()
        if self.form[0] != "vec" or any(a.role == kind for a in self.arguments[1:]):
            return
        if kind == "float":
            n = self.between(2, 5)
            self.now = self.argument("float", (n,), keyword=self.named or self.chance(0.5))
            self.forms[self.now] = ("vec", n)
            self.add("linear", ("vec", width), layer=True, i=n, o=width)
        elif kind == "index":
            given = self.argument("index", (), size=4, keyword=self.named or self.chance(0.6))
            self.add("embedding", ("vec", width), (given,), layer=True, n=4, d=width)
        else:
            self.now = self.argument("shared", (width,), keyword=True)
        self.add(self.one(("add", "multiply")), ("vec", width), (here, self.now))

    # -- sequences and images ----------------------------------------------------------------

    def of_sequences(self):
        self.one([self.attention, self.recur, self.series, self.project])()

    def attention(self):
        _, t, d = self.form
        if "attention" not in self.can.layers or d % 2:
            q = self.now
            self.keep()
            self.add("attend", self.form, (q, q, q))
            return
        q = self.now
        self.keep()
        self.add("attention", ("pair",), (q, q, q), layer=True, d=d, heads=2)
        self.add("first", ("seq", t, d))
        if self.chance(0.6):
            self.add("add", ("seq", t, d), (self.now, q))

    def recur(self):
        _, t, _ = self.form
        kinds = [k for k in ("gru", "lstm") if k in self.can.layers]
        if not kinds:
            return
        h = self.between(2, 4)
        self.add(self.one(kinds), ("pair",), layer=True, i=self.width, h=h)
        self.add("first", ("seq", t, h))

    def series(self):
        """Convolutions over the steps."""
        _, t, d = self.form
        self.add("swap", ("map", d, t))
        self.project()
        self.activate()
        if self.chance(0.4):
            self.normalise()
        if t >= 4 and self.chance(0.4):
            self.add("max_pool1d", ("map", self.width, t // 2), layer=self.chance(0.7))
        _, c, steps = self.form
        self.add("swap", ("seq", steps, c))

    def pool(self):
        _, c, h, w = self.form
        if min(h, w) < 2:
            return
        kind = self.one(("max_pool", "avg_pool"))
        self.add(kind, ("img", c, h // 2, w // 2), layer=self.chance(0.7))

    def stride(self):
        _, _, h, w = self.form
        if min(h, w) < 3:
            return
        o = 2 * self.between(1, 2)
        form = ("img", o, -(-h // 2), -(-w // 2))
        self.add("conv2d", form, layer=True, i=self.width, o=o, k=1, stride=2)

    def flat(self):
        """One vector for a record."""
        kind = self.form[0]
        if kind == "seq":
            masked = [a for a in self.arguments if a.role == "mask"]
            _, t, d = self.form
            fits = masked and masked[0].shape == (t,)
            if fits:
                self.add("masked_mean", ("vec", d), (self.now, masked[0].name))
            elif self.chance(0.5):
                self.add("mean", ("vec", d))
            else:
                self.add("flatten", ("vec", t * d), layer=self.chance(0.5))
        elif kind == "img":
            _, c, h, w = self.form
            if self.chance(0.5):
                self.add("mean_img", ("vec", c))
            else:
                self.add("flatten", ("vec", c * h * w), layer=self.chance(0.5))

    def centre(self):
        """Rows see one another."""
        self.add("centre", self.form)
        self.mixes = True
