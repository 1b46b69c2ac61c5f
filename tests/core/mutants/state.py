"""Defects of modes, hooks and state."""

import contextlib
import functools
import importlib
import runpy
from pathlib import Path
from unittest import mock

import numpy as np

from trulens_core.testing import ReferenceModel

BASE = runpy.run_path(str(Path(__file__).with_name("defects.py")))
Defect, neglects = BASE["Defect"], BASE["neglects"]
DEFECTS = BASE["DEFECTS"]


@neglects("evaluation mode", "test_evaluation_mode", r"the output in evaluation mode: relative")
class NeverEvaluates(Defect):
    """The model is explained in the mode that it is in."""

    class Wrapper:
        def __init__(self, model, **options):
            super().__init__(model, **options)
            self.force_eval = False

        def opened(self, inputs, at):
            reference = isinstance(self.model, ReferenceModel)
            return contextlib.nullcontext() if reference else super().opened(inputs, at)


@neglects(
    "eval restored",
    "test_modes_state_and_generators_are_put_back",
    r"a call left changed: .*(training \(True before, False after\)|modes \(\[True)",
)
class EvalLeft(Defect):
    """The model is left in evaluation mode."""

    class Wrapper:
        @contextlib.contextmanager
        def opened(self, inputs, at):
            with super().opened(inputs, at):
                yield
            set_mode = getattr(
                self.model, "train", lambda mode: vars(self.model).update(training=mode)
            )
            set_mode(False)


@neglects(
    "hooks removed, also after errors",
    "test_after_an_error[quantity-FailedError]",
    r"a call left changed: .*(opened \(None before|hooks \(\[0)",
)
class LeftBehind(Defect):
    """After an error the model is not put back."""

    class Wrapper:
        @contextlib.contextmanager
        def opened(self, inputs, at):
            if hasattr(self.model, "register_forward_hook"):
                remove = self.model.register_forward_hook(lambda *_: None).remove
            else:
                self.model.weights["opened"] = np.ones(1)
                remove = functools.partial(self.model.weights.pop, "opened")
            with super().opened(inputs, at):
                yield
            remove()


@neglects(
    "random state restored",
    "test_modes_state_and_generators_are_put_back",
    r"a call left changed: .*random",
)
class DrawsNumbers(Defect):
    """Every call draws from the caller's generator."""

    class Wrapper:
        def opened(self, inputs, at):
            if isinstance(self.model, ReferenceModel):
                self.model.random.random()
            else:
                importlib.import_module("torch").rand(1)
            return super().opened(inputs, at)


@neglects(
    "buffers restored",
    "test_modes_state_and_generators_are_put_back",
    r"a call left changed: .*count",
)
class BuffersWritten(Defect):
    """What the model writes in a call stays."""

    class Wrapper:
        @contextlib.contextmanager
        def opened(self, inputs, at):
            if not isinstance(self.model, ReferenceModel):
                nothing = mock.patch("trulens_torch.state._steps", return_value=[])
                with nothing, super().opened(inputs, at):
                    yield
                return
            with super().opened(inputs, at):
                yield
                written = {n: w.copy() for n, w in self.model.weights.items()}
            self.model.weights.update(written)
