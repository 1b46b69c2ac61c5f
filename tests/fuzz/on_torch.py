"""Networks in PyTorch, and its plain autograd."""

import copy
import runpy
from pathlib import Path

import numpy as np
import torch
from networks import Abilities
from plain_runs import put_together, run
from torch import nn
from torch.nn import functional

from trulens_core import get_model_wrapper

_TRACES = runpy.run_path(str(Path(__file__).parents[1] / "torch" / "traces.py"))

ACTIVATIONS = {
    "relu": (nn.ReLU, functional.relu),
    "leaky_relu": (nn.LeakyReLU, functional.leaky_relu),
    "elu": (nn.ELU, functional.elu),
    "selu": (nn.SELU, functional.selu),
    "celu": (nn.CELU, functional.celu),
    "gelu": (nn.GELU, functional.gelu),
    "silu": (nn.SiLU, functional.silu),
    "mish": (nn.Mish, functional.mish),
    "softplus": (nn.Softplus, functional.softplus),
    "softsign": (nn.Softsign, functional.softsign),
    "tanh": (nn.Tanh, torch.tanh),
    "sigmoid": (nn.Sigmoid, torch.sigmoid),
    "logsigmoid": (nn.LogSigmoid, functional.logsigmoid),
    "hardtanh": (nn.Hardtanh, functional.hardtanh),
    "hardswish": (nn.Hardswish, functional.hardswish),
    "hardsigmoid": (nn.Hardsigmoid, functional.hardsigmoid),
    "relu6": (nn.ReLU6, functional.relu6),
    "tanhshrink": (nn.Tanhshrink, functional.tanhshrink),
    "prelu": (nn.PReLU, lambda x: functional.prelu(x, x.new_full((1,), 0.2))),
}
LAYERS = {
    "linear": lambda i, o: nn.Linear(i, o),
    "conv1d": lambda i, o, k: nn.Conv1d(i, o, k, padding=k // 2),
    "conv2d": lambda i, o, k, stride=1: nn.Conv2d(i, o, k, stride, padding=k // 2),
    "batch_norm": lambda c, rank, groups: (nn.BatchNorm2d if rank == 3 else nn.BatchNorm1d)(c),
    "layer_norm": lambda c, rank, groups: nn.LayerNorm(c),
    "group_norm": lambda c, rank, groups: nn.GroupNorm(groups, c),
    "dropout": lambda p: nn.Dropout(p),
    "embedding": lambda n, d: nn.Embedding(n, d),
    "attention": lambda d, heads: nn.MultiheadAttention(d, heads, batch_first=True),
    "gru": lambda i, h: nn.GRU(i, h, batch_first=True),
    "lstm": lambda i, h: nn.LSTM(i, h, batch_first=True),
    "max_pool": lambda: nn.MaxPool2d(2),
    "avg_pool": lambda: nn.AvgPool2d(2),
    "max_pool1d": lambda: nn.MaxPool1d(2),
    "flatten": lambda: nn.Flatten(),
    "act": lambda act, over: _module(*ACTIVATIONS[act], over),
}


def _module(kind, function, over):
    return kind(inplace=True) if over else kind()


def _masked_mean(x, mask):
    m = mask.to(x.dtype)[..., None]
    return (x * m).sum(1) / (m.sum(1) + 1.0)


def _attend(q, k, v):
    return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1) @ v


FUNCTIONS = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "gate": lambda a, b: a * torch.sigmoid(b),
    "concat": lambda a, b: torch.cat([a, b], 1 if a.ndim != 3 else -1),
    "attend": _attend,
    "first": lambda pair: pair[0],
    "swap": lambda x: x.transpose(1, 2),
    "mean": lambda x: x.mean(1),
    "mean_img": lambda x: x.mean((2, 3)),
    "masked_mean": _masked_mean,
    "flatten": lambda x: x.flatten(1),
    "centre": lambda x: x - x.mean(0, keepdim=True),
    "max_pool": lambda x: functional.max_pool2d(x, 2),
    "avg_pool": lambda x: functional.avg_pool2d(x, 2),
    "max_pool1d": lambda x: functional.max_pool1d(x, 2),
}
OVER = {"relu": torch.relu_, "elu": functional.elu_, "hardtanh": functional.hardtanh_}


def function(node, args, overwrite):
    """The value of a node that is no layer."""
    over = overwrite and node.sizes.get("over", False)
    if node.kind == "scale":
        return args[0].mul_(node.sizes["by"]) if over else args[0] * node.sizes["by"]
    if node.kind == "act":
        kind = node.sizes["act"]
        if over:
            return OVER[kind](args[0]) if kind in OVER else functional.silu(args[0], inplace=True)
        return ACTIVATIONS[kind][1](args[0])
    if over and node.kind == "add":
        args[0].add_(args[1])
        return args[0]
    return FUNCTIONS[node.kind](*args)


class Nodes(nn.Module):
    """Nodes as a module: the network, or a block of it. It says how many rows it saw."""

    def __init__(self, nodes, log):
        super().__init__()
        self.nodes = nodes
        self.log = log
        for node in nodes:
            if node.layer and not hasattr(self, node.layer):
                setattr(self, node.layer, layer(node, log))

    def through(self, env):
        for node in self.nodes:
            args = [env[n] for n in node.inputs]
            if node.layer:
                self.log.saw(node.layer, args[0])
                env[node.name] = getattr(self, node.layer)(*args)
            else:
                env[node.name] = function(node, args, overwrite=True)
        return env

    def forward(self, x):
        return self.through({"x": x})[self.nodes[-1].name]


