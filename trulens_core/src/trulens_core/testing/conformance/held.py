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

_SMALL = 1
_CALLS = 3
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
        """Other records, points, quantities and cuts take the place of those before."""
        quantities: weakref.WeakSet[Any] = weakref.WeakSet()
        accessors: weakref.WeakSet[Any] = weakref.WeakSet()
        with small_caches():
            wrapper = self.wrapped("mlp")
            for n in range(_CALLS):

                def quantity(y: Any, n: int = n) -> Any:
                    return y[:, 0] * (1 + n)

                def accessor(v: Any) -> Any:
                    return v

                quantities.add(quantity)
                accessors.add(accessor)
                (x,), _ = self.records("mlp", 2 + n)
                cut = Cut([Cut(name, accessor=accessor) for name in ("hidden", "second")])
                IntegratedGradients(wrapper, resolution=2 + n, qoi=quantity).attributions(x)
                InternalInfluence(wrapper, cut, 1, "point").attributions(x)
        gc.collect()
        assert len(quantities) < _CALLS, "all quantities of the caller's are held"
        assert len(accessors) < _CALLS, "all accessors of the caller's are held"


@contextlib.contextmanager
def small_caches() -> Iterator[None]:
    """What is made inside keeps the last step, fact or kind only."""
    made = StepCache.__init__

    def small(cache: StepCache, size: int) -> None:
        made(cache, min(size, _SMALL))

    fewer = mock.patch.object(ways, "_MOST", _SMALL)
    with mock.patch.object(StepCache, "__init__", small), fewer:
        yield
