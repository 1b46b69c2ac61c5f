"""What the conformance suite must know of this backend."""

import math

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive
from autograd.tracer import trace_stack

from trulens_autograd.backend import XP
from trulens_autograd.sequential import Sequential
from trulens_core.testing import conformance
from trulens_core.testing.zoo.functions import functions

erf = primitive(lambda x: np.vectorize(math.erf, otypes=[x.dtype])(x))
defvjp(erf, lambda _, x: lambda g: g * 2 / math.sqrt(math.pi) * anp.exp(-x * x))


class Zoo(Sequential):
    """A model of the zoo."""

    def __init__(self, architecture, dtype):
        self.weights = {n: w.astype(dtype) for n, w in architecture.weights().items()}
        layers, self.operations = functions(architecture, self.weights, XP, erf)
        super().__init__(layers, dtype)
        self.parameters, self.run = architecture.parameters, architecture.run

    def forward(self, call, *args, **kwargs):
        def evaluate(name, operands):
            if name in self.layers:
                return call(name, *operands)
            return self.operations[name](*operands)

        return self.run(args, kwargs, evaluate)


class Harness(conformance.Harness):
    """Its models, and all that a call must leave as it was."""

    backend_name = "autograd"

    def build(self, architecture, dtype):
        return Zoo(architecture, dtype)

    def state(self, model):
        return {**model.weights, "traces": trace_stack.top}
