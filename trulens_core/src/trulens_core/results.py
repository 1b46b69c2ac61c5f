"""What `explain` returns."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class AttributionResult:
    """An explanation with all that tells how good it is.

    Arrays are of the caller's kind: NumPy in, NumPy out; tensors in, tensors out. Where there are
    several quantities or tensors, lists: [quantity][tensor], lists of one unwrapped.

    Attributes:
        attributions: shaped as the value at the source cut, in units of the quantity where the
            activation's multiplier was applied, else of quantity per activation.
        gradients: each point's gradients, (points, records, …); None unless `return_grads`.
        interventions: the distribution's points, (points, records, …); None unless `return_doi`.
        quantity: q at the records, (records,), or (records, k) for k quantities.
        baseline_quantity: q at the baseline, alike; None where `residual` is.
        residual: q(x) − q(baseline) − Σ attributions per record, alike: by how much completeness
            fails, the quadrature's error. None unless the distribution has a baseline, lives at
            the source cut, and its own multiplier is applied.
        n_points: how many points were used, (records,) ints (NumPy).
        converged: whether a stated tolerance was met, (records,) bools (NumPy); None where none
            was stated.

    Example:
        >>> AttributionResult(attributions=[0.5]).residual is None
        True
    """

    attributions: Any
    gradients: Any = None
    interventions: Any = None
    quantity: Any = None
    baseline_quantity: Any = None
    residual: Any = None
    n_points: Any = None
    converged: Any = None
