"""A program evaluated by rules of the backward pass."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from trulens_core.backends import Tap
from trulens_core.errors import UncoveredOperationError
from trulens_core.rules import Applied, Operation
from trulens_core.slices import Cut
from trulens_jax.flat import Flat, Key, Node, flatten
from trulens_jax.planned import SUMS, Head, Plan
from trulens_jax.taps import Site

Visit = Callable[[Site, list[Any]], list[Any]]


def evaluated(plan: Plan, args: Sequence[Any], rules: Applied, visit: Visit) -> list[Any]:
    """The outputs of a program, every operation of the plan by its rule.

    Args:
        plan: of the program.
        args: its inputs.
        rules: those of the evaluation.
        visit: called at taps with what is there, for what goes on.
    """
    return _Run(plan, args, rules).all(visit)


class _Run:
    def __init__(self, plan: Plan, args: Sequence[Any], rules: Applied) -> None:
        self._plan, self._rules = plan, rules
        self._flat: Flat = plan.flat
        self._env: dict[Key, Any] = dict(self._flat.constants)
        self._env.update(zip(self._flat.inputs, args, strict=True))

    def all(self, visit: Visit) -> list[Any]:
        env = self._env
        for i, node in enumerate(self._flat.nodes):
            if node.site is not None:
                found = visit(node.site, [env[k] for k in node.ins])
            elif i in self._plan.heads:
                found = self._ruled(i, self._plan.heads[i])
            else:
                found = node.run(*[env[k] for k in node.ins])
                self._count(i, found)
            env.update(zip(node.outs, found, strict=True))
        return [env[k] for k in self._flat.outputs]

    def _count(self, i: int, found: Sequence[Any]) -> None:
        """Tell of a linear operation that is on the way back."""
        plan, node = self._plan, self._flat.nodes[i]
        on_the_way = any(k in plan.active for k in node.ins) and plan.reaches(node)
        if on_the_way and i not in plan.inside:
            source = any(k in plan.sources for k in node.ins)
            first = source and node.name in SUMS
            self._rules.seen("structural", node.name, plan.layers[i], first=first)
            self._moved(node, found)

    def _moved(self, node: Node, found: Sequence[Any]) -> None:
        """Tell of what moves or sums entries of one value."""
        at = [j for j, k in enumerate(node.ins) if k in self._plan.active]
        if len(at) == len(found) == 1:
            given = [self._env[k] for k in node.ins]

            def step(t: Any) -> Any:
                return node.run(*[t if j in at else v for j, v in enumerate(given)])[0]

            self._rules.moved(given[at[0]], found[0], step)

    def _ruled(self, i: int, head: Head) -> list[Any]:
        plan, env, nodes = self._plan, self._env, self._flat.nodes
        if len(nodes[i].outs) > 1:  # of a kind that nobody knows
            self._rules.apply(self._operation(i, head, lambda *_: None))
            return nodes[i].run(*[env[k] for k in nodes[i].ins])

        def function(*operands: Any) -> Any:
            local = dict(zip(head.ins, operands, strict=True))
            for j in head.body:
                values = [local[k] if k in local else env[k] for k in nodes[j].ins]
                local.update(zip(nodes[j].outs, nodes[j].run(*values), strict=True))
            return local[nodes[i].outs[0]]

        del plan
        return [self._rules.apply(self._operation(i, head, function))]

    def _operation(self, i: int, head: Head, function: Callable[..., Any]) -> Operation:
        plan = self._plan
        active = [j for j, k in enumerate(head.ins) if k in plan.active]
        return Operation(
            head.kind,
            function,
            [self._env[k] for k in head.ins],
            active,
            self._rules.backend,
            head.weight,
            head.bias,
            head.name,
            plan.layers[i],
            any(head.ins[j] in plan.sources for j in active),
        )


def after_taps(
    forward: Callable[..., list[list[Any]]], taps: Mapping[Cut, Tap], rules: Applied
) -> list[list[Any]]:
    """The values at wanted cuts of a model that runs on JAX but is no program: it is made one.

    What comes after the tapped values is traced as a function of these.

    Args:
        forward: evaluates the model with the taps that it is given as `tap`.
        taps: by cut.
        rules: those of the evaluation.
    """
    check_served(rules, "for layers of Keras on JAX")
    if rules.names_layers:
        raise UncoveredOperationError(
            "selectors of layers are not served for Keras on JAX, whose program does not tell "
            "them; choose by kind, or by a function of the operation"
        )
    seen: list[list[Any]] = []

    def note(tap: Tap, z: list[Any]) -> list[Any]:
        seen.append(tap(z))
        return seen[-1]

    forward(tap={cut: functools.partial(note, tap) for cut, tap in taps.items()})
    tapped = [z for zs in seen for z in zs]
    sizes: list[int] = []

    def after(values: list[Any]) -> list[Any]:
        rest = iter(values)

        def given(z: list[Any]) -> list[Any]:
            return [next(rest) for _ in z]

        found = forward(tap=dict.fromkeys(taps, given))
        sizes[:] = [len(ts) for ts in found]
        return [t for ts in found for t in ts]

    closed = jax.make_jaxpr(after)(tapped)
    flat = flatten(closed.jaxpr, closed.consts)
    plan = Plan(flat, flat.inputs, lambda _: False, rules.stops)
    outputs = iter(evaluated(plan, tapped, rules, lambda _, arrays: arrays))
    return [[next(outputs) for _ in range(n)] for n in sizes]


def check_served(rules: Applied, where: str = "") -> None:
    """Raise for what rules cannot be told of a program."""
    if rules.merge:
        raise UncoveredOperationError(
            f"merge=True is not served by the backend 'jax' {where}: a program does not say which "
            "of its equations are a batch normalisation; leave it out"
        )
