"""A model's layers taken over without hooks: a copy of its objects that shows a pass each call."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from trulens_core.passes.evaluation import Pass

_AT = "_shown_to_pass"


class Shadows:
    """Takes over the layers of models whose framework has no hooks.

    A model is objects of some kind that hold one another, in attributes, lists, tuples and
    mappings, as those of most functional frameworks are. Its shadow is a copy of these objects
    alone, not of their weights, in which every layer shows the pass its arguments and its result.
    A shadow is an instance of its layer's own class, so that a model which reads
    `self.embedding.weight` finds it. One is made for each pass: it has the weights of now, and the
    caller's model is never touched, not even by a mode that is set on the shadow.

    Args:
        kind: the class, or classes, of layers.
        method: what calling a layer calls.

    Attributes:
        kind: see above.

    What a layer calls without its attributes (a bound method that was kept, a closure) is the
    model's own and is not shown: a cut there is an error that says so.

    Example of a wrapper:

        shadows = Shadows(framework.Module)

        def layers(self):
            return [Layer(name, type(f).__name__) for name, f in shadows.layers(self.model).items()]

        def forward(self, inputs, *, replace, tap, want):
            p = Pass(self, replace=replace, tap=tap, want=want)
            inputs = p.enter(inputs)
            model = shadows.of(self.model, p)
            return p.leave(model(*inputs.args, **inputs.kwargs))
    """

    def __init__(self, kind: type | tuple[type, ...], method: str = "__call__") -> None:
        self.kind = kind
        self._method = method
        self._classes: dict[type, type] = {}

    def layers(self, model: Any) -> dict[str, Any]:
        """The layers within a model by dotted name; one held twice has its first name.

        Example:
            >>> class Layer:
            ...     def __init__(self, *parts):
            ...         self.parts = parts
            >>> list(Shadows(Layer).layers(Layer(Layer(), Layer(Layer()))))
            ['parts.0', 'parts.1', 'parts.1.parts.0']
        """
        found: dict[int, tuple[str, Any]] = {}
        self._walk(model, "", found)
        return {name: layer for name, layer in found.values() if name}

    def _walk(self, value: Any, name: str, found: dict[int, tuple[str, Any]]) -> None:
        if isinstance(value, self.kind):
            if id(value) in found:
                return
            found[id(value)] = name, value
        for key, held in self._held(value):
            self._walk(held, f"{name}.{key}" if name else str(key), found)

    def _held(self, value: Any) -> Iterator[tuple[Any, Any]]:
        """What a layer or a container holds, by name."""
        if isinstance(value, self.kind):
            yield from vars(value).items()
        if isinstance(value, dict):
            yield from value.items()
        elif isinstance(value, list | tuple):
            yield from enumerate(value)

    def of(self, model: Any, p: Pass) -> Any:
        """The shadow of a model, for one pass."""
        return _Copying(self, model, p).of(model)

    def class_of(self, kind: type) -> type:
        """The class of the shadows of a class of layers."""
        if kind not in self._classes:
            method = self._method

            def call(self: Any, *args: Any, **kwargs: Any) -> Any:
                own = getattr(super(shadow, self), method)
                return vars(self)[_AT](own, args, kwargs)

            shadow = type(kind.__name__, (kind,), {method: call, "__slots__": ()})
            shadow.__module__, shadow.__qualname__ = kind.__module__, kind.__qualname__
            self._classes[kind] = shadow
        return self._classes[kind]


class _Copying:
    """One shadow being made: what is held twice is copied once."""

    def __init__(self, shadows: Shadows, model: Any, p: Pass) -> None:
        self._shadows, self._pass = shadows, p
        self._names = {id(layer): name for name, layer in shadows.layers(model).items()}
        self._made: dict[int, Any] = {}

    def of(self, value: Any) -> Any:
        """A copy of a layer or container, of what it holds as well; anything else itself."""
        if id(value) in self._made:
            return self._made[id(value)]
        if isinstance(value, tuple):
            items = list(map(self.of, value))
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        kinds: Any = (self._shadows.kind, list, dict)
        if not isinstance(value, kinds):
            return value
        new: Any = copy.copy(value)
        self._made[id(value)] = new
        if isinstance(new, list):
            new[:] = map(self.of, value)
        elif isinstance(new, dict):
            for key, held in dict.items(value):
                dict.__setitem__(new, key, self.of(held))
        if isinstance(new, self._shadows.kind):
            self._take_over(new, id(value))
        return new

    def _take_over(self, new: Any, old: int) -> None:
        """The layer's attributes are copied, and calling it shows the pass; not for the model."""
        own = vars(new)
        own.update({key: self.of(held) for key, held in own.items()})
        if old in self._names:
            own[_AT] = _shown(self._pass, self._names[old])
            object.__setattr__(new, "__class__", self._shadows.class_of(type(new)))


def _shown(p: Pass, name: str) -> Callable[..., Any]:
    """A call of a layer, seen by the pass on both sides."""

    def call(own: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        args, kwargs = p.at((name, "in"), (args, kwargs))
        return p.at((name, "out"), own(*args, **kwargs))

    return call
