"""Whether anything computed before a cut is used after it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree


class Uses(TorchFunctionMode):
    """Follows values from before a cut through the functions that a model calls.

    Attributes:
        after_cut: whether the cut was reached.
        paused: whether what runs is followed by itself, as the inside of a module is.
        found: whether a value from before the cut went into a function after it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.after_cut, self.paused, self.found = False, False, False
        self._followed: dict[int, StorageWeakRef] = {}

    def follow(self, tensors: Iterable[torch.Tensor]) -> None:
        """These come from before the cut, and so does what shares their memory."""
        for t in tensors:  # a weak reference: an address is not used again while it exists
            ref = StorageWeakRef(t.untyped_storage())  # type: ignore[no-untyped-call]
            self._followed[ref.cdata] = ref

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Inside, nothing is followed."""
        before, self.paused = self.paused, True
        try:
            yield
        finally:
            self.paused = before

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.paused or self.found:
            return result
        made = _tensors(result)
        if made and any(self._comes_from_before(t) for t in _tensors((args, kwargs))):
            self.found = self.after_cut
            self.follow(made)
        return result

    def _comes_from_before(self, t: torch.Tensor) -> bool:
        return t.layout == torch.strided and t.untyped_storage()._cdata in self._followed


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [x for x in pytree.tree_leaves(tree) if isinstance(x, torch.Tensor)]
