"""What a jaxpr tells without being run: its sites, and which outputs depend on which inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from trulens_jax._compat import INLINE, ClosedJaxpr, Jaxpr, JaxprEqn, Literal, body
from trulens_jax.taps import Site, site_of

Wanted = Callable[[Site], bool]
Sources = frozenset[int]
_NOTHING: Sources = frozenset()


class Found(NamedTuple):
    """A site, and where it stands.

    Attributes:
        site: the tap.
        within: the control flow around it, outermost first: "scan", "cond", "while", ….
        leading: the lengths of the scans around it, which its value's first axes have.
        avals: the arrays there, without those axes.
    """

    site: Site
    within: tuple[str, ...]
    leading: tuple[int, ...]
    avals: tuple[Any, ...]

    @property
    def stacked(self) -> list[jax.ShapeDtypeStruct]:
        """The arrays with the leading axes of the scans around."""
        return [jax.ShapeDtypeStruct((*self.leading, *a.shape), a.dtype) for a in self.avals]


def inner(eqn: JaxprEqn) -> Iterator[Jaxpr]:
    """The jaxprs among an equation's parameters."""
    for value in eqn.params.values():
        for x in value if isinstance(value, tuple | list) else (value,):
            if isinstance(x, ClosedJaxpr):
                yield x.jaxpr
            elif isinstance(x, Jaxpr):
                yield x


def sites(
    jaxpr: Jaxpr, within: tuple[str, ...] = (), leading: tuple[int, ...] = ()
) -> Iterator[Found]:
    """All sites, those of called and repeated jaxprs too, in the order of execution."""
    for eqn in jaxpr.eqns:
        site = site_of(eqn)
        if site is not None:
            yield Found(site, within, leading, tuple(v.aval for v in eqn.invars))
            continue
        name = eqn.primitive.name
        around = within if name in INLINE else (*within, name)
        lengths = (*leading, eqn.params["length"]) if name == "scan" else leading
        for sub in inner(eqn):
            yield from sites(sub, around, lengths)


def contains(eqn: JaxprEqn, wanted: Wanted) -> bool:
    """Whether a wanted site stands inside what the equation calls."""
    return any(wanted(f.site) for sub in inner(eqn) for f in sites(sub))


def dependencies(jaxpr: Jaxpr, sources: Sequence[Sources]) -> list[Sources]:
    """On which sources each output depends differentiably.

    Conservative: what cannot be told, depends. Integers, booleans and `stop_gradient` carry no
    derivative.

    Args:
        jaxpr: any.
        sources: for each of its inputs, the sources that it depends on.
    """
    known: dict[Any, Sources] = dict(zip(jaxpr.invars, sources, strict=True))

    def of(v: Any) -> Sources:
        return _NOTHING if isinstance(v, Literal) else known.get(v, _NOTHING)

    for eqn in jaxpr.eqns:
        given = [of(v) for v in eqn.invars]
        if not any(given) or eqn.primitive.name == "stop_gradient":
            continue
        for v, found in zip(eqn.outvars, _outputs(eqn, given), strict=True):
            known[v] = found if _carries(v.aval) else _NOTHING
    return [of(v) for v in jaxpr.outvars]


def _outputs(eqn: JaxprEqn, given: list[Sources]) -> list[Sources]:
    if eqn.primitive.name in INLINE:
        sub, _ = body(eqn)
        if len(sub.invars) == len(given):
            return dependencies(sub, given)
    if eqn.primitive.name == "scan":
        return _after_rounds(eqn, given)
    return [_NOTHING.union(*given)] * len(eqn.outvars)


def _after_rounds(eqn: JaxprEqn, given: list[Sources]) -> list[Sources]:
    """Of a scan: what one round carries to the next depends on grows until it is all there is."""
    first, last = eqn.params["num_consts"], eqn.params["num_consts"] + eqn.params["num_carry"]
    consts, carry, xs = given[:first], given[first:last], given[last:]
    while True:
        found = dependencies(eqn.params["jaxpr"].jaxpr, [*consts, *carry, *xs])
        grown = [a | b for a, b in zip(carry, found, strict=False)]
        if grown == carry:
            return [*grown, *found[len(carry) :]]
        carry = grown


def _carries(aval: Any) -> bool:
    dtype = getattr(aval, "dtype", None)
    return dtype is None or bool(jnp.issubdtype(dtype, np.inexact))
