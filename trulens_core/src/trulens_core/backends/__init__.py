"""What a framework gives: its tensors, one gradient primitive, and how steps are run."""

from trulens_core.backends.backend import Backend as Backend
from trulens_core.backends.backend import rows_at as rows_at
from trulens_core.backends.backend import static_shape as static_shape
from trulens_core.backends.by_vjp import differentiate_by_vjp as differentiate_by_vjp
from trulens_core.backends.cotangents import checked_cotangent as checked_cotangent
from trulens_core.backends.protocol import BlockStep as BlockStep
from trulens_core.backends.protocol import Gradients as Gradients
from trulens_core.backends.protocol import Halves as Halves
from trulens_core.backends.protocol import LoopTap as LoopTap
from trulens_core.backends.protocol import OverwritingTap as OverwritingTap
from trulens_core.backends.protocol import Step as Step
from trulens_core.backends.protocol import StepArguments as StepArguments
from trulens_core.backends.protocol import Tap as Tap
from trulens_core.backends.protocol import Tensor as Tensor
from trulens_core.backends.protocol import Unrepeatable as Unrepeatable
from trulens_core.backends.protocol import Want as Want
