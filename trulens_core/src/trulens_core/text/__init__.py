"""Language models: why a text goes on as it does; baselines made of tokens."""

from trulens_core.text.baselines import token_baseline as token_baseline
from trulens_core.text.baselines import token_baseline_swap as token_baseline_swap
from trulens_core.text.explaining_segments import explain_segments as explain_segments
from trulens_core.text.generation import explain_generation as explain_generation
from trulens_core.text.lens import LensQoI as LensQoI
from trulens_core.text.patching import patch_attributions as patch_attributions
from trulens_core.text.patching_result import PatchingResult as PatchingResult
from trulens_core.text.result import GenerationResult as GenerationResult
from trulens_core.text.segment_result import SegmentsResult as SegmentsResult
