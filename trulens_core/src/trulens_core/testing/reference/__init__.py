"""The reference backend: NumPy with hand-written derivatives."""

from trulens_core.testing.reference.backend import BACKEND as BACKEND
from trulens_core.testing.reference.backend import ReferenceBackend as ReferenceBackend
from trulens_core.testing.reference.models import DESCRIPTION as DESCRIPTION
from trulens_core.testing.reference.models import ReferenceModel as ReferenceModel
from trulens_core.testing.reference.models import ReferenceWrapper as ReferenceWrapper
from trulens_core.testing.reference.models import register_reference as register_reference
from trulens_core.testing.reference.tensors import Tensor as Tensor
