"""What stands where in a network, and a choice among it."""

import distributions as d
from plain_runs import INPUT, OUTPUT, Looking, Site, dependencies, leaves, meant
from quantities import quantity
from targets import Target

from trulens_core import Cut, InputCut, LogitCut, OutputCut


class Places:
    """What stands where in a network for some records, and how it is cut."""

    def __init__(self, fw, args, kwargs, n):
        self.fw, self.n = fw, n
        self.deps = dependencies(fw.network)
        self.values, self.calls, self.cuts = {}, {}, {}
        fw.values(lambda: fw.run(args, kwargs, self._see))
        for place in self.values:
            self.calls[place.name] = max(self.calls.get(place.name, 0), place.call + 1)

    def _see(self, place, value):
        self.values[place] = value
        return value

    def arrays(self, site):
        """The arrays at a site; none where it is no place for variables."""
        looking = Looking(self.fw.is_float, want=(site,))
        looking(site.place, self.values[site.place])
        return [self.fw.numpy(t) for t in looking.seen[site]]

    def fits(self, site):
        """Whether there are tensors with a row for each record."""
        found = self.arrays(site)
        return bool(found) and all(a.ndim and len(a) == self.n for a in found)

    def before(self, site):
        """The places that what a site means is computed from."""
        value = self.values[site.place]
        held, _ = leaves(value)
        chosen = meant(value, site.place, site.pick, self.fw.is_float)
        by_leaf = self.deps[site.place]
        # where a framework's layer gives fewer tensors than another's
        used = by_leaf if len(held) != len(by_leaf) else [by_leaf[i] for i in chosen]
        return frozenset().union(*used) - {site.place}

    def cut(self, site, rng):
        """The library's cut for a site, the same one always."""
        if site not in self.cuts:
            self.cuts[site] = self._cut(site, rng)
        return self.cuts[site]

    def _cut(self, site, rng):
        place, pick = site.place, site.pick
        if place == INPUT:
            return InputCut(names=list(pick[1])) if isinstance(pick, tuple) else InputCut()
        accessor = None
        if pick == "all":
            accessor = lambda v: v
        elif isinstance(pick, int):
            accessor = lambda v, i=pick: _members(v)[i]
        if place == OUTPUT:
            return OutputCut(accessor=accessor)
        call = place.call if self.calls[place.name] > 1 or rng.random() < 0.1 else None
        return Cut(self.fw.place(place), place.anchor, accessor, call=call)


def _members(v):
    if hasattr(v, "args"):
        return [*v.args, *v.kwargs.values()]
    return leaves(v)[0]


class Choosing:
    """Draws where variables live, what is read, and the options of every method."""

    def __init__(self, fw, rng, places, n):
        self.fw, self.rng, self.places, self.n = fw, rng, places, n
        self.options = []

    def chance(self, p):
        return self.rng.random() < p

    def one(self, options):
        return options[int(self.rng.integers(len(options)))]

    # -- where -------------------------------------------------------------------------------

    def target(self):
        """A site that something is read at, and its cut."""
        places = self.places
        sites = [Site(OUTPUT)]
        output = places.values[OUTPUT]
        if isinstance(output, dict) and "logits" not in output:
            boxes = "boxes" in output
            sites = [Site(OUTPUT, "all")] if boxes or self.chance(0.3) else [Site(OUTPUT, 0)]
        elif not self.fw.is_float(output) and self.chance(0.3):
            sites = [Site(OUTPUT, self.one((1, "all")))]
        if self.chance(0.35):
            inner = self.inner([p for p in places.values if len(places.before(Site(p))) > 1])
            sites = inner or sites
        site = self.one(sites)
        if site == Site(OUTPUT) and self.chance(0.3) and "logits" in self.named():
            return Site(self.named()["logits"]), LogitCut()
        return site, self.shown(site)

    def named(self):
        return {p.name: p for p in self.places.values if p.anchor == "out"}

    def shown(self, site):
        """The cut of a site, which counts as options."""
        cut = self.places.cut(site, self.rng)
        if site.place.anchor == "in" and site.place != INPUT:
            self.options.append("cut: anchor in")
        if site.pick is not None:
            self.options.append("cut: names" if isinstance(site.pick, tuple) else "cut: accessor")
        if cut.call is not None:
            self.options.append("cut: call")
        if "." in site.place.name or "/" in site.place.name:
            self.options.append("cut: nested")
        return cut

    def inner(self, among):
        """The sites at layers among places; those of several tensors with an accessor too."""
        found = []
        for place in among:
            if place in (INPUT, OUTPUT) or place.anchor not in self.fw.anchors:
                continue
            held, _ = leaves(
                self.places.values[place][0] if place.anchor == "in" else self.places.values[place]
            )
            picks = [None]
            if len(held) > 1:
                picks += ["all", self.one(range(len(held)))]
            sites = [Site(place, p) for p in picks]
            sites = [s for s in sites if self.suits(s, held)]
            found += [self.one(sites)] if sites else []
        return found

    def suits(self, site, held):
        if isinstance(site.pick, int) and not self.fw.is_float(held[site.pick]):
            return False
        return self.places.fits(site)

    def source(self, target):
        """A site upstream of the target."""
        before = self.places.before(target)
        inner = self.inner(sorted(before, key=str))
        if INPUT in before and (self.chance(0.45) or not inner):
            return self.input()
        return self.one(inner) if inner else None

    def input(self):
        arguments = self.fw.network.arguments
        floats = [a.name for a in arguments if a.role == "float"]
        if floats and self.chance(0.15):
            args = tuple(a.name for a in arguments if not a.keyword)
            return Site(INPUT, (args, (floats[0],)))
        return Site(INPUT)

    def where(self, site, given=True):
        """What a distribution is told of its cut."""
        shapes = [a.shape for a in self.places.arrays(site)]
        cut = self.shown(site) if given else None
        return d.Where(self.fw, self.rng, self.n, shapes, cut)

    def read(self, target):
        shapes = [a.shape for a in self.places.arrays(target)]
        output = self.places.values[OUTPUT]
        boxes = target == Site(OUTPUT, "all") and isinstance(output, dict) and "boxes" in output
        return quantity(Target(self.fw, self.rng, self.n, shapes, boxes))

    # -- the options of every method ---------------------------------------------------------

    def pace(self, sources, linear=True, multiply=False, contracts=True):
        """Keyword options, and which axes are contracted."""
        options = {}
        if not self.fw.network.mixes and self.chance(0.5):
            options["rebatch_size"] = self.one((1, 2, 3, 5, 7, 16, "auto"))
        if self.chance(0.02):
            options["progress"] = True
        ranks = [a.ndim for s in sources for a in self.places.arrays(s)]
        if contracts and (linear or not multiply) and min(ranks) > 1 and self.chance(0.15):
            axes = [(-1,), (1,)] if min(ranks) == max(ranks) else [(-1,)]
            options["contract"] = self.one(axes) if self.chance(0.5) else self.one(axes)[0]
        for name in options:
            self.options.append(f"option: {name}")
        axes = options.get("contract")
        return options, axes if axes is None or isinstance(axes, tuple) else (axes,)

    def explained(self, options):
        """Whether `explain` is called, and what it is asked to return."""
        explain = self.chance(0.5)
        if explain and "contract" not in options:
            for name in ("return_grads", "return_doi"):
                if self.chance(0.2):
                    options[name] = True
                    self.options.append(f"option: {name}")
        self.options.append("call: explain" if explain else "call: attributions")
        return explain
