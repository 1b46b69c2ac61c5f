"""The entry point of tf_keras: tells what is tf_keras's without importing it."""

from __future__ import annotations

from trulens_core.plugins import BackendDescription, LoadedBackend, hookimpl, qualified_names
from trulens_keras.plugin import OPTIONS


def _claims(model: object) -> bool:
    return "tf_keras.src.engine.base_layer.Layer" in qualified_names(model)


def _load() -> LoadedBackend:
    from trulens_keras.flavours import tf_keras
    from trulens_keras.models import KerasModelWrapper

    flavour = tf_keras()
    return LoadedBackend(
        flavour.backend(), lambda model, **options: KerasModelWrapper(model, flavour, **options)
    )


@hookimpl
def trulens_backend() -> BackendDescription:
    """Describe the backend."""
    return BackendDescription(
        name="tf_keras",
        aliases=("tf.keras",),
        claims=_claims,
        load=_load,
        options=OPTIONS,
        install="pip install 'trulens-nn[keras]'",
        before=("tensorflow",),
    )
