"""What was `trulens_core.nlp` is `trulens_core.text`."""

from trulens_core._moved import moved

__getattr__ = moved("trulens_core.nlp", "trulens_core.text")
