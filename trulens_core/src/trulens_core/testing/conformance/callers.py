"""Code of the caller's is run at every call: what it reads elsewhere may have changed."""

from __future__ import annotations

import collections
import functools
import operator
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    InputAttribution,
    InputCut,
    InternalInfluence,
    LinearDoi,
    OutputCut,
    QoI,
)
from trulens_core.testing.conformance.harness import Harness

Change = Callable[[int], None]
Ways = tuple[Callable[[Any], Any], Change]
"""A function of the value at a cut that picks a column or a member, and what changes which."""

SEEN = types.SimpleNamespace(i=0)


def _picked(v: Any, i: int) -> Any:
    """A column of a tensor, or a member of a tuple."""
    return v[i] if isinstance(v, tuple | list) else v[:, i]


def _closure() -> Ways:
    i = 0

    def change(new: int) -> None:
        nonlocal i
        i = new

    return (lambda v: _picked(v, i)), change


def _global() -> Ways:
    return (lambda v: _picked(v, SEEN.i)), lambda new: setattr(SEEN, "i", new)


def _held(held: Any, read: Callable[[Any], int], write: Callable[[Any, int], object]) -> Ways:
    def change(new: int) -> None:
        write(held, new)

    return (lambda v: _picked(v, read(held))), change


def _default() -> Ways:
    def function(v: Any, i: int = 0) -> Any:
        return _picked(v, i)

    return function, lambda new: setattr(function, "__defaults__", (new,))


class _Owner:
    shared = 0

    def __init__(self) -> None:
        self.own = 0

    def by_own(self, v: Any) -> Any:
        return _picked(v, self.own)

    def by_shared(self, v: Any) -> Any:
        return _picked(v, self.shared)


def _self() -> Ways:
    owner = _Owner()
    return owner.by_own, lambda new: setattr(owner, "own", new)


def _class() -> Ways:
    kind = type("Owner", (_Owner,), {})
    return kind().by_shared, lambda new: setattr(kind, "shared", new)


def _partial() -> Ways:
    held = [0]
    return functools.partial(lambda held, v: _picked(v, held[0]), held), functools.partial(
        held.__setitem__, 0
    )


CAPTURED: dict[str, Callable[[], Ways]] = {
    "closure": _closure,
    "global": _global,
    "namespace": lambda: _held(types.SimpleNamespace(i=0), lambda h: int(h.i), _set_i),
    "list": lambda: _held([0], lambda h: int(h[0]), lambda h, new: h.__setitem__(0, new)),
    "dict": lambda: _held({"i": 0}, lambda h: int(h["i"]), lambda h, new: h.update(i=new)),
    "deque": lambda: _held(
        collections.deque([0], 1), lambda h: int(h[0]), lambda h, n: h.append(n)
    ),
    "array": lambda: _held(np.zeros(1, int), lambda h: int(h[0]), lambda h, n: h.fill(n)),
    "default": _default,
    "self": _self,
    "class": _class,
    "partial": _partial,
}


def _set_i(held: Any, new: int) -> None:
    held.i = new


class _Mine(QoI):
    """Reads an attribute that is no array."""

    def __init__(self) -> None:
        self.column = 0

    def __call__(self, y: Any) -> Any:
        return y[:, self.column]


class _Read(ClassQoI):
    """Reads an attribute of its class."""

    column = 0

    def __call__(self, y: Any) -> Any:
        return y[:, type(self).column]


def _argument(i: int, inputs: Any) -> Any:
    return inputs.args[i]


