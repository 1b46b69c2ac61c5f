"""The conformance suite on the reference backend, with no framework."""

from trulens_core.testing import register_reference
from trulens_core.testing.conformance import Conformance
from trulens_core.testing.plugin import Reference

register_reference()


class TestReference(Reference, Conformance):
    pass
