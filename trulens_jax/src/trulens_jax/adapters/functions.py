"""Plain functions f(x) or f(params, x), whose layers are the values tagged in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from trulens_core.inputs import ModelInputs
from trulens_jax import weights
from trulens_jax.adapters.base import Adapter, name_of, positional


class FunctionAdapter(Adapter):
    """A function of arrays.

    Args:
        function: called as f(params, *args), without params as f(*args).
        params: its weights, any tree.
    """

    advice = "; name a value in the function with trulens_jax.tap(x, name)"

    def __init__(self, function: Callable[..., Any], params: Any = None) -> None:
        self._function, self._params = function, params
        self._split = weights.Splitting()
        self.owner = name_of(function)
        self.parameters = positional(function, skip=0 if params is None else 1)

    def state(self) -> Any:
        return self._split(self._params)

    def leaves(self) -> list[Any]:
        return jax.tree.leaves(self._params)

    def update(self, weights: Any) -> None:
        self._params = weights

    def apply(self, state: Any, inputs: ModelInputs) -> Any:
        arrays, skeleton = state
        params = skeleton.filled(arrays)
        first = () if params is None else (params,)
        return self._function(*first, *inputs.args, **inputs.kwargs)
