"""The operations of a pass by rules: a mode that torch's functions are handed to."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as all_modules
from torch.overrides import TorchFunctionMode

from trulens_core.backends import Tap
from trulens_core.errors import UncoveredOperationError
from trulens_core.rules import Applied
from trulens_core.slices import Cut
from trulens_torch import traced_values as tv
from trulens_torch.calls import Call
from trulens_torch.conditions import substituted, switched
from trulens_torch.functions import SHAPES, SUMS, Known, known, opened
from trulens_torch.kinds import SEEN_TO
from trulens_torch.traced_values import Value
from trulens_torch.written_out import WRITTEN_OUT

_Mode: Any = TorchFunctionMode  # torch does not annotate it


class ByRules(_Mode):  # type: ignore[misc]
    """Hands every operation on values that depend on the source to the rules of a pass.

    What depends on the source requires a gradient, as nothing else does then. Every value that an
    operation gives is marked: one that is met without a mark came from what a mode cannot see, and
    is an error.

    Args:
        rules: of the pass.
        names: of the model's modules.
    """

    def __init__(self, rules: Applied, names: Mapping[nn.Module, str]) -> None:
        super().__init__()
        self.rules = rules
        self.token = object()
        self._names = names
        self._layers: list[str] = []
        self._thread = threading.get_ident()

    @property
    def layer(self) -> str:
        """The innermost layer that is running."""
        return self._layers[-1] if self._layers else ""

    # -- the source and the target -------------------------------------------------------------

    def taps(self, taps: Mapping[Cut, Tap]) -> dict[Cut, Tap]:
        """The taps, outside the mode, whose tensors are the source."""
        return {cut: functools.partial(self._tapped, tap) for cut, tap in taps.items()}

    def _tapped(self, tap: Tap, z: list[torch.Tensor]) -> list[torch.Tensor]:
        with torch._C.DisableTorchFunction():
            if self.rules.recording:
                found = [t.detach().requires_grad_().clone() for t in z]
            else:
                found = tap(z)
        for t in found:
            tv.put(t, Value(self.token, source=True))
        return found

    def check(self, found: Sequence[Sequence[torch.Tensor]]) -> None:
        """Raise where a value at the target did not come from operations that were seen."""
        for t in tv.tensors_in(found):
            if t.requires_grad and tv.value_of(t, self.token) is None:
                raise UncoveredOperationError(f"the value at the target cut {_unseen(t)}")

    # -- layers --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def layers(self) -> Iterator[None]:
        """The context in which it is known which layer runs."""
        before = all_modules.register_module_forward_pre_hook(self._enter)
        try:
            after = all_modules.register_module_forward_hook(self._leave, always_call=True)
            try:
                yield
            finally:
                after.remove()
        finally:
            before.remove()

    def _enter(self, module: nn.Module, args: Any) -> None:
        del args
        if threading.get_ident() == self._thread:
            self._layers.append(self._names.get(module, self.layer))

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        del module, args, output
        if threading.get_ident() == self._thread and self._layers:
            self._layers.pop()

    # -- functions -----------------------------------------------------------------------------

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        options = dict(kwargs or {})
        what = known(func)
        if what.kind == "plain" or not torch.is_grad_enabled():
            return func(*args, **options)
        active = [t for t in tv.tensors_in((args, options)) if t.requires_grad]
        if not active or what.kind == "compares":
            return self._decided(func, what, args, options)
        self._check(what, active, options)
        if what.kind == "write":
            return self._written(func, what, args, options)
        if what.in_place or options.get("inplace"):
            return self._in_place(what, args, options)
        return self.run(what, func, args, options)

    def _check(self, what: Known, active: list[torch.Tensor], options: dict[str, Any]) -> None:
        """Raise for an operand that came from what was not seen, and for what is not served."""
        where = f"{what.name!r} in layer {self.layer or 'the model'!r}"
        for t in active:
            if tv.value_of(t, self.token) is None:
                raise UncoveredOperationError(f"an operand of {where} {_unseen(t)}")
        if options.get("out") is not None:
            raise UncoveredOperationError(
                f"{where} writes to out=, which rules do not serve; assign its result instead"
            )

    def _written(self, func: Any, what: Known, args: Sequence[Any], options: dict[str, Any]) -> Any:
        """A write of values into a tensor: linear in what is written."""
        out = func(*args, **options)
        self.rules.seen("structural", what.name, self.layer, first=self._of_source(args))
        for t in (args[0], args[0]._base):
            if isinstance(t, torch.Tensor):
                tv.put(t, Value(self.token, entry=self.rules.last))
        return out

    def _in_place(self, what: Known, args: Sequence[Any], options: dict[str, Any]) -> Any:
        """An operation in place: of a copy of the tensor, which then takes its result."""
        target = args[0]
        options = {**options, "inplace": False} if "inplace" in options else options
        old = target.clone()
        before = tv.value_of(target, self.token)
        if before is not None:
            tv.put(old, before)
        self.rules.moved(target, old, _same)
        out = self.run(what, what.plain, (old, *args[1:]), options)
        value = tv.value_of(out, self.token)
        target.copy_(out)
        self.rules.moved(out, target, _same)
        for t in (target, target._base):
            if isinstance(t, torch.Tensor):
                tv.put(t, Value(self.token) if t is not target or value is None else value)
        return target

    def run(self, what: Known, func: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
        """A function, not in place."""
        if any(True for _ in self._conditions((args, options))):
            return switched(Call(self, what, func, args, options))
        if what.name in WRITTEN_OUT:
            with self:
                return WRITTEN_OUT[what.name](*args, **options)
        if what.kind == "structural":
            return self._moved(what, func, args, options)
        if what.kind == "open":
            with self:
                return opened(func)(*args, **options)
        call = Call(self, what, func, args, options)
        return SEEN_TO[what.kind](call)

    def _moved(self, what: Known, func: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
        out = func(*args, **options)
        if args and out is args[0]:
            return out
        source = self._of_source(args)
        sums = what.name in SUMS
        self.rules.seen("structural", what.name, self.layer, first=source and sums)
        value = Value(self.token, source=source, name=what.name, entry=self.rules.last)
        x = args[0] if args else None
        if isinstance(x, torch.Tensor) and isinstance(out, torch.Tensor):
            value = self._derived(value, what, func, args, options)
            if len([t for t in tv.tensors_in((args, options)) if t.requires_grad]) == 1:
                self.rules.moved(x, out, lambda t: func(t, *args[1:], **options))
        self.mark(out, value)
        return out

    def _derived(
        self, value: Value, what: Known, func: Any, args: Sequence[Any], options: dict[str, Any]
    ) -> Value:
        """What is still known of a value after a function that moves or sums its entries."""
        x, rest = args[0], args[1:]
        before = tv.value_of(x, self.token)

        def step(t: Any) -> Any:
            return func(t, *rest, **options)

        held = Value(self.token, value.source, x, before, step, x._version, what.name, value.entry)
        if what.name in ("neg", "negative", "to", "type", "float", "double", "type_as", "clone"):
            return held
        if what.name == "sum":
            return dataclasses.replace(held, summed=True)
        if what.name not in SHAPES or before is None or before.linear is None:
            return value
        linear = before.linear
        if linear.bias is not None:
            return value
        moved = tv.Linear(
            linear.kind,
            _then(linear.function, step),
            linear.operands,
            linear.weight,
            None,
            linear.entry,
            linear.versions,
        )
        return Value(self.token, value.source, name=what.name, entry=value.entry, linear=moved)

    def _conditions(self, held: Any) -> Iterator[torch.Tensor]:
        """What was told by comparing values that depend on the source, and has no derivative."""
        for t in tv.tensors_in(held):
            if not t.requires_grad and tv.value_of(t, self.token) is not None:
                yield t

    def _decided(self, func: Any, what: Known, args: Any, options: dict[str, Any]) -> Any:
        """A function whose result has no derivative, but may decide about values that have one."""
        out = func(*args, **options)
        known = [t for t in tv.tensors_in((args, options)) if tv.value_of(t, self.token)]
        if not known or not isinstance(out, torch.Tensor) or out.requires_grad:
            return out
        value = Value(self.token, name=what.name)
        if len(known) == 1 and out.shape == known[0].shape:
            value = Call(self, what, func, args, options).derived(
                known[0], substituted(func, args, options, known)
            )
        tv.put(out, value)
        return out

    def mark(self, out: Any, value: Value) -> None:
        """Note that the tensors that an operation gave are known."""
        if isinstance(out, torch.Tensor):
            if out.requires_grad:
                tv.put(out, value)
            return
        for t in tv.tensors_in((out,)):  # each is a value of its own
            if t.requires_grad:
                tv.put(t, dataclasses.replace(value))

    def _of_source(self, args: Any) -> bool:
        found = (tv.value_of(t, self.token) for t in tv.tensors_in(args))
        return any(v is not None and v.source for v in found)


def _same(x: torch.Tensor) -> torch.Tensor:
    return x


def _then(function: Callable[..., Any], step: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda *operands: step(function(*operands))


def _unseen(t: torch.Tensor) -> str:
    made = "a leaf that requires a gradient" if t.grad_fn is None else t.grad_fn.name()
    return (
        f"comes from {made}, which is no operation that rules see: an autograd.Function of its "
        "own, a scripted or compiled part, or an extension. Write it in torch's operations, or "
        "explain another slice of the model"
    )
