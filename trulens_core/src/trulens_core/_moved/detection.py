"""What was `trulens_core.detection` is `trulens_core.plugins`."""

from trulens_core._moved import moved

__getattr__ = moved("trulens_core.detection", "trulens_core.plugins")
