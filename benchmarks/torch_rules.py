"""What rules of the backward pass cost on PyTorch, in plain gradients.

    python benchmarks/torch_rules.py

A network like VGG, eight images of 64 × 64, one thread: the shortest of several calls of each
method, which take turns, over that of our input × gradient. Captum stands beside where it has the
method, zennit where it is installed; the last column is our time over zennit's, which is not to be
above 1.3.
"""

import copy
import time
import warnings

import torch
from torch import nn

from trulens_core import LRP, AttnLRP, DeepLIFT, GuidedBackprop, InputAttribution
from trulens_core.rules import Gradient, RuleSet

ROUNDS = 7


def network():
    """Six convolutions and two linear layers."""
    parts, width = [], 3
    for wide in (16, 32, 64):
        for _ in range(2):
            parts += [nn.Conv2d(width, wide, 3, padding=1), nn.ReLU()]
            width = wide
        parts.append(nn.MaxPool2d(2))
    parts += [nn.Flatten(), nn.Linear(64 * 64, 64), nn.ReLU(), nn.Linear(64, 10)]
    return nn.Sequential(*parts).eval()


def by_captum(model, x):
    """Captum's methods, by the names of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from captum import attr
        from captum.attr._utils.lrp_rules import EpsilonRule

    ruled = copy.deepcopy(model)

    def lrp():
        for layer in ruled:
            if isinstance(layer, nn.Flatten):
                layer.rule = EpsilonRule()  # which it does not know, and forgets
        return attr.LRP(ruled).attribute(x.clone(), target=0)

    return {
        "guided": lambda: attr.GuidedBackprop(model).attribute(x.clone(), target=0),
        "LRP epsilon": lrp,
        "DeepLIFT": lambda: attr.DeepLift(model).attribute(x.clone(), target=0),
    }


def by_zennit(model, x):
    """Zennit's composites, by the names of ours; empty where it is not installed."""
    try:
        from zennit import composites, rules, types
        from zennit.attribution import Gradient as Attributor
    except ImportError:
        return {}
    everywhere = [(types.Activation, rules.Pass()), (types.Linear, rules.Epsilon())]
    made = {
        "gradient": None,
        "guided": composites.GuidedBackprop(),
        "LRP epsilon": composites.LayerMapComposite(everywhere),
        "LRP epsilon_gamma_box": composites.EpsilonGammaBox(low=-3.0, high=3.0),
        "LRP epsilon_plus": composites.EpsilonPlus(),
        "LRP epsilon_plus_flat": composites.EpsilonPlusFlat(),
        "LRP alpha2_beta1": composites.EpsilonAlpha2Beta1(),
    }

    def call(composite):
        with Attributor(model=model, composite=composite) as attributor:
            seed = torch.zeros(len(x), 10)
            seed[:, 0] = 1
            return attributor(x.clone(), seed)

    return {name: lambda c=c: call(c) for name, c in made.items()}


def shortest(calls):
    """Seconds of each call, the least of several, in turns."""
    best = dict.fromkeys(calls, float("inf"))
    for i in range(ROUNDS + 1):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            took = time.perf_counter() - begin
            if i:
                best[name] = min(best[name], took)
    return best


def main():
    """Print the ratios."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, x = network(), torch.randn(8, 3, 64, 64)
    methods = {
        "gradient": InputAttribution(model, qoi=0),
        "gradient by rules": InputAttribution(model, qoi=0, rules=RuleSet([("*", Gradient())])),
        "guided": GuidedBackprop(model, qoi=0),
        **{
            f"LRP {name}": LRP(model, name, qoi=0)
            for name in ("epsilon", "epsilon_plus", "epsilon_plus_flat", "alpha2_beta1")
        },
        "LRP epsilon_gamma_box": LRP(model, "epsilon_gamma_box", qoi=0, low=-3.0, high=3.0),
        "AttnLRP": AttnLRP(model, qoi=0),
        "DeepLIFT": DeepLIFT(model, qoi=0),
    }
    calls = {("ours", n): lambda m=m: m.attributions(x) for n, m in methods.items()}
    calls |= {("Captum", n): call for n, call in by_captum(model, x).items()}
    calls |= {("zennit", n): call for n, call in by_zennit(model, x).items()}
    took = shortest(calls)
    unit = took["ours", "gradient"]
    print(f"gradient: {1000 * unit:.1f} ms")
    print("| method | ours | Captum | zennit | of zennit's |\n| --- | --- | --- | --- | --- |")
    for name in methods:
        cells = [took.get((who, name)) for who in ("ours", "Captum", "zennit")]
        shown = ["" if c is None else f"{c / unit:.2f}" for c in cells]
        shown.append("" if cells[2] is None else f"{cells[0] / cells[2]:.2f}")
        print("|", " | ".join([name, *shown]), "|")


if __name__ == "__main__":
    main()
