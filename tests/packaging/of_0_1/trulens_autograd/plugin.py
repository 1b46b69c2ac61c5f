"""The entry point: imports trulens_core alone."""

from trulens_core.detection import qualified_names
from trulens_core.plugins import BackendDescription, LoadedBackend, hookimpl


def _load():
    from trulens_autograd.backend import BACKEND
    from trulens_autograd.models import AutogradWrapper

    return LoadedBackend(BACKEND, AutogradWrapper)


@hookimpl
def trulens_backend():
    """Describe the backend."""
    return BackendDescription(
        name="autograd",
        claims=lambda m: "trulens_autograd.sequential.Sequential" in qualified_names(m),
        claims_tensor=lambda x: (
            not {"numpy.ndarray", "autograd.numpy.numpy_boxes.ArrayBox"}.isdisjoint(
                qualified_names(x)
            )
        ),
        load=_load,
        options=("logit_layer", "batched"),
        install="pip install trulens-autograd",
        serves="trulens_autograd.Sequential",
        conformance="trulens_autograd.conformance:Harness",
    )
