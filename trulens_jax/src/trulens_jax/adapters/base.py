"""What a kind of JAX model has to say of itself."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax

from trulens_core.errors import UnsupportedModelError
from trulens_core.inputs import ModelInputs


class Adapter(ABC):
    """A model as a pure function of weights and inputs, with taps around its layers.

    Attributes:
        owner: what messages call the model.
        parameters: the names of its positional parameters, as far as they are known.
        channel_axis: of images inside it; None where there is no custom.
        own_caches: whether layers are tapped only while we trace, so that what the user has
            traced under `jax.jit` before must be traced again.
        advice: what a message adds where a layer's name is unknown.
    """

    owner: str = "the model"
    parameters: Sequence[str] = ()
    channel_axis: int | None = None
    own_caches: bool = False
    advice: str = ""

    @abstractmethod
    def state(self) -> Any:
        """The weights as they are now, a tree that JAX can trace."""

    def leaves(self) -> Iterable[Any]:
        """The leaves among the weights, as far as they are asked for."""
        return jax.tree.leaves(self.state())

    @abstractmethod
    def apply(self, state: Any, inputs: ModelInputs) -> Any:
        """The model's output, its layers' values tapped."""

    @abstractmethod
    def update(self, weights: Any) -> None:
        """Take other weights of the same structure."""

    def layers(self) -> Mapping[str, str] | None:
        """The layers' names and classes; None where only a trace tells them."""
        return None

    def aliases(self) -> Mapping[str, str]:
        """Other names of layers that are reached by several paths."""
        return {}


def positional(function: Callable[..., Any], skip: int = 0) -> tuple[str, ...]:
    """The names of a function's positional parameters without the first `skip`."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # builtins do not say
        return ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(p.name for p in parameters if p.kind in kinds)[skip:]


def entrance(module: Any, method: Any) -> Callable[..., Any]:
    """What of a module is called, as a function of the module and its arguments.

    Args:
        module: of any framework.
        method: a method's name or the function itself; None is `__call__`.
    """
    cls = type(module)
    if callable(method):
        found: Callable[..., Any] = method
        return found
    name = "__call__" if method is None else str(method)
    defined = [vars(c)[name] for c in cls.__mro__ if name in vars(c)]
    if not defined:
        raise UnsupportedModelError(
            f"{cls.__name__} has no method {name!r}; say what is called to evaluate it with "
            "get_model_wrapper(module, method=), or give a function"
        )
    inherited: Callable[..., Any] = getattr(cls, name)
    return inherited


def name_of(model: Any) -> str:
    """What messages call a model."""
    return getattr(model, "__name__", type(model).__name__)


def has_call(cls: type) -> bool:
    """Whether instances of the class can be called: `callable(cls)` says so of every class."""
    return any("__call__" in vars(c) for c in cls.__mro__)
