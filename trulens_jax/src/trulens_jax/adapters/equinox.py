"""Equinox modules."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import equinox as eqx
import jax

from trulens_core.errors import UnsupportedModelError
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import BATCHED, STATIC
from trulens_core.value_keys import changeable
from trulens_jax import weights
from trulens_jax.adapters.base import Adapter, entrance, has_call, positional
from trulens_jax.taps import emit


class EquinoxAdapter(Adapter):
    """An Equinox module, in inference mode.

    Args:
        module: takes one record, as is the custom, and is mapped over the records.
        state: the state of a stateful module, which is called with it after its other positional
            arguments and returns a pair.
        whole: whether the module takes all records at once instead.
        method: what is called instead of `__call__`, a name or a function.
    """

    channel_axis = 1

    def __init__(
        self, module: eqx.Module, state: Any = None, whole: bool = False, method: Any = None
    ) -> None:
        self._call = entrance(module, method)
        self._model_state, self._whole = state, whole
        self._split = weights.Splitting()
        self.update(module)
        self.owner = type(module).__name__
        self.parameters = positional(self._call, skip=1)

    def update(self, weights: Any) -> None:
        self._module = weights
        self._inference = eqx.nn.inference_mode(weights)
        # a module is frozen, and what its static fields hold is not
        self._statics = list(_statics(self._inference))

    def state(self) -> Any:
        return self._split((self._inference, self._model_state), self._statics)

    def apply(self, state: Any, inputs: ModelInputs) -> Any:
        arrays, skeleton = state
        module, model_state = skeleton.filled(arrays)
        tapped = _rebuilt(module, ())

        if model_state is None:
            self._check_state(inputs)

        def call(values: list[Any]) -> Any:
            given = inputs.with_values(at, values)
            if model_state is None:
                return self._call(tapped, *given.args, **given.kwargs)
            return self._call(tapped, *given.args, model_state, **given.kwargs)[0]

        at = [i for i, leaf in enumerate(inputs.leaves) if leaf.role != STATIC]
        values = [inputs.leaves[i].value for i in at]
        if self._whole:
            return call(values)
        axes = [0 if inputs.leaves[i].role == BATCHED else None for i in at]
        return jax.vmap(call, in_axes=(axes,))(values)

    def _check_state(self, inputs: ModelInputs) -> None:
        """Raise where the module needs a state that nobody gave."""
        needed = inspect.signature(self._call).parameters.get("state")
        if needed is None or needed.default is not needed.empty or "state" in inputs.kwargs:
            return
        if "state" not in self.parameters[: len(inputs.args)]:
            raise UnsupportedModelError(
                f"{self.owner} is called with a state: give the one that eqx.nn.make_with_state "
                "made with it, get_model_wrapper(model, state=state)"
            )

    def layers(self) -> Mapping[str, str]:
        return {".".join(p): type(m).__name__ for p, m in _walk(self._module, ()) if p}


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, eqx.Module):
        yield from vars(value).items()


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, eqx.Module) and has_call(type(value)):
        yield path, value
    for name, item in _items(value):
        yield from _walk(item, (*path, str(name)))


def _statics(value: Any) -> Iterator[Any]:
    """What a module holds in static fields that may change in place."""
    if not isinstance(value, eqx.Module):
        for _, item in _items(value):
            yield from _statics(item)
        return
    fields = {f.name: f for f in dataclasses.fields(value)}
    for name, item in _items(value):
        if name in fields and fields[name].metadata.get("static", False):
            if changeable(item):
                yield item
        else:
            yield from _statics(item)


def _rebuilt(value: Any, path: tuple[str, ...]) -> Any:
    """A copy whose layers are of classes that tap; modules are frozen, so none is changed."""
    items = {name: _rebuilt(item, (*path, str(name))) for name, item in _items(value)}
    if isinstance(value, eqx.Module):
        cls = type(value)
        tap = path and has_call(cls)
        new = object.__new__(_tapped(cls, ".".join(path)) if tap else cls)
        for name, item in items.items():
            object.__setattr__(new, name, item)
        return new
    if type(value) is dict:
        return items
    if type(value) in (list, tuple):
        return type(value)(items.values())
    return value


@functools.cache  # JAX keeps every class that is registered with it, so there must be one of each
def _tapped(cls: Any, path: str) -> Any:
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = emit((args, kwargs), path, "in", cls.__name__)
        output = cls.__call__(self, *args, **kwargs)
        return emit(output, path, "out", cls.__name__)

    body = {"__call__": called, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    return type(cls)(cls.__name__, (cls,), body)
