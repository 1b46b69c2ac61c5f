"""The inputs of one call, as documented: a name of `trulens_core`."""

from trulens_core import ModelInputs

__all__ = ["ModelInputs"]
