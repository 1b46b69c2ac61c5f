"""The conformance suite on the reference backend, with no framework."""

from trulens_core.testing import ReferenceModel, register_reference
from trulens_core.testing.conformance import Conformance

register_reference()


class TestReference(Conformance):
    backend_name = "reference"

    def build(self, architecture, dtype):
        return ReferenceModel(architecture, dtype)

    def state(self, model):
        return model.weights
