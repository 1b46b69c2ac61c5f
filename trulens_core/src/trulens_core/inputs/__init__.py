"""One call's inputs: arguments as one tree, and what is a row per record in it."""

from trulens_core.inputs.messages import no_floating_inputs as no_floating_inputs
from trulens_core.inputs.model_inputs import ModelInputs as ModelInputs
