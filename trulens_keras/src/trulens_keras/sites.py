"""Where a run of a Keras model is seen: its operations' `call`, patched while it runs.

`Layer.__call__` casts arguments, builds, finds the mask, and then looks `call` up on the instance;
the mask of what it returns is set after that. So a value at anchor "in" is what the layer
computes with, and a value that replaces an output keeps the output's mask.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import optree

from trulens_core.backends import Backend
from trulens_core.errors import TrulensError
from trulens_core.passes import Pass
from trulens_keras.operations import ACTIVATION, Operations, activation
from trulens_keras.patches import attribute, for_this_thread

Within = Callable[[str], contextlib.AbstractContextManager[None]]


class Sites:
    """The places of one run that something is done at.

    Args:
        shown: sees the values.
        operations: of the model.
        backend: the framework.
        linear: the name of a layer whose activation is left out.
        watched: called with the output of each of these layers, by name.
        within: the context in which the layer of a name runs, where that is to be known.
    """

    def __init__(
        self,
        shown: Pass,
        operations: Operations,
        backend: Backend,
        linear: str | None,
        watched: Mapping[str, Callable[[Any], None]],
        within: Within | None = None,
    ) -> None:
        self._pass, self._operations, self._backend = shown, operations, backend
        self._linear, self._watched, self._within = linear, watched, within
        self._names = {place[0] for place in shown.places}

    @contextlib.contextmanager
    def patched(self) -> Iterator[None]:
        """All operations that are seen, patched; those whose `call` is a `tf.function`, too.

        Such a function runs a graph that was traced before: nothing inside it would be seen.
        """
        named = {id(op): (name, op) for name, op in self._operations.by_name.items()}
        with contextlib.ExitStack() as undo:
            for operation in self._operations.all():
                name = named.get(id(operation), ("", None))[0]
                inner = self._inputs_of(operation)
                traced = hasattr(operation.call, "python_function")
                if traced or inner or self._seen(name):
                    self._patch(undo, operation, name, inner)
            yield

    def _seen(self, name: str) -> bool:
        wanted = {name, name + ACTIVATION}
        return bool(name) and (
            self._within is not None
            or not wanted.isdisjoint(self._names)
            or name == self._linear
            or name in self._watched
        )

    def _inputs_of(self, operation: Any) -> list[str]:
        """The input layers of a functional model that are seen."""
        return [
            n
            for n, owner in self._operations.inputs.items()
            if owner is operation and n in self._names
        ]

    def _patch(
        self, undo: contextlib.ExitStack, operation: Any, name: str, inner: list[str]
    ) -> None:
        quantized = getattr(operation, "quantization_mode", None) is not None
        attr = "quantized_call" if quantized else "call"
        plain = getattr(operation, attr)
        run = python_call(operation, plain)

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                if inner:
                    args, kwargs = self._entered(operation, inner, args, kwargs)
                return self._called(operation, name, run, args, kwargs)
            except TrulensError as error:
                error._keras_call_info_injected = True  # type: ignore[attr-defined] # as it is
                raise

        undo.enter_context(attribute(operation, attr, for_this_thread(call, plain)))

    def _called(
        self,
        operation: Any,
        name: str,
        run: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        args, kwargs = self._pass.at((name, "in"), (args, kwargs))
        within = contextlib.nullcontext() if self._within is None else self._within(name)
        with within, self._activation(operation, name):
            if name == self._linear and activation(operation) is None:
                output = (*args, *kwargs.values())[0]  # a layer that is nothing but a softmax
            else:
                output = run(*args, **kwargs)
        if name in self._watched:
            self._watched[name](output)
        seen = self._pass.at((name, "out"), output)
        self._keep_masks(output, seen)
        return seen

    @contextlib.contextmanager
    def _activation(self, operation: Any, name: str) -> Iterator[None]:
        """The layer's activation function, seen or left out."""
        function, place = activation(operation), name + ACTIVATION
        if function is None or (name != self._linear and place not in self._names):
            yield
            return

        def seen(x: Any, *args: Any, **kwargs: Any) -> Any:
            (x, *args), kwargs = self._pass.at((place, "in"), ((x, *args), kwargs))
            y = x if name == self._linear else function(x, *args, **kwargs)
            return self._pass.at((place, "out"), y)

        with attribute(operation, "activation", for_this_thread(seen, function)):
            yield

    def _entered(
        self, model: Any, names: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a functional model, seen at its input layers, which are never called."""
        leaves, structure = optree.tree_flatten(args[0])  # dicts by key, as Keras matches them
        for name in names:
            layer = self._operations.by_name[name]
            at = _position(model, layer, args[0])
            (leaf,), _ = self._pass.at((name, "in"), ((leaves[at],), {}))
            leaves[at] = self._pass.at((name, "out"), leaf)
        return (optree.tree_unflatten(structure, leaves), *args[1:]), kwargs

    def _keep_masks(self, old: Any, new: Any) -> None:
        if new is old:
            return
        pairs = zip(
            self._backend.flatten(old).leaves, self._backend.flatten(new).leaves, strict=True
        )
        for a, b in pairs:
            mask = getattr(a, "_keras_mask", None)
            if mask is not None and a is not b:
                b._keras_mask = mask


def _position(model: Any, layer: Any, given: Any) -> int:
    """The place of an input layer's tensor among the leaves of a functional model's argument."""
    declared = model.input
    wanted = [id(t) for t in _tensors(layer.output)]
    if isinstance(given, dict) and not isinstance(declared, dict):  # Keras goes by name then
        keys = sorted(given)
        return keys.index(layer.name)
    return next(i for i, t in enumerate(optree.tree_leaves(declared)) if id(t) in wanted)


def _tensors(output: Any) -> list[Any]:
    return list(output) if isinstance(output, list | tuple) else [output]


def python_call(operation: Any, call: Any) -> Callable[..., Any]:
    """`call`, or the function inside it where it is a `tf.function`, its own `if`s converted."""
    function = getattr(call, "python_function", None)
    if function is None:
        return call  # type: ignore[no-any-return]
    import functools

    import tensorflow as tf

    plain = getattr(function, "__func__", None)
    if plain is None and hasattr(type(operation), "call"):
        declared = getattr(type(operation).call, "python_function", None)
        plain = declared
    if plain is None:
        return tf.autograph.to_graph(function)  # type: ignore[no-any-return]
    return functools.partial(tf.autograph.to_graph(plain), operation)
