"""The reference backend with one defect at a time, as harnesses of the conformance suite.

As a script it runs the suite for several of them, each in a process forked from this one:

    python mutants.py FOLDER MUTANT EXPRESSION MUTANT EXPRESSION ...
"""

import contextlib
import dataclasses
import os
import sys
import types
from pathlib import Path

import numpy as np
import optree
import pytest

from trulens_core import register_backend
from trulens_core.backends import Backend
from trulens_core.plugins import BackendDescription, LoadedBackend
from trulens_core.testing import ReferenceBackend, ReferenceModel
from trulens_core.testing.conformance import Harness
from trulens_core.testing.reference import ReferenceWrapper, Tensor
from trulens_core.testing.reference import namespace as xp
from trulens_core.trees import Tree


class Sound(Harness):
    """No defect."""

    backend_name = "mutant"
    backend_class = ReferenceBackend
    wrapper_class = ReferenceWrapper

    @classmethod
    def register(cls):
        backend = type("Mutant", (cls.backend_class,), {"name": "mutant"})()
        wrapper = type("Wrapper", (cls.wrapper_class,), {"backend": backend})
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

    def build(self, architecture, dtype):
        self.register()
        model = ReferenceModel(architecture, dtype)
        model.training = True
        return model

    def state(self, model):
        return {**model.weights, "training": model.training}


Sound.register()


# -- those that every kit must find ---------------------------------------------------------------


class GradientScaled(Sound):
    """Gradients twice as large."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def differentiate(self, run):
            found = super().differentiate(run)
            scaled = [[None if g is None else g * 2.0 for g in gs] for gs in found.gradients]
            return found._replace(gradients=scaled)


class BatchMixed(Sound):
    """A record's gradient has a little of that of the one before it."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def differentiate(self, run):
            def mixed(g):
                return g if g is None else Tensor(g.data + 1e-6 * np.roll(g.data, 1, axis=0))

            found = super().differentiate(run)
            return found._replace(gradients=[list(map(mixed, gs)) for gs in found.gradients])


class SecondCallIgnored(Sound):
    """What is put in at the second call of a layer is ignored."""

    class wrapper_class(ReferenceWrapper):  # noqa: N801
        def forward(self, inputs, *, replace, tap, want):
            kept = {c: v for c, v in replace.items() if getattr(c, "call", None) != 1}
            return super().forward(inputs, replace=kept, tap=tap, want=want)


class SecondEvaluationIgnored(Sound):
    """What is put in at a cut is ignored when the cut is replaced for the second time."""

    class wrapper_class(ReferenceWrapper):  # noqa: N801
        def forward(self, inputs, *, replace, tap, want):
            first = vars(self).setdefault("first", {})
            kept = {c: first.setdefault(c, v) for c, v in replace.items()}
            same = all(
                a.shape == b.shape for c in kept for a, b in zip(kept[c], replace[c], strict=True)
            )
            return super().forward(inputs, replace=kept if same else replace, tap=tap, want=want)


class EvalLeft(Sound):
    """The model is set to evaluation mode, and left there."""

    class wrapper_class(ReferenceWrapper):  # noqa: N801
        @contextlib.contextmanager
        def opened(self, inputs, at):
            self.model.training = False
            yield


class LastOfTies(Sound):
    """The last of several largest."""

    class backend_class(ReferenceBackend):  # noqa: N801
        xp = types.SimpleNamespace(**vars(xp))

    @staticmethod
    def _argmax(x, /, *, axis, keepdims=False):
        flipped = np.flip(x.data, axis)
        return Tensor(x.shape[axis] - 1 - np.argmax(flipped, axis=axis, keepdims=keepdims))

    backend_class.xp.argmax = _argmax


class DtypeWidened(Sound):
    """Tensors are of float64 whatever the arrays are."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def from_numpy(self, a, like=None):
            wide = a.astype("float64") if a.dtype.kind == "f" else a
            return super().from_numpy(wide, like)


# -- more -----------------------------------------------------------------------------------------


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


class OthersHeldFixed(Sound):
    """The gradient at a layer of a cut is that with the values at its other layers held fixed."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def differentiate(self, run):
            def held(tap):
                return lambda z: tap([self.stop_gradient(t) for t in z])

            return super().differentiate(lambda tap: run(held(tap)))


class KeysSorted(Sound):
    """Dicts come apart in the order of the alphabet."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def flatten(self, value):
            leaves, spec = optree.tree_flatten(value, none_is_leaf=True)
            return Tree(leaves, spec, spec.unflatten)


class NothingPulled(Sound):
    """`through` changes nothing of a cotangent."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def through(self, x, pull, *held):
            return x


class EachUserPulled(Sound):
    """`through` pulls what comes from each user of its result, before the sum."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def through(self, x, pull, *held):
            def once():
                return ReferenceBackend.through(self, x, pull, *held)

            class PerUser(Tensor):
                def __mul__(self, other):
                    return once() * other

            same = once()
            return PerUser(same.data, *same.sources)


class WeightsIgnored(Sound):
    """Points all weigh the same."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def weighted_sum(self, x, weights):
            return ReferenceBackend.weighted_sum(
                self, x, Tensor(np.full_like(weights.data, weights.data.mean()))
            )


class SumsNarrow(Sound):
    """Gradients are added up in float32, whatever the model is."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def accumulator(self, x):
            wide = ReferenceBackend.accumulator(self, x)
            return xp.astype(xp.astype(wide, np.float32), wide.dtype)


class QuantitiesTurned(Sound):
    """The gradients of several quantities come in the order of the backward pass."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def differentiate_each(self, run, each):
            found = super().differentiate_each(run, each)
            return found._replace(gradients=found.gradients[::-1])


class AllButTheFirstLost(Sound):
    """What is done with each quantity's gradients is done with those of the first."""

    class backend_class(ReferenceBackend):  # noqa: N801
        def differentiate_each(self, run, each):
            whole = super().differentiate_each(run, list)
            if each is list:
                return whole
            return whole._replace(gradients=[each(whole.gradients[0]) for _ in whole.gradients])


class CapturedBefore(Sound):
    """A value is captured before what takes its place does so."""

    class wrapper_class(ReferenceWrapper):  # noqa: N801
        def forward(self, inputs, *, replace, tap, want):
            there = [cut for cut in want if cut in replace]
            found = super().forward(inputs, replace=replace, tap=tap, want=want)
            if not there or inputs.rows_at_cut != inputs.n_rows:
                return found
            before = super().forward(inputs, replace={}, tap={}, want=there)
            old = dict(zip(there, before, strict=True))
            return [old.get(cut, values) for cut, values in zip(want, found, strict=True)]


class NoThrough(Sound):
    """A backend of 0.1, which is none of the defects."""

    class backend_class(ReferenceBackend):  # noqa: N801
        through = Backend.through


def run(folder, name, expression):
    """Run the chosen tests of a mutant; what they print goes to a file, the exit code first."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    with (folder / name).open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        plugin = ("-p", "trulens_core.testing.plugin", "--trulens-backend", "mutant")
        options = ("-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist")
        harness = ("--trulens-harness", f"{__file__}:{name}")
        imported = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # by this process
        code = pytest.main([*plugin, *harness, *options, *imported, "-k", expression])
        os.write(1, f"exit code {int(code)}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    into, *asked = sys.argv[1:]
    for each in zip(asked[::2], asked[1::2], strict=True):
        run(Path(into), *each)
