"""Objects changed while a model runs, and put back: the only way in which models are touched.

What is set is an entry of an instance's own `__dict__`, never by `setattr`, which trackers see.
One lock serves the process, since a layer may be part of several models. Other threads that run a
patched object meanwhile get what it does without the patch.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

LOCK = threading.RLock()
_ABSENT = object()


@contextlib.contextmanager
def attribute(instance: Any, name: str, value: Any) -> Iterator[None]:
    """`instance.name` is `value` inside; afterwards it is what it was."""
    before = vars(instance).get(name, _ABSENT)
    vars(instance)[name] = value
    try:
        yield
    finally:
        if before is _ABSENT:
            vars(instance).pop(name, None)
        else:
            vars(instance)[name] = before


def for_this_thread(patched: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """`patched` where this thread calls it, `plain` where another one does."""
    me = threading.get_ident()

    def call(*args: Any, **kwargs: Any) -> Any:
        return (patched if threading.get_ident() == me else plain)(*args, **kwargs)

    return call


@contextlib.contextmanager
def undisturbed(objects: Iterable[Any]) -> Iterator[None]:
    """Objects whose attributes are afterwards what they were, also where the model set them.

    A layer that keeps its last scores would else keep a tensor of a graph that is gone.
    """
    before = [(vars(x), dict(vars(x)), _lists(x)) for x in objects]
    try:
        yield
    finally:
        for now, held, lists in before:
            _put_back(now, held)
            for found, content in lists:
                if len(found) != len(content) or any(
                    a is not b for a, b in zip(found, content, strict=True)
                ):
                    found[:] = content


def _lists(x: Any) -> list[tuple[list[Any], list[Any]]]:
    return [(v, list(v)) for v in vars(x).values() if type(v) is list]


def _put_back(now: dict[str, Any], held: dict[str, Any]) -> None:
    for name in [n for n in now if n not in held]:
        del now[name]
    for name, value in held.items():
        if now.get(name, _ABSENT) is not value:
            now[name] = value
