"""A model traced once per signature of its inputs, and evaluated through its cuts from then on."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax

from trulens_core import trees
from trulens_core.errors import UnsupportedModelError
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import STATIC
from trulens_core.passes import Pass
from trulens_core.rules import Applied
from trulens_core.rules.evaluated import evaluated
from trulens_core.rules.planned import Plan
from trulens_jax import _compat
from trulens_jax.backend import BACKEND
from trulens_jax.flat import flatten as flatten_program
from trulens_jax.interpreter import Change, Leave, interpret
from trulens_jax.jaxprs import Found, sites
from trulens_jax.recorder import minus_zeros
from trulens_jax.taps import Site, flatten

Apply = Callable[[Any, ModelInputs], Any]
"""A model: weights and inputs to output, with taps around its layers."""


class Program:
    """A model as one signature's jaxpr.

    Args:
        apply: the model.
        state: its weights, arrays or tracers; only their shapes matter here.
        inputs: likewise.

    Attributes:
        found: the sites, in the order of execution.
    """

    def __init__(self, apply: Apply, state: Any, inputs: ModelInputs) -> None:
        inputs = inputs.own(BACKEND)  # the model runs with what is traced
        at = _tensors(inputs)
        outputs: list[tuple[trees.Tree, list[int]]] = []

        def traced(weights: Any, tensors: Sequence[Any]) -> list[Any]:
            tree = flatten(apply(weights, inputs.with_values(at, tensors)))
            places = [i for i, x in enumerate(tree.leaves) if _is_array(x)]
            # what is being traced must not be kept
            blank = [None if i in places else x for i, x in enumerate(tree.leaves)]
            outputs.append((tree._replace(leaves=blank), places))
            return [tree.leaves[i] for i in places]

        shapes = [jax.tree.map(_shape, x) for x in (state, _values(inputs, at))]
        try:
            closed = jax.make_jaxpr(traced)(*shapes)
        except _compat.VALUE_READ as error:
            raise UnsupportedModelError(
                "the model reads the numbers of an array while it runs (an if, float() or a NumPy "
                "function of it), which JAX cannot differentiate as one program; write it with "
                f"jax.numpy, as jax.jit needs it too: {_first_line(error)}"
            ) from error
        self._jaxpr, self._consts = closed.jaxpr, closed.consts
        self.found: list[Found] = list(sites(self._jaxpr))
        self._output, self._arrays = outputs[-1]

    def ruled(
        self, state: Any, inputs: ModelInputs, p: Pass, at: Sequence[int], rules: Applied
    ) -> Any:
        """The model's output, with every operation after the tapped values by rules.

        Args:
            state: the weights.
            inputs: as the pass entered them.
            p: the pass.
            at: the leaves of the inputs that are tapped.
            rules: of the pass.
        """
        tensors = _tensors(inputs)
        args = jax.tree.leaves((state, _values(inputs, tensors)))
        flat = flatten_program(self._jaxpr, self._consts)
        given = flat.inputs[len(args) - len(tensors) :]
        sources = [k for k, i in zip(given, tensors, strict=True) if i in at]
        shown, tapped = _Shown(p), frozenset(p.tapped)

        def is_tapped(site: Site) -> bool:
            return (site.name, site.anchor) in tapped

        def visit(site: Site, arrays: list[Any]) -> list[Any]:
            return shown.visit(site, arrays) if shown.wants(site) else arrays

        plan = Plan(flat, sources, is_tapped, rules.stops)
        if rules.merge:
            rules.left(plan.merge(is_tapped))
        arrays = evaluated(plan, args, rules, visit)
        leaves = list(self._output.leaves)
        for i, x in zip(self._arrays, arrays, strict=True):
            leaves[i] = x
        return self._output.unflatten(leaves)

    def run(self, state: Any, inputs: ModelInputs, p: Pass) -> Any:
        """The model's output, with the pass shown what it asks for."""
        args = jax.tree.leaves((state, _values(inputs, _tensors(inputs))))
        arrays = interpret(self._jaxpr, self._consts, args, _Shown(p))
        leaves = list(self._output.leaves)
        for i, x in zip(self._arrays, arrays, strict=True):
            leaves[i] = x
        return self._output.unflatten(leaves)


def signature(state: Any, inputs: ModelInputs) -> Hashable:
    """Equal where one program serves."""
    leaves, structure = jax.tree.flatten((state, _values(inputs, _tensors(inputs))))
    return structure, inputs.split()[0].key(), tuple(map(_key, leaves))


class _Shown:
    """Shows a pass the values at the places that it asks for."""

    def __init__(self, p: Pass) -> None:
        self._pass = p
        self._places = frozenset(p.places)

    def wants(self, site: Site) -> bool:
        return (site.name, site.anchor) in self._places

    def visit(self, site: Site, arrays: list[Any]) -> list[Any]:
        new = self._pass.at((site.name, site.anchor), _value(site, arrays))
        return _arrays(site, new)

    def enter_loop(self, found: Found) -> tuple[list[Change], Leave]:
        site = found.site
        blank = minus_zeros(found.stacked)
        replaced, tapped, after = self._pass.at_loop(
            (site.name, site.anchor), _value(site, list(blank))
        )
        stages = zip(blank, _arrays(site, replaced), _arrays(site, tapped), strict=True)
        return [_change(*s) for s in stages], lambda arrays: after(_value(site, arrays))


def _change(blank: Any, replaced: Any, tapped: Any) -> Change:
    """What a pass made of an array of all rounds: before the loop, only what it is by shape."""
    if tapped is blank:
        return "keep", None
    if replaced is blank:
        return "add", tapped
    return "replace", tapped


def _value(site: Site, arrays: list[Any]) -> Any:
    return arrays[0] if site.structure is None else site.structure.value(arrays)


def _arrays(site: Site, value: Any) -> list[Any]:
    if site.structure is None:
        return [value]
    leaves = flatten(value).leaves
    return [leaves[i] for i in site.structure.arrays]


def _tensors(inputs: ModelInputs) -> list[int]:
    return [i for i, leaf in enumerate(inputs.leaves) if leaf.role != STATIC]


def _values(inputs: ModelInputs, at: Sequence[int]) -> list[Any]:
    return [inputs.leaves[i].value for i in at]


def _is_array(x: Any) -> bool:
    return isinstance(x, jax.Array)


def _shape(x: Any) -> Any:
    if not hasattr(x, "dtype"):
        return x
    weak = bool(getattr(x, "weak_type", False))
    return jax.ShapeDtypeStruct(x.shape, x.dtype, weak_type=weak)


def _key(x: Any) -> Hashable:
    if not hasattr(x, "dtype"):
        return type(x), x
    return tuple(x.shape), x.dtype, bool(getattr(x, "weak_type", False))


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
