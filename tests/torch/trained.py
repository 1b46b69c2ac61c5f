"""The language model that is trained here, once for all tests that ask it."""

import functools

from trulens_core.testing.reports import report
from trulens_torch.testing import trained_language_model

CLEAN = report()
CORRUPTED = " ".join(
    {"official": "rumour", "rumour": "official"}.get(w, w) for w in CLEAN.text.split()
)
CONTRAST = "contrast", CLEAN.answer, CLEAN.other


@functools.cache
def trained():
    """The model in float64, and its tokenizer."""
    model, tokenizer = trained_language_model()
    return model.double(), tokenizer
