"""Which adapter serves a model: told from what is imported already, frameworks loaded lazily."""

from __future__ import annotations

import sys
import types
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
    if isinstance(model, types.MethodType) and _builder(model.__self__):
        model, method = model.__self__, method or model.__name__
    build = _builder(model)
    if build:
        given = {"params": params, "state": state, "method": method, "whole": whole or None}
        return build(model, {k: v for k, v in given.items() if v is not None})
    if isinstance(model, type) or not callable(model):
        raise UnsupportedModelError(_what_to_give(model))
    _only({"state": state, "method": method, "whole": whole or None}, "a plain function")
    return FunctionAdapter(model, params)


def _unwrapped(model: Any) -> Any:
    """What is inside `eqx.filter_jit` and Equinox's bound methods, which are modules themselves."""
    module = getattr(sys.modules.get("equinox"), "Module", None)
    while module and isinstance(model, module) and not _maps(model):
        inner = getattr(model, "__wrapped__", None)
        if not callable(inner):
            break
        model = inner
    return model


def _maps(model: Any) -> bool:
    """Whether an Equinox module is what `eqx.filter_vmap` gives: it takes all records at once."""
    return type(model).__name__ == "_VmapWrapper"


def _builder(model: Any) -> Callable[[Any, dict[str, Any]], Adapter] | None:
    """What makes the adapter of a framework's model; None for anything else."""
    for module, names, build in _KINDS:
        held = [getattr(sys.modules.get(module), n, None) for n in names]
        if any(isinstance(c, type) and isinstance(model, c) for c in held):
            return build
    return None


def _nnx(model: Any, options: dict[str, Any]) -> Adapter:
    from trulens_jax.adapters.nnx import NnxAdapter

    method = options.pop("method", None)
    _only(options, "a Flax NNX module, which holds its weights")
    return NnxAdapter(model, method)


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

    state, whole = options.pop("state", None), options.pop("whole", _maps(model))
    method = options.pop("method", None)
    _only(options, "an Equinox module, which holds its weights")
    return EquinoxAdapter(model, state, whole, method)


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
