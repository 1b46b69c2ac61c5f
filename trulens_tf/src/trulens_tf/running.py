"""Which layer made an operation of the graph that is being built."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf


class Running:
    """The layers that ran while a graph was built, and the operations that are theirs."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int, str]] = []
        self._layers: dict[str, str] | None = None

    @contextlib.contextmanager
    def within(self, layer: str) -> Iterator[None]:
        """The context in which a layer runs."""
        start = _count()
        try:
            yield
        finally:
            self._spans.append((start, _count(), layer))

    def __call__(self, op: Any) -> str:
        """The innermost layer that made an operation; "" for none."""
        if self._layers is None:
            names = [x.name for x in tf.compat.v1.get_default_graph().get_operations()]
            self._layers = {}
            for start, end, layer in reversed(self._spans):  # a layer ends after those within it
                self._layers.update(dict.fromkeys(names[start:end], layer))
            # those within come later, and so prevail
        return self._layers.get(op.name, "")


def _count() -> int:
    return len(tf.compat.v1.get_default_graph().get_operations())
