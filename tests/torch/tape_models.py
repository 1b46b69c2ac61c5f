"""A way to compare explanations with and without a tape; `runpy` it, tests are no package."""

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
    """One explanation with a tape, three times, of which the first proves, and once without.

    Attributes:
        first, second, third: with a tape.
        expected: without.
        ran: how often each module ran in the second.
    """

    def __init__(self, kind, cut, *inputs, **options):
        plain = get_model_wrapper(built(kind), skip_prefix=False)
        self.expected = joined(method(plain, cut, **options).attributions(*inputs))
        model = built(kind)
        self.wrapper = get_model_wrapper(model)
        asked = method(self.wrapper, cut, **options)
        self.first = joined(asked.attributions(*inputs))
        counts = calls_of(model)
        self.second = joined(asked.attributions(*inputs))
        self.ran = dict(counts)
        self.third = joined(asked.attributions(*inputs))

    @property
    def equal(self):
        """Whether all are equal to the last bit."""
        return all(torch.equal(x, self.expected) for x in (self.first, self.second, self.third))

    @property
    def repeats(self):
        """Of each set of calls that was compared: which are known to repeat."""
        known = self.wrapper._prefix._known.values()
        return [[repeats for repeats, _ in repetition] for repetition in known]
