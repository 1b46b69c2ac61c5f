"""Groups of one size, for frameworks that compile per shape: records are added and cut off."""

from __future__ import annotations

from collections.abc import Sequence

from trulens_core.backends import Backend, Tensor
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import BATCHED


def last_again(x: Tensor, n: int, backend: Backend) -> Tensor:
    """`x` with its last row n more times."""
    return backend.xp.concat([x, *[x[-1:]] * n], axis=0) if n else x


def padded(inputs: ModelInputs, n: int, backend: Backend) -> ModelInputs:
    """The inputs with n more records, copies of the last one."""
    if not n:
        return inputs
    return inputs.map_tensors(
        lambda x: last_again(x.value, n, backend) if x.role == BATCHED else x.value
    )


def trimmed(tensors: Sequence[Tensor], n: int, axis: int = 0) -> list[Tensor]:
    """The first n records of each tensor."""
    return [t[:n] if axis == 0 else t[:, :n] for t in tensors]
