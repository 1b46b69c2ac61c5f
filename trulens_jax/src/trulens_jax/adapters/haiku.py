"""Haiku's transformed functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import haiku as hk

from trulens_core.errors import UnsupportedModelError
from trulens_core.inputs import ModelInputs
from trulens_jax import weights
from trulens_jax.adapters.base import Adapter, positional
from trulens_jax.taps import emit


class HaikuAdapter(Adapter):
    """What `hk.transform` or `hk.transform_with_state` gives, with its parameters.

    Args:
        transformed: the pair of functions.
        params: the parameters.
        state: of functions with state.
    """

    channel_axis = -1
    own_caches = True

    def __init__(self, transformed: Any, params: Any = None, state: Any = None) -> None:
        stateful = isinstance(transformed, hk.TransformedWithState)
        if params is None or (stateful and state is None):
            needed = "params= and state=" if stateful else "params="
            raise UnsupportedModelError(
                f"a transformed Haiku function needs {needed}, as its init gives them"
            )
        if state is not None and not stateful:
            raise TypeError("state= is given, but the function is not hk.transform_with_state's")
        self._apply = transformed.apply
        self._params, self._state = params, state
        self._split = weights.Splitting()
        names = positional(transformed.apply)
        taken = 2 if stateful else 1
        self._rng = names[taken : taken + 1] == ("rng",)
        self.parameters = names[taken + self._rng :]

    def state(self) -> Any:
        return self._split((self._params, self._state))

    def update(self, weights: Any) -> None:
        self._params = weights

    def apply(self, state: Any, inputs: ModelInputs) -> Any:
        arrays, skeleton = state
        params, model_state = skeleton.filled(arrays)
        first = [params] if model_state is None else [params, model_state]
        if self._rng:
            first.append(None)
        try:
            with hk.intercept_methods(_intercepted):
                output = self._apply(*first, *inputs.args, **inputs.kwargs)
        except ValueError as error:
            if type(error).__name__ != "MissingRNGError":  # which is not public
                raise
            raise UnsupportedModelError(
                "the Haiku function draws random numbers, and is explained without: leave dropout "
                "out of it, as for inference, or hold a key in a function of your own, "
                "get_model_wrapper(lambda x: f.apply(params, key, x), backend='jax')"
            ) from error
        return output if model_state is None else output[0]


def _intercepted(
    function: Callable[..., Any], args: Any, kwargs: Any, context: hk.MethodContext
) -> Any:
    module, method = context.module, context.method_name
    if method == "__init__":
        return function(*args, **kwargs)
    name = module.module_name.replace("/~/", ".").replace("/", ".")
    name += "" if method == "__call__" else f":{method}"
    kind = type(module).__name__
    args, kwargs = emit((args, kwargs), name, "in", kind)
    if isinstance(module, hk.BatchNorm) and method == "__call__":
        args, kwargs = args[:1], {**kwargs, "is_training": False}
    return emit(function(*args, **kwargs), name, "out", kind)
