"""Models as named layers."""

import autograd.numpy as anp


class Sequential:
    """Layers by name, called one after the other.

    A subclass with another order overrides `forward` and calls its layers with `call`.

    Args:
        layers: functions of arrays, by name.
        dtype: of the weights that these functions use.

    Attributes:
        parameters: the names of the arguments, in order.
    """

    parameters = ("x",)

    def __init__(self, layers, dtype="float64"):
        self.layers = dict(layers)
        self.dtype = anp.dtype(dtype)

    def __call__(self, *args, **kwargs):
        """The output."""
        return self.forward(self._plain, *args, **kwargs)

    def _plain(self, name, *operands):
        return self.layers[name](*operands)

    def forward(self, call, x):
        """The output, by way of `call(name, *operands)` for each layer."""
        for name in self.layers:
            x = call(name, x)
        return x
