"""Models and what is asked of them, and the same by plain autograd, one record at a time."""

import contextlib
import copy
import dataclasses
import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils import _pytree as trees

from trulens_core import InternalInfluence, LinearDoi, get_model_wrapper
from trulens_core.testing import relative_error

POINTS = 3


@dataclasses.dataclass(frozen=True)
class Asked:
    """A model, a call of it, and a question.

    Attributes:
        make: gives the model: a module, or a function with `holds` the module behind it.
        args, kwargs: of the call, three records.
        qoi, to: the quantity, and where it is read.
        score: the same, as a number, of what the model gives for one record alone.
        cut: where the variables live; None is the input.
        layer: of a cut, the module itself, found in the model by name.
        call: which of its calls.
        wrap: options of the wrapper.
        axes: by place or name, the axis of the records in an argument; None: it has none.
        one: the tensors that are explained, out of (args, kwargs); None: all floats.
        path: also along a path, or the gradient alone.
        quick: in every run of the tests.
    """

    make: Callable[[], Any]
    args: tuple = ()
    qoi: Any = 1
    score: Callable[[Any], torch.Tensor] = lambda y: y[0, 1]
    kwargs: dict = dataclasses.field(default_factory=dict)
    to: Any = None
    cut: Any = None
    layer: str = ""
    call: int = 0
    wrap: dict = dataclasses.field(default_factory=dict)
    axes: dict = dataclasses.field(default_factory=dict)
    one: Callable | None = None
    path: bool = True
    quick: bool = False
    warns: str = ""


def each(table):
    """A test of every row of a table; without TRULENS_EVERY of the quick ones."""
    every = os.environ.get("TRULENS_EVERY")
    names = [name for name, asked in table.items() if asked.quick or every]
    return pytest.mark.parametrize("asked", [table[n] for n in names], ids=names)


def agrees(asked):
    """The gradient, and the mean over a path times the value, here and by plain autograd."""
    torch.manual_seed(0)
    made = asked.make()
    model, holder = made if isinstance(made, tuple) else (made, made)
    holder.double().train()
    args, kwargs = trees.tree_map(torch.clone, (asked.args, asked.kwargs))
    wrapper = get_model_wrapper(model, backend="torch", **asked.wrap)
    dois = ["point", LinearDoi(resolution=POINTS, rule="midpoint", cut=asked.cut)]
    for doi in dois[: 1 + asked.path]:
        path = doi != "point"
        method = InternalInfluence(
            wrapper, (asked.cut, asked.to), asked.qoi, doi, multiply_activation=path
        )
        warned = asked.warns and path
        said = pytest.warns(UserWarning, match=asked.warns) if warned else contextlib.nullcontext()
        with said:
            found = method.attributions(*args, **kwargs)
        holder.eval()
        expected = by_hand(asked, model, holder, args, kwargs, path=path)
        holder.train()
        found = trees.tree_leaves(found)
        assert len(found) == len(expected)
        for f, e in zip(found, expected, strict=True):
            assert f.shape == e.shape
            assert e.abs().max() > 0
            assert relative_error(f.numpy(), e.numpy()) <= 1e-9
    assert all(m.training for m in holder.modules())


def by_hand(asked, model, holder, args, kwargs, *, path):
    """The expected tensors, of all records; a model that goes on begins anew each time."""
    state = copy.deepcopy(holder.state_dict())
    records = len_of(args, kwargs, asked.axes)
    shares = [(k + 0.5) / POINTS for k in range(POINTS)] if path else [1.0]
    rows = []
    for r in range(records):
        holder.load_state_dict(state)
        got = record(asked, args, kwargs, r)
        values = [v.detach() for v in value(asked, model, holder, *got)]
        total = [torch.zeros_like(v) for v in values]
        for share in shares:
            z = [(share * v).requires_grad_() for v in values]
            holder.load_state_dict(state)
            y = run(asked, model, holder, *got, z)
            grads = torch.autograd.grad(asked.score(y), z, allow_unused=True)
            total = [
                t if g is None else t + g / len(shares) for t, g in zip(total, grads, strict=False)
            ]
        rows.append([t * v if path else t for t, v in zip(total, values, strict=True)])
    holder.load_state_dict(state)
    rows_of = asked.cut is not None and getattr(asked.cut, "rows_per_record", None)
    joined = []
    for i, column in enumerate(zip(*rows, strict=True)):
        axis = asked.axes.get(i, 0) if not asked.layer else getattr(asked.cut, "batch_axis", 0)
        joined.append(torch.stack(column) if rows_of else torch.cat(column, axis))
    return joined


def len_of(args, kwargs, axes):
    """How many records there are."""
    first = trees.tree_leaves((args, kwargs))[0]
    return first.shape[axes.get(0, 0)]


def record(asked, args, kwargs, r):
    """The arguments of one record."""

    def taken(name, value):
        axis = asked.axes.get(name, 0)
        if axis is None:
            return value
        keep = lambda t: t.narrow(axis, r, 1) if torch.is_tensor(t) and t.ndim else t
        return trees.tree_map(keep, value)

    return (
        tuple(taken(i, a) for i, a in enumerate(args)),
        {k: taken(k, v) for k, v in kwargs.items()},
    )


def explained(asked, args, kwargs):
    """The tensors that the input cut holds."""
    if asked.one is not None:
        return list(asked.one(args, kwargs))
    floats = [t for t in trees.tree_leaves(args) if torch.is_tensor(t) and t.is_floating_point()]
    return floats or [t for t in trees.tree_leaves(kwargs) if t.is_floating_point()]


def value(asked, model, holder, args, kwargs):
    """What the variables are, of one record."""
    if not asked.layer:
        return explained(asked, args, kwargs)
    seen = []

    def look(module, given, output):
        seen.append(output if torch.is_tensor(output) else output[0])

    with hooked(holder, asked.layer, look):
        model(*args, **kwargs)
    return [seen[asked.call]]


def run(asked, model, holder, args, kwargs, z):
    """The model with other values of the variables."""
    if not asked.layer:
        those = explained(asked, args, kwargs)
        put = lambda t: next((n for n, o in zip(z, those, strict=True) if o is t), t)
        args, kwargs = trees.tree_map(put, (args, kwargs))
        return model(*args, **kwargs)
    calls = []

    def replace(module, given, output):
        calls.append(1)
        if len(calls) != asked.call + 1:
            return output
        return z[0] if torch.is_tensor(output) else type(output)((z[0], *output[1:]))

    with hooked(holder, asked.layer, replace):
        return model(*args, **kwargs)


@contextlib.contextmanager
def hooked(holder, name, hook):
    handle = holder.get_submodule(name).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def randn(*shape, seed=0):
    """Normal numbers, in float64."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def ids(*shape, n=20, seed=0):
    """Whole numbers below n, from 3 on."""
    return torch.randint(3, n, shape, generator=torch.Generator().manual_seed(seed))
