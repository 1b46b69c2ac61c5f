"""A model put right for explaining, and put back exactly as it was."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator

import torch
from torch import nn

from trulens_core.errors import UnsupportedModelError
from trulens_torch import switches


class _Locks:
    """One lock per model, whichever wrappers it has."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = (
            weakref.WeakKeyDictionary()
        )

    def of(self, model: nn.Module) -> threading.RLock:
        """The lock of a model."""
        with self._lock:
            return self._held.setdefault(model, threading.RLock())


LOCKS = _Locks()


@contextlib.contextmanager
def session(model: nn.Module, force_eval: bool) -> Iterator[None]:
    """The model in evaluation mode, its parameters frozen, and nothing else under way on it.

    Frozen parameters keep the graph small: autograd then saves no activations for weight
    gradients, and what comes before the cut has no graph at all. Everything is restored at the
    end, each step by itself, also after an interrupt.
    """
    with contextlib.ExitStack() as undo:
        undo.enter_context(LOCKS.of(model))
        parameters = list(model.parameters())
        _check(model, parameters)
        on_gpu = [p.device for p in parameters if p.device.type == "cuda"]
        recurrent = bool(on_gpu) and any(isinstance(m, nn.RNNBase) for m in model.modules())
        undo.enter_context(switches.held(recurrent))
        undo.enter_context(torch.inference_mode(False))
        undo.enter_context(torch.enable_grad())
        undo.enter_context(_generators(on_gpu))
        training = [m for m in model.modules() if m.training]
        if training and force_eval:
            undo.callback(_set_training, training, True)
            _set_training(training, False)
        elif training:
            undo.enter_context(_buffers(model))
        thawed = [p for p in parameters if p.requires_grad]
        undo.callback(_set_requires_grad, thawed, True)
        _set_requires_grad(thawed, False)
        yield


def _check(model: nn.Module, parameters: list[nn.Parameter]) -> None:
    """Raise, before anything is touched, for a model that cannot be explained or put back."""
    name = type(model).__name__
    for p in parameters:
        if isinstance(p, nn.parameter.UninitializedParameter):
            raise UnsupportedModelError(
                f"{name} has lazy layers without weights; call it once with data first"
            )
        if p.is_meta:
            raise UnsupportedModelError(
                f"{name} has parameters on the meta device, which hold no values; load its "
                "weights first, for instance with model.to_empty(device='cpu')"
            )
        if p.is_inference():
            raise UnsupportedModelError(
                f"{name} was made under torch.inference_mode(), so that nothing can be "
                "differentiated through its parameters; make it, or copy.deepcopy it, outside"
            )


def _set_training(modules: list[nn.Module], value: bool) -> None:
    for m in modules:  # not model.eval(): the flags are per module, and train() may be overridden
        m.training = value


def _set_requires_grad(parameters: list[nn.Parameter], value: bool) -> None:
    for p in parameters:
        p.requires_grad_(value)


@contextlib.contextmanager
def _generators(devices: list[torch.device]) -> Iterator[None]:
    """The random generators are afterwards where they were."""
    state = torch.get_rng_state()
    on_gpu = {d: torch.cuda.get_rng_state(d) for d in dict.fromkeys(devices)}
    try:
        yield
    finally:
        torch.set_rng_state(state)
        for device, held in on_gpu.items():
            torch.cuda.set_rng_state(held, device)


@contextlib.contextmanager
def _buffers(model: nn.Module) -> Iterator[None]:
    """The buffers, which layers in training mode update, are afterwards what they were."""
    held = [(b, b.detach().clone()) for b in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in held:
                buffer.copy_(before)
