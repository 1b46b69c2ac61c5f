"""torch's process-wide switches, held while any model is being explained.

Two threads that each save and restore a global switch can leave it off for ever. So each switch
counts its holders: the first saves and sets, the last restores. The random generators are such a
switch, too: what was drawn for one explanation must not be put back in the middle of another.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import torch


class Switch:
    """Something global.

    Args:
        read: what it is.
        write: sets it to what `read` gave.
        turn: sets it to what explanations need.
    """

    def __init__(
        self,
        read: Callable[[], Any],
        write: Callable[[Any], object],
        turn: Callable[[], object] = int,
    ) -> None:
        self._read, self._write, self._turn = read, write, turn
        self._lock = threading.RLock()
        self._holders: set[object] = set()
        self._before: Any = None

    def take(self, holder: object) -> None:
        """Set it for one more holder."""
        with self._lock:
            if not self._holders:
                self._before = self._read()
            self._holders.add(holder)
            self._turn()

    def release(self, holder: object) -> None:
        """Restore it if nobody else holds it. Once too often does no harm."""
        with self._lock:
            if self._holders == {holder}:
                self._write(self._before)
            self._holders.discard(holder)


def _set_cudnn(enabled: bool) -> None:
    torch.backends.cudnn.enabled = enabled


def _process() -> tuple[bool, torch.Tensor]:
    return torch.backends.mha.get_fastpath_enabled(), torch.get_rng_state()


def _set_process(before: tuple[bool, torch.Tensor]) -> None:
    torch.backends.mha.set_fastpath_enabled(before[0])
    torch.set_rng_state(before[1])


PROCESS = Switch(_process, _set_process, lambda: torch.backends.mha.set_fastpath_enabled(False))
"""Attention's fast path, which does not call its submodules, and so no hooks; and the random
generator of the CPU."""

CUDNN = Switch(lambda: torch.backends.cudnn.enabled, _set_cudnn, lambda: _set_cudnn(False))
"""cuDNN, whose backward pass of recurrent layers wants training mode."""


def _compiler() -> Any:
    return sys.modules["torch._dynamo.eval_frame"]


STANCE = Switch(
    lambda: _compiler()._stance,  # in public it is told only by what has set another already
    lambda stance: _compiler()._set_stance(stance),
    lambda: torch.compiler.set_stance("force_eager"),
)
"""The compiler's stance: compiled modules run as they are written, so that hooks are called."""

_ATTENTION = ("flash", "mem_efficient", "cudnn", "math")


def _attention() -> list[bool]:
    return [bool(getattr(torch.backends.cuda, f"{k}_sdp_enabled")()) for k in _ATTENTION]


def _set_attention(enabled: list[bool]) -> None:
    for kind, on in zip(_ATTENTION, enabled, strict=True):
        getattr(torch.backends.cuda, f"enable_{kind}_sdp")(on)


ATTENTION = Switch(_attention, _set_attention, lambda: _set_attention([False, False, False, True]))
"""The kernels of attention, of which only the plain one can be differentiated twice."""

_RANDOM_ON: dict[torch.device, Switch] = {}


def _random_on(device: torch.device) -> Switch:
    new = Switch(
        lambda: torch.cuda.get_rng_state(device),
        lambda state: torch.cuda.set_rng_state(state, device),
    )
    return _RANDOM_ON.setdefault(device, new)


def needed(gpus: set[torch.device], recurrent: bool, differentiable: bool = False) -> list[Switch]:
    """The switches that an explanation of a model on these GPUs holds.

    The compiler's only where it is loaded already: without it nothing can be compiled, and
    loading it takes a second.
    """
    found = [PROCESS, *map(_random_on, gpus)] if gpus else [PROCESS]
    if gpus and recurrent:
        found.append(CUDNN)
    if "torch._dynamo.eval_frame" in sys.modules:
        found.append(STANCE)
    if differentiable:
        found.append(ATTENTION)
    return found


class Random:
    """The states of the random generators that a model on these GPUs draws from."""

    def __init__(self, gpus: set[torch.device]) -> None:
        self._cpu = torch.get_rng_state()
        self._gpus = {device: torch.cuda.get_rng_state(device) for device in gpus}

    def changed(self) -> bool:
        """Whether something was drawn since."""
        return not torch.equal(self._cpu, torch.get_rng_state()) or any(
            not torch.equal(state, torch.cuda.get_rng_state(device))
            for device, state in self._gpus.items()
        )

    def put_back(self) -> None:
        """Go on from these states."""
        torch.set_rng_state(self._cpu)
        for device, state in self._gpus.items():
            torch.cuda.set_rng_state(state, device)
