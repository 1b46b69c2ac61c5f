"""The entry point: tells what is JAX's without importing it."""

from __future__ import annotations

import sys
import types

from trulens_core.plugins import BackendDescription, LoadedBackend, hookimpl, qualified_names

_MODELS = (
    ("flax.nnx", "Module"),
    ("flax.linen", "Module"),
    ("flax.training.train_state", "TrainState"),
    ("equinox", "Module"),
    ("haiku", "Transformed"),
    ("haiku", "TransformedWithState"),
)


def _claims(model: object) -> bool:
    if isinstance(model, types.MethodType):
        model = model.__self__
    held = (getattr(sys.modules.get(module), name, None) for module, name in _MODELS)
    if any(isinstance(c, type) and isinstance(model, c) for c in held):
        return True
    # jax.jit gives functions a type of their own; any other function does not tell
    return any(n.endswith(".PjitFunction") for n in qualified_names(model))


def _claims_tensor(x: object) -> bool:
    array = getattr(sys.modules.get("jax"), "Array", None)
    return array is not None and isinstance(x, array)


def _load() -> LoadedBackend:
    from trulens_jax.backend import BACKEND
    from trulens_jax.models import wrap

    return LoadedBackend(BACKEND, wrap)


@hookimpl
def trulens_backend() -> BackendDescription:
    """Describe the backend."""
    return BackendDescription(
        name="jax",
        claims=_claims,
        claims_tensor=_claims_tensor,
        load=_load,
        options=("logit_layer", "params", "state", "method", "batched"),
        install="pip install 'trulens-nn[jax]'",
    )
