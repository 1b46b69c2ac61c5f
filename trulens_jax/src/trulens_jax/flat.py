"""A jaxpr as one list of equations, with its calls in their place."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from trulens_jax._compat import INLINE, Jaxpr, JaxprEqn, Literal, body, evaluate, part
from trulens_jax.taps import Site, site_of

_ROUNDS = 512
"""The longest loop that is taken round by round."""

Key = int
"""A value of the flat program."""


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """An equation.

    Attributes:
        name: of its primitive.
        run: it, of the values of `ins`.
        ins: the values that it reads.
        outs: those that it gives.
        avals: what these are.
        site: the tap that it is, if it is one.
        eqn: itself.
    """

    name: str
    run: Callable[..., list[Any]]
    ins: Sequence[Key]
    outs: Sequence[Key]
    avals: Sequence[Any]
    site: Site | None
    eqn: JaxprEqn


@dataclasses.dataclass(frozen=True, eq=False)
class Flat:
    """A program.

    Attributes:
        nodes: the equations, in order.
        inputs: values that are given.
        outputs: values that it gives.
        constants: values that are known.
    """

    nodes: list[Node]
    inputs: list[Key]
    outputs: list[Key]
    constants: dict[Key, Any]


def flatten(jaxpr: Jaxpr, consts: Sequence[Any]) -> Flat:
    """A jaxpr with the calls that may be evaluated in their place."""
    builder = _Builder()
    env = {v: builder.key() for v in jaxpr.invars}
    inputs = [env[v] for v in jaxpr.invars]
    outputs = builder.walk(jaxpr, consts, env)
    return Flat(builder.nodes, inputs, outputs, builder.constants)


class _Builder:
    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[Key, Any] = {}
        self._keys: Iterator[int] = itertools.count()

    def key(self) -> Key:
        return next(self._keys)

    def _constant(self, value: Any) -> Key:
        key = self.key()
        self.constants[key] = value
        return key

    def walk(self, jaxpr: Jaxpr, consts: Sequence[Any], env: dict[Any, Key]) -> list[Key]:
        env.update({v: self._constant(c) for v, c in zip(jaxpr.constvars, consts, strict=True)})

        def key(v: Any) -> Key:
            return self._constant(v.val) if isinstance(v, Literal) else env[v]

        for eqn in jaxpr.eqns:
            ins = [key(v) for v in eqn.invars]
            if eqn.primitive.name in INLINE:
                sub, inner = body(eqn)
                outs = self.walk(sub, inner, dict(zip(sub.invars, ins, strict=True)))
            elif eqn.primitive.name == "scan" and eqn.params["length"] <= _ROUNDS:
                outs = self._rounds(eqn, ins)
            else:
                outs = [self.key() for _ in eqn.outvars]
                avals = [v.aval for v in eqn.outvars]
                run = _runner(jaxpr, eqn)
                name = eqn.primitive.name
                self.nodes.append(Node(name, run, ins, outs, avals, site_of(eqn), eqn))
            env.update(zip(eqn.outvars, outs, strict=True))
        return [key(v) for v in jaxpr.outvars]

    def _rounds(self, eqn: JaxprEqn, ins: list[Key]) -> list[Key]:
        """A scan, round by round: of what is in a loop, rules would see nothing."""
        sub, inner = body(eqn)
        first, last = eqn.params["num_consts"], eqn.params["num_consts"] + eqn.params["num_carry"]
        carried, length = ins[first:last], eqn.params["length"]
        shapes = [v.aval for v in sub.invars[last:]]
        found: dict[int, list[Key]] = {}
        for t in reversed(range(length)) if eqn.params["reverse"] else range(length):
            pairs = zip(ins[last:], shapes, strict=True)
            xs = [self._made("slice", _nth(t), [k], a, eqn) for k, a in pairs]
            given = dict(zip(sub.invars, [*ins[:first], *carried, *xs], strict=True))
            outs = self.walk(sub, inner, given)
            carried, found[t] = outs[: last - first], outs[last - first :]
        stacked = [
            self._made("concatenate", _stack, [found[t][n] for t in range(length)], v.aval, eqn)
            for n, v in enumerate(eqn.outvars[last - first :])
        ]
        return [*carried, *stacked]

    def _made(
        self, name: str, run: Callable[..., list[Any]], ins: list[Key], aval: Any, eqn: JaxprEqn
    ) -> Key:
        """What an equation gives that no jaxpr has."""
        out = self.key()
        self.nodes.append(Node(name, run, ins, [out], [aval], None, eqn))
        return out


def _nth(t: int) -> Callable[..., list[Any]]:
    return lambda x: [x[t]]


def _stack(*values: Any) -> list[Any]:
    return [jnp.stack(values)]


def _runner(jaxpr: Jaxpr, eqn: JaxprEqn) -> Callable[..., list[Any]]:
    """An equation as a function of the values that it reads."""
    free = list(dict.fromkeys(v for v in eqn.invars if not isinstance(v, Literal)))
    alone = part(jaxpr, free, eqn.outvars, [eqn])

    def run(*values: Any) -> list[Any]:
        pairs = zip(eqn.invars, values, strict=True)
        given = {v: x for v, x in pairs if not isinstance(v, Literal)}
        return list(evaluate(alone, (), *[given[v] for v in free]))

    return run


def floating(aval: Any) -> bool:
    """Whether a value may carry a derivative."""
    dtype = getattr(aval, "dtype", None)
    return dtype is not None and bool(jnp.issubdtype(dtype, np.inexact))
