"""The conformance suite on Keras, on the framework of this process."""

import runpy
from pathlib import Path

import keras
import pytest

from trulens_core.testing.conformance import Conformance
from trulens_core.testing.zoo import LAYERED

ZOO_KERAS = runpy.run_path(str(Path(__file__).with_name("zoo_keras.py")))  # tests are no package


@pytest.fixture(autouse=True, scope="module")
def _float64():
    with ZOO_KERAS["float64_is_kept"]():
        if keras.config.backend() != "jax":
            yield
            return
        import jax

        jax.config.update("jax_enable_x64", True)
        yield
        jax.config.update("jax_enable_x64", False)


class TestKeras(Conformance):
    backend_name = "keras"
    layered = tuple(LAYERED)
    channels_last = True

    def build(self, architecture, dtype):
        return ZOO_KERAS["build"](architecture, dtype)

    def layer_name(self, path):
        return path.replace(".", "/")

    def trained(self, model, factor):
        model.set_weights([w * factor for w in model.get_weights()])

    def state(self, model):
        return ZOO_KERAS["state"](model)
