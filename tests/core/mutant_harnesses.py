"""The reference backend changed, as harnesses of the suite: what is allowed, and what is not."""

import functools
from unittest import mock

import numpy as np

from trulens_core import register_backend
from trulens_core.backends import Backend
from trulens_core.plugins import BackendDescription, LoadedBackend
from trulens_core.testing import ReferenceBackend, ReferenceModel
from trulens_core.testing.plugin import Reference
from trulens_core.testing.reference import ReferenceWrapper, Tensor
from trulens_core.testing.reference.layers import LAYERS, dense


class Allowed(Reference):
    """Not changed."""

    backend_name = "allowed"
    backend_class = ReferenceBackend
    wrapper_class = ReferenceWrapper

    def build(self, architecture, dtype):
        register(type(self))
        return super().build(architecture, dtype)


@functools.cache
def register(harness):
    """The harness' backend, before the reference in the claim to its models and tensors."""
    backend = type("Changed", (harness.backend_class,), {"name": "allowed"})()
    wrapper = type("Wrapper", (harness.wrapper_class,), {"backend": backend})
    register_backend(
        BackendDescription(
            name="allowed",
            claims=lambda model: isinstance(model, ReferenceModel),
            claims_tensor=backend.is_tensor,
            load=lambda: LoadedBackend(backend, wrapper),
            options=("logit_layer", "batched"),
            before=("reference",),
        )
    )


register(Allowed)


class RunsThrice(Allowed):
    """What is differentiated is evaluated twice before, for nothing."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def differentiate_each(self, run, each):
            for _ in range(2):
                run(list)
            return super().differentiate_each(run, each)


class OwnBits(Allowed):
    """As on a GPU: the last bits of a product differ from one evaluation to the next."""

    repeats_bits = False

    class wrapper_class(ReferenceWrapper):  # noqa: N801
        def forward(self, inputs, *, replace, tap, want):
            with mock.patch.dict(LAYERS, dense=wobbling):
                return super().forward(inputs, replace=replace, tap=tap, want=want)


BITS = np.random.default_rng(0)


def wobbling(x, w):
    """A dense layer, whose last bits are by chance."""
    y = dense(x, w)
    return y * float(1 + np.finfo(y.dtype).eps * BITS.integers(-2, 3))


class NoThrough(Allowed):
    """A backend of 0.1."""

    class backend_class(ReferenceBackend):  # noqa: N801
        through = Backend.through


class Scaled(Allowed):
    """Gradients twice as large: a defect."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def differentiate_each(self, run, each):
            doubled = lambda gs: each([None if g is None else Tensor(g.data * 2) for g in gs])
            return super().differentiate_each(run, doubled)
