"""Language models: why a text goes on as it does; baselines made of tokens."""

from trulens_core.text.baselines import token_baseline as token_baseline
from trulens_core.text.baselines import token_baseline_swap as token_baseline_swap
from trulens_core.text.generation import explain_generation as explain_generation
from trulens_core.text.result import GenerationResult as GenerationResult
