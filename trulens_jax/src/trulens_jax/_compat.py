"""Everything of JAX that carries no promise of stability, in one place.

Tested on the oldest and the newest JAX that the package admits; a new version that moves one of
these names needs a change here and nowhere else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax._src.core
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr as ClosedJaxpr
from jax.extend.core import Jaxpr as Jaxpr
from jax.extend.core import JaxprEqn as JaxprEqn
from jax.extend.core import Literal as Literal
from jax.extend.core import Primitive as Primitive
from jax.interpreters import ad, batching, mlir

Tracer = jax.core.Tracer
evaluate = jax.core.eval_jaxpr

INLINE = frozenset({"jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2"})
"""Calls whose body may be evaluated in their place."""

CUSTOM = frozenset({"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"})
"""Calls that bring a derivative of their own."""

VALUE_READ = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerBoolConversionError,
    jax.errors.TracerIntegerConversionError,
)
"""What JAX raises where code reads the numbers of an array that is being traced."""


def identity_primitive(name: str) -> Primitive:
    """A primitive of n arrays that returns them; `vmap` puts the mapped axis first.

    Its tangents pass by it, so that it is invisible to differentiation of every order.
    """
    primitive = Primitive(name)
    primitive.multiple_results = True
    primitive.def_impl(lambda *xs, **_: list(xs))
    primitive.def_abstract_eval(lambda *xs, **_: list(xs))
    mlir.register_lowering(primitive, lambda _, *xs, **__: list(xs))

    def jvp(primals: Any, tangents: Any, **params: Any) -> tuple[list[Any], list[Any]]:
        return primitive.bind(*primals, **params), list(tangents)

    def batch(xs: Any, dims: Any, **params: Any) -> tuple[list[Any], list[Any]]:
        # None marks what is not mapped
        moved = [x if d is None else jnp.moveaxis(x, d, 0) for x, d in zip(xs, dims, strict=True)]
        return primitive.bind(*moved, **params), [d if d is None else 0 for d in dims]

    ad.primitive_jvps[primitive] = jvp
    batching.primitive_batchers[primitive] = batch
    return primitive


def part(jaxpr: Jaxpr, invars: Sequence[Any], outvars: Sequence[Any], eqns: Any) -> Jaxpr:
    """Some equations of a jaxpr as one of their own."""
    debug = getattr(jaxpr, "debug_info", None)
    unnamed = getattr(debug, "with_unknown_names", None)
    named = {} if unnamed is None else {"debug_info": unnamed()}
    return Jaxpr([], list(invars), list(outvars), list(eqns), jaxpr.effects, **named)


def body(eqn: JaxprEqn) -> tuple[Jaxpr, Sequence[Any]]:
    """The jaxpr that a call evaluates, and its constants."""
    inner: Any = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
    return (inner.jaxpr, inner.consts) if isinstance(inner, ClosedJaxpr) else (inner, ())


def being_traced() -> bool:
    """Whether operations on constants are staged now: the caller stands inside `jax.jit`."""
    return not _clean() and isinstance(jnp.add(0, 0), Tracer)


# that nothing is traced, told a hundred times as fast as by what an operation gives; not public
_clean: Callable[[], bool] = getattr(jax._src.core, "trace_state_clean", bool)


def own_jit_caches() -> contextlib.AbstractContextManager[Any]:
    """A context whose traces share no cache with the user's, which stays as it is.

    A function under the user's `jax.jit` that was traced before is not traced again, so that what
    is done to layers only while we trace would be missed in it. Metadata are part of the key.
    """
    try:
        from jax.experimental.xla_metadata import set_xla_metadata
    except ImportError:
        return contextlib.nullcontext()
    own: contextlib.AbstractContextManager[Any] = set_xla_metadata(trulens="1")
    return own
