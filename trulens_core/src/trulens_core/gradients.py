"""What is said of gradients that explain nothing: not finite, or zero everywhere."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from trulens_core.errors import TrulensWarning
from trulens_core.questions import Answer
from trulens_core.slices import Cut


def warn_of_gradients(source: Cut, found: Sequence[Answer]) -> None:
    """Warn the caller's caller's caller, once for all groups of records.

    Args:
        source: the cut of the gradients.
        found: the groups' answers.
    """
    records, first = [], 0
    for a in found:
        records += [first + i for i in a.not_finite]
        first += int(a.attributions[0][0].shape[0])
    if records:
        shown = ", ".join(map(str, records[:10])) + (", …" if len(records) > 10 else "")
        warnings.warn(
            f"the gradients at {source} are not finite for the records {shown}; neither "
            "are the attributions there. Look for a division by zero, a root or a logarithm at 0, "
            "or float16 overflow",
            TrulensWarning,
            stacklevel=4,
        )
    elif all(a.zero for a in found):
        warnings.warn(
            f"the gradients at {source} are zero everywhere, for all records, and so are the "
            "attributions. The usual causes are a saturated softmax or sigmoid (explain the scores "
            "before it: qoi_cut=LogitCut(), logit_layer=), float16 underflow (explain in float32), "
            "and units that are all off (ReLU)",
            TrulensWarning,
            stacklevel=4,
        )
