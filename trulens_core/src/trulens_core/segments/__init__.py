"""Segments: what of a value is kept or removed together, and shown as one."""

from trulens_core.segments.regions import Regions as Regions
from trulens_core.segments.segments import Segments as Segments
from trulens_core.segments.several import resolved as resolved
