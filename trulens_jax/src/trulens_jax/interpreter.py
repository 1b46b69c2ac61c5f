"""A traced function evaluated again, with a visitor at its sites.

Runs of equations without a wanted site are evaluated by JAX itself. Calls are entered only where
a wanted site is inside, scans by `trulens_jax.loops`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from trulens_core.errors import NotDifferentiableError
from trulens_jax import loops
from trulens_jax._compat import CUSTOM, INLINE, Jaxpr, JaxprEqn, Literal, body, evaluate, part
from trulens_jax.jaxprs import Found, contains, inner, sites
from trulens_jax.taps import Site, site_of

Change = tuple[str, Any]
"""What happens to an array in a scan: ("keep", None), ("replace", new) or ("add", eps)."""


Leave = Callable[[list[Any]], None]
"""Called after a loop, with the arrays of all rounds: rounds along the first axis."""


class Visitor(Protocol):
    """What is done at sites: lists of arrays in, lists of arrays out."""

    def wants(self, site: Site) -> bool:
        """Whether the visitor is to be called at the site."""

    def visit(self, site: Site, arrays: list[Any]) -> list[Any]:
        """The arrays that go on."""

    def enter_loop(self, found: Found) -> tuple[list[Change], Leave]:
        """What happens to each array in all rounds of a loop, and what to call after it."""


class _Segment(NamedTuple):
    """Equations that JAX evaluates, or one that needs the visitor.

    Attributes:
        eqns: the equations.
        site: the site that the one equation is, if it is one.
        entered: whether it calls something with a wanted site inside.
    """

    eqns: list[JaxprEqn]
    site: Site | None = None
    entered: bool = False


def interpret(
    jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any], visitor: Visitor
) -> list[Any]:
    """The outputs of a jaxpr whose sites are shown to the visitor."""
    env = dict(zip(jaxpr.constvars, consts, strict=True))
    env |= dict(zip(jaxpr.invars, args, strict=True))

    def read(v: Any) -> Any:
        return v.val if isinstance(v, Literal) else env[v]

    segments = list(_segments(jaxpr, visitor))
    for segment, needed in zip(segments, _needed_after(jaxpr, segments), strict=True):
        if segment.site is None and not segment.entered:
            env |= _evaluated(jaxpr, segment.eqns, needed, env)
            continue
        eqn = segment.eqns[0]
        values = [read(v) for v in eqn.invars]
        if segment.site is not None:
            outputs = visitor.visit(segment.site, values)
        else:
            outputs = _entered(eqn, values, visitor)
        env |= dict(zip(eqn.outvars, outputs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _segments(jaxpr: Jaxpr, visitor: Visitor) -> Iterator[_Segment]:
    plain: list[JaxprEqn] = []
    for eqn in jaxpr.eqns:
        site = site_of(eqn)
        if site is not None and not visitor.wants(site):
            site = None
        entered = site is None and contains(eqn, visitor.wants)
        if site is None and not entered:
            plain.append(eqn)
            continue
        if plain:
            yield _Segment(plain)
            plain = []
        yield _Segment([eqn], site, entered)
    if plain:
        yield _Segment(plain)


def _needed_after(jaxpr: Jaxpr, segments: list[_Segment]) -> list[set[Any]]:
    """Per segment, the variables that later ones read."""
    needed = {v for v in jaxpr.outvars if not isinstance(v, Literal)}
    found = []
    for segment in reversed(segments):
        found.append(set(needed))
        needed |= {v for e in segment.eqns for v in e.invars if not isinstance(v, Literal)}
    return found[::-1]


def _evaluated(
    jaxpr: Jaxpr, eqns: list[JaxprEqn], needed: set[Any], env: dict[Any, Any]
) -> dict[Any, Any]:
    made = {v for e in eqns for v in e.outvars}
    read = (v for e in eqns for v in e.invars if not isinstance(v, Literal) and v not in made)
    free = list(dict.fromkeys(read))
    outvars = [v for e in eqns for v in e.outvars if v in needed]
    outputs = evaluate(part(jaxpr, free, outvars, eqns), (), *[env[v] for v in free])
    return dict(zip(outvars, outputs, strict=True))


def _entered(eqn: JaxprEqn, values: list[Any], visitor: Visitor) -> list[Any]:
    """The outputs of a call or loop with a wanted site inside."""
    name = eqn.primitive.name
    if name in INLINE:
        return interpret(*body(eqn), values, visitor)
    if name == "scan":
        return loops.scan(eqn, values, visitor, interpret)
    inside = (f.site for sub in inner(eqn) for f in sites(sub))
    found = next(site for site in inside if visitor.wants(site))
    if name in CUSTOM:
        why = f"in a function with a derivative of its own ({name}), which would be bypassed"
        todo = "cut at the function's input or output"
    elif name in ("while", "cond"):
        runs = "a number of times" if name == "while" else "in branches"
        why = f"inside jax.lax.{name}, which runs {runs} that the data decide"
        todo = "cut around it" + (", or use a loop of fixed length" if name == "while" else "")
    else:
        why, todo = f"inside {name!r}, which cannot be entered", "cut around it"
    raise NotDifferentiableError(f"the value at {found.name!r} is computed {why}; {todo}")
