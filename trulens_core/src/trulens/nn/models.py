"""Model wrappers and the inputs of one call, as documented: names of `trulens_core`."""

from trulens_core import ModelInputs, ModelWrapper, get_model_wrapper

__all__ = ["get_model_wrapper", "ModelWrapper", "ModelInputs"]
