"""A backend of a framework that has vector-Jacobian products and nothing else."""

from typing import ClassVar

import numpy as np

from trulens_core import register_backend
from trulens_core.backends import Backend, differentiate_by_vjp
from trulens_core.plugins import BackendDescription, LoadedBackend
from trulens_core.testing import ReferenceBackend, ReferenceModel, register_reference
from trulens_core.testing.conformance import BackendFunctions, Cuts, Laws, Through
from trulens_core.testing.reference import ReferenceWrapper, Tensor
from trulens_core.testing.reference import namespace as xp
from trulens_core.testing.reference.tensors import leaf, pulled_back


def vjp(function, *primals):
    """As functional frameworks have it: zeros where nothing is connected."""
    leaves = [leaf(p) for p in primals]
    outputs = function(*leaves)

    def pull(cotangents):
        with np.errstate(invalid="ignore"):
            terms = [xp.sum(y * c) for y, c in zip(outputs, cotangents, strict=True)]
        found = pulled_back(xp.sum(xp.stack(terms)), leaves)
        return [
            Tensor(np.zeros_like(p.data) if g is None else g)
            for g, p in zip(found, primals, strict=True)
        ]

    return outputs, pull


class FunctionalBackend(ReferenceBackend):
    """The reference backend without its tape."""

    name = "functional"

    def differentiate(self, run):
        return differentiate_by_vjp(vjp, run, self)

    differentiate_each = Backend.differentiate_each  # the default, not the tape's


BACKEND = FunctionalBackend()
register_reference()  # whose tensors it has


class FunctionalWrapper(ReferenceWrapper):
    backend = BACKEND


register_backend(
    BackendDescription(
        name="functional",
        claims=lambda model: False,
        load=lambda: LoadedBackend(BACKEND, FunctionalWrapper),
        options=("logit_layer", "batched"),
    )
)


class TestFunctional(Laws, Cuts, BackendFunctions, Through):
    backend_name = "functional"
    expected_failures: ClassVar = {
        "test_no_gradient_is_given_through": "what is stopped is zero to it, and not None",
    }

    def build(self, architecture, dtype):
        return ReferenceModel(architecture, dtype)

    def state(self, model):
        return model.weights
