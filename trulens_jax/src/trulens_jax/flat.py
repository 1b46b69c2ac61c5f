"""A jaxpr as one list of equations, with its calls in their place."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from trulens_core.rules.planned import Plan
from trulens_core.rules.programs import Flat, Key, Node, Shaped
from trulens_jax._compat import CUSTOM, INLINE, Jaxpr, JaxprEqn, Literal, body, evaluate, part
from trulens_jax.taps import Site, site_of

_ROUNDS = 512
"""The longest loop that is taken round by round."""


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
        self._running: list[str] = []

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
                avals = [_shaped(v.aval) for v in eqn.outvars]
                name, site, run = eqn.primitive.name, site_of(eqn), _runner(jaxpr, eqn)
                kind = functools.partial(_kind_of, eqn) if name in CUSTOM else None
                _enter(self._running, site)
                self.nodes.append(
                    Node(name, run, ins, outs, avals, site, self._layer, kind, _channels(eqn))
                )
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
            xs = [self._made("slice", _nth(t), [k], a) for k, a in pairs]
            given = dict(zip(sub.invars, [*ins[:first], *carried, *xs], strict=True))
            outs = self.walk(sub, inner, given)
            carried, found[t] = outs[: last - first], outs[last - first :]
        stacked = [
            self._made("concatenate", _stack, [found[t][n] for t in range(length)], v.aval)
            for n, v in enumerate(eqn.outvars[last - first :])
        ]
        return [*carried, *stacked]

    @property
    def _layer(self) -> str:
        return self._running[-1] if self._running else ""

    def _made(self, name: str, run: Callable[..., list[Any]], ins: list[Key], aval: Any) -> Key:
        """What an equation gives that no jaxpr has."""
        out = self.key()
        self.nodes.append(Node(name, run, ins, [out], [_shaped(aval)], None, self._layer))
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


def _shaped(aval: Any) -> Shaped:
    return Shaped(tuple(getattr(aval, "shape", ())), floating(aval))


def _enter(running: list[str], site: Site | None) -> None:
    """Keep account of the layers that are running."""
    if site is None or site.kind in ("tap", "checkpoint_name"):
        return
    if site.anchor == "in":
        running.append(site.name)
    elif site.name in running:
        del running[len(running) - 1 - running[::-1].index(site.name) :]


def _channels(eqn: JaxprEqn) -> dict[int, tuple[int, Sequence[int]]]:
    """Of a linear operation, the channels' axes in what it gives and in weights on either side."""
    numbers: Any = eqn.params.get("dimension_numbers")
    if eqn.primitive.name == "conv_general_dilated":
        return {1: (numbers.out_spec[1], (numbers.rhs_spec[0],))}
    if eqn.primitive.name != "dot_general":
        return {}
    contracted, batched = numbers
    ranks = [len(_shaped(v.aval).shape or ()) for v in (*eqn.invars, *eqn.outvars)]
    free = [[a for a in range(ranks[i]) if a not in contracted[i]] for i in (0, 1)]
    if any(batched):
        return {}
    return {i: ((0, ranks[2] - 1)[i], axes) for i, axes in enumerate(free) if len(axes) == 1}


def _kind_of(eqn: JaxprEqn) -> str:
    """What a function with a derivative of its own is, by what it computes."""
    if eqn.primitive.name != "custom_jvp_call":
        return "unknown"
    sub, consts = body(eqn)
    given = [j for j, v in enumerate(sub.invars) if floating(v.aval)]
    if len(sub.outvars) != 1 or len(given) != 1:
        return "unknown"
    flat = flatten(sub, consts)
    root, (out,) = flat.inputs[given[0]], flat.outputs
    plan = Plan(flat, [root], lambda _: False, lambda *_: False)
    return plan.kind_of(root, out)
