"""Methods without gradients: the laws of Shapley values, and the same masks everywhere."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from trulens_core import (
    LIME,
    RISE,
    Ablation,
    AttributionMethod,
    ClassQoI,
    KernelSHAP,
    Occlusion,
    QoI,
    ScoreCAM,
    Segments,
    ShapleyValues,
    Sobol,
    get_backend,
    get_model_wrapper,
)
from trulens_core.models import ModelWrapper
from trulens_core.testing.conformance.compare import Array
from trulens_core.testing.conformance.harness import Harness, checks
from trulens_core.testing.conformance.subjects import Product
from trulens_core.testing.reference import ReferenceModel, register_reference
from trulens_core.testing.zoo import ZOO

RECORDS = 3
UNITS: dict[str, Any] = {"doi_cut": "hidden"}
"""Channels of an inner layer."""
TOKENS = Segments.of(np.arange(7)[:, np.newaxis])


def on_units(model: ModelWrapper, qoi: Any = 1) -> dict[str, AttributionMethod]:
    """Methods at the input of five features, and at a layer of four units."""
    return {
        "ablation": Ablation(model, qoi=qoi),
        "ablation of units": Ablation(model, qoi=qoi, baseline=0.1, **UNITS),
        "exact": ShapleyValues(model, qoi=qoi, **UNITS),
        "permutations": ShapleyValues(model, samples=6, qoi=qoi),
        "permutations of units": ShapleyValues(model, samples=6, qoi=qoi, **UNITS),
        "regression": KernelSHAP(model, samples=26, qoi=qoi),
        "lime": LIME(model, samples=40, qoi=qoi, **UNITS),
        "sobol": Sobol(model, samples=8, sequence="random", qoi=qoi, **UNITS),
    }


def on_images(model: ModelWrapper) -> dict[str, AttributionMethod]:
    """Methods at images, and at the maps of a layer."""
    return {
        "occlusion": Occlusion(model, 4, stride=2, qoi=1),
        "rise": RISE(model, samples=12, cells=3, qoi=1),
        "channels": ShapleyValues(model, Segments.channels(), qoi=1, doi_cut="conv2"),
        "score-cam": ScoreCAM(model, "relu2", qoi=1),
    }


class Kept(QoI):
    """The third power of how many values of a record are not zero."""

    def __call__(self, y: Any) -> Any:
        xp = get_backend(y).xp
        n = xp.sum(xp.where(xp.abs(y) > 0, xp.full_like(y, 1.0), xp.zeros_like(y)), axis=1)
        return n * n * n


class Perturbations(Harness):
    """Keeping and removing segments at the input and inside a model."""

    law = "perturbation"

    def _game(self, quantity: Any) -> Array:
        """Q for all coalitions of the units of a layer, by interventions: (2^4, records)."""
        model, (args, _) = self.wrapper("mlp"), self.records("mlp", RECORDS)
        z = np.asarray(model.fprop(args, to_cut="hidden"))
        found = []
        for kept in itertools.product([False, True], repeat=z.shape[1]):
            y = model.fprop(
                args, doi_cut="hidden", intervention=np.where(np.array(kept), z, 0.1 * np.ones(4))
            )
            found.append(quantity(np.asarray(y)))
        return np.array(found)

    def _by_definition(self, game: Array) -> Array:
        n = int(math.log2(len(game)))
        table = game.reshape(*[2] * n, -1)
        values = np.zeros((game.shape[1], n))
        for order in itertools.permutations(range(n)):
            at, before = [0] * n, table[(0,) * n]
            for s in order:
                at[s] = 1
                values[:, s] += (table[tuple(at)] - before) / math.factorial(n)
                before = table[tuple(at)]
        return values

    def _shapley(self, qoi: Any, **options: Any) -> Any:
        args, _ = self.records("mlp", RECORDS)
        options = {"baseline": 0.1, **UNITS, **options}
        return ShapleyValues(self.wrapper("mlp"), qoi=qoi, **options).explain(*args)

    def test_shapley_values_are_those_of_the_definition(self) -> None:
        """For the library's quantity and the caller's, which is no part of what is compiled."""
        for qoi, by_hand in (
            (ClassQoI(1), lambda y: y[:, 1]),
            (Product(), lambda y: y[:, 0] * y[:, 1] + 0.5 * y[:, 2] ** 2),
        ):
            expected = self._by_definition(self._game(by_hand))
            assert self.close(self._shapley(qoi).attributions, expected, 1e-12)

    @checks("completeness")
    def test_shares_add_up(self) -> None:
        """Efficiency: of all coalitions, of permutations and of the regression."""
        args, _ = self.records("mlp", RECORDS)
        model = self.wrapper("mlp")
        for method in (
            ShapleyValues(model, qoi=1, baseline=0.1),
            ShapleyValues(model, qoi=1, baseline=0.1, samples=4),
            KernelSHAP(model, qoi=1, baseline=0.1, samples=26),
        ):
            r = method.explain(*args)
            gained = np.asarray(r.quantity) - np.asarray(r.baseline_quantity)
            total = np.asarray(r.attributions).sum(axis=1)
            np.testing.assert_allclose(total, gained, rtol=1e-10)
            assert np.abs(np.asarray(r.residual)).max() < 1e-12

    def test_what_changes_nothing_has_nothing(self) -> None:
        """The dummy law; the model does not use its last input."""
        args, _ = self.records("mlp", RECORDS)
        model = self.wrapper("mlp")
        for samples in (None, 4):
            found = ShapleyValues(model, qoi=1, samples=samples).attributions(*args)
            assert np.abs(np.asarray(found)[:, 4]).max() < 1e-14
        x = args[0].copy()
        x[:, 2] = 0.0  # as the baseline is
        found = KernelSHAP(model, samples=26, qoi=1).attributions(x)
        assert np.abs(np.asarray(found)[:, 2]).max() == 0.0

    def test_segments_that_do_the_same_have_the_same(self) -> None:
        """Symmetry: where only it counts how many there are, four of them share 4³."""
        args, _ = self.records("mlp", RECORDS)
        options: dict[str, Any] = {"qoi": Kept(), "qoi_cut": "hidden", **UNITS}
        for samples in (None, 4):
            found = ShapleyValues(self.wrapper("mlp"), samples=samples, **options)
            values = np.asarray(found.attributions(*args))
            if samples is None:
                np.testing.assert_allclose(values, 16.0, rtol=1e-12)
            np.testing.assert_allclose(values.sum(axis=1), 64.0, rtol=1e-12)

    def test_shapley_values_are_linear_in_the_quantity(self) -> None:
        a, b = ClassQoI(0), ClassQoI(2)
        found = [np.asarray(self._shapley(q).attributions) for q in (2.0 * a - b, a, b)]
        np.testing.assert_allclose(found[0], 2.0 * found[1] - found[2], rtol=1e-10, atol=1e-13)

    def test_the_regression_over_all_coalitions_is_exact(self) -> None:
        args, _ = self.records("mlp", RECORDS)
        for cut in (None, "hidden"):
            options: dict[str, Any] = {"qoi": 1, "baseline": 0.1, "doi_cut": cut}
            found = KernelSHAP(self.wrapper("mlp"), **options).attributions(*args)
            expected = ShapleyValues(self.wrapper("mlp"), **options).attributions(*args)
            assert self.close(found, expected, 1e-10)

    @checks("batch independence")
    def test_masks_do_not_depend_on_the_batch(self) -> None:
        """Also where records have different numbers of segments, and so other masks."""
        args, _ = self.records("mlp", RECORDS)
        labels = np.array([[0, 1, 2, 3, 4], [0, 0, 1, 1, 2], [0, 1, 1, -1, 2]])
        expected = [
            ShapleyValues(self.wrapper("mlp"), Segments.of(own), samples=5, qoi=1).attributions(x)
            for own, x in zip(labels[:, np.newaxis], args[0][:, np.newaxis], strict=True)
        ]
        for rows in (1, 5, None):
            found = ShapleyValues(
                self.wrapper("mlp"), Segments.of(labels), samples=5, qoi=1, rebatch_size=rows
            ).explain(*args)
            assert self.close(found.attributions, np.concatenate(expected))
            assert found.n_evaluations.tolist() == [26, 14, 14]

    @pytest.mark.filterwarnings("ignore:the quantities")
    def test_points_are_the_value_or_the_baseline_to_the_bit(self) -> None:
        """NaN too, which stands for what is missing: a product would spread it."""
        args, _ = self.records("mlp", RECORDS)
        for baseline in (float("nan"), 0.3):
            method = Ablation(self.wrapper("mlp"), baseline=baseline, qoi=1, return_doi=True)
            result = method.explain(*args)
            points = np.asarray(result.interventions)
            for s, point in enumerate(points[1:]):
                expected = args[0].copy()
                expected[:, s] = baseline
                np.testing.assert_array_equal(point, expected)
            assert np.isfinite(np.asarray(result.quantity)).all()

    def test_tokens_at_an_embedding(self) -> None:
        args, kwargs = self.records("text", RECORDS)
        method = ShapleyValues(
            self.wrapper("text"), TOKENS, samples=4, qoi=1, doi_cut="embedding", rebatch_size=7
        )
        result = method.explain(*args, **kwargs)
        values = np.asarray(result.attributions)
        np.testing.assert_array_equal(values, np.repeat(values[..., :1], values.shape[-1], -1))
        gained = np.asarray(result.quantity) - np.asarray(result.baseline_quantity)
        np.testing.assert_allclose(values[..., 0].sum(axis=1), gained, rtol=1e-9)

    # -- the same everywhere -----------------------------------------------------------------

    def _in_numpy(self, name: str) -> ModelWrapper:
        register_reference()
        return get_model_wrapper(ReferenceModel(ZOO[name]), backend="reference")

    def _some(self, methods: dict[str, AttributionMethod]) -> dict[str, AttributionMethod]:
        """All of them; every other one where each number of rows is a program to compile."""
        return dict(list(methods.items())[:: 2 if self.backend.static_shapes else 1])

    @checks("framework independence")
    def test_numbers_at_features_and_units(self) -> None:
        args, _ = self.records("mlp", RECORDS)
        ours, reference = on_units(self.wrapper("mlp")), on_units(self._in_numpy("mlp"))
        for name, method in self._some(ours).items():
            found, expected = method.explain(*args), reference[name].explain(*args)
            assert self.close(found.attributions, expected.attributions, what=name)
            if expected.standard_error is not None:
                # a root of what cancels: half of the digits
                assert self.close(found.standard_error, expected.standard_error, 1e-6, name)

    @checks("framework independence")
    def test_numbers_of_images(self) -> None:
        args, (plain, _) = self.records("cnn", 2)[0], ZOO["cnn"].inputs(2)
        ours, reference = on_images(self.wrapper("cnn")), on_images(self._in_numpy("cnn"))
        for name, method in self._some(ours).items():
            found = self.zoo_layout(np.asarray(method.attributions(*args)))
            assert self.close(found, np.asarray(reference[name].attributions(*plain)), what=name)
