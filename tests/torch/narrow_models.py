"""Explanations with and without narrow passes, compared; `runpy` it, tests are no package."""

import torch
from torch import nn

from trulens_core import InternalInfluence, LinearDoi, ModelInputs, get_model_wrapper

WIDTH = 6


def dense(i=WIDTH, o=WIDTH):
    return nn.Linear(i, o)


def built(kind, *args):
    """A model in float64, its weights always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(*args).double().eval()


def inputs(*args):
    return ModelInputs(args)


def vectors(*shape):
    random = torch.Generator().manual_seed(1)
    return torch.randn(*shape, dtype=torch.float64, generator=random)


def method(wrapper, cut, *, points=7, rows=3, source=None):
    """Internal influence on a path at `cut`, in blocks of `rows` rows, the last one shorter."""
    doi = LinearDoi(0.25, points, cut=cut)
    return InternalInfluence(wrapper, (source or cut, None), "max", doi, rebatch_size=rows)


def joined(found):
    """The attributions as one tensor, where a cut has several."""
    return torch.cat([t.flatten() for t in found]) if isinstance(found, list) else found


def calls_of(model):
    """How often each module runs; counted inside forward, where no hook is."""
    counts = {}
    for name, module in model.named_modules():
        if name:
            counts[name] = 0
            module.forward = _counting(module.forward, counts, name)
    return counts


def _counting(forward, counts, name):
    def counted(*args, **kwargs):
        counts[name] += 1
        return forward(*args, **kwargs)

    return counted


class Comparison:
    """One explanation with narrow passes where they are right, four times, and once without.

    The first two look at them closely; from the third on they are trusted, or not.

    Attributes:
        found: the four.
        expected: without.
    """

    def __init__(self, kind, cut, *inputs, **options):
        plain = get_model_wrapper(built(kind), skip_prefix=False)
        self.expected = joined(method(plain, cut, **options).attributions(*inputs))
        self.wrapper = get_model_wrapper(built(kind))
        asked = method(self.wrapper, cut, **options)
        self.found = [joined(asked.attributions(*inputs)) for _ in range(4)]

    @property
    def error(self):
        """The largest deviation of any, as a part of the largest attribution."""
        size = self.expected.abs().max()
        return max(((x - self.expected).abs().max() / size).item() for x in self.found)
