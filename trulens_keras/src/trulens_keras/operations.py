"""The operations of a Keras model by name: layers, and `keras.ops` nodes of functional models.

A name is the path of names from the model, `block/conv`. Where siblings share one, the later ones
get `#1`, `#2`, … Each part of a path may also be the attribute that holds the layer, as in
`self.encoder = Dense(4)`, with what finds it in a list or dict there: `blocks/0`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

from trulens_core.errors import UnknownLayerError
from trulens_core.models import Layer
from trulens_core.passes.names import unknown_layer
from trulens_keras import patches
from trulens_keras.flavours import Flavour

ACTIVATION = "/activation"
"""What follows a layer's name in that of its activation function, which has a place of its own."""


@final
@dataclasses.dataclass(frozen=True)
class Known:
    """A canonical name as a cut holds it: not looked up again, where it might mean two layers."""

    name: str

    def __repr__(self) -> str:
        return repr(self.name)


class Operations:
    """The operations of a model.

    Args:
        model: the user's model.
        flavour: the Keras that it is of.

    Attributes:
        by_name: each operation once, by its canonical name.
        inputs: for input layers, the functional model whose argument they stand for.
        loops: for operations run inside a loop, the recurrent layer that has the loop.
    """

    def __init__(self, model: Any, flavour: Flavour) -> None:
        self._model, self._flavour = model, flavour
        self._owner = type(model).__name__
        self.by_name: dict[str, Any] = {}
        self.inputs: dict[str, Any] = {}
        self.loops: dict[str, str] = {}
        self._aliases: dict[str, str] = {}
        self._names: dict[int, str] = {}
        self._attributes: dict[str, set[str]] = {}
        self._walk(model, "", (), None)

    def _walk(self, parent: Any, prefix: str, within: tuple[int, ...], loop: str | None) -> None:
        taken: dict[str, int] = {}
        children = self._flavour.children(parent)
        for child in children:
            name = prefix + str(child.name)
            count = taken[name] = taken.get(name, -1) + 1
            name = f"{name}#{count}" if count else name
            canonical = self._names.setdefault(id(child), name)
            self._aliases[name] = canonical
            if canonical == name:
                self.by_name[name] = child
                if isinstance(child, self._flavour.module.layers.InputLayer):
                    self.inputs[name] = parent
                if loop:
                    self.loops[name] = loop
            if id(child) not in within:
                inside = loop or _loop(parent=child, name=name)
                self._walk(child, f"{name}/", (*within, id(child)), inside)
        for attribute, child in _held(parent, children):
            self._attributes.setdefault(prefix + attribute, set()).add(self._names[id(child)])

    def all(self) -> list[Any]:
        """The model and all its operations."""
        return [self._model, *self.by_name.values()]

    @contextlib.contextmanager
    def unrolled(self) -> Iterator[None]:
        """Recurrent layers run step by step, and not in a loop, in which rules see nothing."""
        with contextlib.ExitStack() as undo:
            for name, operation in self.by_name.items():
                if _loop(operation, name):
                    undo.enter_context(patches.attribute(operation, "unroll", True))
            yield

    def listed(self) -> list[Layer]:
        """The operations as a table shows them."""
        return [
            Layer(n, type(op).__name__, _shape(op), parameters=_count(op))
            for n, op in self.by_name.items()
        ]

    def find(self, name: Any) -> str:
        """The canonical name that `name` means: a path, an index in `model.layers`, or a layer.

        Raises:
            UnknownLayerError: for none, and for a path that means several.
        """
        if isinstance(name, Known):
            return name.name
        if isinstance(name, int):
            return self._by_index(name)
        if not isinstance(name, str):
            return self._by_identity(name)
        found = self._meant(name)
        layer = name.removesuffix(ACTIVATION)
        if not found and layer != name:
            layers = [x for x in self._meant(layer) if activation(self.by_name[x]) is not None]
            found = [x + ACTIVATION for x in layers]
        if len(found) > 1:
            raise UnknownLayerError(
                f"{name!r} means several layers of {self._owner}, one by its name and another by "
                f"the attribute that holds it: {', '.join(map(repr, found))} by name; give the "
                "layer itself, as Cut(model.attribute)"
            )
        if found:
            return found[0]
        names = dict.fromkeys([*self._aliases, *self._attributes])
        raise unknown_layer(name, list(names), self._owner, len(self.by_name))

    def has(self, name: str) -> bool:
        """Whether a path of names or attributes means an operation."""
        return bool(self._meant(name))

    def _meant(self, path: str, within: str = "") -> list[str]:
        """The canonical names of what a path means, from the operation `within` on."""
        parts = path.split("/")
        found: dict[str, None] = {}
        for i in range(1, len(parts) + 1):
            head, rest = within + "/".join(parts[:i]), "/".join(parts[i:])
            named = {self._aliases[head]} if head in self._aliases else set()
            for name in sorted(named | self._attributes.get(head, set())):
                found.update(dict.fromkeys(self._meant(rest, f"{name}/") if rest else [name]))
        return list(found)

    @property
    def output(self) -> Any:
        """The operation that gives the model's output; None where that is not known."""
        return _giving(self._model)

    def last(self, name: str) -> str | None:
        """The operation that gives the output of a nested model; None where there is none."""
        found = _giving(self.by_name[name])
        return None if found is None else self._names.get(id(found))

    def has_parts(self, operation: Any) -> bool:
        """Whether an operation is made of others."""
        return bool(self._flavour.children(operation))

    def _by_index(self, index: int) -> str:
        layers = getattr(self._model, "layers", None)
        if layers is None:
            layers = self._flavour.children(self._model)
        if not -len(layers) <= index < len(layers):
            raise UnknownLayerError(
                f"no layer {index} in {self._owner}: an index counts its {len(layers)} layers, "
                f"from 0 to {len(layers) - 1}"
            )
        return self._by_identity(layers[index])

    def _by_identity(self, operation: Any) -> str:
        if id(operation) not in self._names:
            raise UnknownLayerError(
                f"{operation!r} is not a layer of {self._owner}; give a layer's name, its index "
                "or the layer itself"
            )
        return self._names[id(operation)]


