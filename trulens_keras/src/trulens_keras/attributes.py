"""What a model's layers are told, and whether it is what it was.

A traced model has read the attributes of its layers once. An activation that is taken away, or a
rate that is changed, shows here.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from trulens_core.value_keys import changeable, contents

_OF_TRAINING = frozenset(
    (
        *("optimizer", "loss", "history", "compiled", "steps_per_execution"),
        *("stop_training", "stop_evaluating", "stop_predicting"),
        *("run_eagerly", "jit_compile", "auto_scale_loss"),
        *("train_function", "test_function", "predict_function"),
    )
)
"""Attributes that training sets, and no call of a model reads."""

_OF_KERAS = ("keras.", "tf_keras.")


class Attributes:
    """The attributes of layers, compared by identity, and by what they hold.

    Args:
        layers: a model and all its layers.
        private: how the names of those begin that are the framework's own; Keras's layers write to
            theirs at each call.
        unread: the names of others that no call of a model reads.
    """

    def __init__(
        self, layers: Sequence[Any], private: str = "_", unread: Collection[str] = _OF_TRAINING
    ) -> None:
        self._layers, self._private, self._unread = layers, private, unread
        self._held, self._changeable = self._read()
        self._contents = contents(self._changeable)
        self._changes = 0

    def changes(self) -> int:
        """How often a change was found; it is looked for now."""
        held = [v for _, v in self._all()]
        same = len(held) == len(self._held) and all(map(operator.is_, held, self._held))
        if not same or (self._changeable and contents(self._changeable) != self._contents):
            self._held, self._changeable = self._read()
            self._contents = contents(self._changeable)
            self._changes += 1
        return self._changes

    def _all(self) -> Iterator[tuple[str, Any]]:
        for layer in self._layers:
            for item in layer.__dict__.items():
                if not item[0].startswith(self._private) and item[0] not in self._unread:
                    yield item

    def _read(self) -> tuple[list[Any], list[Any]]:
        held = [v for _, v in self._all()]
        return held, [v for v in held if changeable(v) and not _is_kept(v)]


def _is_kept(value: Any) -> bool:
    """Whether it is an object of Keras, such as an initialiser, and no container."""
    own = type(value).__module__.startswith(_OF_KERAS)
    return own and not isinstance(value, list | dict | set)
