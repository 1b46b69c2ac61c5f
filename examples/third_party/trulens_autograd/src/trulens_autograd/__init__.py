"""Explanations of models written with HIPS autograd."""

from trulens_autograd.sequential import Sequential as Sequential
