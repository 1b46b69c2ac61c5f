"""How many function calls of Python one explanation makes, on PyTorch: what a fast device feels.

    python benchmarks/calls.py [CASE ...] [--profile N]

Counted by cProfile in a call after others of the same kind, so that what is done once is left out;
unlike a time, it is the same on every machine and under any load. `--profile` lists the N functions
in which most calls are made.
"""

import argparse
import cProfile
import pstats
import sys

import torch
import torch_models as nets

from trulens_core import (
    Ablation,
    Conductance,
    GradCAM,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    KernelSHAP,
    LinearDoi,
)

WARM = 4


def perceptron():
    """Three layers, as small as can be."""
    return nets.built(nets.mlp), torch.rand(1, 1, 8, 8)


def residual():
    """ResNet-18, of small images."""
    return nets.built(nets.resnet), torch.rand(1, 3, 32, 32)


def saliency(net):
    model, x = net()
    method = InputAttribution(model, multiply_activation=False)
    return lambda: method.attributions(x)


def integrated(net):
    model, x = net()
    method = IntegratedGradients(model, resolution=50, rebatch_size=50)
    return lambda: method.attributions(x)


def layer(net, cut, blocks):
    model, x = net()
    doi = LinearDoi(resolution=50, cut=cut, rule="midpoint")
    method = InternalInfluence(model, (cut, None), 0, doi, rebatch_size=50 // blocks)
    return lambda: method.attributions(x)


def conductance(net, cut):
    model, x = net()
    method = Conductance(model, cut, resolution=50, rebatch_size=10, qoi=0)
    return lambda: method.attributions(x)


def cam(net, cut):
    model, x = net()
    method = GradCAM(model, cut, qoi=0)
    return lambda: method.attributions(x)


def masks(kind, **options):
    model, x = perceptron()
    method = kind(model, qoi=1, **options)
    return lambda: method.attributions(x)


CASES = {
    "perceptron, saliency": lambda: saliency(perceptron),
    "perceptron, IG of 50": lambda: integrated(perceptron),
    "perceptron, layer IG in 1 block": lambda: layer(perceptron, "relu1", 1),
    "perceptron, layer IG in 5 blocks": lambda: layer(perceptron, "relu1", 5),
    "perceptron, ablation": lambda: masks(Ablation),
    "perceptron, KernelSHAP of 500": lambda: masks(KernelSHAP, samples=500),
    "ResNet-18, saliency": lambda: saliency(residual),
    "ResNet-18, IG of 50": lambda: integrated(residual),
    "ResNet-18, layer IG in 1 block": lambda: layer(residual, "layer4.0", 1),
    "ResNet-18, layer IG in 5 blocks": lambda: layer(residual, "layer4.0", 5),
    "ResNet-18, conductance in 5 blocks": lambda: conductance(residual, "layer4.0"),
    "ResNet-18, GradCAM": lambda: cam(residual, "layer4.1"),
}


def profiled(call):
    """The profile of one call, after others."""
    for _ in range(WARM):
        call()
    profile = cProfile.Profile()
    profile.enable()
    call()
    profile.disable()
    return pstats.Stats(profile)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a part of a case's name")
    parser.add_argument("--profile", type=int, default=0, metavar="N")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, make in CASES.items():
        if options.cases and not any(part in name for part in options.cases):
            continue
        stats = profiled(make())
        print(f"{name:36} {stats.total_calls:6,d} calls", flush=True)
        if options.profile:
            stats.sort_stats("ncalls").print_stats(options.profile)
    return 0


if __name__ == "__main__":
    sys.exit(main())
