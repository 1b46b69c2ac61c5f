"""What was `trulens_core.options` is `trulens_core.models.opening`."""

from trulens_core._moved import moved

__getattr__ = moved("trulens_core.options", "trulens_core.models.opening")
