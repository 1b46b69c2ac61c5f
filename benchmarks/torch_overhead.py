"""Where the time of one explanation of a small network goes, on PyTorch.

    python benchmarks/torch_overhead.py

Saliency of one record of a perceptron: what autograd takes by itself, what a loop by hand takes
that leaves the model as it was and looks for gradients that are not finite, and the parts of ours,
which take longer together than by themselves, in the processor's caches. One thread; microseconds;
the shortest of many bursts, which take turns.
"""

import sys
import time

import numpy as np
import torch
import torch_models as nets

from trulens_core import InputAttribution
from trulens_core.influence.loop import answers
from trulens_core.influence.questions import Request
from trulens_core.inputs import ModelInputs
from trulens_core.results.from_answers import Assembly
from trulens_core.steps.block import Block
from trulens_torch.session import session

BURSTS, CALLS = 100, 40


def bare(model, x):
    """Autograd's own work."""
    leaf = x.detach().requires_grad_()
    best = model(leaf.clone()).max(1).values
    return torch.autograd.grad(best, leaf, torch.ones_like(best))[0]


def careful(model, x):
    """The same with all that is promised besides."""
    with session(model, force_eval=True):
        found = bare(model, x)
        assert torch.isfinite(found.sum())
    return found


def ways(model, x):
    """What is timed, by name."""
    method = InputAttribution(model, multiply_activation=False)
    wrapper, question = method.model, method.question()
    inputs, kind = wrapper.prepared(ModelInputs.of_call((x,), {}))
    found = answers(question, inputs, Request())
    block = Block(question.doi_cut, [], np.ones(1, "float32"))

    def opened():
        with wrapper.opened(inputs, question.doi_cut):
            pass

    def gradients():
        with wrapper.opened(inputs, question.doi_cut):
            return wrapper.gradients(
                inputs, wrt=question.source, of=question.target, qoi=question.qoi, block=block
            )

    return {
        "autograd by itself": lambda: bare(model, x),
        "by hand, model as it was, finite": lambda: careful(model, x),
        "ours": lambda: method.attributions(x),
        "  arguments": lambda: wrapper.prepared(ModelInputs.of_call((x,), {})),
        "  model put right and back": opened,
        "  that and gradients": gradients,
        "  that and the loop": lambda: answers(question, inputs, Request()),
        "  result put together": lambda: Assembly(question, inputs, kind, found).attributions(),
    }


def main():
    torch.set_num_threads(1)
    timed = ways(nets.built(nets.mlp), torch.rand(1, 1, 8, 8))
    shortest = dict.fromkeys(timed, float("inf"))
    for _ in range(BURSTS):
        for name, way in timed.items():
            start = time.perf_counter()
            for _ in range(CALLS):
                way()
            spent = (time.perf_counter() - start) / CALLS
            shortest[name] = min(shortest[name], spent)
    for name, seconds in shortest.items():
        print(f"{name:34} {1e6 * seconds:6.0f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
