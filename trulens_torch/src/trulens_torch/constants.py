"""What is copied from the host in an evaluation, kept for its recording.

Weights of points and places on a line are numbers of Python's, which a recording cannot copy to a
GPU. They are the same each time, so that the copies of the evaluation before take their place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from trulens_torch.watching import Mode

_COPY = torch.ops.aten._to_copy


class Constants:
    """The copies of one evaluation, in order."""

    def __init__(self) -> None:
        self._made: list[tuple[torch.Tensor, torch.Tensor]] = []

    def seen(self) -> contextlib.AbstractContextManager[object]:
        """A context in which copies to another device are remembered."""
        return _Seen(self._made)

    @contextlib.contextmanager
    def given(self) -> Iterator[None]:
        """A context in which the same copies are given again.

        Raises:
            RuntimeError: for what was not copied before.
        """
        with _Given(self._made):
            yield


class _Seen(Mode):
    def __init__(self, made: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        super().__init__()
        self._made = made

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        found = func(*args, **(kwargs or {}))
        if func._overloadpacket is _COPY and _from_host(args[0], found.device):
            self._made.append((args[0].clone(), found))
        return found


class _Given(Mode):
    def __init__(self, made: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        super().__init__()
        self._left = list(reversed(made))

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        options = kwargs or {}
        device = options.get("device")
        if func._overloadpacket is not _COPY or not _from_host(args[0], device):
            return func(*args, **options)
        if self._left:
            before, copy = self._left.pop()
            if before.dtype == args[0].dtype and torch.equal(before, args[0]):
                return copy
        raise RuntimeError("another tensor of the host's is copied to the GPU each time")


def _from_host(x: torch.Tensor, device: torch.device | None) -> bool:
    return x.device.type == "cpu" and device is not None and torch.device(device).type != "cpu"
