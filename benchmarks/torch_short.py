"""Where kernels are short, so that Python shows: small tensors on a CPU, or real ones on a GPU.

    python benchmarks/torch_short.py [--device cuda] [CASE ...] [--turns N]

Beside loops written by hand, and Captum where it is installed. On a CPU the tensors are so small
that arithmetic costs next to nothing: the ratios are about those of a GPU with real ones. On a GPU
the times are of work that is done, the memory is the device's, and `graphs` is ours with
`get_model_wrapper(model, graphs=True)`. Needs nothing but torch and this library.
"""

import argparse
import copy
import functools
import importlib.util
import os
import sys
import warnings

import measure
import torch
import torch_models as nets

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.testing import relative_error


def device():
    """The one that is asked for; the processes of cases are told it by their environment."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--device", default=os.environ.get("TRULENS_BENCH_DEVICE", "cpu"))
    options, sys.argv[1:] = parser.parse_known_args()
    os.environ["TRULENS_BENCH_DEVICE"] = options.device
    if options.device != "cpu" and not torch.cuda.is_available():
        sys.exit(
            f"There is no GPU that torch {torch.__version__} can use: run this where there is an "
            "NVIDIA GPU and a torch for CUDA, or with --device cpu, on tensors as small"
        )
    return torch.device(options.device)


DEVICE = device()
GPU = DEVICE.type == "cuda"
SIDE, WIDTH, LENGTH = (224, 512, 128) if GPU else (32, 32, 16)
POINTS, CLASS = 50, 3
attr = None
if importlib.util.find_spec("captum"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports what is deprecated
        from captum import attr


def done(way):
    """A way whose time is that of work that is done."""

    @functools.wraps(way)
    def waited():
        found = way()
        if GPU:
            torch.cuda.synchronize()
        return found

    return waited


def network(make):
    """A network, and the same for the other ways."""
    model = nets.built(make).to(DEVICE).requires_grad_(False)
    return model, copy.deepcopy(model)


def images(records):
    return torch.rand(records, 3, SIDE, SIDE, device=DEVICE)


def steps(records):
    return torch.rand(records, LENGTH, 8, device=DEVICE)


def gradient(function, x):
    x = x.detach().requires_grad_().clone()
    return torch.autograd.grad(function(x).sum(), x)[0]


def path(function, z):
    nodes = (torch.arange(POINTS, device=DEVICE) + 0.5) / POINTS
    block = (nodes.reshape(-1, *[1] * z.ndim) * z).flatten(0, 1)
    return z * gradient(function, block).reshape(POINTS, *z.shape).sum(0) / POINTS


def case(asked, by_hand, captum, limits, make, x):
    """Ways to compute one thing; `asked` makes ours of a model or a wrapper."""
    torch.set_num_threads(1)
    model, other = network(make)
    ways = {"ours": functools.partial(asked(model).attributions, x)}
    ways["by hand"] = functools.partial(by_hand, other, x)
    if attr is not None:
        ways["captum"] = functools.partial(captum, other, x)
    if GPU:
        recorded = asked(get_model_wrapper(model, graphs=True))
        for _ in range(5):
            recorded.attributions(x)
        ways["graphs"] = functools.partial(recorded.attributions, x)

    def check():
        expected = ways["by hand"]().detach().cpu().numpy()
        found = relative_error(ways["ours"]().detach().cpu().numpy(), expected)
        assert found < 5e-3, found  # where gradients nearly cancel

    ways = {name: done(way) for name, way in ways.items()}
    limits = {name: limit for name, limit in limits.items() if name in ways}
    return measure.Case(ways, limits, check=check, memory=False)


def of_class(model):
    return lambda z: model(z)[:, CLASS]


def saliency(make, x):
    def captum(model, x):
        return attr.InputXGradient(model).attribute(x.clone().requires_grad_(), target=CLASS)

    return case(
        lambda model: InputAttribution(model, qoi=CLASS),
        lambda model, x: x * gradient(of_class(model), x),
        captum,
        {"by hand": 1.10, "captum": 1.08},
        make,
        x,
    )


OPTIONS = {"target": CLASS, "n_steps": POINTS, "method": "riemann_middle"}


def integrated(make, x):
    rows = POINTS * len(x)
    return case(
        lambda model: IntegratedGradients(model, resolution=POINTS, qoi=CLASS, rebatch_size=rows),
        lambda model, x: path(of_class(model), x),
        lambda model, x: attr.IntegratedGradients(model).attribute(
            x, internal_batch_size=rows, **OPTIONS
        ),
        {"by hand": 1.05, "captum": 1.0},
        make,
        x,
    )


def layer(make, cut, x):
    rows = POINTS * len(x)
    doi = LinearDoi(resolution=POINTS, cut=cut, rule="midpoint")

    def by_hand(model, x):
        before, after = nets.halves(model, cut)
        with torch.no_grad():
            z = before(x)
        return path(of_class(after), z)

    return case(
        lambda model: InternalInfluence(model, (cut, None), CLASS, doi, rebatch_size=rows),
        by_hand,
        lambda model, x: attr.LayerIntegratedGradients(model, model.get_submodule(cut)).attribute(
            x, internal_batch_size=rows, **OPTIONS
        ),
        {"by hand": 1.20, "captum": 0.5},
        make,
        x,
    )


def perceptron():
    def captum(model, x):
        return attr.Saliency(model).attribute(x.clone().requires_grad_(), target=CLASS, abs=False)

    found = case(
        lambda model: InputAttribution(model, qoi=CLASS, multiply_activation=False),
        lambda model, x: gradient(of_class(model), x),
        captum,
        {"captum": 1.5},
        nets.mlp,
        torch.rand(1, 1, 8, 8, device=DEVICE),
    )
    found.calls = 20
    return found


def encoder():
    return nets.transformer(WIDTH)


WHERE = "" if GPU else "small "
CASES = {f"saliency, {WHERE}MLP, 1 record": perceptron}
for n in (1, 8):
    many = f"{n} record{'s' if n > 1 else ''}"
    CASES |= {
        f"saliency, {WHERE}ResNet-18, {many}": lambda n=n: saliency(nets.resnet, images(n)),
        f"IG, {WHERE}ResNet-18, {many}": lambda n=n: integrated(nets.resnet, images(n)),
        f"layer IG, {WHERE}ResNet-18, layer4.0, {many}": lambda n=n: layer(
            nets.resnet, "layer4.0", images(n)
        ),
        f"layer IG, {WHERE}transformer, layer 4 of 6, {many}": lambda n=n: layer(
            encoder, "layers.3", steps(n)
        ),
    }

if __name__ == "__main__":
    sys.exit(measure.main(CASES))
