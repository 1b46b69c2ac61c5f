"""What is explained of the zoo's models, on any framework.

python zoo.py FILE      one case of each model on Keras, on the framework of KERAS_BACKEND
"""

import dataclasses
import functools
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np

from trulens_core import InternalInfluence
from trulens_core.testing.conformance.compare import arrays
from trulens_core.testing.conformance.harness import Harness
from trulens_core.testing.conformance.parity import LIMITS
from trulens_core.testing.conformance.subjects import (
    SUBJECTS,
    Subject,
    distributions,
    quantities,
)
from trulens_core.testing.zoo import ZOO

RECORDS = 4
TESTS = Path(__file__).parents[1]


@functools.cache
def models(file):
    """How a framework's models are built, from the tests of its backend."""
    return runpy.run_path(str(TESTS / file))


class Torch(Harness):
    backend_name = "torch"

    def build(self, architecture, dtype):
        return models("torch/zoo_torch.py")["build"](architecture, dtype)


class TensorFlow(Harness):
    backend_name, channels_last = "tensorflow", True

    def build(self, architecture, dtype):
        return models("tf/zoo_tf.py")["build"](architecture, dtype)


class Keras(Harness):
    backend_name, channels_last = "keras", True

    def build(self, architecture, dtype):
        return models("keras/zoo_keras.py")["build"](architecture, dtype)


class Jax(Harness):
    backend_name, channels_last = "jax", True

    def build(self, architecture, dtype):
        return models("jax/zoo_nnx.py")["build"](architecture, dtype)


HERE = {"torch": Torch(), "tensorflow": TensorFlow(), "keras": Keras(), "jax": Jax()}
"""The frameworks that live in one process."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One explanation of one model.

    Attributes:
        subject: the model, and the cut that its behaviour is read at.
        place: "source" or "inner": where the variables live.
        qoi: the name of a quantity.
        doi: the name of a distribution.
        dtype: of the model.
    """

    subject: Subject
    place: str
    qoi: str
    doi: str
    dtype: str = "float64"

    def __str__(self):
        return f"{self.subject}-{self.place}-{self.qoi}-{self.doi}-{self.dtype}"

    @property
    def limit(self):
        return LIMITS[self.dtype, ZOO[self.subject.name].smooth]

    def on(self, framework):
        """The attributions by record, images as if their channels came first."""
        name, source = self.subject.name, getattr(self.subject, self.place)
        args, kwargs = framework.records(name, RECORDS, self.dtype)
        found = InternalInfluence(
            framework.wrapper(name, self.dtype),
            (source, self.subject.target),
            quantities(RECORDS)[self.qoi],
            distributions(source)[self.doi],
        ).attributions(*args, **kwargs)
        axis = getattr(source, "batch_axis", 0)
        parts = [
            np.moveaxis(framework.zoo_layout(a), axis, 0).reshape(RECORDS, -1)
            for _, a in arrays(found, framework.backend)
        ]
        return np.concatenate(parts, axis=1)


def _cases():
    """Every model at its input and inside; among them every quantity and every distribution."""
    qois = list(quantities(RECORDS))
    for i, subject in enumerate(SUBJECTS.values()):
        images = subject.name in ("cnn", "resnet")
        # noise is drawn in the shape of a record, which frameworks lay out differently
        dois = [d for d in distributions() if not (images and d == "gaussian")]
        for j, place in enumerate(("source", "inner")):
            k = 2 * i + j
            yield Case(subject, place, qois[k % len(qois)], dois[k % len(dois)])
    for name in ("mlp", "transformer", "cnn"):
        yield Case(SUBJECTS[name], "source", "max", "midpoint", "float32")


CASES: dict[str, Any] = {str(case): case for case in _cases()}
ALTERNATE = [name for i, name in enumerate(CASES) if i % 4 in (0, 3)]
"""Of one model the input, of the next an inner cut."""


if __name__ == "__main__":
    with models("keras/zoo_keras.py")["float64_is_kept"]():
        np.savez(sys.argv[1], **{name: CASES[name].on(HERE["keras"]) for name in ALTERNATE})
