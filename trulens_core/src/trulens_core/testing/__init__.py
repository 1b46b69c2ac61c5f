"""What backends are tested with: a reference backend, a model zoo and a conformance suite.

The suite is in `trulens_core.testing.conformance`, which needs pytest; everything else needs
NumPy alone.
"""

from trulens_core.testing.examples import small_image_model as small_image_model
from trulens_core.testing.examples import small_model as small_model
from trulens_core.testing.examples import small_writer as small_writer
from trulens_core.testing.measure import relative_error as relative_error
from trulens_core.testing.reference import ReferenceBackend as ReferenceBackend
from trulens_core.testing.reference import ReferenceModel as ReferenceModel
from trulens_core.testing.reference import register_reference as register_reference
from trulens_core.testing.zoo import ZOO as ZOO
from trulens_core.testing.zoo import Architecture as Architecture
