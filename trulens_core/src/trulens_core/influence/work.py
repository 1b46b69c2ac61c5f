"""What a statistic may look at beyond what blocks give it: the work on one group of records."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from trulens_core.backends import Tensor
from trulens_core.influence.ways import Verdict, Way
from trulens_core.inputs import ModelInputs
from trulens_core.quantities import QoI
from trulens_core.slices import Cut


@dataclasses.dataclass(frozen=True)
class Work:
    """One group of records, before its blocks.

    Attributes:
        question: what is asked, a `Question`; this statistic is one of its parts.
        inputs: of the group's records.
        at_records: the values at cuts for the unmodified records, as far as they are known.
        way: how blocks are evaluated.
        verdict: what is known of that.
        of_group: a quantity for the group's records, bound to its value for them if it needs that.
    """

    question: Any
    inputs: ModelInputs
    at_records: dict[Cut, list[Tensor]]
    way: Way
    verdict: Verdict
    of_group: Callable[[QoI, Cut], QoI]
