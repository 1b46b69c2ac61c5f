"""The conformance suite on backends that keep steps by key, pad blocks and split steps."""

from typing import ClassVar

from trulens_core import register_backend
from trulens_core.backends import Halves
from trulens_core.plugins import BackendDescription, LoadedBackend
from trulens_core.testing import ReferenceBackend, register_reference
from trulens_core.testing.conformance import Conformance
from trulens_core.testing.plugin import Reference
from trulens_core.testing.reference import ReferenceWrapper, Tensor
from trulens_core.testing.reference import namespace as xp
from trulens_core.testing.reference.tensors import leaf, pulled_back


class TracingBackend(ReferenceBackend):
    """As JAX is to core: compiled per shape, so that blocks are padded, steps kept and split."""

    name = "tracing"
    static_shapes = True
    traces = True
    splits = True
    prefers = "points"

    def halves(self, run, want):
        def first(a):
            k, leaves = a.points[0].shape[0] if a.points else 1, []

            def tap(z):
                new = [leaf(t) for t in z]
                leaves.extend(new)
                return new

            values = run(self._rows(a, k), tap)

            def pull(cotangents, weights):
                given = [(v, c) for v, c in zip(values, cotangents, strict=True) if c is not None]
                sums = [xp.sum(v * xp.reshape(c, v.shape)) for v, c in given]
                gradients = pulled_back(xp.stack(sums), leaves) if sums else [None] * len(leaves)
                tensors = [None if g is None else Tensor(g) for g in gradients]
                return self.combined(tensors, weights, want)

            seen = [self.split_points(Tensor(t.data), k) for t in leaves]
            return Halves([Tensor(t.data) for t in values], seen, pull)

        return first


BACKEND = TracingBackend()
register_reference()  # whose tensors it has


class TracingWrapper(ReferenceWrapper):
    backend = BACKEND


register_backend(
    BackendDescription(
        name="tracing",
        claims=lambda model: False,
        load=lambda: LoadedBackend(BACKEND, TracingWrapper),
        options=("logit_layer", "batched"),
    )
)


class TestTracing(Reference, Conformance):
    backend_name = "tracing"
    expected_failures: ClassVar = {
        "test_backends_are_told_from_wrappers_and_tensors": "its tensors are the reference's",
    }
