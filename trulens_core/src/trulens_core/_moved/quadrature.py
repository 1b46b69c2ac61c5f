"""What was `trulens_core.quadrature` is `trulens_core.distributions.quadrature`."""

from trulens_core._moved import moved

__getattr__ = moved("trulens_core.quadrature", "trulens_core.distributions.quadrature")