class Whole(Nodes):
    """The network, whose arguments have the names of the description."""

    def __init__(self, network, log):
        super().__init__(network.nodes, log)
        self.network = network

    def evaluate(self, **env):
        self.log.new()
        return put_together(self.network, self.through(env))


def layer(node, log):
    if node.kind == "block":
        if node.sizes.get("chain"):
            return nn.Sequential(*[layer(n, log) for n in node.body])
        return Nodes(node.body, log)
    return LAYERS[node.kind](**node.sizes)


class Log(list):
    """What layers saw, pass by pass: whether it is differentiated, and rows by layer."""

    def new(self):
        self.append((torch.is_grad_enabled(), {}))

    def saw(self, name, x):
        if self:
            self[-1][1].setdefault(name, len(x))

    def __deepcopy__(self, memo):
        return self


class Torch:
    """The framework, for the fuzzer."""

    name, channels_last = "torch", False
    anchors = ("in", "out")
    abilities = Abilities(tuple(ACTIVATIONS), frozenset({*LAYERS, "sequential"}), overwrites=True)

    def __init__(self, network, rng, dtype):
        self.network, self.log = network, Log()
        self.dtype = getattr(torch, dtype)
        # forward's arguments have the description's names
        names = [a.name for a in network.arguments]
        held = {}
        given = ", ".join(f"{n}={n}" for n in names)
        exec(f"def forward(self, {', '.join(names)}): return self.evaluate({given})", held)
        kind = type("Net", (Whole,), {"forward": held["forward"]})
        with torch.random.fork_rng():
            torch.manual_seed(int(rng.integers(2**31)))
            self.model = kind(network, self.log).to(self.dtype)
        self._fill(rng)
        self.model.train(bool(rng.random() < 0.5))
        for module in self.model.modules():
            if isinstance(module, nn.RNNBase):
                module._update_flat_weights()  # as its first pass does
        self.twin = copy.deepcopy(self.model).eval()

    def _fill(self, rng):
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                n = module.num_features
                module.running_mean.copy_(torch.as_tensor(rng.normal(size=n)))
                module.running_var.copy_(torch.as_tensor(rng.uniform(0.5, 2, n)))
            if isinstance(module, nn.LayerNorm | nn.GroupNorm | nn.BatchNorm1d | nn.BatchNorm2d):
                for p in module.parameters():
                    p.data.add_(torch.as_tensor(rng.normal(size=tuple(p.shape)) * 0.3))

    def place(self, site):
        return site.name

    # -- the plain side ----------------------------------------------------------------------

    def call(self, node, path, args, kwargs):
        if node.layer is None:
            return function(node, args, overwrite=False)
        held = self.twin.get_submodule(path + node.layer)
        return copies(held)(*args, **kwargs)

    def run(self, args, kwargs, visit):
        return run(self.network, args, kwargs, self.call, visit)

    def prepared(self, function):
        """`function(eps, *arrays)` gives scalars; the result gives their values and gradients."""

        def graded(eps, *given):
            tensors = [self.tensor(e).requires_grad_() for e in eps]
            values = function(tensors, *given)
            grads = []
            for i, v in enumerate(values):
                more = i + 1 < len(values)
                found = torch.autograd.grad(v, tensors, retain_graph=more, allow_unused=True)
                zeros = [torch.zeros_like(t) for t in tensors]
                both = zip(found, zeros, strict=True)
                grads.append([self.numpy(z if g is None else g) for g, z in both])
            return [float(v.detach()) for v in values], grads

        return graded

    def values(self, function, *given):
        with torch.no_grad():
            return function(*given)

    def wrapped(self, options):
        return get_model_wrapper(self.model, **options)

    @staticmethod
    def is_float(x):
        return isinstance(x, torch.Tensor) and x.is_floating_point()

    jitter = None

    def tensor(self, a):
        if isinstance(a, torch.Tensor):
            return a
        a = np.array(a)
        t = torch.as_tensor(self.jitter(a) if self.jitter and a.dtype.kind == "f" else a)
        return t.to(self.dtype) if t.is_floating_point() else t

    @staticmethod
    def numpy(t):
        return t.detach().numpy().copy()

    @staticmethod
    def numpy_of(x):
        return x.detach().numpy() if isinstance(x, torch.Tensor) else x

    def state(self):
        return _TRACES["of"](self.model)

    # -- functions of quantities -------------------------------------------------------------

    @staticmethod
    def sum(x, axis=None):
        return x.sum() if axis is None else x.sum(axis)

    @staticmethod
    def amax(x, axis):
        return x.max(axis).values

    sqrt, exp, sigmoid = (
        staticmethod(torch.sqrt),
        staticmethod(torch.exp),
        staticmethod(torch.sigmoid),
    )
    sign = staticmethod(lambda x: torch.sign(x.detach()))
    softmax = staticmethod(lambda x, axis: torch.softmax(x, axis))
    logsumexp = staticmethod(lambda x, axis: torch.logsumexp(x, axis, keepdim=True))
    moveaxis = staticmethod(torch.movedim)
    reshape = staticmethod(lambda x, shape: x.reshape(shape))
    stack = staticmethod(lambda xs: torch.stack(xs, 1))


def copies(module):
    """The module without overwriting its argument."""
    if getattr(module, "inplace", False):
        module = copy.copy(module)
        module.inplace = False
    return module
