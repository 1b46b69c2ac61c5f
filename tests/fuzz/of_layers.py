"""Random explanations by the methods that ask for a layer."""

import distributions as d
import oracle as o
from asked import Explanation
from places import Choosing
from plain_runs import INPUT, Site

from trulens_core import Conductance, GradCAM, NeuronConductance


class OfLayers(Choosing):
    """Draws what units or maps of a layer are asked for."""

    def counted(self, name, found):
        self.options += [f"method: {name}", f"statistic: {found.statistic}"]
        self.options.append(f"multiply_activation: {found.multiply}")
        if found.distribution is not None:
            self.options.append(f"doi: {found.distribution.name}")
        return found

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
