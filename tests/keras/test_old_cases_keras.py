"""Code for the old library: Keras 3 on each of its frameworks, and tf_keras."""

import runpy
from pathlib import Path

import keras
import pytest

OLD = runpy.run_path(str(Path(__file__).parents[1] / "old_cases.py"))  # tests are no package
FRAMEWORK = keras.config.backend()
KINDS = {"keras": ("KERAS", "Keras")}
if FRAMEWORK == "tensorflow":
    KINDS["tf_keras"] = ("TF_KERAS", "tf.keras", "TF.Keras")


class Functional(OLD["Kind"]):
    # Keras makes float32 of float64 on the other frameworks
    dtype, limit = ("float64", 1e-10) if FRAMEWORK == "tensorflow" else ("float32", 1e-5)

    def __init__(self, name):
        super().__init__()
        self.module, self.spellings = pytest.importorskip(name), KINDS[name]

    def build(self, network):
        inputs, y = getattr(self, f"_{network}")(self.module.layers)
        model = self.module.Model(inputs, y)
        for name in "hpqy":
            found = [layer for layer in model.layers if layer.name == name and layer.weights]
            for layer in found:
                layer.set_weights([OLD["V" if name == "y" else "W"]])
        return model, {}

    def _dense(self, units, name):
        return self.module.layers.Dense(units, use_bias=False, name=name, dtype=self.dtype)

    def _square(self, layers):
        x = layers.Input((2,), dtype=self.dtype)
        squared = layers.Activation(lambda h: h * h, name="sq", dtype=self.dtype)
        return x, self._dense(2, "y")(squared(self._dense(3, "h")(x)))

    def _pair(self, layers):
        x, z = (layers.Input((2,), name=n, dtype=self.dtype) for n in "xz")
        multiply = layers.Multiply(name="y", dtype=self.dtype)
        return [x, z], multiply([self._dense(3, "p")(x), self._dense(3, "q")(z)])


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return Functional(request.param)


class TestOldCases(OLD["OldCases"]):
    pass
