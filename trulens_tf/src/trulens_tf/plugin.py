"""The entry point: tells what is TensorFlow's without importing it."""

from __future__ import annotations

from pathlib import Path

from trulens_core.plugins import (
    BackendDescription,
    LoadedBackend,
    framework,
    hookimpl,
    qualified_names,
    roots,
)

_TENSORS = {
    "tensorflow.python.framework.tensor.Tensor",
    "tensorflow.python.ops.variables.Variable",
}


def _claims(model: object) -> bool:
    if isinstance(model, str | Path):
        return framework(model) == "tensorflow"
    return "tensorflow" in roots(model) and not _claims_tensor(model)


def _claims_tensor(x: object) -> bool:
    return not _TENSORS.isdisjoint(qualified_names(x))


def _load() -> LoadedBackend:
    from trulens_tf.backend import BACKEND
    from trulens_tf.models import wrapper

    return LoadedBackend(BACKEND, wrapper)


@hookimpl
def trulens_backend() -> BackendDescription:
    """Describe the backend."""
    return BackendDescription(
        name="tensorflow",
        aliases=("tf",),
        claims=_claims,
        claims_tensor=_claims_tensor,
        load=_load,
        options=(
            "logit_layer",
            "batched",
            "jit_compile",
            "input_tensors",
            "output_tensors",
            "internal_tensor_dict",
            "default_feed_dict",
            "session",
            "layers",
        ),
        install="pip install 'trulens-nn[tf]'",
    )
