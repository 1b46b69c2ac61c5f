"""Flax NNX modules."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flax import nnx

from trulens_core.inputs import ModelInputs
from trulens_jax.adapters.base import Adapter, entrance, has_call, positional
from trulens_jax.adapters.references import OBJECT, References
from trulens_jax.taps import emit

_INTERNAL = ("_pytree__", "_object__")


class NnxAdapter(Adapter):
    """An NNX module. Its weights are read anew at every call, so that training is seen.

    Args:
        module: the module.
        method: what is called instead of `__call__`, a name or a function.
    """

    channel_axis = -1

    def __init__(self, module: nnx.Module, method: Any = None) -> None:
        self._module, self._call = module, entrance(module, method)
        self._references = References(module)
        # kept from the start: transformations of NNX change the order of a module's attributes
        self._layers = {path: type(layer).__name__ for path, layer in _distinct(module)}
        first = {id(layer): path for path, layer in reversed(list(_walk(module)))}
        self._names = {path: first[id(layer)] for path, layer in _walk(module)}
        self.owner = type(module).__name__
        self.parameters = positional(self._call, skip=1)

    def state(self) -> Any:
        return self._references.now()

    def leaves(self) -> Iterable[Any]:
        return self._references.now()[0]

    def update(self, weights: Any) -> None:
        del weights
        raise TypeError("an NNX module's weights are read at every call; change the module itself")

    def apply(self, state: Any, inputs: ModelInputs) -> Any:
        arrays, skeleton = state
        # our own: the user's keeps its mode and its classes
        module = nnx.merge(*skeleton.filled(arrays))
        module.eval()
        layers: dict[str, Any] = dict(_distinct(module))
        for path, layer in layers.items():
            # on the class, the path survives split and merge inside nnx.jit, scan and vmap
            cls: Any = type(layer)
            object.__setattr__(layer, "__class__", _tapped(cls, self._names.get(path, path)))
        return self._call(module, *inputs.args, **inputs.kwargs)

    def layers(self) -> Mapping[str, str]:
        return self._layers

    def aliases(self) -> Mapping[str, str]:
        return self._names


def _distinct(module: Any) -> Iterator[tuple[str, Any]]:
    """The layers below a module, shared ones once, under their first path."""
    seen = set()
    for path, layer in _walk(module):
        if id(layer) not in seen:
            seen.add(id(layer))
            yield path, layer


def _walk(value: Any, path: tuple[str, ...] = (), above: tuple[int, ...] = ()) -> Any:
    """All layers below a value in the order of definition, shared ones under every path."""
    if id(value) in above:
        return
    if path and isinstance(value, nnx.Module) and has_call(type(value)):
        yield ".".join(path), value
    for name, item in _items(value):
        yield from _walk(item, (*path, str(name)), (*above, id(value)))


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, OBJECT) and not isinstance(value, nnx.Variable):
        for name, item in vars(value).items():
            if not name.startswith(_INTERNAL):
                yield name, item


def _is_object(value: Any) -> bool:
    return isinstance(value, OBJECT | nnx.Variable)


@functools.cache  # JAX keeps every class that is registered with it, so there must be one of each
def _tapped(cls: Any, path: str) -> Any:
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = emit((args, kwargs), path, "in", cls.__name__, _is_object)
        output = cls.__call__(self, *args, **kwargs)
        return emit(output, path, "out", cls.__name__, _is_object)

    body = {"__call__": called, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    return type(cls)(cls.__name__, (cls,), body)
