"""The entry point: imports trulens_core alone."""

from trulens_core.plugins import BackendDescription, LoadedBackend, hookimpl, qualified_names


def _load():
    from trulens_mlx.backend import BACKEND
    from trulens_mlx.models import MlxWrapper

    return LoadedBackend(BACKEND, MlxWrapper)


@hookimpl
def trulens_backend():
    """Describe the backend."""
    return BackendDescription(
        name="mlx",
        claims=lambda m: "mlx.nn.layers.base.Module" in qualified_names(m),
        claims_tensor=lambda x: "mlx.core.array" in qualified_names(x),
        load=_load,
        options=("logit_layer", "batched"),
        install="pip install trulens-mlx",
        serves="mlx.nn.Module",
        conformance="trulens_mlx.conformance:Harness",
    )
