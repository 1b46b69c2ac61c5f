"""The entry point of Keras 3: tells what is Keras's without importing it."""

from __future__ import annotations

from pathlib import Path

from trulens_core.plugins import (
    BackendDescription,
    LoadedBackend,
    framework,
    hookimpl,
    qualified_names,
)

OPTIONS = (
    "logit_layer",
    "replace_softmax",
    "softmax_layer",
    "custom_objects",
    "batched",
    "jit_compile",
)


def _claims(model: object) -> bool:
    if isinstance(model, str | Path):
        return framework(model) == "keras"
    return "keras.src.layers.layer.Layer" in qualified_names(model)


def _load() -> LoadedBackend:
    from trulens_keras.flavours import keras3
    from trulens_keras.models import KerasModelWrapper

    flavour = keras3()
    return LoadedBackend(
        flavour.backend(), lambda model, **options: KerasModelWrapper(model, flavour, **options)
    )


@hookimpl
def trulens_backend() -> BackendDescription:
    """Describe the backend."""
    return BackendDescription(
        name="keras",
        claims=_claims,
        load=_load,
        options=OPTIONS,
        install="pip install 'trulens-nn[keras]'",
        # a Keras model is a model of the framework that it runs on, too
        before=("torch", "tensorflow", "jax"),
    )
