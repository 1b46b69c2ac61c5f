"""torch's tensors and its gradient primitive."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import CheckpointError

from trulens_core import trees
from trulens_core.backends import Backend, Gradients, Tap
from trulens_core.errors import NotDifferentiableError
from trulens_torch import half, namespace
from trulens_torch.recomputation import ADVICE
from trulens_torch.through import through

_NOTHING = contextlib.nullcontext()

_T = torch.Tensor
_ROWS = _T.crow_indices, _T.col_indices, _T.values
_COLUMNS = _T.ccol_indices, _T.row_indices, _T.values
_STORED: dict[torch.layout, Sequence[Callable[[torch.Tensor], torch.Tensor]]] = {
    torch.sparse_coo: (_T._indices, _T._values),
    torch.sparse_csr: _ROWS,
    torch.sparse_bsr: _ROWS,
    torch.sparse_csc: _COLUMNS,
    torch.sparse_bsc: _COLUMNS,
    torch._mkldnn: (_T.to_dense,),  # type: ignore[attr-defined]
}
"""What sparse tensors are made of, and others that are not laid out as arrays are."""

_UNSUPPORTED = "OSUMmV"
"""NumPy kinds that torch has no tensors of."""

_WHOLE = (
    torch.nn.Module,
    torch.Generator,
    torch.Stream,
    torch.device,
    torch.dtype,
    torch.layout,
    torch.memory_format,
)


class TorchBackend(Backend):
    """PyTorch, eagerly."""

    name: ClassVar[str] = "torch"
    xp = namespace
    channel_axis: ClassVar[int | None] = 1

    def is_tensor(self, x: object) -> bool:
        return isinstance(x, torch.Tensor)

    def passes_whole(self, x: object) -> bool:
        return isinstance(x, _WHOLE)

    def is_floating(self, x: torch.Tensor) -> bool:
        return x.is_floating_point()

    def magnitude(self, x: torch.Tensor) -> float:
        x = x.detach() if x.requires_grad else x
        return float(torch.linalg.vector_norm(x, ord=1))  # without |x| in memory

    def to_numpy(self, x: torch.Tensor) -> np.ndarray[Any, Any]:
        x = x.detach()
        if x.is_floating_point() and x.dtype not in (torch.float16, torch.float32, torch.float64):
            x = x.float()
        return np.array(x.cpu().numpy())

    def from_numpy(self, a: np.ndarray[Any, Any], like: torch.Tensor | None = None) -> torch.Tensor:
        if a.dtype.kind in _UNSUPPORTED:
            raise TypeError(f"has dtype {a.dtype}; torch has no tensors of that type")
        if a.dtype.kind == "f" and a.dtype.itemsize > 8:
            a = a.astype(np.float64)  # long double
        if not a.flags.writeable or (a.ndim and min(a.strides) < 0):
            a = np.array(a)  # torch warns of the one and refuses the other
        x = (
            torch.from_numpy(a)
            if a.dtype.isnative
            else torch.from_numpy(a.astype(a.dtype.newbyteorder("=")))
        )
        if like is None:
            return x
        return x.to(like.device, like.dtype if x.is_floating_point() else None)

    def cast(self, x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return x.to(like.device, like.dtype)

    def accumulator(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.dtype in (torch.float32, torch.float64) else x.float()

    def placed(self, x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return x.to(like.device)

    def given(self, x: torch.Tensor, like: torch.Tensor | None) -> torch.Tensor:
        x = x.detach()
        if like is None or (x.dtype is like.dtype and x.device == like.device):
            return x
        return self.cast(x, like)

    def fresh(self, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    def laid_out(self, x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        if x.layout is not torch.strided or (x.is_contiguous() and like.is_contiguous()):
            return x
        strides = like.stride()
        if any(s == 0 and n > 1 for s, n in zip(strides, like.shape, strict=True)):
            return x.contiguous()  # expanded: its axes have no order
        by_stride = sorted(range(like.ndim), key=lambda i: -strides[i])
        found = x.permute(by_stride)
        if found.is_contiguous():
            return x
        return found.contiguous().permute([by_stride.index(i) for i in range(x.ndim)])

    def flatten(self, value: Any) -> trees.Tree:
        if type(value) is torch.Tensor:
            return trees.Tree([value], None, _only)
        return trees.flatten(value, _torch_tree)

    def places(self, index: torch.Tensor, x: torch.Tensor, axis: int, what: str) -> torch.Tensor:
        del what
        return index + (index < 0) * x.shape[axis]

    def softmax(self, x: torch.Tensor, axis: int) -> torch.Tensor:
        return torch.softmax(x, dim=axis)

    def sigmoid(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x)

    def largest(self, x: torch.Tensor, axis: int) -> torch.Tensor:
        return torch.max(x, dim=axis).values  # `amax` would share the gradient among equals

    def stop_gradient(self, x: torch.Tensor) -> torch.Tensor:
        return x.detach()

    def through(
        self, x: torch.Tensor, pull: Callable[..., torch.Tensor], *held: torch.Tensor
    ) -> torch.Tensor:
        return through(self, x, pull, held)

    def filled(self, like: torch.Tensor, value: float) -> torch.Tensor:
        return like.new_full((), value).expand(like.shape)

    def repeat(self, x: torch.Tensor, k: int) -> torch.Tensor:
        return x if k == 1 else x.repeat(k, *[1] * (x.ndim - 1))

    def weighted_sum(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        if len(x) == 1:
            return x[0] * weights[0]
        kind = x.device.type
        autocast = torch.is_autocast_enabled(kind)  # it is the model's, and would round the sums
        with torch.autocast(kind, enabled=False) if autocast else contextlib.nullcontext():
            flat = x.flatten(1)
            total = self.cast(weights, flat) @ flat
        return total.reshape(x.shape[1:])

    def is_out_of_memory(self, error: BaseException) -> bool:
        # the CPU allocator has no class of its own for it
        cpu = isinstance(error, RuntimeError) and "not enough memory" in str(error)
        return cpu or isinstance(error, torch.OutOfMemoryError | MemoryError)

    def differentiate(self, run: Callable[[Tap], list[torch.Tensor]]) -> Gradients:
        return self.differentiate_each(run, list)

    def differentiate_each(
        self,
        run: Callable[[Tap], list[torch.Tensor]],
        each: Callable[..., list[torch.Tensor | None]],
    ) -> Gradients:
        tap = ValuesTapped()
        with gradients_enabled():
            quantities = run(tap)
        leaves = tap.leaves
        last = len(quantities) - 1
        gradients = [
            each(_gradient(q, leaves, retain_graph=i < last)) for i, q in enumerate(quantities)
        ]
        return Gradients([q.detach() for q in quantities], tap.values, gradients)

    def derivatives(
        self, run: Callable[[list[torch.Tensor]], list[torch.Tensor]], at: Sequence[torch.Tensor]
    ) -> list[list[torch.Tensor | None]]:
        leaves, given = list[torch.Tensor](), list[torch.Tensor]()
        for x in at:
            leaf = x.detach().requires_grad_()
            leaves += (leaf,)
            given += (leaf.clone(),)
        quantities = run(given)
        last = len(quantities) - 1
        return [_gradient(q, leaves, retain_graph=i < last) for i, q in enumerate(quantities)]

    def stored(self, x: torch.Tensor) -> Sequence[torch.Tensor]:
        if x.is_nested:
            return x.unbind()
        return [part(x) for part in _STORED.get(x.layout, ())] or (x,)

    def outline(self, x: object) -> Hashable:
        if type(x) is not torch.Tensor or x.layout is not torch.strided or x.is_nested:
            return None
        if not x.is_floating_point() or x.is_inference() or torch.is_inference_mode_enabled():
            return None
        if x.dtype is torch.float16:  # there may be something to be said of what it holds
            return None
        return x.shape, x.dtype, x.device


class ValuesTapped:
    """The values at the source cut with leaves of a graph added to them, changeable in place.

    The leaf of a value that has no graph is that value. Others keep their graph, so that the
    gradient at a leaf is also that through the layers of the cut that come after it: their leaves
    are −0 and take no memory, and x + (−0) is x for every x, both zeros included.

    Attributes:
        leaves: what is differentiated with respect to.
        values: what came by.
    """

    def __init__(self) -> None:
        self.leaves: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []

    def __call__(self, z: list[torch.Tensor], /) -> list[torch.Tensor]:
        if not self.leaves:  # no leaf is in the graph of the first, if it has one
            z = [t.detach() for t in z]
        self.values += [t.detach() for t in z]
        with gradients_enabled():  # what comes before the cut may be under no_grad
            return [self._with_leaf(t) for t in z]

    def _with_leaf(self, x: torch.Tensor) -> torch.Tensor:
        if not _is_plain(x):
            self.leaves.append(x.detach().requires_grad_())
            joined: torch.Tensor = _Joined.apply(x, self.leaves[-1])  # type: ignore[no-untyped-call]
            return joined.clone()  # in place, a view of a function's own is refused
        if not x.requires_grad:
            self.leaves.append(x.detach().requires_grad_())
            return self.leaves[-1].clone()
        self.leaves.append(_minus_zero(x))
        return x + self.leaves[-1]

    def over(self, z: list[torch.Tensor], /) -> list[torch.Tensor]:
        """The same without a copy, for values that have no graph."""
        if not all(map(_is_plain, z)):
            return self(z)
        new = [_minus_zero(t) for t in z]
        self.leaves += new
        self.values += [t.detach() for t in new]
        with gradients_enabled():
            return [_alias(t).add_(leaf) for t, leaf in zip(z, new, strict=True)]


class _Joined(torch.autograd.Function):
    """A tensor whose gradient goes to a leaf as well: for those that −0 cannot be added to."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
        del ctx, leaf
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        del ctx
        return gradient, gradient


