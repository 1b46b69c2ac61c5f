"""Explanations of whole data sets: computed into a store, and read from it."""

from trulens_core.datasets.engine import Engine as Engine
from trulens_core.datasets.engine import Local as Local
from trulens_core.datasets.keep import Keep as Keep
from trulens_core.datasets.ray_engine import RayEngine as RayEngine
from trulens_core.datasets.reading import Run as Run
from trulens_core.datasets.reading import open_run as open_run
from trulens_core.datasets.summary import Summary as Summary
from trulens_core.datasets.sweep import explain_dataset as explain_dataset

__all__ = [
    "explain_dataset",
    "open_run",
    "Run",
    "Summary",
    "Keep",
    "Engine",
    "Local",
    "RayEngine",
]
