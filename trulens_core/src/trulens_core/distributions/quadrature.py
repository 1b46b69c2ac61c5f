"""Quadrature on [0, 1]: where on a path the gradient is evaluated, and with which weights.

The integral of f over [0, 1] is approximated by Σ wᵢ f(αᵢ) with Σ wᵢ = 1. Nodes are listed from
1 (the point that is explained) down to 0 (the baseline).
"""

from __future__ import annotations

import functools
import operator
from typing import Any, Literal

import numpy as np

Rule = Literal["endpoints", "midpoint", "trapezoid", "gauss-legendre"]
RULES: tuple[Rule, ...] = ("endpoints", "midpoint", "trapezoid", "gauss-legendre")
EQUAL: tuple[Rule, ...] = ("endpoints", "midpoint")
"""The rules whose weights are equal for any number of points."""


def check(rule: Any, resolution: Any) -> tuple[Rule, int]:
    """`rule` and `resolution` where they are usable, else a ValueError that says what is."""
    if rule not in RULES:
        raise ValueError(
            f"rule is {rule!r}; it must be one of {', '.join(map(repr, RULES))}, of quadrature; "
            "rules of the backward pass are given as rules="
        )
    n = positive_int(resolution, "resolution")
    if rule == "trapezoid" and n == 1:
        raise ValueError("rule='trapezoid' needs resolution >= 2: it evaluates at both ends")
    return rule, n


def positive_int(value: Any, argument: str) -> int:
    """`value` as an int ≥ 1, else a ValueError that names the argument."""
    try:
        n = operator.index(value)
    except TypeError:
        n = 0
    if isinstance(value, bool) or n < 1:
        raise ValueError(f"{argument} is {value!r}; it must be an int >= 1")
    return n


@functools.lru_cache(maxsize=64)
def nodes(rule: Rule, n: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Nodes αᵢ, descending from 1 towards 0, and weights wᵢ of the n-point rule.

    - `"endpoints"`: equal weights, both ends among the nodes. Its error is O(1/n).
    - `"midpoint"`: equal weights, the middles of n equal intervals. O(1/n²).
    - `"trapezoid"`: both ends with half weight. O(1/n²).
    - `"gauss-legendre"`: exact for polynomials up to degree 2n − 1.

    Example:
        >>> nodes("midpoint", 2)
        ((0.75, 0.25), (0.5, 0.5))
    """
    if rule == "midpoint":
        alphas, weights = (np.arange(n) + 0.5) / n, np.full(n, 1 / n)
    elif rule == "gauss-legendre":
        x, w = np.polynomial.legendre.leggauss(n)
        alphas, weights = (x + 1) / 2, w / 2
    else:
        alphas, weights = np.linspace(0, 1, n) if n > 1 else np.ones(1), np.full(n, 1 / n)
        if rule == "trapezoid":
            weights = np.full(n, 1 / (n - 1))
            weights[[0, -1]] /= 2
    return tuple(alphas[::-1].tolist()), tuple(weights[::-1].tolist())


@functools.lru_cache(maxsize=64)
def ends(weights: tuple[float, ...]) -> tuple[float, ...]:
    """Where the intervals end whose lengths are the weights, from 1 down to 0.

    Example:
        >>> ends((0.25, 0.5, 0.25))
        (0.75, 0.25, 0.0)
    """
    left = 1 - np.cumsum(weights)
    left[-1] = 0.0  # not what rounding leaves
    return tuple(left.tolist())
