"""Attributions on PyTorch beside loops written by hand and Captum.

A loop by hand is what an author would write who knows the code of the network: points of the path
stacked to blocks of as many rows, one forward and one backward pass each; at an inner layer, of
the part after it alone. Where it computes the same as ours, the numbers are compared first.
Captum's line at a layer starts at the layer's value for an input of zeros: as many evaluations.
"""

import sys
import warnings

import measure
import torch
import torch_models as nets
from torch.utils.flop_counter import FlopCounterMode

from trulens_core import ClassQoI, InputAttribution, IntegratedGradients, InternalChannelQoI
from trulens_core.testing import relative_error

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # captum imports what is deprecated
    from captum import attr

CLASSES = 10


def images(records, side=32):
    return lambda: torch.rand(records, 3, side, side)


def steps(records, length, features):
    return lambda: torch.rand(records, length, features)


def best(model):
    return lambda x: model(x).amax(1)


def gradient(function, x):
    x = x.detach().requires_grad_().clone()  # operations are not counted at leaves
    return torch.autograd.grad(function(x).sum(), x)[0]


def path(function, z, points, rows):
    """Midpoints from zeros, `rows` a pass, times the value."""
    total, k = torch.zeros_like(z), max(1, rows // len(z))
    for nodes in ((torch.arange(points) + 0.5) / points).split(k):
        block = (nodes.reshape(-1, *[1] * z.ndim) * z).flatten(0, 1)
        total += gradient(function, block).reshape(len(nodes), *z.shape).sum(0)
    return z * total / points


def case(ways, limits, *, equal=("ours", "captum"), error=1e-4, **options):
    """Ways of which some compute what the loop by hand does, but for a relative error."""

    def check():
        expected = ways["by hand"]().detach().numpy()
        for name in equal:
            found = relative_error(ways[name]().detach().numpy(), expected)
            assert found < error, (name, found)

    return measure.Case(ways, limits, check=check, **options)


def saliency(records):
    torch.set_num_threads(1)
    model, x = nets.built(nets.mlp), torch.rand(records, 1, 8, 8)
    ours = InputAttribution(model, multiply_activation=False)
    theirs = attr.Saliency(best(model))
    ways = {
        "ours": lambda: ours.attributions(x),
        "by hand": lambda: gradient(best(model), x),
        "captum": lambda: theirs.attribute(x.clone().requires_grad_(), abs=False),
    }
    return case(ways, {"captum": 1.0}, calls=50, memory=False)


def at_input(make, records, points=50, rows=50, error=1e-4):
    model, x = nets.built(make), records()
    ours = IntegratedGradients(model, resolution=points, rebatch_size=rows)
    theirs = attr.IntegratedGradients(best(model))
    options = {"n_steps": points, "method": "riemann_middle", "internal_batch_size": rows}
    ways = {
        "ours": lambda: ours.attributions(x),
        "by hand": lambda: path(best(model), x, points, rows),
        "captum": lambda: theirs.attribute(x, **options),
    }
    return case(ways, {"by hand": 1.03, "captum": 1.0}, error=error)


def at_layer(make, cut, records, limits, error=1e-4):
    """50 points, 10 rows a pass."""
    points, rows = 50, 10
    model, x = nets.built(make), records()
    before, after = nets.halves(model, cut)
    ours = IntegratedGradients(model, resolution=points, doi_cut=cut, rebatch_size=rows)
    theirs = attr.LayerIntegratedGradients(best(model), model.get_submodule(cut))
    options = {"n_steps": points, "method": "riemann_middle", "internal_batch_size": rows}

    def by_hand():
        with torch.no_grad():
            z = before(x)
        return path(best(after), z, points, rows)

    ways = {
        "ours": lambda: ours.attributions(x),
        "by hand": by_hand,
        "captum": lambda: theirs.attribute(x, **options),
    }
    return case(ways, limits, equal=("ours",), error=error)


def with_flops(found):
    """The case, with how many times the operations of the loop by hand ours needs."""

    def flops(way):
        with FlopCounterMode(display=False) as counter:
            way()
        return counter.get_total_flops()

    first = flops(found.ways["ours"])  # proves, once, that what it records repeats
    ours, hand = flops(found.ways["ours"]), flops(found.ways["by hand"])
    found.notes = {"FLOPs ÷ by hand": ours / hand, "at first": first / hand}
    return found


def neuron(records=8, points=50, rows=50):
    """Integrated gradients of the sum of one channel."""
    model, x = nets.built(nets.cnn), torch.rand(records, 3, 32, 32)
    before, _ = nets.halves(model, "block3")
    ours = IntegratedGradients(
        model, resolution=points, qoi=InternalChannelQoI(3), qoi_cut="block3", rebatch_size=rows
    )
    theirs = attr.NeuronIntegratedGradients(model, model.block3)

    def of_neuron(value):
        return value[:, 3].sum((1, 2))

    ways = {
        "ours": lambda: ours.attributions(x),
        "by hand": lambda: path(lambda x: of_neuron(before(x)), x, points, rows),
        "captum": lambda: theirs.attribute(
            x, of_neuron, n_steps=points, method="riemann_middle", internal_batch_size=rows
        ),
    }
    return case(ways, {"by hand": 1.03, "captum": 1.0})


def all_classes(records):
    """The gradients of every class: one forward pass and as many backward passes."""
    model, x = nets.built(nets.cnn), torch.rand(records, 3, 32, 32)
    ours = InputAttribution(model, qoi=lambda y: y, multiply_activation=False)
    theirs = attr.Saliency(model)

    def by_hand():
        leaf = x.clone().requires_grad_()
        y = model(leaf)
        return torch.stack(
            [
                torch.autograd.grad(y[:, c].sum(), leaf, retain_graph=c < CLASSES - 1)[0]
                for c in range(CLASSES)
            ]
        )

    def captum():
        leaf = x.clone().requires_grad_()
        return torch.stack([theirs.attribute(leaf, c, abs=False) for c in range(CLASSES)])

    ways = {
        "ours": lambda: torch.stack(ours.attributions(x)),
        "by hand": by_hand,
        "captum": captum,
    }
    return case(ways, {"by hand": 1.03, "captum": 1.0})


def one_class(records=8, points=50, rows=50):
    """Integrated gradients of a class given per record."""
    model, x = nets.built(nets.cnn), torch.rand(records, 3, 32, 32)
    targets = torch.arange(records) % CLASSES
    ours = IntegratedGradients(model, resolution=points, qoi=ClassQoI(targets), rebatch_size=rows)
    theirs = attr.IntegratedGradients(model)
    options = {"n_steps": points, "method": "riemann_middle", "internal_batch_size": rows}

    def scores(block):
        of = targets.repeat(len(block) // records)
        return model(block).gather(1, of[:, None])[:, 0]

    ways = {
        "ours": lambda: ours.attributions(x),
        "by hand": lambda: path(scores, x, points, rows),
        "captum": lambda: theirs.attribute(x, target=targets, **options),
    }
    return case(ways, {"by hand": 1.03, "captum": 1.0})


DEEP = {"captum": 1 / 4, "by hand": 1.25}
CASES = {
    "saliency, MLP, 1 record": lambda: saliency(1),
    "saliency, MLP, 8 records": lambda: saliency(8),
    "saliency, MLP, 64 records": lambda: saliency(64),
    "IG, ResNet-18 224×224, 1 record": lambda: at_input(nets.resnet, images(1, 224), rows=10),
    "IG, CNN, 1 record, 10 points": lambda: at_input(nets.cnn, images(1), 10),
    "IG, CNN, 1 record, 50 points": lambda: at_input(nets.cnn, images(1), 50),
    "IG, CNN, 1 record, 500 points": lambda: at_input(nets.cnn, images(1), 500),
    "IG, CNN, 8 records, 50 points": lambda: at_input(nets.cnn, images(8), 50, 64),
    "IG, CNN, 64 records, 10 points": lambda: at_input(nets.cnn, images(64), 10, 64),
    # of its gradients, which nearly cancel, float32 keeps three digits; other blocks, other digits
    "IG, transformer, 8 records, 10 points": lambda: at_input(
        nets.transformer, steps(8, 128, 8), 10, 8, error=5e-3
    ),
    "IG, LSTM, 8 records, 50 points": lambda: at_input(nets.lstm, steps(8, 20, 16), 50, 64),
    "IG of a class per record, CNN, 8 records": one_class,
    "layer IG, ResNet-18 112×112, early cut": lambda: at_layer(
        nets.resnet, "layer1.0", images(1, 112), {"captum": 1.0, "by hand": 1.25}
    ),
    "layer IG, ResNet-18 112×112, middle cut": lambda: at_layer(
        nets.resnet, "layer3.0", images(1, 112), {"captum": 1.0, "by hand": 1.25}
    ),
    "layer IG, ResNet-18 224×224, layer4.0": lambda: with_flops(
        at_layer(nets.resnet, "layer4.0", images(1, 224), DEEP)
    ),
    "layer IG, transformer, layer 4 of 6": lambda: with_flops(
        # close to zeros, a layer norm makes much of what rounding leaves
        at_layer(
            nets.transformer,
            "layers.3",
            steps(1, 128, 8),
            {"captum": 1 / 1.5, "by hand": 1.25},
            1e-3,
        )
    ),
    "neuron IG, CNN, 8 records": neuron,
    "saliency of all classes, CNN, 1 record": lambda: all_classes(1),
    "saliency of all classes, CNN, 8 records": lambda: all_classes(8),
}

if __name__ == "__main__":
    sys.exit(measure.main(CASES))
