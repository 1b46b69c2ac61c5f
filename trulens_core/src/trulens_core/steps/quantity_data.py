"""The arrays of a quantity as tensors of a model's framework."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.backends import StepArguments, Tensor
from trulens_core.inputs import ModelInputs, adoption
from trulens_core.passes import CutModel
from trulens_core.quantities.base import QoI


def with_data(qoi: QoI, a: StepArguments) -> QoI:
    """The quantity with a step's arrays."""
    per_record, scalars = iter(a.per_record), iter(a.scalars)
    return qoi.mapped(lambda _: next(per_record), lambda _: next(scalars))


def with_tensors(qoi: QoI, inputs: ModelInputs, model: CutModel) -> QoI:
    """The quantity with its arrays as tensors."""

    def tensor(value: Any) -> Tensor:
        return _as_tensor(value, inputs, model)

    return qoi.mapped(tensor, tensor)


def for_program(qoi: QoI, inputs: ModelInputs, model: CutModel) -> QoI:
    """The same for a compiled program, which takes one integer, as a class is, from the host."""

    def scalar(value: Any) -> Any:
        on_host = isinstance(value, np.ndarray) and value.dtype.kind in "iu"
        return value if on_host and not value.ndim else _as_tensor(value, inputs, model)

    return qoi.mapped(lambda value: _as_tensor(value, inputs, model), scalar)


def _as_tensor(value: Any, inputs: ModelInputs, model: CutModel) -> Tensor:
    """A quantity's array as a tensor: by the same rule, or of the inputs' type without weights."""
    backend = model.backend
    if backend.is_tensor(value):
        return model.adopt(value)
    weights = model.floating_weights()
    like = next(weights, None)
    if like is None:
        like = inputs.first_floating(backend)
    return adoption.adopted(np.asarray(value), like, weights, backend)
