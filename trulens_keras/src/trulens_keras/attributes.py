"""What a model's layers are told, and whether it is what it was.

A traced model has read the attributes of its layers once. An activation that is taken away, or a
rate that is changed, shows here.
"""

from __future__ import annotations

import functools
import inspect
import operator
import types
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from trulens_core.value_keys import changeable, contents
from trulens_keras.switches import switches, turned

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
_OF_FRAMEWORKS = (*_OF_KERAS, "tensorflow.", "torch.", "jax.", "flax.", "builtins")
_POLICY = "_dtype_policy"


class Attributes:
    """The attributes of layers, compared by identity, and by what they hold.

    Those that are public, and of a class of the caller's its private ones, too. What is private to
    its framework changes at each call and is left out, but for the types that a layer computes in.

    Args:
        layers: a model and all its layers.
        unread: the names of those that no call of a model reads.
        variables: gives the model's variables of TensorFlow, the switches among which are compared
            by value, as are those among the attributes.
    """

    def __init__(
        self,
        layers: Sequence[Any],
        unread: Collection[str] = _OF_TRAINING,
        variables: Callable[[], Sequence[Any]] = tuple,
    ) -> None:
        self._layers, self._unread, self._variables = layers, unread, variables
        self._changes = 0
        self.settle()
        self._turned = turned(self._switches)

    def settle(self) -> None:
        """What there is now is no change: an evaluation has written it."""
        self._held = self._all()
        self._changeable = [v for v in self._held if changeable(v) and not _is_kept(v)]
        self._contents = contents(map(_plain, self._changeable))
        of_tensorflow = [v for v in self._held if type(v).__module__.startswith("tensorflow.")]
        self._switches = switches([*self._variables(), *of_tensorflow])

    def changes(self) -> int:
        """How often a change was found; it is looked for now."""
        held = self._all()
        same = len(held) == len(self._held) and all(map(operator.is_, held, self._held))
        same = same and contents(map(_plain, self._changeable)) == self._contents
        if not same or turned(self._switches) != self._turned:
            self.settle()
            self._turned = turned(self._switches)
            self._changes += 1
        return self._changes

    def _all(self) -> list[Any]:
        found: list[Any] = []
        for layer in self._layers:
            left_out = _left_out(layer.__class__)
            found += [
                value
                for name, value in layer.__dict__.items()
                if name not in self._unread
                and (
                    name[0] != "_"
                    or name == _POLICY
                    or (left_out is not None and name not in left_out)
                )
            ]
        return found


@functools.cache
def _left_out(kind: type) -> frozenset[str] | None:
    """The private attributes of a class that its frameworks' code names; None where all are."""
    if kind.__module__.startswith(_OF_FRAMEWORKS):
        return None
    names: set[str] = set()
    for c in kind.__mro__:
        if c.__module__.startswith(_OF_FRAMEWORKS):
            for member in vars(c).values():
                names.update(_names(member))
    return frozenset(names)


def _names(member: Any) -> Iterator[str]:
    """The names that a method, a property, or what is inside of it, uses."""
    if isinstance(member, property):
        for part in (member.fget, member.fset):
            yield from _names(part)
    code = getattr(inspect.unwrap(getattr(member, "__func__", member)), "__code__", None)
    left = [code] if isinstance(code, types.CodeType) else []
    for c in left:  # it grows on the way
        yield from c.co_names
        left += [x for x in c.co_consts if isinstance(x, types.CodeType)]
        yield from (x for x in c.co_consts if isinstance(x, str) and x.startswith("_"))


def _plain(value: Any) -> Any:
    """A container without what Keras adds to it, which leads to all that its layer holds."""
    if type(value).__module__.startswith(_OF_KERAS):
        for kind in (list, dict, set):
            if isinstance(value, kind):
                return kind(value)
    return value


def _is_kept(value: Any) -> bool:
    """Whether it is an object of Keras, such as an initialiser, and no container."""
    own = type(value).__module__.startswith(_OF_KERAS)
    return own and not isinstance(value, list | dict | set)
