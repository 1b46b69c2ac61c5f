"""torch's process-wide switches, held while any model is being explained.

Two threads that each save and restore a global switch can leave it off for ever. So each switch
has one counted guard: the first in saves and sets, the last out restores.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

import torch

Undo = Callable[[], object]


class Switch:
    """A global switch.

    Args:
        turn: sets it and returns what sets it back.
    """

    def __init__(self, turn: Callable[[], Undo]) -> None:
        self._turn = turn
        self._lock = threading.Lock()
        self._inside = 0
        self._undo: Undo = int

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """The switch is set inside, whoever else holds it."""
        with self._lock:
            if self._inside == 0:
                self._undo = self._turn()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._undo()


def _no_fast_path() -> Undo:
    """Attention calls its submodules; its fast path does not, and so no hooks."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    return lambda: torch.backends.mha.set_fastpath_enabled(before)


def _no_cudnn() -> Undo:
    """Recurrent layers without cuDNN, whose backward pass wants training mode."""
    before = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = False

    def undo() -> None:
        torch.backends.cudnn.enabled = before

    return undo


def _eager() -> Undo:
    """Compiled modules run as they are written, so that hooks are called."""
    stance = torch.compiler.set_stance("force_eager")
    return lambda: stance.__exit__(None, None, None)


FAST_PATH = Switch(_no_fast_path)
CUDNN = Switch(_no_cudnn)
STANCE = Switch(_eager)


@contextlib.contextmanager
def held(recurrent_on_gpu: bool) -> Iterator[None]:
    """All switches that an explanation needs.

    The compiler's only where it is loaded already: without it nothing can be compiled, and
    loading it takes a second.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(FAST_PATH.held())
        if recurrent_on_gpu:
            stack.enter_context(CUDNN.held())
        if "torch._dynamo" in sys.modules:
            stack.enter_context(STANCE.held())
        yield
