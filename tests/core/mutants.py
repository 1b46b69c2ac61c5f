"""The reference backend with one defect at a time, as harnesses of the conformance suite."""

import contextlib
import dataclasses
import types

import numpy as np

from trulens_core import register_backend
from trulens_core.plugins import BackendDescription, LoadedBackend
from trulens_core.testing import ReferenceBackend, ReferenceModel
from trulens_core.testing.conformance import Harness
from trulens_core.testing.reference import ReferenceWrapper, Tensor
from trulens_core.testing.reference import namespace as xp


class Sound(Harness):
    """No defect."""

    backend_name = "mutant"
    backend_class = ReferenceBackend
    wrapper_class = ReferenceWrapper

    def build(self, architecture, dtype):
        backend = type("Mutant", (self.backend_class,), {"name": "mutant"})()
        wrapper = type("Wrapper", (self.wrapper_class,), {"backend": backend})
        register_backend(
            BackendDescription(
                name="mutant",
                claims=lambda model: isinstance(model, ReferenceModel),
                claims_tensor=backend.is_tensor,
                load=lambda: LoadedBackend(backend, wrapper),
                options=("logit_layer", "batched"),
                before=("reference",),
            )
        )
        return ReferenceModel(architecture, dtype)

    def state(self, model):
        return model.weights


class SilentZeros(Sound):
    """Zeros where nothing is connected."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def differentiate(self, run):
            found = super().differentiate(run)
            zeros = [Tensor(np.zeros_like(t.data)) for t in found.activations]
            filled = [
                [z if g is None else g for g, z in zip(gs, zeros, strict=True)]
                for gs in found.gradients
            ]
            return found._replace(gradients=filled)


class LastOfTies(Sound):
    """The last of several largest."""

    class backend_class(ReferenceBackend):  # noqa: N801
        xp = types.SimpleNamespace(**vars(xp))

    @staticmethod
    def _argmax(x, /, *, axis, keepdims=False):
        flipped = np.flip(x.data, axis)
        return Tensor(x.shape[axis] - 1 - np.argmax(flipped, axis=axis, keepdims=keepdims))

    backend_class.xp.argmax = _argmax


class RecordByRecord(Sound):
    """Rows laid out record by record, not point by point."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def repeat(self, x, k):
            return Tensor(np.repeat(x.data, k, axis=0))


class FirstCall(Sound):
    """Whatever call is meant, the first."""

    class wrapper_class(ReferenceWrapper):  # noqa: N801
        def forward(self, inputs, *, replace, tap, want):
            def first(cut):
                return cut if cut.call is None else dataclasses.replace(cut, call=0)

            return super().forward(
                inputs,
                replace={first(c): v for c, v in replace.items()},
                tap={first(c): t for c, t in tap.items()},
                want=[first(c) for c in want],
            )


class LeftBehind(Sound):
    """After an error the model is not put back."""

    class wrapper_class(ReferenceWrapper):  # noqa: N801
        @contextlib.contextmanager
        def opened(self, inputs, at):
            self.model.weights["opened"] = np.ones(1)
            yield
            del self.model.weights["opened"]


class LessExact(Sound):
    """Everything through float32."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def from_numpy(self, a, like=None):
            narrow = a.astype("float32").astype(a.dtype) if a.dtype.kind == "f" else a
            return super().from_numpy(narrow, like)
