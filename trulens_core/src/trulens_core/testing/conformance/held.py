"""What a library keeps between calls: little, and never a model or what was asked of it."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Iterator
from typing import Any
from unittest import mock

from trulens_core import (
    Cut,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    KernelSHAP,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.cache import StepCache
from trulens_core.influence import ways
from trulens_core.testing.conformance.harness import Harness
from trulens_core.testing.zoo import ZOO

_SMALL = 2
_CALLS = 4
"""More than a small cache keeps."""


class Held(Harness):
    """What stays in memory after calls."""

    law = "nothing is held for good"

    def test_a_model_goes_with_what_explains_it(self) -> None:
        """When its wrapper and methods have gone, so has all that was made of it."""
        model = self.build(ZOO["mlp"], "float64")
        (x,), _ = self.records("mlp", 2)
        held = weakref.ref(model)
        wrapper = get_model_wrapper(model, backend=self.backend_name)
        path = LinearDoi(resolution=3, cut="hidden", rule="midpoint")
        methods: list[Any] = [
            InputAttribution(wrapper, qoi=1),
            IntegratedGradients(wrapper, resolution=3, qoi="max", rebatch_size=4),
            InternalInfluence(wrapper, "hidden", lambda y: y[:, 0], path),
            KernelSHAP(wrapper, samples=40, qoi=1),
        ]
        for method in methods:
            for _ in range(3):  # the first ones look at what the later ones know
                method.attributions(x)
        del model, wrapper, methods, method
        gc.collect()
        assert held() is None, "the model is held by what no caller has"

    def test_other_calls_do_not_add_up(self) -> None:
        """Other numbers of records, points, quantities and cuts take the place of those before."""
        with small_caches():
            wrapper = self.wrapped("mlp")
            self._asked(wrapper, range(_CALLS))
            before = ours()
            asked = self._asked(wrapper, range(_CALLS, 2 * _CALLS))
            more = ours() - before
        assert more < _CALLS, f"{_CALLS} calls of other kinds left {more} objects more"
        assert len(asked) < 2 * _CALLS, "what was asked of the model is held"

    def _asked(self, wrapper: Any, numbers: range) -> weakref.WeakSet[Any]:
        """Explain the model in ways of which none is like another; the code of the caller's."""
        asked: weakref.WeakSet[Any] = weakref.WeakSet()
        for n in numbers:
            (x,), _ = self.records("mlp", 2 + n)
            IntegratedGradients(wrapper, resolution=2 + n, qoi=1).attributions(x)

            def quantity(y: Any, n: int = n) -> Any:
                return y[:, 0] * (1 + n)

            def accessor(v: Any) -> Any:
                return v

            cut = Cut([Cut(name, accessor=accessor) for name in ("hidden", "second")])
            (x,), _ = self.records("mlp", 2)
            InternalInfluence(wrapper, cut, quantity, "point").attributions(x)
            asked.update((quantity, accessor))
        return asked


@contextlib.contextmanager
def small_caches() -> Iterator[None]:
    """What is made inside keeps the last two steps, facts or kinds only."""
    made = StepCache.__init__

    def small(cache: StepCache, size: int) -> None:
        made(cache, min(size, _SMALL))

    fewer = mock.patch.object(ways, "_MOST", _SMALL)
    with mock.patch.object(StepCache, "__init__", small), fewer:
        yield


def ours() -> int:
    """How many objects of the library's own types there are."""
    gc.collect()
    return sum(f"{type(x).__module__}".startswith("trulens_") for x in gc.get_objects())