def activation(operation: Any) -> Any:
    """The activation function that a layer has as an attribute of its own; None without one."""
    held = vars(operation)
    layers = held.get("_modules") or {}  # where PyTorch keeps a layer given as activation
    found = held.get("activation", layers.get("activation"))
    return found if callable(found) else None


def _held(parent: Any, children: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """The layers that an operation has in attributes, lists and dicts, and where each is found.

    An `activation` is seen as the activation function; private containers are Keras's own.
    """
    own = {id(x) for x in children}
    held = vars(parent)
    for name, value in {**held, **(held.get("_modules") or {})}.items():  # PyTorch keeps them there
        if id(value) in own and name != "activation":
            yield name, value
        elif not name.startswith("_") and isinstance(value, list | tuple | Mapping):
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            yield from ((f"{name}/{key}", x) for key, x in pairs if id(x) in own)


def _giving(model: Any) -> Any:
    """The operation that gives the only output of a functional or sequential model."""
    outputs = getattr(model, "outputs", None)
    if not isinstance(outputs, list | tuple):
        layers = getattr(model, "layers", None)  # of a Sequential that is not built
        return layers[-1] if layers and type(model).__name__ == "Sequential" else None
    found = {id(h[0]): h[0] for t in outputs if (h := getattr(t, "_keras_history", None))}
    return next(iter(found.values())) if len(found) == 1 else None


def _loop(parent: Any, name: str) -> str | None:
    """The name of a recurrent layer whose cell runs inside a loop."""
    loops = hasattr(parent, "cell") and getattr(parent, "unroll", True) is False
    return name if loops else None


def _count(operation: Any) -> int | None:
    """How many weights a layer trains; None for an operation, and before it is built."""
    if not getattr(operation, "built", False):
        return None
    held = getattr(operation, "trainable_weights", None)
    return None if held is None else sum(math.prod(w.shape) for w in held)


def _shape(operation: Any) -> tuple[int | None, ...] | None:
    """The shape of the output without the records' axis, where there is one output."""
    try:
        shape = operation.output.shape
    except (AttributeError, ValueError):  # not part of a functional model, or several outputs
        return None
    return tuple(shape)[1:]
