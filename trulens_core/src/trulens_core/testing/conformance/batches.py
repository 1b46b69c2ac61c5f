"""Batch independence: records one by one, all at once or rebatched give the same numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from trulens_core import (
    ClassQoI,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    ModelInputs,
    Points,
    TrulensWarning,
)
from trulens_core.distributions import DoI
from trulens_core.testing.conformance.compare import arrays
from trulens_core.testing.conformance.harness import Harness
from trulens_core.testing.conformance.subjects import (
    SUBJECTS,
    Scaled,
    Subject,
    distributions,
    quantities,
)

EVERY = pytest.mark.parametrize("subject", SUBJECTS.values(), ids=str)
REPEATABLE = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    # one suite serves several backends in one process
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)
"""The same examples at every run, so that a certificate can be repeated."""


def _joined(parts: list[Any], axis: int) -> Any:
    """Results of single records put together."""
    first = parts[0]
    if isinstance(first, dict):
        return {k: _joined([p[k] for p in parts], axis) for k in first}
    if isinstance(first, list | tuple):
        return [_joined([p[i] for p in parts], axis) for i in range(len(first))]
    return np.concatenate(parts, axis=axis)


class BatchIndependence(Harness):
    """The law of batch independence, for every distribution, quantity and kind of input."""

    law = "batch independence"

    def _one_by_one(self, subject: Subject, n: int, ask: Any, axis: int) -> Any:
        """The records explained by themselves."""
        args, kwargs = self.records(subject.name, n)
        inputs = self.wrapper(subject.name).prepared(ModelInputs(args, kwargs))[0]
        rows = [inputs.rows(i, i + 1, self.backend) for i in range(n)]
        assert all(row.n_records == 1 for row in rows)
        return _joined(
            [
                ask(i).attributions(*self._numpy(row.args), **self._numpy(row.kwargs))
                for i, row in enumerate(rows)
            ],
            axis,
        )

    def _numpy(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {k: self._numpy(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._numpy(v) for v in value]
        return self.backend.to_numpy(value)

    @EVERY
    @REPEATABLE
    @given(
        place=st.sampled_from(["source", "inner"]),
        at=st.sampled_from(["source", "input"]),
        doi=st.sampled_from(sorted(distributions())),
        qoi=st.sampled_from(sorted(quantities(1))),
        n=st.integers(1, 5),
        size=st.integers(1, 12),
        multiply=st.booleans(),
    )
    def test_any_rebatch_size_gives_the_same(  # noqa: PLR0913 - what may vary
        self,
        subject: Subject,
        place: str,
        at: str,
        doi: str,
        qoi: str,
        n: int,
        size: int,
        multiply: bool,
    ) -> None:
        source = getattr(subject, place)
        doi_cut = source if at == "source" else SUBJECTS[subject.name].source
        args, kwargs = self.records(subject.name, n)
        axis = getattr(source, "batch_axis", 0)

        def asked(i: int | None = None, rebatch_size: Any = None) -> InternalInfluence:
            chosen = quantities(n)[qoi]
            if i is not None and hasattr(chosen, "for_records"):
                chosen = chosen.for_records(i, i + 1, n)
            return InternalInfluence(
                self.wrapper(subject.name),
                (source, subject.target),
                chosen,
                distributions(doi_cut)[doi],
                multiply,
                rebatch_size=rebatch_size,
            )

        whole = asked().attributions(*args, **kwargs)
        assert max(np.abs(a).max() for _, a in arrays(whole, self.backend)) > 0
        single = self._one_by_one(subject, n, asked, axis)
        message = f"{n} records one by one, against one batch: does a record see the others?"
        assert self.close(single, whole, what=message)
        parts = asked(rebatch_size=size).attributions(*args, **kwargs)
        assert self.close(parts, whole, what=f"{n} records with rebatch_size={size}")

    @pytest.mark.parametrize("size", [1, 3, 7, 4, 40, "auto"])
    def test_data_of_records_survive_rebatching(self, size: Any) -> None:
        """Targets, baselines and users' arrays with a row per record."""
        args, _ = self.records("mlp", 4)
        wrapper, x = self.wrapper("mlp"), args[0]
        baselines = np.random.default_rng(3).standard_normal(x.shape)
        classes, scales = np.asarray([2, 0, 1, 2]), np.asarray([1.0, -2.0, 0.5, 3.0])

        def influence(rows: slice, rebatch_size: Any = None) -> Any:
            return InternalInfluence(
                wrapper,
                (None, None),
                ClassQoI(classes[rows]) + Scaled(scales[rows]),
                LinearDoi(baselines[rows], 5),
                rebatch_size=rebatch_size,
            ).attributions(x[rows])

        expected = np.concatenate([influence(slice(i, i + 1)) for i in range(4)])
        assert self.close(influence(slice(None), size), expected)

    @pytest.mark.parametrize("size", [1, 2, 5, 100])
    def test_explanations_survive_rebatching(self, size: int) -> None:
        """Points, their gradients, quantities and residuals too."""
        args, kwargs = self.records("two_inputs", 3)
        options: dict[str, Any] = {"return_grads": True, "return_doi": True}

        def explained(**more: Any) -> Any:
            method = InternalInfluence(
                self.wrapper("two_inputs"), (None, None), ClassQoI(1), LinearDoi(0.2, 4), **more
            )
            with warnings.catch_warnings():  # few points are quick, and not exact
                warnings.simplefilter("ignore", TrulensWarning)
                return method.explain(*args, **kwargs)

        whole, parts = explained(**options), explained(rebatch_size=size, **options)
        for field in ("attributions", "gradients", "interventions", "quantity", "residual"):
            assert self.close(getattr(parts, field), getattr(whole, field))
        assert parts.n_points.tolist() == [4, 4, 4]

    def test_rows_per_pass_are_limited(self) -> None:
        """A rebatch size is the most rows that the model sees at once.

        And it sees none twice, but for those in the first calls that are looked at more closely,
        and where the backend evaluates `run` several times, as it may.
        """
        args, _ = self.records("mlp", 3)
        seen = []

        def qoi(y: Any) -> Any:
            seen.append(y.shape[0])
            return y[:, 0]

        if self.backend.traces:
            pytest.skip("a traced step does not see its rows")
        times = self._evaluations()
        for size in (1, 2, 5, 6, 100):
            doi = LinearDoi(0.0, 4)
            method = InternalInfluence(
                self.wrapper("mlp"), (None, None), qoi, doi, rebatch_size=size
            )
            for _ in range(3):
                seen.clear()
                method.attributions(*args)
                assert max(seen) <= size
            assert sum(seen) == 12 * times

    def _evaluations(self) -> int:
        """How often `differentiate` calls what it is given, where all gradients are connected."""
        x, calls = self.tensor(np.ones((2, 3))), []

        def run(tap: Any) -> list[Any]:
            calls.append(1)
            (z,) = tap([x])
            return [self.backend.xp.sum(z * z, axis=1)]

        self.backend.differentiate(run)
        return len(calls)

    @pytest.mark.parametrize("several", [1, 2])
    def test_a_users_points_of_all_records(self, several: int) -> None:
        """A distribution is called with the records of a pass, and may return broadcast points."""
        name = "mlp" if several == 1 else "two_inputs"
        args, kwargs = self.records(name, 4)
        sizes = []

        class Corner(DoI):
            def __call__(self, z: Any) -> Any:
                values = z if isinstance(z, list) else [z]
                sizes.append(values[0].shape[0])
                columns = [[0.5 * t[:1], t] for t in values]
                return Points(columns if isinstance(z, list) else columns[0], [0.5, 0.5])

        def influence(rebatch_size: int | None) -> Any:
            sizes.clear()
            method = InternalInfluence(
                self.wrapper(name), (None, None), ClassQoI(1), Corner(), rebatch_size=rebatch_size
            )
            return method.attributions(*args, **kwargs)

        whole = influence(None)
        assert sizes == [4]
        influence(2)
        assert sum(sizes) == 4
        assert max(sizes) <= 2
        again = influence(100)
        assert self.close(again, whole)

    @pytest.mark.parametrize("n", [4, 5])
    def test_an_argument_of_all_records(self, n: int) -> None:
        """Its length may equal the number of records by chance, which `batched=` tells apart."""
        (x, scale), _ = self.records("scaled", n)
        scaled = self.wrapped("scaled", batched={"scale": False})
        unsaid = self.wrapped("scaled")
        for size in (1, 2, None):
            method = InternalInfluence(
                scaled, (None, None), ClassQoI(1), LinearDoi(0.1, 3), rebatch_size=size
            )
            whole = method.attributions(x, scale)
            assert whole.shape == x.shape
            rows = [method.attributions(x[i : i + 1], scale) for i in range(n)]
            assert self.close(whole, np.concatenate(rows))
            told = InternalInfluence(
                unsaid, (None, None), ClassQoI(1), LinearDoi(0.1, 3), rebatch_size=size
            ).attributions(ModelInputs([x, scale], {}, {"scale": False}))
            assert self.close(told, whole)

    @pytest.mark.parametrize("size", [1, 3, None])
    def test_a_tolerance_is_met_record_by_record(self, size: int | None) -> None:
        """Records get as many points as they need, whatever the others need."""
        args, _ = self.records("mlp_relu", 5)
        baselines = np.random.default_rng(4).standard_normal(args[0].shape)
        classes = np.asarray([0, 1, 2, 1, 0])

        def explained(rows: slice) -> Any:
            return IntegratedGradients(
                self.wrapper("mlp_relu"),
                baselines[rows],
                qoi=ClassQoI(classes[rows]),
                tolerance=0.02,
                rebatch_size=size,
            ).explain(args[0][rows])

        whole = explained(slice(None))
        alone = [explained(slice(i, i + 1)) for i in range(5)]
        assert len(set(whole.n_points.tolist())) > 1
        assert whole.converged.all()
        assert whole.n_points.tolist() == [int(a.n_points[0]) for a in alone]
        assert self.close(whole.attributions, np.concatenate([a.attributions for a in alone]))
        gap = whole.quantity - whole.baseline_quantity - whole.attributions.sum(1)
        assert (np.abs(gap) <= 0.02 * np.abs(whole.quantity - whole.baseline_quantity)).all()
