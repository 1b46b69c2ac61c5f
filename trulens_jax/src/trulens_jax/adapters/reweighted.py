"""A model of another adapter with other weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax

from trulens_core.inputs import ModelInputs
from trulens_jax.adapters.base import Adapter


class Reweighted(Adapter):
    """What another adapter makes a function of, with some of its weights changed for good.

    Args:
        of: the other adapter, which is not changed.
        changed: pairs of a weight's array as it is now and what takes its place.
    """

    def __init__(self, of: Adapter, changed: Sequence[tuple[Any, Any]]) -> None:
        self._of = of
        self.owner, self.parameters = of.owner, of.parameters
        self.channel_axis, self.own_caches, self.advice = of.channel_axis, of.own_caches, of.advice
        leaves, structure = jax.tree.flatten(of.state())
        new = {id(old): value for old, value in reversed(changed)}
        self._state: Any = jax.tree.unflatten(structure, [new.get(id(x), x) for x in leaves])
        self._leaves = [new.get(id(x), x) for x in of.leaves()]
        held = {id(x) for x in leaves}
        if any(id(old) not in held for old, _ in changed):
            raise TypeError(f"the weights of {self.owner} are not read from where they are kept")

    def state(self) -> Any:
        return self._state

    def leaves(self) -> list[Any]:
        return self._leaves

    def update(self, weights: Any) -> None:
        del weights
        raise TypeError("the weights of a copy are its own")

    def apply(self, state: Any, inputs: ModelInputs) -> Any:
        return self._of.apply(state, inputs)

    def layers(self) -> Mapping[str, str] | None:
        return self._of.layers()

    def aliases(self) -> Mapping[str, str]:
        return self._of.aliases()
