"""What an explanation is given back as."""

from trulens_core.results.result import AttributionResult as AttributionResult
