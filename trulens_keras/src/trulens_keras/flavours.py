"""The two Kerases: Keras 3, on any framework, and tf_keras, on TensorFlow."""

from __future__ import annotations

import contextlib
import copy
import importlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import UnsupportedModelError
from trulens_core.plugins import registry


class Flavour(ABC):
    """What differs between Keras 3 and tf_keras.

    Args:
        module: the imported package.
    """

    name: ClassVar[str]
    of_graph: ClassVar[str]

    def __init__(self, module: Any) -> None:
        self.module = module

    def __getstate__(self) -> dict[str, str]:
        return {"module": self.module.__name__}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.module = importlib.import_module(state["module"])

    @property
    @abstractmethod
    def framework(self) -> str:
        """The framework that it runs on, as `backend=` names it."""

    @abstractmethod
    def children(self, operation: Any) -> Sequence[Any]:
        """The operations that a layer or model is made of directly."""

    @abstractmethod
    def held(self, model: Any, state: Sequence[Tensor]) -> contextlib.AbstractContextManager[Any]:
        """The context of a run that reads `state` for the variables, and changes none of them."""

    def holding(self, variables: Sequence[Any]) -> list[Any]:
        """Those of a model's variables that hold a tensor: all of them in Keras 3."""
        return list(variables)

    def read(self, model: Any) -> list[Any]:
        """All variables that a call reads, recurrent states among them."""
        found = [*self.holding(model.variables), *states(model)]
        return list({id(v): v for v in found}.values())

    def of_rows(self, x: Tensor, rows: int) -> Tensor:
        """A tensor of so many rows, which a graph of TensorFlow is told."""
        if self.framework != "tensorflow":
            return x
        import tensorflow as tf

        return tf.ensure_shape(x, [rows, *x.shape[1:]])

    @abstractmethod
    def value(self, variable: Any) -> Tensor:
        """A variable as a tensor of the framework."""

    @abstractmethod
    def cast(self, x: Tensor, dtype: str) -> Tensor:
        """A tensor in a type by its name."""

    @abstractmethod
    def evaluating(self, model: Any) -> dict[str, Any]:
        """The keyword arguments that make a call of the model one in evaluation mode."""

    def tensorflow_variables(self, model: Any) -> Sequence[Any]:
        """TensorFlow's variables of a model, where it runs on TensorFlow."""
        return model.variables  # type: ignore[no-any-return]

    def backend(self) -> Backend:
        """The backend of the framework.

        Raises:
            NoBackendError: where it is not installed; the message has the line that installs it.
        """
        return registry().named(self.framework).load().backend

    def backend_for(self, jit_compile: bool) -> Backend:
        """The same; with `jit_compile`, the one of TensorFlow that compiles by XLA."""
        found = self.backend()
        if not jit_compile:
            return found
        if self.framework != "tensorflow":
            raise TypeError(
                f"jit_compile is an option of TensorFlow; this {self.name} runs on {self.framework}"
            )
        return found.compiled_by_xla()  # type: ignore[attr-defined,no-any-return]

    def image_data_format(self) -> str:
        """Where images have their channels unless a layer says otherwise."""
        return str(self.module.backend.image_data_format())

    def checked(self, model: Any) -> Any:
        """`model`, if it is a layer or model of this Keras."""
        if isinstance(model, self.module.layers.Layer):
            refuse_graph(self.tensorflow_variables(model), self.of_graph)
            return model
        raise UnsupportedModelError(
            f"a {self.name} model is a layer or model of {self.name}, found "
            f"{type(model).__module__}.{type(model).__qualname__}"
        )

    def copied(self, model: Any) -> Any:
        """A copy of a model, of the same variables with the same values.

        Raises:
            UnsupportedModelError: where Keras cannot make one.
        """
        held = self.holding(model.variables)
        kinds = {type(x).__name__: type(x) for x in (model, *_layers_below(model))}
        try:
            with self.module.utils.custom_object_scope(kinds):
                new = copy.deepcopy(model)
            own = self.holding(new.variables)
            for mine, theirs in zip(own, held, strict=True):
                mine.assign(theirs)
        except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
            raise UnsupportedModelError(
                f"Keras makes no copy of the model {type(model).__name__}: its class needs "
                "get_config and from_config, see keras.saving"
            ) from error
        return new

    def loaded(self, path: str | Path, custom_objects: Any) -> Any:
        """The model saved at `path`; code that it may hold is not run."""
        return self.module.models.load_model(
            path, custom_objects=custom_objects, compile=False, safe_mode=True
        )


