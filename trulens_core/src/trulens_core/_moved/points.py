"""What was `trulens_core.points` is `trulens_core.distributions.points`."""

from trulens_core._moved import moved

__getattr__ = moved("trulens_core.points", "trulens_core.distributions.points")
