"""PyTorch models seen through their cuts, by forward hooks."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from trulens_core.backends import Tap
from trulens_core.errors import UnsupportedModelError
from trulens_core.inputs import ModelInputs
from trulens_core.layouts import BATCHED, STATIC
from trulens_core.models import Layer, ModelWrapper
from trulens_core.passes import Pass, Place
from trulens_core.slices import INPUT, OUTPUT, Cut
from trulens_core.steps import layout_key
from trulens_torch.backend import BACKEND, gradients_enabled
from trulens_torch.layers import Layers, unwrapped
from trulens_torch.prefix import Prefix
from trulens_torch.recomputation import Again
from trulens_torch.replay import Diverged
from trulens_torch.session import session
from trulens_torch.undo import Undo


class TorchModelWrapper(ModelWrapper):
    """A PyTorch model.

    Args:
        model: an nn.Module; compiled, traced and data-parallel ones too.
        device: where the model is moved, once and for good; None leaves it where it is.
        force_eval: whether calls see all modules in evaluation mode; False keeps each as it is.
        skip_prefix: whether what comes before the cut of a distribution is computed once for a
            group of records, not once per block of points, see `trulens_torch.prefix`.
        logit_layer: the layer that `LogitCut` means.
        batched: by argument name, whether its tensors have a row per record.
    """

    backend = BACKEND

    def __init__(
        self,
        model: nn.Module,
        *,
        device: Any = None,
        force_eval: bool = True,
        skip_prefix: bool = True,
        logit_layer: Any = None,
        batched: Mapping[str | int, bool] | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise UnsupportedModelError(
                f"a PyTorch model is an nn.Module, found {type(model).__name__}"
                + ("; pass an instance of the class" if isinstance(model, type) else "")
            )
        if device is not None:
            _check_device(device)
            model.to(device)
        super().__init__(model, logit_layer=logit_layer, batched=batched)
        self.force_eval = force_eval
        self._runner = unwrapped(model)
        self._layers = Layers(self._runner, type(self._runner).__name__)
        self.parameters = _parameters(self._runner)
        self._seen: tuple[Hashable, set[Place]] = None, set()
        self._prefix = Prefix(self._runner, skip_prefix, self.place)
        self._hooks = Undo()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_seen": (None, set()), "_hooks": Undo()}

    @property
    def _owner(self) -> str:
        return type(self._runner).__name__

    def layers(self, *args: Any, **kwargs: Any) -> Sequence[Layer]:
        """The layers by name; given inputs, with their outputs' shapes and how often called."""
        listed = self._layers.listed()
        if not args and not kwargs:
            return listed
        inputs = self.prepared(ModelInputs(args, kwargs))[0]
        shapes: dict[str, tuple[int, ...]] = {}
        calls: Counter[str] = Counter()

        def record(name: str) -> Callable[..., None]:
            def hook(module: nn.Module, given: Any, output: Any) -> None:
                del module, given
                calls[name] += 1
                tensors = [t for t in BACKEND.flatten(output).leaves if BACKEND.is_tensor(t)]
                if tensors:
                    shapes[name] = tuple(tensors[0].shape[1:])

            return hook

        undo = Undo()
        with self.opened(inputs, Cut(INPUT)), torch.no_grad():
            try:
                for name, module in self._layers.modules.items():
                    if not isinstance(module, torch.jit.ScriptModule):
                        hook = record(name)
                        undo.note(_unhook, module, "_forward_hooks", hook)
                        module.register_forward_hook(hook)
                self._runner(*inputs.args, **inputs.kwargs)
            finally:
                try:
                    undo.run()
                finally:
                    undo.run()
        return [x._replace(shape=shapes.get(x.name), calls=calls[x.name]) for x in listed]

    def place(self, cut: Cut) -> Place:
        if cut.name in (INPUT, OUTPUT):
            return cut.name, cut.anchor
        return self._layers.find(cut.name), cut.anchor

    def like(self) -> torch.Tensor | None:
        return _first_floating(self._runner)

    def adopt(self, value: Any) -> torch.Tensor:
        if torch.is_inference_mode_enabled():  # what is made under it cannot be differentiated
            with torch.inference_mode(False):
                return self.adopt(value)
        if isinstance(value, np.ndarray):
            return BACKEND.from_numpy(value, self.like())
        if not isinstance(value, torch.Tensor):
            super().adopt(value)  # raises
        if value.is_meta:
            raise TypeError("is on the meta device, where tensors hold no values")
        x: torch.Tensor = value.detach()
        like = self.like()
        if like is not None:
            x = x.to(like.device, like.dtype if x.is_floating_point() else None)
        return x.clone() if x.is_inference() else x

    def opened(self, inputs: ModelInputs, at: Cut) -> contextlib.AbstractContextManager[None]:
        def enter(undo: Undo) -> None:
            self._prefix.open(inputs, at, undo)
            undo.note(self._unhook)

        return session(self._runner, self.force_eval, enter)

    def _unhook(self) -> None:
        """Remove the hooks of the last pass, which its backward pass may have called."""
        self._hooks.run()

    def forward(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[torch.Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[torch.Tensor]]:
        while True:
            try:
                return self._evaluate(inputs, replace, tap, want)
            except (Exception, Diverged):
                if not self._prefix.failed():
                    raise

    def _evaluate(
        self,
        inputs: ModelInputs,
        replace: Mapping[Cut, list[torch.Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[torch.Tensor]]:
        p = Pass(self, replace=replace, tap=tap, want=want)
        self._unhook()
        places = p.places
        if not places:
            with gradients_enabled() if tap else torch.no_grad():
                entered = p.enter(inputs)
                return p.leave(self._runner(*entered.args, **entered.kwargs))
        stop, self._hooks = _Stop(), Undo()
        signature = _signature(inputs)
        if self._seen[0] != signature:
            self._seen = signature, set()
        p.cut_short = self._seen[1].issuperset(places)
        try:
            for place in places:
                self._hook(place, p, stop, self._hooks)
            with gradients_enabled() if tap else torch.no_grad():
                entered = p.enter(inputs)
                with self._prefix.watching(inputs, replace, tap, want):
                    output = self._runner(*entered.args, **entered.kwargs)
        except _Stop as caught:
            if caught is not stop:
                raise
            # its frames hold what the model computed, and a hook among them holds it
            stop.__traceback__ = None
            return p.stop()
        self._seen[1].update(place for place, n in p.calls.items() if n == 1)
        return p.leave(output)

    def _hook(self, place: Place, p: Pass, stop: _Stop, undo: Undo) -> None:
        """Show the pass what comes by, and end the model where no more is needed.

        The model is cut short only at layers that an earlier, whole pass with inputs of the same
        shapes called once: without it, a second call would go unnoticed. Calls by other threads,
        which use the model at the same time, are none of the pass's.
        """
        me, module = threading.get_ident(), self._layers.modules[place[0]]
        again = Again(place)

        def after(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
            del module, args, kwargs
            if p.over or threading.get_ident() != me:
                return again.value()
            with self._prefix.at(place):
                output = again.put(p.at(place, output))
            if p.cut_short and p.complete:
                raise stop
            return output

        def before(module: nn.Module, args: Any, kwargs: Any) -> Any:
            del module
            if p.over or threading.get_ident() != me:
                return again.value()
            with self._prefix.at(place):
                return again.put(p.at(place, (args, kwargs)))

        if place[1] == "out":
            undo.note(_unhook, module, "_forward_hooks", after)
            module.register_forward_hook(after, with_kwargs=True)
        else:
            undo.note(_unhook, module, "_forward_pre_hooks", before)
            module.register_forward_pre_hook(before, with_kwargs=True)

    def not_reached(self, cut: Cut, calls: int) -> str:
        text = super().not_reached(cut, calls)
        name = self._layers.find(cut.name)
        now = Layers(self._runner, self._owner).modules.get(name)
        if now is not self._layers.modules[name]:
            return (
                f"the layer of {cut} was replaced or removed after the model was wrapped; wrap the "
                "model again"
            )
        parent = self._layers.modules.get(name.rpartition(".")[0])
        if isinstance(parent, nn.MultiheadAttention):
            return (
                f"the layer of {cut} was not called: nn.MultiheadAttention uses the weights of "
                f"{name!r} without calling it; cut at the attention layer itself"
            )
        return text


class _Stop(BaseException):
    """Ends a pass early. Not an Exception: a model's own `except Exception` must not catch it."""


def _unhook(module: nn.Module, kind: str, hook: Callable[..., Any]) -> None:
    """Remove a hook, whose handle an interrupt may have lost."""
    hooks: dict[int, Any] = getattr(module, kind)
    for key in [key for key, held in list(hooks.items()) if held is hook]:
        getattr(module, f"{kind}_with_kwargs").pop(key, None)
        hooks.pop(key, None)


def _signature(inputs: ModelInputs) -> Hashable:
    """What may decide how often a layer is called: all but the tensors' values and the records."""
    shapes = tuple(
        tuple(x.value.shape[1:] if x.role == BATCHED else x.value.shape)
        for x in inputs.leaves
        if x.role != STATIC
    )
    return layout_key(inputs.split()[0]), shapes


def _first_floating(module: nn.Module) -> torch.Tensor | None:
    """The first of `module.parameters()` that is floating, without listing the modules first."""
    if isinstance(module, torch.jit.ScriptModule):
        return next((p for p in module.parameters() if p.is_floating_point()), None)
    for p in module._parameters.values():
        if p is not None and p.is_floating_point():
            return p
    for inner in module._modules.values():
        found = None if inner is None else _first_floating(inner)
        if found is not None:
            return found
    return None


def _check_device(device: Any) -> None:
    """Raise, before the model is moved, for a device that cannot hold it."""
    try:
        found = torch.empty(0, device=device)
    except Exception as error:
        raise ValueError(
            f"device={device!r} cannot be used here: {error}; name another, or leave device= out "
            "to keep the model where it is"
        ) from error
    if found.is_meta:
        raise ValueError(
            f"device={device!r} holds no values, and the model's weights would be lost; name a "
            "real one, or leave device= out to keep the model where it is"
        )


def _parameters(model: nn.Module) -> tuple[str, ...]:
    """The names of forward's positional parameters."""
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # scripted
        return ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(p.name for p in parameters if p.kind in positional)
