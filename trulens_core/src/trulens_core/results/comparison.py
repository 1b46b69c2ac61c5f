"""Whether two results are the same."""

from __future__ import annotations

import dataclasses
from typing import Any

from trulens_core.inputs import ModelInputs
from trulens_core.results.arrays import equal
from trulens_core.results.fields import ResultFields


def equal_results(a: ResultFields, b: ResultFields) -> bool:
    """Whether all fields hold the same."""
    names = [field.name for field in dataclasses.fields(a)]
    return all(equal(_opened(getattr(a, n)), _opened(getattr(b, n))) for n in names)


def _opened(value: Any) -> Any:
    if isinstance(value, ModelInputs):
        return list(value.args), value.kwargs
    return value
