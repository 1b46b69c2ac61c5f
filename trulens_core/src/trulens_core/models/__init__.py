"""Models as users hold them: wrapped, evaluated directly, and given back in the caller's kind."""

from trulens_core.models.opening import get_model_wrapper as get_model_wrapper
from trulens_core.models.wrapper import ModelWrapper as ModelWrapper
from trulens_core.passes import Layer as Layer
