"""A network as a plain loop over its nodes, and what stands at its cuts. Nothing of the library.

`visit(place, value)` sees what goes into and comes out of every layer, and may put something else
in its place. That is all that cutting, replacing and tapping are here.
"""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Place:
    """One side of one call of a layer; of the whole network where the name is "<input>"."""

    name: str
    anchor: str = "out"
    call: int = 0


INPUT, OUTPUT = Place("<input>", "in"), Place("<output>")


def run(network, args, kwargs, call, visit=lambda place, value: value):
    """What the network returns; `call(node, path, args, kwargs)` evaluates one node."""
    shared = {a.name for a in network.arguments if a.role == "shared"}
    for_all = {k: v for k, v in kwargs.items() if k in shared}
    own = {k: v for k, v in kwargs.items() if k not in shared}
    args, own = visit(INPUT, (args, own))
    names = [a.name for a in network.arguments if not a.keyword]
    env = {**dict(zip(names, args, strict=True)), **own, **for_all}
    through(network.nodes, env, call, visit, "", {})
    return visit(OUTPUT, put_together(network, env))


def put_together(network, env):
    values = [env[name] for name in network.gives]
    if network.output == "tensor":
        return values[0]
    if network.output == "tuple":
        return tuple(values)
    return dict(zip(network.output, values, strict=True))


def through(nodes, env, call, visit, path, calls):
    """Run nodes; `env` holds the values by name."""
    for node in nodes:
        args = tuple(env[n] for n in node.inputs)
        if node.layer is None:
            env[node.name] = call(node, path, args, {})
            continue
        full = path + node.layer
        number = calls[full] = calls.get(full, -1) + 1
        args, kwargs = visit(Place(full, "in", number), (args, {}))
        if node.body:
            inner = {"x": args[0]}
            through(node.body, inner, call, visit, f"{full}.", calls)
            out = inner[node.body[-1].name]
        else:
            out = call(node, path, args, kwargs)
        env[node.name] = visit(Place(full, "out", number), out)


def leaves(value):
    """The leaves of tuples, lists and dicts, in order, and a function that puts others there."""
    if isinstance(value, dict):
        parts = [leaves(v) for v in value.values()]
        make = lambda new: dict(zip(value, new, strict=True))
    elif isinstance(value, tuple | list):
        parts, make = [leaves(v) for v in value], type(value)
    else:
        return [value], lambda new: new[0]

    def rebuild(new):
        new, members = list(new), []
        for held, inner in parts:
            members.append(inner(new[: len(held)]))
            new = new[len(held) :]
        return make(members)

    return [x for held, _ in parts for x in held], rebuild


def meant(value, place, pick, is_float):
    """The positions of the leaves that a cut means: by the documented rule, or by a choice.

    `pick` is None for the rule, "all", a position, or a tuple of argument names.
    """
    found, _ = leaves(value)
    floats = [i for i, x in enumerate(found) if is_float(x)]
    if isinstance(pick, int):
        return [pick]
    if isinstance(pick, tuple):
        _, kwargs = value
        names = [*pick[0], *kwargs]
        return [i for i in floats if names[i] in pick[1]]
    if pick == "all":
        return floats
    if place == INPUT:
        return [i for i in floats if i < len(value[0])] or floats
    if place.anchor == "in":
        return floats
    if isinstance(value, dict):
        return [list(value).index("logits")] if "logits" in value else floats[:1]
    return floats[:1]


@dataclasses.dataclass(frozen=True)
class Site:
    """A place, and which of its tensors: what a cut of one layer means."""

    place: Place
    pick: Any = None
    batch_axis: int = 0


class Looking:
    """A `visit` that puts, taps and captures, in this order.

    Args:
        is_float: of a tensor.
        put: the tensors that take the places of a site's, by site.
        eps: what is added at a site, by site.
        want: sites that are captured into `seen`.
    """

    def __init__(self, is_float, put=None, eps=None, want=()):
        self.is_float, self.put, self.eps = is_float, put or {}, eps or {}
        self.want, self.seen = want, {}
        self.sites = {*self.put, *self.eps, *want}

    def __call__(self, place, value):
        for site in [s for s in self.put if s.place == place]:
            value = self._changed(value, site, lambda i, x, s=site: self.put[s][i])
        for site in [s for s in self.eps if s.place == place]:
            value = self._changed(value, site, lambda i, x, s=site: x + self.eps[s][i])
        for site in [s for s in self.want if s.place == place]:
            held, _ = leaves(value)
            chosen = meant(value, place, site.pick, self.is_float)
            self.seen[site] = [held[i] for i in chosen]
        return value

    def _changed(self, value, site, new):
        held, rebuild = leaves(value)
        for number, i in enumerate(meant(value, site.place, site.pick, self.is_float)):
            held[i] = new(number, held[i])
        return rebuild(held)


def dependencies(network):
    """For every place, what each of its leaves is computed from, as sets of places.

    A place whose value is another leaf's by its own is not told apart from that.
    """
    found = {}
    given = [a for a in network.arguments if not a.keyword]
    named = [a for a in network.arguments if a.keyword and a.role != "shared"]
    floats = [a.name for a in given if a.role == "float"]
    floats = floats or [a.name for a in named if a.role == "float"]
    shared = [a.name for a in network.arguments if a.role == "shared"]

    def visit(place, value):
        held, rebuild = leaves(value)
        found[place] = held
        return value if place == INPUT else rebuild([x | {place} for x in held])

    def call(node, path, args, kwargs):
        if node.kind == "first":
            return args[0][0]
        if node.kind == "embedding":
            return frozenset()
        joined = frozenset().union(*args)
        return (joined, joined) if node.kind in ("attention", "gru", "lstm") else joined

    def start(arguments):
        return {a.name: frozenset({INPUT} if a.name in floats else ()) for a in arguments}

    blank = dict.fromkeys(shared, frozenset())
    run(network, list(start(given).values()), {**start(named), **blank}, call, visit)
    return found
