"""Layers after a cut given their arguments for all points, where the model has them for records."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from trulens_core.errors import NotDifferentiableError
from trulens_core.inputs import ModelInputs
from trulens_core.passes import Pass
from trulens_torch.backend import BACKEND
from trulens_torch.recomputation import ADVICE
from trulens_torch.undo import Undo

Before = Callable[[nn.Module, Callable[..., Any], Undo], None]


class Widened:
    """The arguments of layers after the cut of a narrow pass, repeated for all points.

    Those with as many rows as there are records are, be they tensors or in tuples. A list or a
    mapping is the model's own, and a layer may add to it: it is left alone, and so is what is
    computed between layers. Both then raise, since numbers of rows do not fit.

    Args:
        p: the pass; what comes before its cut is left alone.
        inputs: of the pass, which tell the layers.
    """

    def __init__(self, p: Pass, inputs: ModelInputs) -> None:
        assert inputs.widening is not None
        self.widening = inputs.widening
        self.pass_, self._k, self._b = p, inputs.points, inputs.n_records
        self._made: dict[int, tuple[torch.Tensor, int, torch.Tensor]] | None = {}

    def hook(self, modules: Mapping[str, nn.Module], undo: Undo, before: Before) -> None:
        """Be told what layers are given: of those that are known to need it, or of all."""
        known = self.widening.at.get(self._k)
        for name in modules if known is None else known:
            module = modules[name]
            if not isinstance(module, torch.jit.ScriptModule):
                before(module, _Call(self, name), undo)

    def end(self) -> None:
        """The pass is over: what was repeated is held no longer, but by the graph."""
        self._made = None

    def note(self, name: str) -> None:
        """The arguments of a layer were repeated."""
        self.widening.note(self._k, name)

    def of(self, value: Any) -> Any:
        """`value` with tensors of b rows repeated; itself, where it holds none."""
        if isinstance(value, torch.Tensor):
            return self._repeated(value) if value.ndim and len(value) == self._b else value
        if type(value) is not tuple:
            return value
        new = tuple([self.of(x) for x in value])
        return new if any(a is not b for a, b in zip(new, value, strict=True)) else value

    def _repeated(self, x: torch.Tensor) -> torch.Tensor:
        """One for all layers, as the model gives one to all; anew once that was written to."""
        if self._made is None or x.is_inference():
            return BACKEND.repeat(x, self._k)
        held = self._made.get(id(x))
        if held is None or held[1] != x._version:
            held = self._made[id(x)] = x, x._version, BACKEND.repeat(x, self._k)
        return held[2]


class _Call:
    """What is done at the calls of one layer.

    A call in a backward pass is one of the pass's that is computed again, and is given the same.
    """

    def __init__(self, widened: Widened, name: str) -> None:
        self._widened, self._name = widened, name
        self._thread = threading.get_ident()
        self._after: set[bool] = set()

    def __call__(self, module: nn.Module, args: Any, kwargs: Any = None) -> Any:
        del module
        own = self._widened
        if kwargs is None:  # another thread's, see `hooks`
            return None
        if own.pass_.over or threading.get_ident() != self._thread:
            if torch._C._current_graph_task_id() == -1 or True not in self._after:
                return None
        else:
            self._after.add(own.pass_.at_points)
            if not own.pass_.at_points:
                return None
        new_args, new = own.of(args), {name: own.of(x) for name, x in kwargs.items()}
        if new_args is args and all(new[name] is x for name, x in kwargs.items()):
            return None
        if len(self._after) > 1 and own.pass_.over:
            raise NotDifferentiableError(
                f"the layer {self._name!r} is called before and after the cut in a part of the "
                "model that its backward pass computes again (torch.utils.checkpoint), and it "
                f"cannot be told which call it is; {ADVICE}"
            )
        own.note(self._name)
        return new_args, new
