"""What models of token ids need besides: baselines made of tokens."""

from trulens_core.text.baselines import token_baseline as token_baseline
from trulens_core.text.baselines import token_baseline_swap as token_baseline_swap
