"""Baselines for models of token ids, as documented: names of `trulens_core.text`."""

from trulens_core.text import token_baseline, token_baseline_swap

__all__ = ["token_baseline", "token_baseline_swap"]
