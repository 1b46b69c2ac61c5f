"""How the change of a value splits in what adds and what takes away."""

from __future__ import annotations

from collections.abc import Callable

from trulens_core.backends import Backend, Tensor
from trulens_core.rules.operation import Parts


def moved(parts: Parts, step: Callable[[Tensor], Tensor], backend: Backend) -> Parts:
    """The parts after a step that moves, scales or sums entries.

    Args:
        parts: before it.
        step: linear.
        backend: of the tensors.
    """

    def found() -> tuple[Tensor, Tensor]:
        up, down = parts()
        keeps = step(backend.xp.full_like(backend.stop_gradient(up), 1.0)) >= 0
        a, b = step(up), step(down)
        return backend.xp.where(keeps, a, b), backend.xp.where(keeps, b, a)

    return found


class Splits:
    """The parts of values, while rules are applied.

    Args:
        backend: of the tensors.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        # the value is held, so that no other gets its number
        self._held: dict[int, tuple[Tensor, object, Parts]] = {}

    def of(self, x: Tensor) -> Parts | None:
        """What is known of a value that is what it was."""
        found = self._held.get(id(x))
        return found[2] if found is not None and found[1] == _writes(x) else None

    def put(self, x: Tensor, parts: Parts | None) -> None:
        """Note what is known of a value; None: nothing."""
        if parts is None:
            self._held.pop(id(x), None)
        else:
            self._held[id(x)] = x, _writes(x), parts

    def moved(self, x: Tensor, y: Tensor, step: Callable[[Tensor], Tensor]) -> None:
        """Note that a value is another one, moved."""
        parts = self.of(x)
        self.put(y, None if parts is None else moved(parts, step, self._backend))


def _writes(x: Tensor) -> object:
    """How often a tensor was written to in place, where a framework has that, and counts."""
    return getattr(x, "_version", None)
