"""The conformance suite on Keras, on the framework of this process."""

import runpy
from pathlib import Path

from trulens_core.testing.conformance import Conformance

ZOO_KERAS = runpy.run_path(str(Path(__file__).with_name("zoo_keras.py")))  # tests are no package
# a loop over all steps of a layer is one call of it


class TestKeras(Conformance):
    backend_name = "keras"
    channels_last = True

    def build(self, architecture, dtype):
        return ZOO_KERAS["build"](architecture, dtype)

    def state(self, model):
        return ZOO_KERAS["state"](model)
