"""Flax Linen modules with their variables, bound modules and train states."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flax import linen as nn

from trulens_core.errors import UnsupportedModelError
from trulens_core.inputs import ModelInputs
from trulens_core.value_keys import changeable
from trulens_jax import weights
from trulens_jax.adapters.base import Adapter, entrance, positional
from trulens_jax.taps import emit

_INFERENCE: tuple[tuple[type, str], ...] = (
    (nn.BatchNorm, "use_running_average"),
    (nn.Dropout, "deterministic"),
    (nn.MultiHeadDotProductAttention, "deterministic"),
)


class LinenAdapter(Adapter):
    """A Linen module.

    Args:
        module: bound to its variables, or with them given.
        variables: all collections, or the parameters alone.
        method: what is called instead of `__call__`, a name or a function.
    """

    channel_axis = -1
    own_caches = True

    def __init__(self, module: Any, variables: Any = None, method: Any = None) -> None:
        if variables is None:
            if module.scope is None:
                raise UnsupportedModelError(
                    f"the Linen module {type(module).__name__} has no variables; give them, "
                    "get_model_wrapper(module, params=variables), or a bound module"
                )
            module, variables = module.unbind()
        self._module, self._method = module, method
        self._split = weights.Splitting()
        # a module is frozen, and what its attributes hold is not
        self._statics = list(_statics(module))
        self.update(variables)
        self.owner = type(module).__name__
        self.parameters = positional(entrance(module, method), skip=1)

    @staticmethod
    def of_train_state(state: Any, method: Any = None) -> LinenAdapter:
        """A `TrainState`: its module, parameters and, where it has them, batch statistics."""
        module = getattr(state.apply_fn, "__self__", None)
        if not isinstance(module, nn.Module):
            raise UnsupportedModelError(
                "the TrainState's apply_fn is not the apply method of a Linen module; give "
                "get_model_wrapper(module, params=variables)"
            )
        collections = {"params": state.params}
        if hasattr(state, "batch_stats"):
            collections["batch_stats"] = state.batch_stats
        return LinenAdapter(module, collections, method)

    def state(self) -> Any:
        return self._split(self._variables, self._statics)

    def update(self, weights: Any) -> None:
        whole = isinstance(weights, Mapping) and "params" in weights
        self._variables = weights if whole else {"params": weights}

    def apply(self, state: Any, inputs: ModelInputs) -> Any:
        arrays, skeleton = state
        variables = skeleton.filled(arrays)
        with nn.intercept_methods(_intercepted):
            return self._module.apply(variables, *inputs.args, method=self._method, **inputs.kwargs)


def _statics(value: Any) -> Iterator[Any]:
    """What a module and those in its attributes hold that may change in place."""
    if isinstance(value, nn.Module):
        fields = [f.name for f in dataclasses.fields(value) if f.name not in ("parent", "name")]
        for name in fields:
            yield from _statics(getattr(value, name, None))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _statics(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _statics(item)
    elif changeable(value):
        yield value


def _intercepted(
    function: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext
) -> Any:
    module, method = context.module, context.method_name
    if method == "setup" or not module.path:
        return function(*args, **kwargs)
    name = ".".join(module.path) + ("" if method == "__call__" else f":{method}")
    kind = type(module).__name__
    args, kwargs = emit((args, kwargs), name, "in", kind, _is_module)
    with _inference(module, args, kwargs) as (args, kwargs):
        output = function(*args, **kwargs)
    return emit(output, name, "out", kind, _is_module)


def _is_module(value: Any) -> bool:
    return isinstance(value, nn.Module)


@contextlib.contextmanager
def _inference(module: Any, args: Any, kwargs: Any) -> Iterator[tuple[Any, Any]]:
    """BatchNorm and Dropout as at inference, whatever the call or the module says.

    `module` is the copy that this one evaluation bound; the user's has no scope and is not it.
    """
    flag = next((f for cls, f in _INFERENCE if isinstance(module, cls)), None)
    if flag is None:
        yield args, kwargs
        return
    bound = inspect.signature(type(module).__call__).bind(module, *args, **kwargs)
    bound.arguments.pop(flag, None)  # both the call and the attribute is an error in Flax
    before = getattr(module, flag)
    object.__setattr__(module, flag, True)
    try:
        yield bound.args[1:], bound.kwargs
    finally:
        object.__setattr__(module, flag, before)
