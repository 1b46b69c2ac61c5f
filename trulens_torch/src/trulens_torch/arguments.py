"""Arguments that models of PyTorch take and that have no rows of records: told what to give."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from trulens_core.inputs import ModelInputs


def check(inputs: ModelInputs) -> None:
    """Raise a TypeError for packed sequences, nested tensors and sparse ones along the records."""
    arguments: list[tuple[str | int, Any]] = [*enumerate(inputs.args), *inputs.kwargs.items()]
    for name, value in arguments:
        said = _said(value)
        if said and inputs.batched.get(name) is not False:
            raise TypeError(f"input {name!r} is {said}")


def _said(value: Any) -> str | None:
    if isinstance(value, PackedSequence):
        return (
            "a PackedSequence, whose rows are steps of all records; explain a function of the "
            "padded tensor and the lengths, lambda x, n: model(pack_padded_sequence(x, n, "
            "batch_first=True, enforce_sorted=False))"
        )
    if isinstance(value, torch.Tensor) and value.is_nested:
        return (
            "a nested tensor, whose records are of several sizes; explain a function of a padded "
            "tensor, x.to_padded_tensor(0.0), and the lengths, or one record a call"
        )
    if isinstance(value, torch.Tensor) and value.layout is not torch.strided:
        return (
            f"sparse ({value.layout}), and no rows can be taken of it; give x.to_dense() or, if it "
            "belongs to all records, say so with batched={...: False}"
        )
    return None
