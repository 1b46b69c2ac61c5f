"""The conformance suite on a backend that keeps steps by key and pads blocks to one shape."""

from trulens_core import register_backend
from trulens_core.plugins import BackendDescription, LoadedBackend
from trulens_core.testing import ReferenceBackend, ReferenceModel, register_reference
from trulens_core.testing.conformance import Conformance
from trulens_core.testing.reference import ReferenceWrapper


class TracingBackend(ReferenceBackend):
    """As JAX is to core: compiled per shape, so that blocks are padded and steps kept."""

    name = "tracing"
    static_shapes = True
    traces = True
    prefers = "points"


BACKEND = TracingBackend()
register_reference()  # whose tensors it has


class TracingWrapper(ReferenceWrapper):
    backend = BACKEND


register_backend(
    BackendDescription(
        name="tracing",
        claims=lambda model: False,
        load=lambda: LoadedBackend(BACKEND, TracingWrapper),
        options=("logit_layer", "batched"),
    )
)


class TestTracing(Conformance):
    backend_name = "tracing"
    expected_failures = {
        "test_backends_are_told_from_wrappers_and_tensors": "its tensors are the reference's",
    }

    def build(self, architecture, dtype):
        return ReferenceModel(architecture, dtype)

    def state(self, model):
        return model.weights
