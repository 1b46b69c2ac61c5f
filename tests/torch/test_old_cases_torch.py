"""Code for the old library, on PyTorch."""

import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

OLD = runpy.run_path(str(Path(__file__).parents[1] / "old_cases.py"))  # tests are no package
W, V = (torch.as_tensor(OLD[name]) for name in "WV")


class Layer(nn.Module):
    def __init__(self, function, weight=None):
        super().__init__()
        self.function = function
        self.weight = None if weight is None else nn.Parameter(weight)

    def forward(self, x):
        return self.function(x, *([] if self.weight is None else [self.weight]))


class Square(nn.Module):
    def __init__(self):
        super().__init__()
        self.h, self.sq, self.y = (
            Layer(torch.matmul, W),
            Layer(torch.square),
            Layer(torch.matmul, V),
        )

    def forward(self, x):
        return self.y(self.sq(self.h(x)))


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.p, self.q = Layer(torch.matmul, W), Layer(torch.matmul, W)

    def forward(self, x, z):
        return self.p(x) * self.q(z)


class Module(OLD["Kind"]):
    spellings = ("PYTORCH", "Torch", "torch")

    def build(self, network):
        return {"square": Square, "pair": Pair}[network](), {}


@pytest.fixture(scope="module")
def kind():
    return Module()


class TestOldCases(OLD["OldCases"]):
    pass
