"""The models of the zoo in PyTorch."""

import math

import torch
from torch import nn


class Sum(nn.Module):
    def forward(self, a, b):
        return a + b


class Counting(nn.Module):
    """Counts its calls, in evaluation mode too."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        self.count += 1
        return x


class Narrow(nn.Linear):
    """Of float32, whatever the model is."""

    def forward(self, x):
        return super().forward(x.float())


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
    "relu_": lambda: nn.ReLU(inplace=True),
    "dropout": nn.Dropout,
    "counting": Counting,
    "narrow": Narrow,
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
    "wide": torch.Tensor.double,
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
        def call(name, operands, **keywords):
            layer = name in self.architecture.layers
            return (getattr(self, name) if layer else OPERATIONS[name])(*operands, **keywords)

        return self.architecture.run(args, kwargs, call)


class Block(Zoo):
    """Layers inside of a layer."""

    def forward(self, *args, **kwargs):
        return self.evaluate(*args, **kwargs)


LAYERS["block"] = Block


def build(architecture, dtype="float64"):
    """The model, in training mode, as a user may have left it."""

    def forward(self, *args, **kwargs):
        return self.evaluate(*args, **kwargs)

    forward.__signature__ = architecture.signature()
    kind = type(architecture.name, (Zoo,), {"forward": forward})
    model = kind(architecture).to(getattr(torch, dtype))
    for layer in model.modules():
        if isinstance(layer, nn.RNN):
            nn.init.zeros_(layer.bias_hh_l0)
        if isinstance(layer, Narrow):
            layer.float()
    state = model.state_dict()
    for full, values in architecture.weights().items():
        name, _, weight = full.rpartition(".")
        kind = kind_of(architecture, name)
        weight = NAMES.get((kind, weight), NAMES.get(weight, weight))
        state[f"{name}.{weight}"].copy_(torch.from_numpy(values))
    model.load_state_dict(state)
    return model.train()


def kind_of(architecture, path):
    """The kind of a layer, maybe inside of others."""
    name, _, rest = path.partition(".")
    kind, *sizes = architecture.layers[name]
    return kind_of(sizes[0], rest) if rest else kind
