"""The caller's arrays and tensors on their way in and out: one door for both."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.axes import check_told
from trulens_core.inputs.structure import STATIC, Leaf
from trulens_core.passes import CutModel


class CallerKind(NamedTuple):
    """How results are given back.

    Attributes:
        backend: of the model.
        first: the first array or tensor of the inputs: results are NumPy arrays where it is one,
            else tensors on its device.
        dtype: of the first floating array of the inputs, where results are NumPy arrays; None:
            the model's.
        like: a tensor of the first floating input's type, where results are tensors; likewise.
    """

    backend: Backend
    first: Any
    dtype: Any = None
    like: Tensor | None = None

    @staticmethod
    def of(inputs: ModelInputs, backend: Backend) -> CallerKind:
        """The kind of a caller's inputs."""
        given = [leaf.value for leaf in inputs.leaves if leaf.role != STATIC]
        first = given[0]
        for x in given:
            array = isinstance(x, np.ndarray)
            if array and x.dtype.kind != "f":
                continue
            if not array and not (backend.is_tensor(x) and backend.is_floating(x)):
                continue
            if isinstance(first, np.ndarray):
                return CallerKind(
                    backend, first, dtype=x.dtype if array else backend.to_numpy(x).dtype
                )
            return CallerKind(backend, first, like=backend.from_numpy(x[:0]) if array else x)
        return CallerKind(backend, first)

    def give(self, result: Tensor) -> Any:
        """A tensor of the model as the caller gets it; integers keep their type."""
        backend = self.backend
        floating = backend.is_floating(result)
        if not isinstance(self.first, np.ndarray):
            given = backend.given(result, self.like if floating else None)
            return backend.placed(given, self.first) if backend.is_tensor(self.first) else given
        array = backend.to_numpy(result)
        if not floating or self.dtype is None:
            return array
        return array.astype(self.dtype, copy=False)


def prepared(model: CutModel, inputs: ModelInputs) -> tuple[ModelInputs, CallerKind]:
    """The caller's inputs as tensors of the model, and how to give results back."""
    told = inputs.batched, model.batched
    check_told(inputs.args, inputs.kwargs, told, model.parameters)
    if model.batched:
        inputs = ModelInputs(inputs.args, inputs.kwargs, {**model.batched, **inputs.batched})
    inputs = inputs.renamed(model.parameters)
    model.check(inputs)
    _ = inputs.first  # a TypeError where nothing has a row per record
    kind = CallerKind.of(inputs, model.backend)
    if model.keeps_graph and isinstance(kind.first, np.ndarray):
        kind = CallerKind(model.backend, None)  # NumPy has no graph: the model's own tensors

    declared = model.declared(inputs)

    def adopted(place: int, leaf: Leaf) -> Tensor:
        if isinstance(leaf.value, np.ma.MaskedArray):
            raise TypeError(
                f"input {leaf.name!r} is a masked array, and a model sees no mask; fill it "
                "first, as x.filled(0) does"
            )
        try:
            if place in declared:
                return model.adopt(leaf.value, declared[place])
            return model.adopt(leaf.value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"input {leaf.name!r} {error}") from error

    at = [i for i, leaf in enumerate(inputs.leaves) if leaf.role != STATIC]
    tensors = inputs.with_values(at, [adopted(i, inputs.leaves[i]) for i in at])
    found = tensors.records_first(model.backend)
    if found.n_records == 0:
        raise ValueError("the inputs hold 0 records; give at least one")
    return found, kind
