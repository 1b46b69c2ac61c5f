"""Baselines for models of token ids, as documented: names of `trulens_core.nlp`."""

from trulens_core.nlp import token_baseline, token_baseline_swap

__all__ = ["token_baseline", "token_baseline_swap"]