def _is_plain(x: torch.Tensor) -> bool:
    """Whether −0 can be added: what is of one byte (float8) has no addition."""
    strided = type(x) is torch.Tensor and x.layout is torch.strided
    return strided and x.element_size() > 1


def _minus_zero(like: torch.Tensor) -> torch.Tensor:
    return like.new_full((), -0.0).expand(like.shape).requires_grad_()


def _alias(x: torch.Tensor) -> torch.Tensor:
    """The same memory, but to autograd no view: in place, those make it copy gradients."""
    return x.new_empty(0).set_(x.detach())  # type: ignore[call-overload,no-any-return]


def gradients_enabled() -> contextlib.AbstractContextManager[Any]:
    """A context in which gradients are enabled; entering torch's own takes a while."""
    return _NOTHING if torch.is_grad_enabled() else torch.enable_grad()


def _gradient(
    q: torch.Tensor, leaves: list[torch.Tensor], retain_graph: bool
) -> list[torch.Tensor | None]:
    if not q.requires_grad:
        return [None] * len(leaves)
    if half.is_half(q, leaves) and half.is_linear(q):
        return half.scaled(functools.partial(_derived, q, leaves), q, retain_graph)
    return _derived(q, leaves, torch.ones_like(q), retain_graph)


def _derived(
    q: torch.Tensor, leaves: list[torch.Tensor], cotangent: torch.Tensor, retain_graph: bool
) -> list[torch.Tensor | None]:
    try:
        return list(
            torch.autograd.grad(q, leaves, cotangent, retain_graph=retain_graph, allow_unused=True)
        )
    except RuntimeError as error:
        if not isinstance(error, CheckpointError) and "use_reentrant" not in str(error):
            raise
        raise NotDifferentiableError(
            "the model computes a part of itself again in its backward pass "
            "(torch.utils.checkpoint), and not in the same way, or with use_reentrant=True, which "
            f"lets nobody ask for gradients of values; {ADVICE}"
        ) from error


def _only(leaves: list[Any]) -> Any:
    return leaves[0]


def _torch_tree(value: Any) -> tuple[Sequence[Any], Any, trees.Unflatten]:
    if isinstance(value, torch.Tensor):
        return (value,), None, _only
    leaves, spec = pytree.tree_flatten(value, is_leaf=lambda x: x is not value)
    return leaves, spec, lambda new: pytree.tree_unflatten(list(new), spec)


BACKEND = TorchBackend()
