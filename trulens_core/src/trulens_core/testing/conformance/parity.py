"""Framework independence: the same weights give the reference backend's numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trulens_core import InternalInfluence, LinearDoi, QoI, get_model_wrapper
from trulens_core.models import ModelWrapper
from trulens_core.testing.conformance.compare import Array, arrays
from trulens_core.testing.conformance.harness import Harness
from trulens_core.testing.conformance.methods import DATA, methods
from trulens_core.testing.conformance.subjects import (
    SUBJECTS,
    Columns,
    Several,
    Subject,
    distributions,
    quantities,
)
from trulens_core.testing.measure import relative_error
from trulens_core.testing.reference import ReferenceModel, register_reference
from trulens_core.testing.zoo import ZOO

LIMITS = {("float64", True): 1e-10, ("float64", False): 1e-10}
LIMITS |= {("float32", True): 1e-6, ("float32", False): 1e-4}
"""By the models' type and whether they are smooth: a tie that flips moves a whole path."""
EVERY = pytest.mark.parametrize("subject", SUBJECTS.values(), ids=str)
PRECISION = pytest.mark.parametrize("dtype", ["float64", "float32"])
RECORDS = 4


class FrameworkIndependence(Harness):
    """Attributions of every model, compared with the reference backend's."""

    law = "framework independence"

    def _reference(self, name: str, dtype: str) -> ModelWrapper:
        """The reference model, in float64, with the weights that the other one has."""
        register_reference()
        model = ReferenceModel(ZOO[name])
        model.weights = {n: w.astype(dtype).astype("float64") for n, w in model.weights.items()}
        batched = {a.name: a.batched for a in ZOO[name].arguments if not a.batched}
        return get_model_wrapper(model, backend="reference", batched=batched)

    def _compare(self, subject: Subject, dtype: str, source: Any, qoi: Any, doi: str) -> None:
        args, kwargs = self.records(subject.name, RECORDS, dtype)
        plain_args, plain_kwargs = ZOO[subject.name].inputs(RECORDS, dtype)

        def explained(wrapper: ModelWrapper, args: Any, kwargs: Any) -> Any:
            cuts, points = (source, subject.target), distributions(subject.source)[doi]
            # where large gradients meet small inputs, a product tells of float32 and not of us
            wide = dtype == "float64"
            method = InternalInfluence(wrapper, cuts, qoi, points, multiply_activation=wide)
            return method.attributions(*args, **kwargs)

        found = explained(self.wrapper(subject.name, dtype), args, kwargs)
        wide = [self._wide(a) for a in plain_args]
        wide_kwargs = {k: self._wide(v) for k, v in plain_kwargs.items()}
        expected = explained(self._reference(subject.name, dtype), wide, wide_kwargs)
        several = isinstance(qoi, QoI) and qoi.__class__ in (Several, Columns)
        axis = getattr(source, "batch_axis", 0)
        error = max(
            relative_error(self._by_record(f, axis, self.zoo_layout), self._by_record(e, axis))
            for f, e in zip(
                found if several else [found], expected if several else [expected], strict=True
            )
        )
        self.measured(error, dtype)
        limit = LIMITS[dtype, ZOO[subject.name].smooth]
        assert error <= limit, f"{error:.2g} from {source} over {doi!r} of {qoi!r}"

    def _by_record(
        self, result: Any, axis: int, laid_out: Callable[[Array], Array] = np.asarray
    ) -> Array:
        """All tensors of each record in a row; the reference has the zoo's layout of images."""
        rows = [
            np.moveaxis(laid_out(a), axis, 0).reshape(RECORDS, -1)
            for _, a in arrays(result, self.backend)
        ]
        return np.concatenate(rows, axis=1)

    def _wide(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {k: self._wide(v) for k, v in value.items()}
        return value.astype("float64") if value.dtype.kind == "f" else value

    @EVERY
    @PRECISION
    def test_numbers_for_distributions(self, subject: Subject, dtype: str) -> None:
        for doi in distributions():
            if dtype == "float32" and doi not in ("point", "midpoint", "gaussian"):
                continue
            if doi == "gaussian" and self.channels_last and subject.name in ("cnn", "resnet"):
                continue  # noise is drawn in the shape of a record, which is laid out otherwise
            for source in (subject.source, subject.inner):
                self._compare(subject, dtype, source, "max", doi)

    @EVERY
    @PRECISION
    def test_numbers_for_quantities(self, subject: Subject, dtype: str) -> None:
        place, every = list(SUBJECTS).index(subject.name), quantities(RECORDS)
        for i, (name, qoi) in enumerate(every.items()):
            # where each is a model to trace, every quantity meets every third of the models
            if self.backend.traces and (i + place) % 3:
                continue
            # in float32 what differs is rounding, which the quantity has little to do with
            if dtype == "float64" or name in ("classes", "softmax", "user"):
                self._compare(subject, dtype, subject.inner, qoi, "midpoint")

    @EVERY
    def test_numbers_at_layers(self, subject: Subject) -> None:
        args, kwargs = self.records(subject.name, RECORDS)
        plain_args, plain_kwargs = ZOO[subject.name].inputs(RECORDS)
        reference = self._reference(subject.name, "float64")
        assert self.close(
            self.wrapper(subject.name)(*args, **kwargs), reference(*plain_args, **plain_kwargs)
        )
        for layer in ZOO[subject.name].layers:
            if layer in ("cell", "spare") or (subject.name, layer) == ("shared", "act"):
                continue
            found = self.wrapper(subject.name).fprop(args, kwargs, to_cut=layer)
            expected = reference.fprop(plain_args, plain_kwargs, to_cut=layer)
            assert self.close(self.zoo_layout(np.asarray(found)), expected)

    @pytest.mark.parametrize("name", ["cnn", "resnet"])
    def test_numbers_for_channels(self, name: str) -> None:
        """A channel means the same one, wherever the framework keeps it."""
        args, _ = self.records(name, 2)
        plain, _ = ZOO[name].inputs(2)
        for qoi in (1, -1):
            found, expected = (
                InternalInfluence(w, (None, "conv2"), qoi, LinearDoi(0.1, 3)).attributions(*x)
                for w, x in ((self.wrapper(name), args), (self._reference(name, "float64"), plain))
            )
            assert self.close(self.zoo_layout(found), expected)

    @pytest.mark.filterwarnings("ignore:completeness fails")
    def test_numbers_of_methods(self) -> None:
        args, _ = self.records("mlp", RECORDS)
        pairs = zip(
            *(
                methods(w, DATA, "hidden", 2)
                for w in (self.wrapper("mlp"), self._reference("mlp", "float64"))
            ),
            strict=True,
        )
        for ours, reference in pairs:
            assert self.close(ours().attributions(*args), reference().attributions(*args))
