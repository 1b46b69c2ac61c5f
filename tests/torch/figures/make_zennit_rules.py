"""Writes zennit_rules.json: attributions by zennit 0.5.1, which is not installed with the tests.

    pip install --no-deps --target FOLDER zennit==0.5.1
    PYTHONPATH=FOLDER python make_zennit_rules.py

zennit imports torchvision, which it needs for canonizers that are not used here: a stub stands for
it. Weights and inputs are `network` and `images` of this file, drawn by NumPy.
"""

import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
from torch import nn

NAMES = ("epsilon_plus", "epsilon_plus_flat", "epsilon_gamma_box", "alpha2_beta1")
LOW, HIGH = -3.0, 3.0


def network():
    """Convolutions, max and average pooling, two linear layers; of modules alone."""
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 6),
        nn.ReLU(),
        nn.Linear(6, 3),
    ).double()
    random = np.random.default_rng(20)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.from_numpy(random.standard_normal(p.shape) / 2))
    return model.eval()


def images():
    """Two of them."""
    return torch.from_numpy(np.random.default_rng(21).uniform(-2, 2, (2, 2, 8, 8)))


def stubbed():
    """Modules that stand for torchvision."""
    for name in ("torchvision", "torchvision.models", "torchvision.models.vgg"):
        sys.modules[name] = types.ModuleType(name)
    resnet = types.ModuleType("torchvision.models.resnet")
    resnet.Bottleneck = resnet.BasicBlock = type("Block", (), {})
    sys.modules["torchvision.models.resnet"] = resnet
    sys.modules["torchvision"].models = sys.modules["torchvision.models"]
    sys.modules["torchvision.models"].resnet = resnet


def attributions():
    """By zennit's composites, of class 1; biases are part of the rules, as in its defaults."""
    from zennit import composites
    from zennit.attribution import Gradient

    given = {
        "epsilon_plus": composites.EpsilonPlus(),
        "epsilon_plus_flat": composites.EpsilonPlusFlat(),
        "epsilon_gamma_box": composites.EpsilonGammaBox(low=LOW, high=HIGH),
        "alpha2_beta1": composites.EpsilonAlpha2Beta1(),
    }
    model, x = network(), images()
    target = torch.zeros(2, 3, dtype=torch.float64)
    for name, composite in given.items():
        with Gradient(model=model, composite=composite) as attributor:
            start = model(x).detach()
            seed = torch.zeros_like(target)
            seed[:, 1] = start[:, 1]
            yield name, attributor(x.clone(), seed)[1].tolist()


if __name__ == "__main__":
    stubbed()
    path = Path(__file__).with_name("zennit_rules.json")
    path.write_text(json.dumps(dict(attributions())))
