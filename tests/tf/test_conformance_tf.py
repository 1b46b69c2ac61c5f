"""The conformance suite on plain TensorFlow."""

import runpy
from pathlib import Path

from trulens_core.testing.conformance import Conformance
from trulens_core.testing.zoo import LAYERED

ZOO_TF = runpy.run_path(str(Path(__file__).with_name("zoo_tf.py")))  # tests are no package


class TestTensorFlow(Conformance):
    backend_name = "tensorflow"
    layered = tuple(LAYERED)
    channels_last = True

    def build(self, architecture, dtype):
        return ZOO_TF["build"](architecture, dtype)

    def trained(self, model, factor):
        for v in model.variables:
            v.assign(v * factor)

    def state(self, model):
        return ZOO_TF["state"](model)
