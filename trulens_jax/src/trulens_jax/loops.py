"""Sites inside a scan: one value each, with the rounds along its first axis.

A value cannot be shown to a visitor before the loop has run, and cannot be changed after it. So
the visitor is asked before the loop, by shape, what happens to each array in all rounds; the
answer runs along as further inputs of the scan; the arrays themselves come out as further outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax

from trulens_jax._compat import JaxprEqn
from trulens_jax.jaxprs import Found, Wanted, sites
from trulens_jax.taps import Site

if TYPE_CHECKING:
    from trulens_jax.interpreter import Change, Leave, Visitor

Interpret = Callable[..., list[Any]]


def scan(eqn: JaxprEqn, values: list[Any], visitor: Visitor, interpret: Interpret) -> list[Any]:
    """The outputs of a scan whose sites are shown to the visitor."""
    p, body = eqn.params, eqn.params["jaxpr"]
    n_consts, n_carry = p["num_consts"], p["num_carry"]
    consts, carry = values[:n_consts], values[n_consts : n_consts + n_carry]
    inside = sites(body.jaxpr, ("scan",), (p["length"],))
    entered = [visitor.enter_loop(f) for f in inside if visitor.wants(f.site)]
    words = [[word for word, _ in changes] for changes, _ in entered]
    fed = [[new for _, new in changes] for changes, _ in entered]

    def step(carried: Any, given: Any) -> Any:
        xs, arrays = given
        one = _Round(visitor.wants, words, arrays)
        out = interpret(body.jaxpr, body.consts, [*consts, *carried, *xs], one)
        return out[:n_carry], (out[n_carry:], one.seen)

    last, (ys, seen) = jax.lax.scan(
        step,
        carry,
        (values[n_consts + n_carry :], fed),
        length=p["length"],
        reverse=p["reverse"],
        unroll=p["unroll"],
    )
    for (_, leave), arrays in zip(entered, seen, strict=True):
        leave(arrays)
    return [*last, *ys]


class _Round:
    """The visitor of one round of a scan.

    Args:
        wants: tells the sites.
        words: per site and array there, what happens to it.
        arrays: the round's own part of what runs along.

    Attributes:
        seen: per site, the arrays that went on.
    """

    def __init__(self, wants: Wanted, words: list[list[str]], arrays: list[list[Any]]) -> None:
        self.wants = wants
        self._changes = [list(zip(w, a, strict=True)) for w, a in zip(words, arrays, strict=True)]
        self._reached = 0
        self.seen: list[list[Any]] = [[] for _ in words]

    def visit(self, site: Site, arrays: list[Any]) -> list[Any]:
        del site
        number = self._next()
        changes = self._changes[number]
        self.seen[number] = [_changed(x, c) for x, c in zip(arrays, changes, strict=True)]
        return self.seen[number]

    def enter_loop(self, found: Found) -> tuple[list[Change], Leave]:
        del found
        number = self._next()

        def leave(arrays: list[Any]) -> None:
            self.seen[number] = arrays

        return self._changes[number], leave

    def _next(self) -> int:
        self._reached += 1
        return self._reached - 1


def _changed(x: Any, change: Change) -> Any:
    word, new = change
    if word == "replace":
        return new.astype(x.dtype)
    return x + new if word == "add" else x