@final
class Keras3(Flavour):
    """Keras 3 on TensorFlow, PyTorch or JAX."""

    name: ClassVar[str] = "keras"
    of_graph = "Keras 3 has no sessions: build the model in eager mode"

    @property
    def framework(self) -> str:
        return str(self.module.config.backend())

    def children(self, operation: Any) -> Sequence[Any]:
        if isinstance(operation, self.module.Sequential):
            return list(operation.layers)
        nodes = getattr(operation, "operations", None)  # of a Functional, `x + y` among them
        if isinstance(nodes, list | tuple):
            return list(nodes)
        return _layers_of(operation)

    def held(self, model: Any, state: Sequence[Tensor]) -> contextlib.AbstractContextManager[Any]:
        pairs = list(zip(self.read(model), state, strict=True)) if len(state) else None
        # it also catches what layers would write: statistics, random seeds, recurrent states
        scope: contextlib.AbstractContextManager[Any] = self.module.StatelessScope(pairs)
        return scope

    def tensorflow_variables(self, model: Any) -> Sequence[Any]:
        on_it = self.framework == "tensorflow"
        return [v.value for v in model.variables] if on_it else []

    def value(self, variable: Any) -> Tensor:
        return variable.value

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        own = getattr(x.dtype, "name", None)  # PyTorch's types have none
        return x if own == dtype else self.module.ops.cast(x, dtype)

    def evaluating(self, model: Any) -> dict[str, Any]:
        del model  # Keras 3 drops the argument where a layer does not take it
        return {"training": False}


@final
class TfKeras(Flavour):
    """tf_keras, Keras 2 on TensorFlow."""

    name: ClassVar[str] = "tf_keras"
    of_graph = (
        "explain that graph: get_model_wrapper(session.graph, input_tensors=model.inputs, "
        "output_tensors=model.outputs, session=session), where the session of tf_keras is "
        "tf.compat.v1.keras.backend.get_session()"
    )
    framework = "tensorflow"

    def holding(self, variables: Sequence[Any]) -> list[Any]:
        # vocabularies that were adapted stand among them, without a type or a value
        return [v for v in variables if hasattr(v, "read_value")]

    def children(self, operation: Any) -> Sequence[Any]:
        if isinstance(operation, self.module.Sequential):
            return list(operation.layers)
        return _layers_of(operation)

    def held(self, model: Any, state: Sequence[Tensor]) -> contextlib.AbstractContextManager[Any]:
        del state
        return unwritten(states(model))

    def value(self, variable: Any) -> Tensor:
        return variable

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        return self.module.backend.cast(x, dtype)

    def evaluating(self, model: Any) -> dict[str, Any]:
        takes = "training" in parameters(model) or takes_any_keyword(model)
        return {"training": False} if takes else {}


def refuse_graph(variables: Sequence[Any], advice: str) -> None:
    """Raise where TensorFlow's variables are in a graph, which has their values in a session.

    Raises:
        UnsupportedModelError: with the advice.
    """
    if any(getattr(v, "graph", None) is not None for v in variables):
        raise UnsupportedModelError(
            "the model was built in a graph of TensorFlow 1 (disable_eager_execution, or "
            f"graph.as_default), and its weights are in a session; {advice}"
        )


def _layers_of(operation: Any) -> list[Any]:
    """The layers that a layer tracks; there is no public way to them for all layers."""
    found = getattr(operation, "_flatten_layers", None)
    if found is None:
        return []
    return [x for x in found(include_self=False, recursive=False) if x is not operation]


def parameters(model: Any) -> tuple[str, ...]:
    """The names of the positional parameters of a model's `call`."""
    return positional(model.call)


def positional(call: Any) -> tuple[str, ...]:
    """The names of the positional parameters of a function, a `tf.function` among them."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(n for n, p in _signature(call).items() if p.kind in kinds)


def takes_any_keyword(model: Any) -> bool:
    """Whether a model's `call` takes `**kwargs`."""
    return any(p.kind is p.VAR_KEYWORD for p in _signature(model.call).values())


def _signature(call: Any) -> Any:
    call = getattr(call, "python_function", call)
    try:
        return inspect.signature(call).parameters
    except (TypeError, ValueError):  # builtins do not say
        return {}


def states(model: Any) -> list[Any]:
    """The variables that recurrent layers keep their states in; no Keras lists them with others."""
    layers = [x for x in model._flatten_layers() if getattr(x, "stateful", False)]
    found = [s for x in layers for s in _flat(getattr(x, "states", None))]
    return list({id(s): s for s in found}.values())


def _flat(held: Any) -> list[Any]:
    if isinstance(held, list | tuple):
        return [s for part in held for s in _flat(part)]
    return [held] if hasattr(held, "assign") else []


@contextlib.contextmanager
def unwritten(variables: Sequence[Any]) -> Iterator[None]:
    """TensorFlow variables that hold afterwards what they held before.

    Reading shares memory, so that nothing is copied.
    """
    before = [v.read_value() for v in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def keras3() -> Keras3:
    """Keras 3; it is imported already, or a path is to be loaded."""
    import keras

    return Keras3(keras)


def tf_keras() -> TfKeras:
    """tf_keras."""
    import tf_keras as module

    return TfKeras(module)


def _layers_below(model: Any) -> Sequence[Any]:
    """All layers of a model, those inside of layers too."""
    listed = getattr(model, "_flatten_layers", None)
    return [] if listed is None else list(listed())
