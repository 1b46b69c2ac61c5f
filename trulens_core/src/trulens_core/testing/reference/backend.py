"""The reference backend: NumPy, differentiated by the tape of its tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from trulens_core.backends import Backend, Gradients, Tap, checked_cotangent
from trulens_core.testing.reference import layers, namespace
from trulens_core.testing.reference.tensors import Array, Tensor, leaf, pulled_back


class ReferenceBackend(Backend):
    """NumPy with hand-written derivatives: what every law is tested on without a framework.

    Example:
        >>> backend = ReferenceBackend()
        >>> backend.to_numpy(backend.softmax(backend.from_numpy(np.zeros((1, 2))), 1))
        array([[0.5, 0.5]])
    """

    name: ClassVar[str] = "reference"
    xp = namespace
    channel_axis: ClassVar[int | None] = 1

    def is_tensor(self, x: object) -> bool:
        return isinstance(x, Tensor)

    def to_numpy(self, x: Tensor) -> Array:
        return np.array(x.data)

    def from_numpy(self, a: Array, like: Tensor | None = None) -> Tensor:
        if a.dtype.kind not in "fiub":
            raise TypeError(f"has dtype {a.dtype}; a reference tensor holds real numbers")
        floating = like is not None and a.dtype.kind == "f"
        return Tensor(a.astype(like.dtype, copy=False) if like is not None and floating else a)

    def softmax(self, x: Tensor, axis: int) -> Tensor:
        return layers.softmax(x, axis)

    def sigmoid(self, x: Tensor) -> Tensor:
        return layers.sigmoid(x)

    def stop_gradient(self, x: Tensor) -> Tensor:
        return Tensor(x.data)

    def fresh(self, x: Tensor) -> Tensor:
        return Tensor(x.data.copy(), (x, lambda g: g))

    def through(self, x: Tensor, pull: Callable[..., Tensor], *held: Tensor) -> Tensor:
        known = [self.stop_gradient(h) for h in held]

        def back(g: Array) -> Array:
            found: Tensor = checked_cotangent(self, pull(Tensor(g), *known), Tensor(g))
            return found.data.astype(g.dtype, copy=False)

        return Tensor(x.data, (x, back))

    def differentiate(self, run: Callable[[Tap], list[Tensor]]) -> Gradients:
        return self.differentiate_each(run, list)

    def differentiate_each(
        self, run: Callable[[Tap], list[Tensor]], each: Callable[..., list[Tensor | None]]
    ) -> Gradients:
        leaves: list[Tensor] = []

        def tap(z: list[Tensor]) -> list[Tensor]:
            new = [leaf(t) for t in z]
            leaves.extend(new)
            return [self.fresh(t) for t in new]  # a layer may change them in place

        quantities = run(tap)
        found = [
            each([None if g is None else Tensor(g) for g in pulled_back(q, leaves)])
            for q in quantities
        ]
        seen = [Tensor(t.data) for t in leaves]
        return Gradients([Tensor(q.data) for q in quantities], seen, found)


BACKEND: Any = ReferenceBackend()
