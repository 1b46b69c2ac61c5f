"""The networks of the PyTorch benchmarks: sequences of named parts, to be cut by hand."""

from collections import OrderedDict

import torch
from torch import nn


class Block(nn.Module):
    """Two convolutions and a shortcut, ReLUs in place."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(o), nn.BatchNorm2d(o)
        self.conv2, self.relu = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.ReLU(inplace=True)
        down = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))
        self.downsample = None if (i, stride) == (o, 1) else down

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += shortcut
        return self.relu(y)


def resnet(c=64):
    """ResNet-18."""

    def stage(i, o, stride):
        return nn.Sequential(Block(i, o, stride), Block(o, o, 1))

    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, c, 7, 2, 3, bias=False),
            bn1=nn.BatchNorm2d(c),
            relu=nn.ReLU(inplace=True),
            maxpool=nn.MaxPool2d(3, 2, 1),
            layer1=stage(c, c, 1),
            layer2=stage(c, 2 * c, 2),
            layer3=stage(2 * c, 4 * c, 2),
            layer4=stage(4 * c, 8 * c, 2),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(8 * c, 10),
        )
    )


def mlp(width=64):
    """Three dense layers."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            hidden=nn.Linear(64, width),
            relu1=nn.ReLU(),
            second=nn.Linear(width, width),
            relu2=nn.ReLU(),
            logits=nn.Linear(width, 10),
        )
    )


def cnn(width=32):
    """Four convolutions, for 32 × 32 images."""

    def part(i, o):
        return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())

    return nn.Sequential(
        OrderedDict(
            block1=part(3, width),
            block2=part(width, width),
            pool=nn.MaxPool2d(2),
            block3=part(width, 2 * width),
            block4=part(2 * width, 2 * width),
            mean=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            logits=nn.Linear(2 * width, 10),
        )
    )


class Mean(nn.Module):
    """The mean over time."""

    def forward(self, x):
        return x.mean(1)


def transformer(width=256):
    """A transformer encoder with six layers."""
    options = {"dim_feedforward": 4 * width, "batch_first": True}
    layers = [nn.TransformerEncoderLayer(width, 4, **options) for _ in range(6)]
    return nn.Sequential(
        OrderedDict(
            embed=nn.Linear(8, width),
            layers=nn.Sequential(*layers),
            mean=Mean(),
            head=nn.Linear(width, 10),
        )
    )


class Last(nn.Module):
    """The last step of a recurrent layer's output."""

    def forward(self, x):
        return x[0][:, -1]


def lstm(width=128):
    """Two recurrent layers."""
    return nn.Sequential(
        OrderedDict(
            lstm=nn.LSTM(16, width, num_layers=2, batch_first=True),
            last=Last(),
            logits=nn.Linear(width, 10),
        )
    )


def halves(model, cut):
    """What comes up to the part called `cut`, and what comes after it."""
    first, _, rest = cut.partition(".")
    names = list(dict(model.named_children()))
    i = names.index(first)
    before, after = list(model[:i]), list(model[i + 1 :])
    if rest:
        inner, outer = halves(model[i], rest)
        return nn.Sequential(*before, *inner), nn.Sequential(*outer, *after)
    return nn.Sequential(*before, model[i]), nn.Sequential(*after)


def built(make, *args):
    """A network whose weights are always the same, ready to be explained.

    Random inputs made after it are always the same, too.
    """
    torch.manual_seed(0)
    torch.backends.mha.set_fastpath_enabled(False)  # or loops by hand compute something else
    return make(*args).eval()
