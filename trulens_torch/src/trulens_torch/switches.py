"""torch's process-wide switches, held while any model is being explained.

Two threads that each save and restore a global switch can leave it off for ever. One counted
guard serves all: the first in saves and sets, the last out restores.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

import torch


class _Switches:
    """The fast path of multi-head attention, and cuDNN for recurrent layers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._without_cudnn = 0
        self._fast_path = True
        self._cudnn = True

    @contextlib.contextmanager
    def held(self, without_cudnn: bool) -> Iterator[None]:
        """Attention without its fast path, which calls no submodules; cuDNN off if asked for.

        cuDNN's recurrent layers have no backward pass in evaluation mode.
        """
        with contextlib.ExitStack() as undo:
            with self._lock:
                if self._inside == 0:
                    self._fast_path = torch.backends.mha.get_fastpath_enabled()
                    torch.backends.mha.set_fastpath_enabled(False)
                self._inside += 1
                undo.callback(self._leave_attention)
                if without_cudnn:
                    if self._without_cudnn == 0:
                        self._cudnn = torch.backends.cudnn.enabled
                        torch.backends.cudnn.enabled = False
                    self._without_cudnn += 1
                    undo.callback(self._leave_cudnn)
            yield

    def _leave_attention(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                torch.backends.mha.set_fastpath_enabled(self._fast_path)

    def _leave_cudnn(self) -> None:
        with self._lock:
            self._without_cudnn -= 1
            if self._without_cudnn == 0:
                torch.backends.cudnn.enabled = self._cudnn


SWITCHES = _Switches()


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """Compiled models run as written, so that hooks are called.

    Only where torch's compiler is loaded already: no model can be compiled without it, and its
    import takes a second.
    """
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
