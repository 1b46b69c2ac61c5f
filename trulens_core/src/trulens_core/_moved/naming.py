"""What was `trulens_core.naming` is `trulens_core.passes.names`."""

from trulens_core._moved import moved

__getattr__ = moved("trulens_core.naming", "trulens_core.passes.names")
