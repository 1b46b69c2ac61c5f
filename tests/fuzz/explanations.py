"""Random explanations of a network: what the library is asked, and the same for the loops."""

import distributions as d
import oracle as o
from asked import Explanation
from of_layers import OfLayers
from plain_runs import INPUT, OUTPUT, Site

from trulens_core import (
    Cut,
    ExpectedGradients,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    Saliency,
    SmoothGrad,
    VarGrad,
)


class Chooser(OfLayers):
    """Draws an explanation."""

    # -- methods -----------------------------------------------------------------------------

    def explanation(self):
        """An explanation, None where the network has no place for one."""
        target, to = self.target()
        source = self.source(target)
        if source is None:
            return None
        kinds = ["internal"] * 6 + ["input"] * 3 + ["ig"] * 3 + ["saliency", "saliency"]
        kinds += ["smooth", "smooth", "var", "expected", "expected"]
        kinds += ["conductance", "conductance", "neuron", "neuron", "cam", "cam", "cam"]
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
                "own",
                "own",
                "short",
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
