"""A module of MLX seen through its cuts."""

import inspect

import mlx.nn as nn
from mlx.utils import tree_flatten

from trulens_core import ModelWrapper
from trulens_core.models import Layer
from trulens_core.passes import Pass, Shadows
from trulens_mlx.backend import BACKEND

SHADOWS = Shadows(nn.Module)


class MlxWrapper(ModelWrapper):
    """An `mlx.nn.Module`; its layers are its modules, by the names of its parameters."""

    backend = BACKEND

    def __init__(self, model, **options):
        super().__init__(model, **options)
        self.parameters = tuple(inspect.signature(model.__call__).parameters)

    def layers(self):
        """The modules by name."""
        return [Layer(n, type(m).__name__) for n, m in SHADOWS.layers(self.model).items()]

    def floating_weights(self):
        """One weight of each floating type."""
        types = {w.dtype: w for _, w in reversed(tree_flatten(self.model.parameters()))}
        return (w for w in reversed(types.values()) if BACKEND.is_floating(w))

    def like(self):
        """The first weight."""
        return next(self.floating_weights(), None)

    def forward(self, inputs, *, replace, tap, want):
        """Evaluate the model's shadow, in evaluation mode."""
        p = Pass(self, replace=replace, tap=tap, want=want)
        inputs = p.enter(inputs)
        model = SHADOWS.of(self.model, p).eval()
        return p.leave(model(*inputs.args, **inputs.kwargs))
