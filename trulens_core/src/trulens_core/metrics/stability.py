"""Whether an explanation stays where the record hardly moves."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

import numpy as np

from trulens_core.distributions.quadrature import positive_int
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import BATCHED, Leaf
from trulens_core.metrics.explained import Explained
from trulens_core.metrics.metric import Metric
from trulens_core.metrics.scores import Array, Better, Score
from trulens_core.plugins import get_backend
from trulens_core.results.arrays import host

_MOVES = 12
"""The stream of draws of noise."""
Kind = Literal["max", "average"]


class Sensitivity(Metric):
    """How far an explanation moves where the record moves a little (Yeh et al., 2019).

        max over ε of ‖φ(x + ε) − φ(x)‖ / ‖φ(x)‖, each |εᵢ| ≤ radius

    or the average (Bhatt et al., 2020). The method should be of a quantity that does not change
    with x, such as `ClassQoI`: where the class predicted changes, so does what is explained. Of
    zeros it says nothing, NaN.

    Args:
        kind: "max" or "average".
        radius: of the noise, which is uniform, in units of the input.
        samples: how many times the record is moved.
        perturbation: the noise itself instead: (samples, …) for all records alike, or (samples,
            records, …), for the one input that is moved.
        seed: of the noise, which is the same for all records and all methods judged.

    Raises:
        ValueError: for another kind; when used, for numbers instead of a method or function, and
            inputs of which none is floating.

    Example:
        >>> from trulens_core import InputAttribution
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> Sensitivity(radius=0.0).score(InputAttribution(model, qoi=0), x).values
        array([0., 0.])
    """

    better: ClassVar[Better] = "lower"

    def __init__(
        self,
        kind: Kind = "max",
        *,
        radius: float = 0.02,
        samples: int = 10,
        perturbation: Any = None,
        seed: int = 0,
    ) -> None:
        if kind not in get_args(Kind):
            raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(get_args(Kind))}")
        self.kind: Kind = kind
        self.radius: float = float(radius)
        self.samples: int = positive_int(samples, "samples")
        self._given = None if perturbation is None else np.asarray(perturbation, "float64")
        self.seed: int = int(seed)

    @property
    def name(self) -> str:
        return f"{super().name} ({self.kind})"

    def judges(self, explained: Explained) -> bool:
        return explained.again is not None

    def _score(self, explained: Explained) -> Score:
        if explained.again is None or explained.inputs is None:
            raise ValueError(
                "Sensitivity explains records anew: give a method or a function, and the records"
            )
        at = _floating(explained.inputs)
        n = self.samples if self._given is None else len(self._given)
        moved = [explained.again(self._moved(explained.inputs, at, i)) for i in range(n)]
        length = _length(explained.values)
        far = np.stack([_length(m - explained.values) for m in moved], axis=1)
        far = far / np.where(length > 0, length, np.nan)[:, np.newaxis]
        if self.kind == "max":
            return self._of(far.max(axis=1))
        error = far.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else None
        return self._of(far.mean(axis=1), sampling_error=error)

    def _moved(self, inputs: ModelInputs, at: list[int], sample: int) -> ModelInputs:
        leaves = inputs.leaves
        new = [_plus(leaves[i].value, self._noise(leaves[i], j, sample)) for j, i in enumerate(at)]
        return inputs.with_values(at, new)

    def _noise(self, leaf: Leaf, tensor: int, sample: int) -> Array:
        shape = tuple(int(n) for n in leaf.value.shape)
        if self._given is not None:
            own = np.asarray(self._given[sample])
            if tensor or own.shape not in (shape, shape[1:], (1, *shape[1:])):
                raise ValueError(
                    f"perturbations of shape {self._given.shape} do not fit one input of shape "
                    f"{shape}: give (samples, …) or (samples, records, …)"
                )
            return own
        bits = np.random.Philox(key=self.seed, counter=[0, _MOVES, tensor, sample])
        return np.random.Generator(bits).uniform(-self.radius, self.radius, (1, *shape[1:]))


def _floating(inputs: ModelInputs) -> list[int]:
    """The floating inputs, which are moved: the positional ones, if there are any."""
    found = [
        i
        for i, leaf in enumerate(inputs.leaves)
        if leaf.role == BATCHED and "float" in str(leaf.value.dtype)
    ]
    found = [i for i in found if isinstance(inputs.leaves[i].name, int)] or found
    if not found:
        raise ValueError("no input is floating, so that none can be moved a little")
    return found


def _plus(value: Any, noise: Array) -> Any:
    new = (host(value) + noise).astype(host(value).dtype)
    return new if isinstance(value, np.ndarray) else get_backend(value).from_numpy(new, like=value)


def _length(values: Array) -> Array:
    return np.asarray(np.sqrt((values.reshape(len(values), -1) ** 2).sum(axis=1)))
