"""Choices made for the caller: a method that fits a model and what is explained."""

from trulens_core.recipes.explaining import explain as explain
