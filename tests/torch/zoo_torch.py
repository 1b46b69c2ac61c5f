"""The models of the zoo in PyTorch."""

import math

import torch
from torch import nn


class Sum(nn.Module):
    def forward(self, a, b):
        return a + b


LAYERS = {
    "dense": nn.Linear,
    "conv": lambda i, o, k: nn.Conv2d(i, o, k, padding="same"),
    "batch_norm": nn.BatchNorm2d,
    "layer_norm": nn.LayerNorm,
    "embedding": nn.Embedding,
    "rnn": lambda i, h: nn.RNN(i, h, batch_first=True),
    "max_pool": lambda: nn.MaxPool2d(2),
    "avg_pool": lambda: nn.AvgPool2d(2),
    "flatten": nn.Flatten,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "sum": Sum,
}
OPERATIONS = {
    "add": torch.add,
    "multiply": torch.mul,
    "mean": lambda x: x.mean(1),
    "image_mean": lambda x: x.mean((2, 3)),
    "masked_mean": lambda x, m: (x * m[:, :, None]).sum(1) / m.sum(1, keepdim=True),
    "swap": lambda x: x.transpose(0, 1),
    "attend": lambda q, k, v: torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1) @ v,
    "first": lambda parts: parts[0],
    "softmax": lambda x: torch.softmax(x, 1),
}
NAMES = {
    "mean": "running_mean",
    "variance": "running_var",
    ("rnn", "weight"): "weight_ih_l0",
    ("rnn", "recurrent"): "weight_hh_l0",
    ("rnn", "bias"): "bias_ih_l0",
}


class Zoo(nn.Module):
    """A model of the zoo."""

    def __init__(self, architecture):
        super().__init__()
        self.architecture = architecture
        for name, (kind, *sizes) in architecture.layers.items():
            setattr(self, name, LAYERS[kind](*sizes))

    def evaluate(self, *args, **kwargs):
        def call(name, operands):
            layer = name in self.architecture.layers
            return (getattr(self, name) if layer else OPERATIONS[name])(*operands)

        return self.architecture.run(args, kwargs, call)


def build(architecture, dtype="float64"):
    """The model, in training mode, as a user may have left it."""

    def forward(self, *args, **kwargs):
        return self.evaluate(*args, **kwargs)

    forward.__signature__ = architecture.signature()
    kind = type(architecture.name, (Zoo,), {"forward": forward})
    model = kind(architecture).to(getattr(torch, dtype))
    for layer in model.children():
        if isinstance(layer, nn.RNN):
            nn.init.zeros_(layer.bias_hh_l0)
    state = model.state_dict()
    for full, values in architecture.weights().items():
        name, _, weight = full.partition(".")
        kind = architecture.layers[name][0]
        weight = NAMES.get((kind, weight), NAMES.get(weight, weight))
        state[f"{name}.{weight}"].copy_(torch.from_numpy(values))
    model.load_state_dict(state)
    return model.train()
