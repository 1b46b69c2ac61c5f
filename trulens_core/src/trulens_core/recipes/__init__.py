"""Choices made for the caller: a method that fits, and a run as a file says it."""

from trulens_core.recipes.explaining import explain as explain
from trulens_core.recipes.runs import run_spec as run_spec
