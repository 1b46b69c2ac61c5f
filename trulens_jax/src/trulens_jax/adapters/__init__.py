"""Which adapter serves a model: told from what is imported already, frameworks loaded lazily."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from trulens_core.errors import UnsupportedModelError
from trulens_jax.adapters.base import Adapter
from trulens_jax.adapters.functions import FunctionAdapter


def adapter_for(model: Any, params: Any, state: Any, method: Any, whole: bool) -> Adapter:
    """The adapter of a model.

    Raises:
        UnsupportedModelError: for what is no model, with what to give instead.
        TypeError: for an option that the kind of model does not take.
    """
    model = _unwrapped(model)
    for module, names, build in _KINDS:
        held = [getattr(sys.modules.get(module), n, None) for n in names]
        if any(isinstance(c, type) and isinstance(model, c) for c in held):
            given = {"params": params, "state": state, "method": method, "whole": whole or None}
            return build(model, {k: v for k, v in given.items() if v is not None})
    if isinstance(model, type) or not callable(model):
        raise UnsupportedModelError(_what_to_give(model))
    _only({"state": state, "method": method, "whole": whole or None}, "a plain function")
    return FunctionAdapter(model, params)


def _unwrapped(model: Any) -> Any:
    """The Equinox module inside `eqx.filter_jit`, which is a module itself."""
    inner = getattr(model, "__wrapped__", None)
    module = getattr(sys.modules.get("equinox"), "Module", None)
    return inner if module and isinstance(model, module) and callable(inner) else model


def _nnx(model: Any, options: dict[str, Any]) -> Adapter:
    from trulens_jax.adapters.nnx import NnxAdapter

    _only(options, "a Flax NNX module, which holds its weights")
    return NnxAdapter(model)


def _linen(model: Any, options: dict[str, Any]) -> Adapter:
    from trulens_jax.adapters.linen import LinenAdapter

    variables, method = options.pop("params", None), options.pop("method", None)
    _only(options, "a Flax Linen module")
    return LinenAdapter(model, variables, method)


def _train_state(model: Any, options: dict[str, Any]) -> Adapter:
    from trulens_jax.adapters.linen import LinenAdapter

    method = options.pop("method", None)
    _only(options, "a TrainState, which holds its parameters")
    return LinenAdapter.of_train_state(model, method)


def _equinox(model: Any, options: dict[str, Any]) -> Adapter:
    from trulens_jax.adapters.equinox import EquinoxAdapter

    state, whole = options.pop("state", None), options.pop("whole", False)
    _only(options, "an Equinox module, which holds its weights")
    return EquinoxAdapter(model, state, whole)


def _haiku(model: Any, options: dict[str, Any]) -> Adapter:
    from trulens_jax.adapters.haiku import HaikuAdapter

    params, state = options.pop("params", None), options.pop("state", None)
    _only(options, "a Haiku function")
    return HaikuAdapter(model, params, state)


_KINDS: tuple[tuple[str, tuple[str, ...], Callable[[Any, dict[str, Any]], Adapter]], ...] = (
    ("flax.nnx", ("Module",), _nnx),
    ("flax.linen", ("Module",), _linen),
    ("flax.training.train_state", ("TrainState",), _train_state),
    ("equinox", ("Module",), _equinox),
    ("haiku", ("Transformed", "TransformedWithState"), _haiku),
)


def _only(options: dict[str, Any], what: str) -> None:
    left = [name for name, value in options.items() if value is not None]
    if left:
        shown = ["batched=True" if name == "whole" else f"{name}=" for name in left]
        raise TypeError(f"{' and '.join(shown)} has no meaning for {what}")


def _what_to_give(model: Any) -> str:
    if isinstance(model, type):
        return f"{model.__name__} is a class; pass an instance of it"
    if isinstance(model, tuple):
        return (
            f"a tuple of {', '.join(type(x).__name__ for x in model)} is no model; for Flax Linen "
            "give get_model_wrapper(module, params=variables), for Haiku what hk.transform gave "
            "and params="
        )
    return (
        f"{type(model).__name__} is no JAX model; give a function of arrays, a Flax or Equinox "
        "module, or a transformed Haiku function"
    )
