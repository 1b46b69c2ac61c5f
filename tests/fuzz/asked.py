"""What is asked of a network, by the library and by the loops."""

import dataclasses
from collections.abc import Callable
from typing import Any

import oracle as o
from distributions import Distribution
from plain_runs import Site
from targets import Quantity


@dataclasses.dataclass
class Explanation:
    """What is asked. `make(wrapper)` gives the library's method; the rest is for the loops."""

    make: Callable[[Any], Any]
    sources: list[Site]
    doi_sites: list[Site]
    target: Site
    quantity: Quantity
    distribution: Distribution | None = None
    method: Callable = o.averaged
    statistic: str = "mean"
    multiply: bool = True
    contract: tuple[int, ...] | None = None
    options: list[str] = dataclasses.field(default_factory=list)
    mixes: bool = False
    explain: bool = False
    n_points: Any = None
