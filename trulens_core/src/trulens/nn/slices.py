"""Cuts and slices, as documented: names of `trulens_core`."""

from trulens_core import Cut, InputCut, LogitCut, OutputCut, Slice

__all__ = ["Cut", "InputCut", "OutputCut", "LogitCut", "Slice"]
