"""tf.Module models, cut by changing the class of single modules while they run."""

from __future__ import annotations

import contextlib
import copy
import math
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import tensorflow as tf

from trulens_core.backends import Tap
from trulens_core.errors import UnknownLayerError, UnsupportedModelError
from trulens_core.inputs import ModelInputs
from trulens_core.models import Layer, ModelWrapper
from trulens_core.passes import Pass, Place
from trulens_core.passes.names import place_of
from trulens_core.passes.trace import Trace, aside
from trulens_core.rules import Applied
from trulens_core.slices import Cut
from trulens_keras.attributes import Attributes
from trulens_keras.flavours import positional, refuse_graph, unwritten
from trulens_keras.patches import LOCK, undisturbed
from trulens_tf.backend import BACKEND, TensorFlowBackend, zeros_of
from trulens_tf.functions import FunctionModule
from trulens_tf.ruled import by_rules
from trulens_tf.running import Running

_OF_GRAPH = (
    "explain that graph: get_model_wrapper(session.graph, input_tensors=x, "
    "output_tensors=module(x), session=session), where x is a placeholder"
)


class ModuleWrapper(ModelWrapper):
    """A tf.Module. Layers are its submodules by the path of attributes, `blocks.0.dense`.

    Args:
        model: a module that can be called.
        backend: TensorFlow.
        logit_layer: the layer that `LogitCut` means.
        batched: by argument name, whether its tensors have a row per record.
    """

    def __init__(
        self,
        model: tf.Module,
        backend: TensorFlowBackend,
        *,
        logit_layer: Any = None,
        batched: Mapping[str | int, bool | int] | None = None,
    ) -> None:
        if not callable(model):
            raise UnsupportedModelError(
                f"the module {type(model).__name__} has no __call__; wrap the function that "
                "evaluates it, a tf.function"
            )
        refuse_graph(model.variables, _OF_GRAPH)
        super().__init__(model, logit_layer=logit_layer, batched=batched)
        self.backend = backend
        self.parameters = positional(model.__call__)
        self._changes = 0
        self._read()

    def _read(self) -> None:
        """Look at what the model is made of."""
        by_path = _named(self.model)
        self._names = {id(m): n for n, m in reversed(by_path.items())}  # the first path of each
        self._aliases = {n: self._names[id(m)] for n, m in by_path.items()}
        self._modules = {n: m for n, m in by_path.items() if self._aliases[n] == n}
        self._all = [self.model, *self._modules.values()]
        model = self.model
        self._attributes = Attributes(self._all, unread=(), variables=lambda: model.variables)

    def layers(self) -> Sequence[Layer]:
        return [
            Layer(
                n,
                type(m).__name__,
                parameters=sum(math.prod(v.shape) for v in m.trainable_variables),
            )
            for n, m in self._modules.items()
            if callable(m)
        ]

    def place(self, cut: Cut) -> Place:
        if isinstance(cut.name, tf.Module):
            if id(cut.name) not in self._names:
                raise UnknownLayerError(f"{cut.name!r} is no submodule of {self._owner}")
            return self._names[id(cut.name)], cut.anchor
        if isinstance(cut.name, str) and cut.name in self._aliases:
            return self._aliases[cut.name], cut.anchor
        return place_of(cut, [layer.name for layer in self.layers()], self._owner)

    def like(self) -> tf.Tensor | None:
        return next(self.floating_weights(), None)

    def floating_weights(self) -> Iterator[tf.Tensor]:
        return zeros_of(v.dtype for v in self.model.variables)

    def weights(self) -> Mapping[str, tf.Tensor]:
        return {f"{i} {v.name}": v.value() for i, v in enumerate(self.model.variables)}

    def with_weights(self, changed: Mapping[str, np.ndarray[Any, Any]]) -> Self:
        if isinstance(self.model, FunctionModule):
            return super().with_weights(changed)
        model = copy.deepcopy(self.model)
        for name, v in zip(self.weights(), model.variables, strict=True):
            if name in changed:
                v.assign(changed[name])
        wrapper = type(self)(model, BACKEND, logit_layer=self.logit_layer, batched=self.batched)
        wrapper.backend = self.backend
        return wrapper

    def revision(self) -> Hashable:
        """How often attributes have changed, variables and modules among them, and switches."""
        return self._changes

    @contextlib.contextmanager
    def opened(self, inputs: ModelInputs, at: Cut) -> Iterator[None]:
        del inputs, at
        with LOCK:  # another thread's trace may be setting them
            if self._attributes.changes():
                self._read()
                self._changes += 1
        with unwritten(self.model.non_trainable_variables):
            yield

    def aside(self, inputs: ModelInputs, at: Cut) -> contextlib.AbstractContextManager[Trace]:
        return aside(self.opened(inputs, at))

    @contextlib.contextmanager
    def using(self, state: Any) -> Iterator[None]:
        del state
        with LOCK:
            with undisturbed(self._all):
                yield
            self._attributes.settle()  # a model may note on itself what it was traced for

    def forward(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[tf.Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[tf.Tensor]]:
        return self._run(inputs, Pass(self, replace=replace, tap=tap, want=want))

    def ruled(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[tf.Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
        rules: Applied,
    ) -> list[list[tf.Tensor]]:
        running = Running()

        def forward(tap: Mapping[Cut, Tap]) -> list[list[tf.Tensor]]:
            return self._run(inputs, Pass(self, replace=replace, tap=tap, want=want), running)

        return by_rules(forward, tap, rules, running)

    def _run(
        self, inputs: ModelInputs, p: Pass, running: Running | None = None
    ) -> list[list[tf.Tensor]]:
        wanted = {place[0] for place in p.places}
        with contextlib.ExitStack() as undo:
            for module in self._all:
                name = self._names.get(id(module), "")
                called = running is not None and callable(module)
                if name in wanted or called or _traced(module):
                    undo.enter_context(_seen(module, name, p, running))
            entered = p.enter(inputs)
            output = self.model(*entered.args, **entered.kwargs)
        return p.leave(output)


def _named(model: tf.Module) -> dict[str, tf.Module]:
    """The submodules by their paths, in the order in which attributes were set; own ones first."""
    found = model._flatten(
        predicate=lambda x: isinstance(x, tf.Module) and x is not model,
        attribute_traversal_key=lambda _: 0,  # TensorFlow would sort by name
        with_path=True,
    )
    return {".".join(map(str, path)): m for path, m in found}


def _traced(module: tf.Module) -> bool:
    return callable(module) and hasattr(type(module).__call__, "python_function")


@contextlib.contextmanager
def _seen(module: tf.Module, name: str, p: Pass, running: Running | None) -> Iterator[None]:
    """A module whose calls the pass sees.

    Python looks `__call__` up on the class, so that the instance gets another class, which is the
    old one but for this. A `tf.function` there would run a graph that was traced before.
    """
    kind, me = type(module), threading.get_ident()
    plain: Any = kind.__call__
    run: Callable[..., Any] = plain
    if _traced(module):
        run = tf.autograph.to_graph(plain.python_function)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != me:
            return plain.__get__(self, kind)(*args, **kwargs)
        args, kwargs = p.at((name, "in"), (args, kwargs))
        with contextlib.nullcontext() if running is None else running.within(name):
            output = run(self, *args, **kwargs)
        return p.at((name, "out"), output)

    metaclass: Any = type(kind)
    seen = metaclass(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__})
    object.__setattr__(module, "__class__", seen)
    try:
        yield
    finally:
        object.__setattr__(module, "__class__", kind)