class CallersCode(Harness):
    """What a function of the caller's reads elsewhere is what it is when it is explained."""

    law = "code of the caller's is run at every call"

    def _expected(self, i: int, source: Any = None) -> Any:
        args, _ = self.records("mlp", 3)
        return InputAttribution(self.wrapper("mlp"), qoi=ClassQoI(i), doi_cut=source).attributions(
            *args
        )

    @pytest.mark.parametrize("name", CAPTURED)
    def test_what_a_quantity_reads_elsewhere(self, name: str) -> None:
        """One function, asked three times, each time after what it reads has changed."""
        function, change = CAPTURED[name]()
        args, _ = self.records("mlp", 3)
        method = InputAttribution(self.wrapper("mlp"), qoi=function)
        for i in (0, 2, 1):
            change(i)
            found = method.attributions(*args)
            assert self.close(found, self._expected(i), what=f"class {i}, by {name}")

    def test_functions_of_one_code(self) -> None:
        """As a loop makes them, and at an inner cut along a path too."""
        wrapper, (args, _) = self.wrapper("mlp"), self.records("mlp", 3)
        line = LinearDoi(resolution=3, cut="hidden")
        for i in range(3):
            mine = lambda y: y[:, i]  # noqa: B023, E731 - as a notebook has it
            found = InputAttribution(wrapper, qoi=mine).attributions(*args)
            assert self.close(found, self._expected(i), what=f"class {i} of a loop")
            found, expected = (
                InternalInfluence(wrapper, "hidden", q, line).attributions(*args)
                for q in (mine, ClassQoI(i))
            )
            assert self.close(found, expected, what=f"class {i} along a path")

    @pytest.mark.parametrize("own", [True, False])
    def test_what_a_quantity_s_attributes_and_class_say(self, own: bool) -> None:
        qoi: Any = _Mine() if own else _Read(0)
        args, _ = self.records("mlp", 3)
        method = InputAttribution(self.wrapper("mlp"), qoi=qoi)
        for i in (0, 2, 1):
            (qoi if own else _Read).column = i
            found = method.attributions(*args)
            assert self.close(found, self._expected(i), what=f"class {i}")

    @pytest.mark.parametrize("name", CAPTURED)
    def test_what_an_accessor_reads_elsewhere(self, name: str) -> None:
        """Which member of an output it selects, as a target and as a value that is shown."""
        accessor, change = CAPTURED[name]()
        wrapper, (args, _) = self.wrapper("tuple_output"), self.records("tuple_output", 3)
        method = InputAttribution(wrapper, OutputCut(accessor=accessor), 1)
        for i in (0, 1, 0):
            change(i)
            member = OutputCut(accessor=operator.itemgetter(i))
            expected = InputAttribution(wrapper, member, ClassQoI(1)).attributions(*args)
            found = method.attributions(*args)
            assert self.close(found, expected, what=f"member {i}, by {name}")
            shown = wrapper.fprop(args, to_cut=OutputCut(accessor=accessor))
            whole = wrapper.fprop(args, to_cut=OutputCut(accessor=lambda v: v))
            assert self.close(shown, whole[i], what=f"member {i} as it is shown, by {name}")

    @pytest.mark.parametrize("name", CAPTURED)
    def test_what_an_accessor_of_the_inputs_reads_elsewhere(self, name: str) -> None:
        """Which argument is explained, and moved along a path."""
        function, change = CAPTURED[name]()
        wrapper, (args, _) = self.wrapper("two_inputs"), self.records("two_inputs", 3)

        def asked(accessor: Callable[[Any], Any]) -> InputAttribution:
            cut = InputCut(accessor=accessor)
            return InputAttribution(wrapper, qoi=1, doi_cut=cut, doi=LinearDoi(resolution=3))

        method = asked(lambda inputs: function(inputs.args))
        for i in (0, 1, 0):
            change(i)
            expected = asked(functools.partial(_argument, i)).attributions(*args)
            assert self.close(method.attributions(*args), expected, what=f"input {i}, by {name}")

    def test_an_accessor_that_computes(self) -> None:
        """At a target an accessor is any function of the value."""
        scale = [1.0]
        wrapper, (args, _) = self.wrapper("tuple_output"), self.records("tuple_output", 3)
        cut = OutputCut(accessor=lambda v: v[1] * scale[0])
        method = InputAttribution(wrapper, cut, 1)
        first = method.attributions(*args)
        scale[0] = -2.0
        assert self.close(method.attributions(*args), -2.0 * first, what="after a change")

    @pytest.mark.parametrize("inner", [True, False])
    def test_an_accessor_that_computes_is_part_of_the_quantity(self, inner: bool) -> None:
        """Its quantity is that of all tensors, of what it makes of them."""
        wrapper, (args, _) = self.wrapper("tuple_output"), self.records("tuple_output", 3)
        source = "hidden" if inner else None
        line = LinearDoi(resolution=20, cut=source, rule="midpoint")

        def asked(accessor: Callable[[Any], Any], qoi: Callable[[Any], Any]) -> Any:
            cut = OutputCut(accessor=accessor)
            return InternalInfluence(wrapper, (source, cut), qoi, line).explain(*args)

        found = asked(lambda v: [2.0 * v[1], v[0] * v[0]], lambda y: y[0][:, 0] * y[1][:, 1])
        expected = asked(lambda v: v, lambda v: 2.0 * v[1][:, 0] * v[0][:, 1] * v[0][:, 1])
        for name in ("attributions", "quantity", "baseline_quantity"):
            assert self.close(getattr(found, name), getattr(expected, name), what=name)
