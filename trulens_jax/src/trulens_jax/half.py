"""Gradients of float16 that would underflow, scaled on their way: see `backends.half` of core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from trulens_core.backends import half
from trulens_core.plugins import get_backend
from trulens_jax._compat import Jaxpr
from trulens_jax.jaxprs import inner

Pull = Callable[[list[Any]], Any]


def halved(jaxpr: Jaxpr) -> bool:
    """Whether numbers of float16 are computed, and gradients are linear in their cotangent.

    A backward function of the model's own (`jax.custom_vjp`), or a rule, need not be.
    """
    return _any(jaxpr, _is_half) and not _any(jaxpr, _is_own)


def scaled(pull: Pull, cotangents: list[Any]) -> list[Any]:
    """The gradients that cotangents are pulled back to, float32."""

    def derived(factor: float) -> list[Any]:
        given: list[Any] = [(c * factor).astype(c.dtype) for c in cotangents]
        found: list[Any] = pull(given)[0]
        return found

    known = jnp.zeros((), jnp.float16)
    return half.scaled(derived, known, get_backend(known), _where_lost)


def _where_lost(lost: Any, again: Callable[[], list[Any]], found: list[Any]) -> list[Any]:
    """One more pass only where it is wanted."""
    chosen: list[Any] = jax.lax.cond(jnp.asarray(lost), again, lambda: found)
    return chosen


def _any(jaxpr: Jaxpr, told: Callable[[Any], bool]) -> bool:
    return any(told(eqn) or any(_any(sub, told) for sub in inner(eqn)) for eqn in jaxpr.eqns)


def _is_half(eqn: Any) -> bool:
    return any(getattr(v.aval, "dtype", None) == jnp.float16 for v in eqn.outvars)


def _is_own(eqn: Any) -> bool:
    return "custom_vjp" in eqn.primitive.name
