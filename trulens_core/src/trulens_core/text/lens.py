"""What a language model would say if it stopped at a layer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from trulens_core.errors import CutError
from trulens_core.models import ModelWrapper
from trulens_core.quantities import QoI, as_qoi

_NORMS = (
    "transformer.ln_f",
    "model.norm",
    "model.final_layernorm",
    "model.decoder.final_layer_norm",
    "gpt_neox.final_layer_norm",
    "transformer.norm_f",
    "backbone.norm_f",
)
"""What the last normalisation is called in models of transformers."""


class LensQoI(QoI):
    """A quantity of the scores that a layer's value gives when it is read as the last one is.

        q(read(y)), y the value of a layer, (rows, steps, width)

    It is known as the logit lens: when does the model know?

    Args:
        read: from y to scores, (rows, steps, vocabulary): a model's last normalisation and head,
            see `reading`.
        qoi: of the scores.

    Example:
        >>> from trulens_core import TokenQoI
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> import numpy as np
        >>> lens = LensQoI(lambda y: 2.0 * y, TokenQoI(1))
        >>> lens(b.from_numpy(np.arange(6.0).reshape(1, 2, 3)))
        Tensor(array([8.]))
    """

    def __init__(self, read: Callable[[Any], Any], qoi: Any) -> None:
        self.read: Callable[[Any], Any] = read
        self.qoi: QoI = as_qoi(qoi)

    def __call__(self, y: Any) -> Any:
        return self.qoi(self.read(y))

    def data(self) -> list[Any]:
        return self.qoi.data()

    def with_data(self, values: Sequence[Any]) -> QoI:
        return LensQoI(self.read, self.qoi.with_data(values))

    def with_n_records(self, n: int) -> QoI:
        return LensQoI(self.read, self.qoi.with_n_records(n))

    def __repr__(self) -> str:
        return f"LensQoI({self.qoi!r})"


def reading(model: ModelWrapper) -> Callable[[Any], Any]:
    """How a model of transformers reads its last layer: normalisation, then head.

    Args:
        model: it.

    Returns:
        A function from (rows, steps, width) to scores, to be given to `LensQoI`.

    Raises:
        CutError: for a model of which that is not known.
    """
    own: Any = model.model
    head = own.get_output_embeddings() if hasattr(own, "get_output_embeddings") else None
    for name in _NORMS:
        norm = functools.reduce(lambda x, part: getattr(x, part, None), name.split("."), own)
        if norm is not None and head is not None:
            return functools.partial(_read, norm, head)
    raise CutError(
        "how the model's last layer is read is not known; give read=, a function from (rows, "
        "steps, width) to scores: the last normalisation, then the head"
    )


def _read(norm: Callable[[Any], Any], head: Callable[[Any], Any], y: Any) -> Any:
    return head(norm(y))
