"""What is noticed of the operations that a model runs, where that has to be known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_FunctionMode: Any = TorchFunctionMode  # torch annotates neither
_DispatchMode: Any = TorchDispatchMode

_READS = {
    getattr(torch.Tensor, name)
    for name in ("tolist", "numpy", "__array__", "__dlpack__", "data_ptr", "untyped_storage")
}
"""Functions that give tensors' values to Python beside the operations of the dispatcher."""


class Mode(_DispatchMode):  # type: ignore[misc]
    """A mode that sees every operation of the dispatcher."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: that loads the compiler, which takes a second, and a session has it switched off."""
        return False


class ChosenPlaces(Mode):
    """Whether values told which places of tensors a model takes or writes, as by `nonzero`.

    Attributes:
        tags: of operations that are told by values.
        found: whether there was one.
    """

    tags: ClassVar[tuple[torch.Tag, ...]] = (torch.Tag.dynamic_output_shape,)

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        if func._overloadpacket is _OPS.index:
            self.found |= any(map(_is_mask, args[1]))
        else:
            self.found |= any(tag in func.tags for tag in self.tags)
        return func(*args, **(kwargs or {}))


class ReadValues(ChosenPlaces):
    """Whether a model reads the values of tensors, so that what it does may depend on them.

    Where none is read, a model calls the same layers for all values of inputs of the same shapes.
    """

    tags = torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape

    def __init__(self) -> None:
        super().__init__()
        self._functions = _Functions(self)

    def __enter__(self) -> ReadValues:
        self._functions.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        self._functions.__exit__(*raised)


class _Functions(_FunctionMode):  # type: ignore[misc]
    def __init__(self, watch: ReadValues) -> None:
        super().__init__()
        self._watch = watch

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        self._watch.found |= func in _READS
        return func(*args, **(kwargs or {}))


class CheckedIndices(Mode):
    """Raises IndexError for an index out of range before the operation runs.

    On a GPU such an index ends the process's context, from which nothing recovers. On a CPU the
    operations raise by themselves.
    """

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        check = _INDEXED.get(func._overloadpacket)
        if check is not None:
            check(*args)
        return func(*args, **(kwargs or {}))


def _along(x: torch.Tensor, dim: int, index: torch.Tensor, *_: Any) -> None:
    _check(index, x.shape[dim] if x.ndim else 1)


def _rows(weight: torch.Tensor, index: torch.Tensor, *_: Any) -> None:
    _check(index, len(weight), least=0)


def _places(x: torch.Tensor, indices: Sequence[torch.Tensor | None], *_: Any) -> None:
    axis = 0
    for index in indices:
        mask = _is_mask(index)
        if index is not None and not mask:
            _check(index, x.shape[axis])
        axis += index.ndim if mask and index is not None else 1


def _is_mask(index: torch.Tensor | None) -> bool:
    """Whether an index is a mask: how many elements it selects is read from it."""
    return index is not None and index.dtype in (torch.bool, torch.uint8)


def _check(index: torch.Tensor, size: int, least: int | None = None) -> None:
    if not index.numel():
        return
    low, high = (int(v) for v in torch.aminmax(index))
    if low < (-size if least is None else least) or high >= size:
        raise IndexError(f"index {high if high >= size else low} is out of range for {size} rows")


_OPS = torch.ops.aten
_INDEXED: dict[Any, Callable[..., None]] = {
    _OPS.gather: _along,
    _OPS.index_select: _along,
    _OPS.scatter: _along,
    _OPS.scatter_: _along,
    _OPS.scatter_add: _along,
    _OPS.scatter_add_: _along,
    _OPS.index_add: _along,
    _OPS.index_add_: _along,
    _OPS.embedding: _rows,
    _OPS.index: _places,
    _OPS.index_put: _places,
    _OPS.index_put_: _places,
}
