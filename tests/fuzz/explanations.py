"""Random explanations of a network: what the library is asked, and the same for the loops."""

import dataclasses
from collections.abc import Callable
from typing import Any

import distributions as d
import oracle as o
from plain_runs import INPUT, OUTPUT, Looking, Site, dependencies, leaves, meant
from quantities import Quantity, Target, quantity

from trulens_core import (
    Conductance,
    Cut,
    ExpectedGradients,
    GradCAM,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LogitCut,
    NeuronConductance,
    OutputCut,
    Saliency,
    SmoothGrad,
    VarGrad,
)


@dataclasses.dataclass
class Explanation:
    """What is asked. `make(wrapper)` gives the library's method; the rest is for the loops."""

    make: Callable[[Any], Any]
    sources: list[Site]
    doi_sites: list[Site]
    target: Site
    quantity: Quantity
    distribution: d.Distribution | None = None
    method: Callable = o.averaged
    statistic: str = "mean"
    multiply: bool = True
    contract: tuple[int, ...] | None = None
    options: list[str] = dataclasses.field(default_factory=list)
    mixes: bool = False
    explain: bool = False
    n_points: Any = None


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
    return list(v.values()) if isinstance(v, dict) else list(v)


class Chooser:
    """Draws an explanation."""

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

    # -- methods -----------------------------------------------------------------------------

    def explanation(self):
        """An explanation, None where the network has no place for one."""
        target, to = self.target()
        source = self.source(target)
        if source is None:
            return None
        kinds = ["internal"] * 6 + ["input"] * 3 + ["ig"] * 3 + ["saliency", "saliency"]
        kinds += ["smooth", "smooth", "var", "expected", "expected"]
        kinds += ["conductance", "conductance", "neuron", "neuron", "cam", "cam"]
        found = getattr(self, f"_{self.one(kinds)}")(source, target, to)
        if found is not None:
            found.options = [
                *self.options,
                *(found.distribution.options if found.distribution else ()),
            ]
            found.options.append(f"qoi: {found.quantity.name}")
            found.mixes = self.fw.network.mixes
        return found

    def _internal(self, source, target, to):
        sources, cut = [source], self.shown(source)
        if source.place != INPUT and source.pick is None and self.chance(0.2):
            sources, cut = self.several(target, sources, cut)
        doi_site = self.one_upstream(sources)
        name = self.one(
            [
                "point",
                "point",
                "linear",
                "linear",
                "linear",
                "gaussian",
                "data",
                "curve",
                "own",
                "short",
            ]
        )
        if len(sources) > 1 and doi_site is None:
            name = "point"
        doi_sites = sources if doi_site is None else [doi_site]
        here = doi_sites == sources
        if name == "point":
            doi_sites, distribution = self.point(sources)
        else:
            inner = doi_sites[0].place != INPUT or doi_sites[0].pick is not None
            at = self.where(doi_sites[0], given=inner or self.chance(0.2))
            make = {
                "linear": d.linear,
                "gaussian": d.gaussian,
                "data": d.data_doi,
                "curve": d.curve,
                "short": d.short_linear,
            }
            distribution = d.own(at, here) if name == "own" else make[name](at)
        multiply = self.chance(0.6) and (name != "data" or here)
        statistic = self.statistic(distribution)
        if statistic == "path":
            multiply = True
        own = distribution.name.endswith("multipliers")
        if (own or name == "data") and statistic != "mean":
            statistic = "mean"
        options, axes = self.pace(sources, statistic in ("mean", "path"), multiply)
        explain = self.explained(options)
        q = self.read(target)
        pair = (cut, to)
        keywords = {"statistic": statistic, **options}
        make = lambda w: InternalInfluence(
            w, pair, q.given, distribution.given, multiply, **keywords
        )
        return self.counted(
            "InternalInfluence",
            Explanation(
                make,
                sources,
                doi_sites,
                target,
                q,
                distribution,
                statistic=statistic,
                multiply=multiply,
                contract=axes,
                explain=explain,
            ),
        )

    def several(self, target, sources, cut):
        """Some layers at once."""
        places = [p for p in self.places.before(target) if p.anchor == "out"]
        names = {p.name for p in places}
        single = [
            p
            for p in sorted(places, key=str)
            if self.places.calls[p.name] == 1
            and p.name in names
            and p not in (INPUT, OUTPUT, sources[0].place)
        ]
        if sources[0].place.anchor != "out" or self.places.calls[sources[0].place.name] > 1:
            return sources, cut
        others = [s for s in (Site(p) for p in single) if self.places.fits(s)]
        if not others:
            return sources, cut
        both = [sources[0], self.one(others)]
        self.options.append("cut: several layers")
        return both, Cut([self.fw.place(s.place) for s in both])

    def one_upstream(self, sources):
        """A site that all sources are computed from; None is the sources themselves."""
        if self.chance(0.45):
            return sources[0] if len(sources) == 1 else None
        if sources[0].place == INPUT:
            return sources[0]
        common = set.intersection(*(set(self.places.before(s)) for s in sources))
        if INPUT in common and self.chance(0.6):
            return Site(INPUT)
        inner = self.inner(sorted(common, key=str))
        return self.one(inner) if inner else (sources[0] if len(sources) == 1 else None)

    def point(self, sources):
        """The records themselves; where the point is placed makes no difference."""
        return sources, d.point(d.Where(self.fw, self.rng, self.n, [], None))

    def statistic(self, distribution):
        kinds = ["mean", "mean", "mean"]
        if not distribution.several and distribution.name not in ("point", "PointDoi"):
            kinds += ["second_moment", "variance"]
        if distribution.ends is not None:
            kinds += ["path", "path", "path"]
        return self.one(kinds)

    def counted(self, name, found):
        self.options += [f"method: {name}", f"statistic: {found.statistic}"]
        self.options.append(f"multiply_activation: {found.multiply}")
        if found.distribution is not None:
            self.options.append(f"doi: {found.distribution.name}")
        return found

    def at_input(self, source):
        """`doi_cut=` for a source, None for the input at times."""
        if source == Site(INPUT) and self.chance(0.7):
            return None
        return self.shown(source)

    def _input(self, source, target, to):
        cut = self.at_input(source)
        at = self.where(source, given=False)
        distribution = self.one([d.point, d.linear, d.linear, d.gaussian, d.data_doi, d.curve])(at)
        statistic = "mean" if distribution.name == "DataDoi" else self.statistic(distribution)
        multiply = statistic == "path" or self.chance(0.6)
        options, axes = self.pace([source], statistic in ("mean", "path"), multiply)
        explain = self.explained(options)
        q = self.read(target)
        make = lambda w: InputAttribution(
            w, to, q.given, cut, distribution.given, multiply, statistic=statistic, **options
        )
        return self.counted(
            "InputAttribution",
            Explanation(
                make,
                [source],
                [source],
                target,
                q,
                distribution,
                statistic=statistic,
                multiply=multiply,
                contract=axes,
                explain=explain,
            ),
        )

    def _ig(self, source, target, to):
        cut, at = self.at_input(source), self.where(source, given=False)
        adaptive = self.chance(0.3) and not self.fw.network.mixes
        found = d.baseline(at)
        if adaptive and len(found[2]) > 1:
            adaptive = False
        rule, n = ("midpoint", 3) if adaptive else d.drawn_rule(at, "midpoint")
        line = lambda n: d.on_lines("LinearDoi", lambda b, n, rule: b, rule, n, found)
        options, axes = self.pace([source], contracts=not adaptive)
        explain = adaptive or self.explained(options)
        q = self.read(target)
        more = {"resolution": n, "rule": rule}
        if adaptive:
            more = {"tolerance": 0.05, "max_resolution": 27}
            self.options.append("option: tolerance")
        elif rule == "midpoint" and self.chance(0.5):
            more.pop("rule")
        base = found[1]
        make = lambda w: IntegratedGradients(
            w, base, doi_cut=cut, qoi=q.given, qoi_cut=to, **more, **options
        )
        method = o.with_points_of(line) if adaptive else o.averaged
        return self.counted(
            "IntegratedGradients",
            Explanation(
                make, [source], [source], target, q, line(n), method, contract=axes, explain=explain
            ),
        )

    def _saliency(self, source, target, to):
        cut, absolute = self.at_input(source), self.chance(0.5)
        multiply = self.chance(0.3)
        options, axes = self.pace([source], not absolute, multiply)
        explain = self.explained(options)
        q = self.read(target)
        self.options.append(f"option: absolute={absolute}")
        make = lambda w: Saliency(
            w,
            qoi=q.given,
            qoi_cut=to,
            doi_cut=cut,
            absolute=absolute,
            multiply_activation=multiply,
            **options,
        )
        doi = d.point(self.where(source, given=False))
        doi.name = "point"
        return self.counted(
            "Saliency",
            Explanation(
                make,
                [source],
                [source],
                target,
                q,
                doi,
                statistic="absolute" if absolute else "mean",
                multiply=multiply,
                contract=axes,
                explain=explain,
            ),
        )

    def _smooth(self, source, target, to, kind=SmoothGrad):
        cut, at = self.at_input(source), self.where(source, given=False)
        n, seed = int(self.rng.integers(1, 8)), int(self.rng.integers(100))
        if self.chance(0.5):
            part = float(self.rng.uniform(0.05, 0.3))
            more, lines = {"noise": part}, d.relative_noise(n, seed, part)
        else:
            var = float(self.rng.uniform(0.01, 0.2))
            sizes = [var**0.5] * len(at.shapes)
            more, lines = {"var": var}, lambda idx, z: [d.noisy(z, n, seed, sizes)]
        self.options.append(f"option: {next(iter(more))}")
        statistic = "variance"
        if kind is SmoothGrad:
            statistic = self.one(("mean", "second_moment", "variance"))
            more["statistic"] = statistic
        multiply = self.chance(0.3)
        options, axes = self.pace([source], statistic == "mean", multiply)
        explain = self.explained(options)
        q = self.read(target)
        make = lambda w: kind(
            w,
            resolution=n,
            qoi=q.given,
            qoi_cut=to,
            doi_cut=cut,
            seed=seed,
            multiply_activation=multiply,
            **more,
            **options,
        )
        doi = d.Distribution("noise", None, lines)
        return self.counted(
            kind.__name__,
            Explanation(
                make,
                [source],
                [source],
                target,
                q,
                doi,
                statistic=statistic,
                multiply=multiply,
                contract=axes,
                explain=explain,
            ),
        )

    def _var(self, source, target, to):
        return self._smooth(source, target, to, VarGrad)

    def _expected(self, source, target, to):
        cut, at = self.at_input(source), self.where(source, given=False)
        data, seed, samples = at.draw(True, 5), int(self.rng.integers(100)), self.one((1, 3, 6))
        multiply = self.chance(0.8)
        options, axes = self.pace([source])
        explain = self.explained(options)
        q = self.read(target)
        given = at.as_given(data)
        make = lambda w: ExpectedGradients(
            w,
            given,
            samples,
            qoi=q.given,
            qoi_cut=to,
            doi_cut=cut,
            seed=seed,
            multiply_activation=multiply,
            **options,
        )
        doi = d.Distribution("drawn lines", None, d.to_data(at, data, samples, seed))
        return self.counted(
            "ExpectedGradients",
            Explanation(
                make,
                [source],
                [source],
                target,
                q,
                doi,
                multiply=multiply,
                contract=axes,
                explain=explain,
            ),
        )

    def path_from(self, source):
        """A site upstream where a line lives, and `doi_cut=`."""
        before = self.places.before(source)
        if INPUT in before and self.chance(0.75):
            return Site(INPUT), None
        inner = [s for s in self.inner(sorted(before, key=str)) if s.pick is None]
        if not inner:
            return (Site(INPUT), None) if INPUT in before else (None, None)
        site = self.one(inner)
        return site, self.shown(site)

    def _conductance(self, source, target, to):
        if source.place == INPUT:
            return None
        doi_site, doi_cut = self.path_from(source)
        if doi_site is None:
            return None
        cut, at = self.shown(source), self.where(doi_site, given=False)
        rule, n = d.drawn_rule(at, "midpoint")
        found = d.baseline(at)
        line = d.on_lines("LinearDoi", lambda b, n, rule: b, rule, n, found)
        options, axes = self.pace([source])
        explain = self.explained(options)
        q = self.read(target)
        make = lambda w: Conductance(
            w,
            cut,
            baseline=found[1],
            resolution=n,
            rule=rule,
            qoi=q.given,
            qoi_cut=to,
            doi_cut=doi_cut,
            **options,
        )
        return self.counted(
            "Conductance",
            Explanation(
                make,
                [source],
                [doi_site],
                target,
                q,
                line,
                statistic="path",
                contract=axes,
                explain=explain,
            ),
        )

    def _neuron(self, source, target, to):
        if source.place == INPUT or len(self.places.arrays(source)) > 1:
            return None
        doi_site, doi_cut = self.path_from(source)
        if doi_site is None:
            return None
        cut, at = self.shown(source), self.where(doi_site, given=False)
        shape = self.places.arrays(source)[0].shape[1:]
        unit = tuple(int(self.rng.integers(m)) for m in shape)
        rule, n = d.drawn_rule(at, "midpoint")
        found = d.baseline(at)
        line = d.on_lines("LinearDoi", lambda b, n, rule: b, rule, n, found)
        options, _ = self.pace([doi_site], contracts=False)
        explain = self.explained(options)
        q = self.read(target)
        neuron = unit[0] if len(unit) == 1 and self.chance(0.5) else unit
        make = lambda w: NeuronConductance(
            w,
            cut,
            neuron,
            baseline=found[1],
            resolution=n,
            rule=rule,
            qoi=q.given,
            qoi_cut=to,
            doi_cut=doi_cut,
            **options,
        )
        asked = Explanation(
            make,
            [doi_site],
            [doi_site],
            target,
            q,
            line,
            o.through_unit(source, unit),
            explain=explain,
        )
        return self.counted("NeuronConductance", asked)

    def _cam(self, source, target, to):
        sites = [source, *self.inner(sorted(self.places.before(target), key=str))]
        sites = [
            s
            for s in sites
            if s.place != INPUT
            and len(self.places.arrays(s)) == 1
            and self.places.arrays(s)[0].ndim > 2
        ]
        if not sites:
            return None
        source = self.one(sites)
        cut = self.shown(source)
        rank = self.places.arrays(source)[0].ndim
        axis = -1 if rank == 3 or self.fw.channels_last else 1
        kind = self.one(("gradcam", "gradcam++", "hirescam", "layercam", "xgradcam"))
        relu = self.chance(0.5)
        more = {} if rank == 4 and self.chance(0.5) else {"channel_axis": axis}
        options, _ = self.pace([source], contracts=False)
        explain = self.explained(options)
        q = self.read(target)
        self.options += [f"cam: {kind}", f"cam: relu={relu}"]
        make = lambda w: GradCAM(w, cut, kind, relu, qoi=q.given, qoi_cut=to, **more, **options)
        return self.counted(
            "GradCAM",
            Explanation(
                make,
                [source],
                [source],
                target,
                q,
                d.point(self.where(source, given=False)),
                o.maps(kind, relu, axis),
                multiply=False,
                explain=explain,
            ),
        )
