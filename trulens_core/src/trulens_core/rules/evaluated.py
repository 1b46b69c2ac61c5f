"""A program evaluated by rules of the backward pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from trulens_core.rules.applied import Applied
from trulens_core.rules.merging import Merged
from trulens_core.rules.operation import Operation
from trulens_core.rules.planned import SUMS, Head, Plan
from trulens_core.rules.programs import Flat, Key, Node

Visit = Callable[[Any, list[Any]], list[Any]]


def evaluated(
    plan: Plan, args: Sequence[Any], rules: Applied, visit: Visit = lambda _, given: given
) -> list[Any]:
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
        env, nodes = self._env, self._flat.nodes
        if len(nodes[i].outs) > 1:  # of a kind that nobody knows
            self._rules.apply(self._operation(i, head, lambda *_: None))
            return nodes[i].run(*[env[k] for k in nodes[i].ins])

        def function(*operands: Any) -> Any:
            local = dict(zip(head.ins, operands, strict=True))
            for j in head.body:
                values = [local[k] if k in local else env[k] for k in nodes[j].ins]
                local.update(zip(nodes[j].outs, nodes[j].run(*values), strict=True))
            return local[nodes[i].outs[0]]

        if head.merged is not None:
            return [self._merged(i, head, head.merged)]
        return [self._rules.apply(self._operation(i, head, function))]

    def _merged(self, i: int, head: Head, merged: Merged) -> Any:
        """A linear operation and its normalisation, by their rule."""
        function, operands = merged.operands(self._flat, self._env, self._rules.backend)
        op = self._operation(i, head, function)
        return self._rules.apply(dataclasses.replace(op, operands=operands, active=[0]))

    def _operation(self, i: int, head: Head, function: Callable[..., Any]) -> Operation:
        plan = self._plan
        active = [j for j, k in enumerate(head.ins) if k in plan.active]
        at = i if head.weight is None else head.body[0]  # a bias may be added elsewhere
        return Operation(
            head.kind,
            function,
            [self._env[k] for k in head.ins],
            active,
            self._rules.backend,
            head.weight,
            head.bias,
            head.name,
            plan.layers[at],
            any(head.ins[j] in plan.sources for j in active),
        )
