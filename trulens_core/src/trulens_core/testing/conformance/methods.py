"""The methods of the gradient family: what they are made of, and what they give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trulens_core import (
    Baselines,
    ClassQoI,
    Conductance,
    DataDoi,
    ExpectedGradients,
    GaussianDoi,
    GradCAM,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    NeuronConductance,
    Saliency,
    SmoothGrad,
    VarGrad,
)
from trulens_core.quantities.units import UnitQoI
from trulens_core.testing.conformance.compare import Array
from trulens_core.testing.conformance.harness import Harness, checks
from trulens_core.testing.conformance.statistics import FEW_POINTS, RECORDS, SEVERAL
from trulens_core.testing.conformance.subjects import Several, Subject

KINDS = "gradcam", "gradcam++", "hirescam", "layercam", "xgradcam"
DATA = np.random.default_rng(3).standard_normal((9, 5))


class Methods(Harness):
    """Saliency, noise, conductance, expected gradients, several baselines, maps."""

    law = "methods"

    @checks("completeness")
    def test_conductance_converges_to_completeness(self) -> None:
        """At the rate of the midpoint rule: four times less for twice as many points."""
        args, _ = self.records("mlp", RECORDS)

        def residual(n: int) -> Array:
            method = Conductance(
                self.wrapper("mlp"), "hidden", baseline=0.2, resolution=n, qoi=ClassQoI(1)
            )
            return np.asarray(np.abs(method.explain(*args).residual))

        few, many = residual(24), residual(48)
        np.testing.assert_allclose(few / many, 4.0, rtol=0.1)

    @checks("completeness")
    def test_conductance_to_a_stated_error(self) -> None:
        args, _ = self.records("mlp", RECORDS)
        method = Conductance(self.wrapper("mlp"), "act", qoi=ClassQoI(1), tolerance=1e-3)
        result = method.explain(*args)
        assert result.converged.all()
        change = np.abs(np.asarray(result.quantity) - np.asarray(result.baseline_quantity))
        assert (np.abs(np.asarray(result.residual)) <= 1e-3 * change + 1e-12).all()
        n = int(result.n_points[0])
        plain = Conductance(self.wrapper("mlp"), "act", qoi=ClassQoI(1), resolution=n)
        first = [a[:1] for a in args]
        np.testing.assert_allclose(
            plain.attributions(*first)[0], result.attributions[0], rtol=1e-9, atol=1e-13
        )

    @SEVERAL
    def test_one_unit_is_a_product_of_gradients(self, subject: Subject) -> None:
        """∂u/∂x · ∂q/∂u at each point, also where something goes around the unit."""
        args, kwargs = self.records(subject.name, RECORDS)
        w, n = self.wrapper(subject.name), 4
        layer = {"cnn": "conv2", "two_inputs": "left"}.get(subject.name, subject.inner)
        value = self.arrays_of(w.fprop(args, kwargs, to_cut=layer))[0]
        index = tuple(s // 2 for s in value.shape[1:])
        options: Any = {"doi_cut": subject.source, "baseline": 0.1, "resolution": n}
        found = NeuronConductance(w, layer, index, qoi=ClassQoI(1), **options)
        attributions = self.arrays_of(found.attributions(*args, **kwargs))
        doi = LinearDoi(0.1, n, cut=subject.source, rule="midpoint")
        parts = [
            InternalInfluence(w, cuts, qoi, doi, False, return_grads=True).explain(*args, **kwargs)
            for cuts, qoi in (
                ((layer, subject.target), ClassQoI(1)),
                ((subject.source, layer), UnitQoI(index)),
            )
        ]
        of_q = self.arrays_of(parts[0].gradients)[0][(slice(None), slice(None), *index)]
        _, z = w.fprop(args, kwargs, attribution_cut=subject.source)
        for a, g, v in zip(
            attributions, self.arrays_of(parts[1].gradients), self.arrays_of(z), strict=True
        ):
            product = of_q.reshape(n, RECORDS, *[1] * (g.ndim - 2)) * g
            np.testing.assert_allclose(
                a, product.mean(0) * (v - 0.1), rtol=1e-9, atol=1e-12 * np.abs(a).max()
            )

    # -- data and baselines ------------------------------------------------------------------

    def test_draws_are_averaged(self) -> None:
        args, _ = self.records("mlp", RECORDS)
        options: Any = {"qoi": ClassQoI(1), "rebatch_size": 7}
        method = ExpectedGradients(self.wrapper("mlp"), DATA, 8, return_grads=True, **options)
        found = method.explain(*args)
        points = DataDoi(DATA, 8)(args[0])
        multipliers = np.stack([np.asarray(m) for m in points.multipliers])
        singles = self.arrays_of(found.gradients)[0] * multipliers
        assert self.close(found.attributions, singles.mean(0))
        assert self.close(found.standard_error, singles.std(0, ddof=1) / np.sqrt(8))
        for more in {}, {"rebatch_size": None}:  # where nothing else is wanted it may be a program
            plain = ExpectedGradients(self.wrapper("mlp"), DATA, 8, **options | more)
            for _ in range(2):
                assert self.close(plain.attributions(*args), found.attributions)
            assert self.close(plain.explain(*args).standard_error, found.standard_error)
        rows = args[0] - multipliers
        q = [np.asarray(self.wrapper("mlp")(r))[:, 1] for r in rows]
        assert self.close(np.asarray(found.baseline_quantity), np.mean(q, axis=0))

    @SEVERAL
    @FEW_POINTS
    def test_several_baselines_are_averaged(self, subject: Subject) -> None:
        args, kwargs = self.records(subject.name, RECORDS)

        def explained(baseline: Any) -> Any:
            method = IntegratedGradients(
                self.wrapper(subject.name),
                baseline,
                resolution=4,
                doi_cut=subject.source,
                qoi=ClassQoI(1),
            )
            return method.explain(*args, **kwargs)

        alone = [explained(b) for b in (0.1, -0.3, 0.5)]
        found = explained(Baselines([0.1, -0.3, 0.5]))
        for name in ("attributions", "baseline_quantity", "residual"):
            members = [self.arrays_of(getattr(r, name)) for r in alone]
            expected = [np.mean(parts, axis=0) for parts in zip(*members, strict=True)]
            for a, b in zip(self.arrays_of(getattr(found, name)), expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13)
        assert (found.n_points == 12).all()

    # -- maps --------------------------------------------------------------------------------

    @pytest.mark.parametrize("kind", KINDS)
    def test_class_activation_maps(self, kind: Any) -> None:
        args, _ = self.records("cnn", RECORDS)
        w, target = self.wrapper("cnn"), ClassQoI(2)
        found = GradCAM(w, "relu2", kind, relu=False, qoi=target).attributions(*args)
        slopes = InternalInfluence(w, "relu2", target, "point", False).attributions(*args)
        a, g = (
            self.zoo_layout(self.arrays_of(v)[0]) for v in (w.fprop(args, to_cut="relu2"), slopes)
        )
        expected = maps_by_hand(kind, a, g)
        assert self.close(self.zoo_layout(self.arrays_of(found)[0]), expected)
        positive = GradCAM(w, "relu2", kind, qoi=target, rebatch_size=2).attributions(*args)
        assert self.close(self.zoo_layout(self.arrays_of(positive)[0]), np.maximum(expected, 0))

    # -- batches -----------------------------------------------------------------------------

    @checks("batch independence")
    @FEW_POINTS
    def test_methods_take_records_one_by_one(self) -> None:
        args, _ = self.records("mlp", RECORDS)
        for make in methods(self.wrapper("mlp"), DATA, "act", 1):
            whole = self.arrays_of(make().attributions(*args))
            found = self.arrays_of(make(rebatch_size=2).attributions(*args))
            alone = self.arrays_of(make().attributions(*[a[1:2] for a in args]))
            for a, one, b in zip(found, alone, whole, strict=True):
                limits = {"rtol": 1e-9, "atol": 1e-12 * np.abs(b).max()}
                np.testing.assert_allclose(a, b, **limits)
                np.testing.assert_allclose(one, b[1:2], **limits)

    def test_saliency_and_noise_are_recipes(self) -> None:
        args, _ = self.records("mlp", RECORDS)
        w = self.wrapper("mlp")
        point = InternalInfluence(w, None, 0, "point", False).attributions(*args)
        assert self.close(Saliency(w, qoi=0).attributions(*args), point)
        assert self.close(Saliency(w, qoi=0, absolute=True).attributions(*args), np.abs(point))
        noise = GaussianDoi(0.01, 6, seed=2)
        for statistic in ("mean", "second_moment"):
            recipe: Any = {"statistic": statistic}
            by_hand = InternalInfluence(w, None, 0, noise, False, **recipe).attributions(*args)
            method = SmoothGrad(w, qoi=0, var=0.01, resolution=6, seed=2, **recipe)
            assert self.close(method.attributions(*args), by_hand)

    def test_noise_is_a_part_of_the_range(self) -> None:
        """That of each record: the deviations of two points differ as the ranges do."""
        args, _ = self.records("mlp", RECORDS)
        w = self.wrapper("mlp")
        found = SmoothGrad(w, noise=0.1, resolution=3, return_doi=True).explain(*args)
        unit = InternalInfluence(w, None, 0, GaussianDoi(1.0, 3), return_doi=True).explain(*args)
        x = args[0]
        part = 0.1 * (x.max(1) - x.min(1))[None, :, None]
        expected = part * (np.asarray(unit.interventions) - x)
        np.testing.assert_allclose(np.asarray(found.interventions) - x, expected, atol=1e-12)

    def test_several_quantities(self) -> None:
        """A list of them gives for each what it gives alone."""
        args, _ = self.records("cnn", RECORDS)
        w = self.wrapper("cnn")
        both = Several()
        for make in (
            lambda q: SmoothGrad(w, qoi=q, resolution=4, statistic="variance"),
            lambda q: Conductance(w, "conv2", qoi=q, resolution=4),
            lambda q: NeuronConductance(w, "pool2", (1, 1, 1), qoi=q, resolution=4),
            lambda q: GradCAM(w, "relu2", "gradcam++", qoi=q),
        ):
            found = make(both).attributions(*args)
            assert len(found) == 2
            for i, f in enumerate(found):
                alone = make(lambda y, i=i: both(y)[i]).attributions(*args)
                assert self.close(f, alone, 1e-9)


def methods(w: Any, data: Array, layer: str, unit: Any) -> list[Any]:
    """Methods of one class, each as a function of the options of its pace."""
    qoi = ClassQoI(1)
    return [
        lambda **o: VarGrad(w, qoi=qoi, resolution=5, **o),
        lambda **o: ExpectedGradients(w, data, 5, qoi=qoi, **o),
        lambda **o: Conductance(w, layer, qoi=qoi, resolution=5, **o),
        lambda **o: NeuronConductance(w, layer, unit, qoi=qoi, resolution=5, **o),
        lambda **o: IntegratedGradients(w, Baselines.drawn(data, 2), 3, qoi=qoi, **o),
    ]


def maps_by_hand(kind: str, a: Array, g: Array) -> Array:
    """A map of maps (records, channels, rows, columns) and their gradients, by its formula."""
    places = (2, 3)
    total = a.sum(places, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = np.nan_to_num(g**2 / (2 * g**2 + g**3 * total), nan=0, posinf=0, neginf=0)
        ratio = np.nan_to_num((g * a).sum(places, keepdims=True) / total, nan=0, posinf=0, neginf=0)
    weights = {
        "gradcam": g.mean(places, keepdims=True),
        "gradcam++": (alpha * np.maximum(g, 0)).sum(places, keepdims=True),
        "hirescam": g,
        "layercam": np.maximum(g, 0),
        "xgradcam": ratio,
    }[kind]
    return np.asarray((weights * a).sum(1, keepdims=True))
