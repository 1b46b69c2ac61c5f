"""A model of named layers seen through its cuts."""

import numpy as np
from trulens_autograd.backend import BACKEND

from trulens_core import ModelWrapper
from trulens_core.models import Layer
from trulens_core.passes import Pass


class AutogradWrapper(ModelWrapper):
    """A `Sequential`, or a subclass of it."""

    backend = BACKEND

    def __init__(self, model, **options):
        super().__init__(model, **options)
        self.parameters = model.parameters

    def layers(self):
        """The layers by name."""
        return [Layer(name, getattr(f, "__name__", "")) for name, f in self.model.layers.items()]

    def like(self):
        """An array of the weights' type."""
        return np.zeros((), self.model.dtype)

    def forward(self, inputs, *, replace, tap, want):
        """Evaluate the model, showing the pass what goes into and comes out of every layer."""
        p = Pass(self, replace=replace, tap=tap, want=want)

        def call(name, *operands):
            args, kwargs = p.at((name, "in"), (operands, {}))
            return p.at((name, "out"), self.model.layers[name](*args, **kwargs))

        inputs = p.enter(inputs)
        return p.leave(self.model.forward(call, *inputs.args, **inputs.kwargs))
