"""The fields of a result, which `AttributionResult` says more of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class ResultFields:
    """What a result holds: see `AttributionResult`."""

    attributions: Any
    gradients: Any = None
    interventions: Any = None
    quantity: Any = None
    baseline_quantity: Any = None
    residual: Any = None
    n_points: Any = None
    converged: Any = None
    standard_error: Any = None
    n_evaluations: Any = None
    activation: Any = None
    segments: Any = None
    inputs: Any = None
    names: Mapping[str, Sequence[Any]] | None = None
    qoi: Any = None
    method: Mapping[str, Any] | None = None
    coverage: Any = None
    target: Any = None
    method_arrays: Sequence[Any] = ()
    fingerprints: Mapping[str, Any] | None = None
