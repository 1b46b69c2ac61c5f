"""What core gets when it loads this backend."""

from __future__ import annotations

from trulens_torch.backend import BACKEND as backend  # noqa: N811 - the name core asks for
from trulens_torch.models import TorchModelWrapper as wrap

__all__ = ["backend", "wrap"]
