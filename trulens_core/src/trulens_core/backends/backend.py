"""What core asks of a framework: its tensors, one gradient primitive, and how steps are run.

A backend translates and computes nothing of its own: quantities, distributions, quadrature and
sums are core's, written over `Backend.xp`.
"""

from __future__ import annotations

import contextlib
import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any, ClassVar, Literal, final

import numpy as np

from trulens_core import trees
from trulens_core.backends.protocol import (
    BlockStep,
    Gradients,
    Halves,
    Step,
    StepArguments,
    Tap,
    Tensor,
    Want,
)


class Backend(ABC):
    """One framework. Stateless; one instance serves all models and threads.

    Attributes:
        name: the framework's name, as `backend=` takes it.
        xp: the framework's tensors under array-API names; the functions that core uses are
            listed in `trulens_core.testing.conformance`.
        static_shapes: whether the framework compiles per shape, so that blocks are padded.
        prefers: what a block should hold more of, `"points"` or `"records"`.
        traces: whether steps are traced, and so kept by key; eager frameworks build them anew.
        splits: whether a quantity that runs code of the caller's is evaluated outside the compiled
            step, so that a new one compiles nothing; needs `halves`.
        maps_points: whether a block's points are evaluated apart from one another, so that rows of
            one cannot see those of another.
        fuses: whether the work on a group of records is one program where all of it is the
            library's own: points, gradients, their sum, see `fused`.
        nests: whether compiled steps stand in a program as calls of what was traced before, the
            values at cuts among them, and numbers of rows are open there.
        has_gradients: whether models have gradients; without, `differentiate` raises.
        channel_axis: the axis of channels in images (rank 4 and 5) unless a wrapper knows better;
            None where the framework has no custom.

    Example:
        >>> from trulens_core.testing.reference import BACKEND
        >>> x = BACKEND.from_numpy(np.array([[1.0, 3.0]]))
        >>> BACKEND.to_numpy(BACKEND.xp.sum(x, axis=1))
        array([4.])
    """

    name: ClassVar[str]
    xp: Any
    static_shapes: ClassVar[bool] = False
    prefers: ClassVar[Literal["points", "records"]] = "records"
    traces: ClassVar[bool] = False
    splits: ClassVar[bool] = False
    maps_points: ClassVar[bool] = False
    fuses: ClassVar[bool] = False
    nests: ClassVar[bool] = False
    has_gradients: ClassVar[bool] = True
    channel_axis: ClassVar[int | None] = None

    @abstractmethod
    def is_tensor(self, x: object) -> bool:
        """Whether `x` is a tensor of this framework, one being traced included."""

    @abstractmethod
    def to_numpy(self, x: Tensor) -> np.ndarray[Any, Any]:
        """`x` as a writable NumPy array that shares no memory with it.

        Types that NumPy lacks become float32.
        """

    @abstractmethod
    def from_numpy(self, a: np.ndarray[Any, Any], like: Tensor | None = None) -> Tensor:
        """`a` as a tensor; with `like`, on its device and, where `a` is floating, in its dtype.

        The tensor may share memory with `a`. Raises TypeError for types without tensors.
        """

    @abstractmethod
    def softmax(self, x: Tensor, axis: int) -> Tensor:
        """exp(x) / Σ exp(x) along `axis`, by the framework's stable function."""

    @abstractmethod
    def sigmoid(self, x: Tensor) -> Tensor:
        """1 / (1 + exp(-x)), by the framework's stable function."""

    def largest(self, x: Tensor, axis: int) -> Tensor:
        """The largest along `axis`, which is left out; of equals, the first has the gradient."""
        xp = self.xp
        best = xp.argmax(x, axis=axis, keepdims=True)
        return xp.squeeze(xp.take_along_axis(x, best, axis=axis), axis=axis)

    def places(self, index: Tensor, x: Tensor, axis: int, what: str) -> Tensor:  # noqa: ARG002
        """`index` along an axis of `x`, where negative ones count from the end.

        An axis whose length is open in a trace is looked at, whether it has them, when that runs;
        `what` they are, for the message.
        """
        return self.xp.where(index < 0, index + x.shape[axis], index)

    @abstractmethod
    def stop_gradient(self, x: Tensor) -> Tensor:
        """`x`, through which nothing is differentiated."""

    def through(self, x: Tensor, pull: Callable[..., Tensor], *held: Tensor) -> Tensor:
        """`x`, to the bit; on the way back its cotangent g becomes `pull(g, *held)`.

        g is summed over all users of what is returned; others of `x` are not pulled. Where nothing
        is differentiated `pull` is not called, and what is returned may be `x` itself.

        Args:
            x: a tensor; through one of integers nothing is pulled.
            pull: of tensors, over `xp`, linear or not. It gives what has the shape of `x`, or it
                is a ValueError; the type is cast. What is traced or batched reaches it by `held`.
            held: tensors of any type. Nothing is passed back to them.

        Example:
            >>> from trulens_core.testing.reference import BACKEND as b
            >>> z = b.from_numpy(np.array([[2.0, -3.0]]))
            >>> def run(tap):
            ...     y = b.through(*tap([z]), lambda g, v: b.xp.where(g > 0, g * v, 0.0), z)
            ...     return [b.xp.sum(y * y, axis=1)]
            >>> b.differentiate(run).gradients[0][0]
            Tensor(array([[8., 0.]]))
        """
        raise NotImplementedError(f"the backend {self.name!r} does not serve `through`")

    @abstractmethod
    def differentiate(self, run: Callable[[Tap], list[Tensor]]) -> Gradients:
        """The gradient of each quantity's sum over rows, at the values that reach the tap.

        Args:
            run: evaluates the model with the tap at the source cut and returns the quantities,
                each (rows,). It is pure and may be called several times. The tap may be reached
                several times in one run (once per layer of the cut); values and gradients are
                listed in the order of reaching. What reaches it may be computed from what did
                before; each gradient is the total derivative, as if the tap were at it alone.
        """

    def differentiate_each(
        self,
        run: Callable[[Tap], list[Tensor]],
        each: Callable[[list[Tensor | None]], list[Tensor | None]],
    ) -> Gradients:
        """`differentiate`, with `each(gradients)` of a quantity in the place of its gradients.

        It is called for one quantity after the other, of which the gradients are gone before those
        of the next are computed, where the framework can do so.

        Args:
            run: as for `differentiate`.
            each: of one quantity's gradients, in the order of reaching, None where unconnected; it
                is pure, and may be traced.
        """
        got = self.differentiate(run)
        return got._replace(gradients=[each(gs) for gs in got.gradients])

    def derivatives(
        self, run: Callable[[list[Tensor]], list[Tensor]], at: Sequence[Tensor]
    ) -> list[list[Tensor | None]]:
        """The gradient of each quantity's sum over rows, `run(z)`, at tensors without a graph.

        Inside a wrapper's `opened`. `run` may write to what it is given.
        """
        return self.differentiate(lambda tap: run(tap(list(at)))).gradients

    def outline(self, x: object) -> Hashable:  # noqa: ARG002 - a hook
        """What all depends on that is found out about a floating tensor before it is computed with.

        Its shape, type and place; None where there is more to it, or it is no such tensor.
        """
        return None

    def stored(self, x: Tensor) -> Sequence[Tensor]:
        """The dense tensors that hold what is in `x`: itself, or those of which it is made up."""
        return (x,)

    def passes_whole(self, x: object) -> bool:  # noqa: ARG002 - a hook
        """Whether an argument that is no tensor, as a network, goes into every pass as it is."""
        return False

    def is_floating(self, x: Tensor) -> bool:
        """Whether `x` holds real floating numbers, of any width."""
        return bool(self.xp.isdtype(x.dtype, "real floating"))

    def varies(self, x: Tensor) -> bool:
        """Whether other numbers may take the place of those of `x`; as a rule of floats."""
        return self.is_floating(x)

    def magnitude(self, x: Tensor) -> float:
        """Σ |x|: 0 where all of `x` is, not finite where some of it is not or the sum overflows."""
        return float(self.pure(_magnitude)(x))

    def cast(self, x: Tensor, like: Tensor) -> Tensor:
        """`x` in the dtype and on the device of `like`; itself where it is so already."""
        return x if x.dtype == like.dtype else self.xp.astype(x, like.dtype)

    def placed(self, x: Tensor, like: Tensor) -> Tensor:  # noqa: ARG002 - a hook
        """`x` as it is on the device of `like`, where the framework asks for that."""
        return x

    def given(self, x: Tensor, like: Tensor | None) -> Tensor:
        """A result as the caller gets it: free of the model's graph; where `like`, as `cast`."""
        return x if like is None else self.cast(x, like)

    def fresh(self, x: Tensor) -> Tensor:
        """`x` in memory of its own where tensors can be changed in place, else itself."""
        return x

    def accumulator(self, x: Tensor) -> Tensor:
        """`x` in a type wide enough for sums: float32, or wider where `x` is."""
        wide = self.xp.isdtype(x.dtype, (self.xp.float32, self.xp.float64))
        return x if wide else self.xp.astype(x, self.xp.float32)

    def filled(self, like: Tensor, value: float) -> Tensor:
        """One number in the shape and type of `like`, in as little memory as can be; to be read."""
        return self.xp.full_like(like, value)

    def flatten(self, value: Any) -> trees.Tree:
        """The leaves of a value inside the model, by the framework's own tree functions."""
        return trees.flatten(value)

    def outside(self) -> contextlib.AbstractContextManager[Any]:
        """The context of what core computes by itself: outside any graph the caller is building."""
        return contextlib.nullcontext()

    def advice_on(self, value: object) -> str:  # noqa: ARG002 - a hook
        """What to give instead of a value that is no tensor, as the end of a sentence."""
        return ""

    def same_rows(self, x: Tensor, like: Tensor, cut: object = None) -> Tensor:  # noqa: ARG002
        """`x`, checked to have the rows of `like` where their numbers are open in a trace.

        Args:
            x: the value at `cut`, or a quantity where that is None.
            like: a tensor with the right number of rows.
            cut: for the message.
        """
        return x

    def compiled(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """`step` as the framework runs it best; eager frameworks return it unchanged."""
        return step

    def fused(self, program: Callable[..., Any]) -> Callable[..., Any]:
        """`program`, of trees of tensors and arrays, as one program that calls steps.

        Raises:
            Unrepeatable: when called first, where it may give something else the next time.
        """
        return self.compiled(program)

    def folded(
        self, block: Callable[[Any, Any], Any], join: Callable[[Any, Any], Any], n: Any, size: Any
    ) -> Any:
        """What blocks of at most `size` of n points give, one after the other, in such a program.

        `block(first, last)` gives a tree of tensors, and `join` one of what two of them hold.
        """
        raise NotImplementedError(f"the backend {self.name!r} does not nest steps in programs")

    def pure(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """A function of tensors as the framework runs it best; `function` gets the backend first.

        It is one of core's at the level of a module, so that what is made of it can be kept. The
        tensors may be NumPy arrays, which it makes tensors of where they still are none.
        """
        return functools.partial(function, self)

    def blockwise(self, step: Step, want: frozenset[Want]) -> BlockStep:
        """How a step over rows evaluates k points × b records.

        By default the rows are laid out point by point (row p·b + r is point p of record r)
        outside the compiled step, and the gradients are summed after it.
        """
        compiled = self.compiled(step)

        def block(arguments: StepArguments, weights: np.ndarray[Any, Any]) -> Gradients:
            k = len(weights)
            got = compiled(self._rows(arguments, k))
            return Gradients(
                [self.split_points(q, k) for q in got.quantities],
                [self.split_points(z, k) for z in got.activations],
                [self.combined(gs, weights, want) for gs in got.gradients],
            )

        return block

    def halves(
        self, run: Callable[[StepArguments, Tap], list[Tensor]], want: frozenset[Want]
    ) -> Callable[[StepArguments], Halves]:
        """A step in two compiled halves, between which a quantity can be evaluated eagerly.

        Args:
            run: evaluates rows with the tap at the source cut, up to the target cut.
            want: as for `blockwise`.
        """
        raise NotImplementedError(f"the backend {self.name!r} does not split steps")

    def each_point(
        self, function: Callable[[list[Tensor]], list[Tensor]], tensors: Sequence[Tensor]
    ) -> list[Tensor]:
        """`function` of the tensors of each of k points: from (k, …) each to (k, …) each."""
        each = [function([t[i] for t in tensors]) for i in range(int(tensors[0].shape[0]))]
        return [self.xp.stack(list(found)) for found in zip(*each, strict=True)]

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether `error` says that the device's memory ran out."""
        return isinstance(error, MemoryError)

    def repeat(self, x: Tensor, k: int) -> Tensor:
        """K copies of all rows, one after the other: (b, …) to (k·b, …)."""
        if k == 1:
            return x
        xp, shape = self.xp, tuple(x.shape)
        copies = xp.broadcast_to(xp.expand_dims(x, axis=0), (k, *shape))
        return xp.reshape(copies, (k * shape[0], *shape[1:]))

    def split_points(self, x: Tensor, k: int) -> Tensor:
        """(k·b, …) to (k, b, …)."""
        return self.xp.reshape(x, (k, int(x.shape[0]) // k, *x.shape[1:]))

    def merge_points(self, x: Tensor) -> Tensor:
        """(k, b, …) to (k·b, …)."""
        return self.xp.reshape(x, (int(x.shape[0]) * int(x.shape[1]), *x.shape[2:]))

    def laid_out(self, x: Tensor, like: Tensor) -> Tensor:  # noqa: ARG002
        """`x` with its axes in the order in memory that those of `like` have, where it matters.

        What follows in the model may count on it, as torch's `view` does.
        """
        return x

    def _rows(self, a: StepArguments, k: int) -> StepArguments:
        return StepArguments(
            a.state,
            [self.merge_points(p) for p in a.points],
            [self.repeat(x, k) for x in a.batched],
            a.shared,
            [self.repeat(x, k) for x in a.per_record],
            a.scalars,
            a.cotangents,
            [self.repeat(m, k) for m in a.multipliers],
        )

    @final
    def combined(
        self,
        gradients: Sequence[Tensor | None],
        weights: np.ndarray[Any, Any],
        want: Collection[Want],
    ) -> list[Any]:
        """The gradients of k·b rows as a block gives them, wide enough for sums.

        Each point's own, (k, b, …), where `want` holds "points", else their weighted sum, (b, …);
        None where unconnected.
        """
        k = len(weights)
        rows = [None if g is None else self.accumulator(g) for g in gradients]
        if k == 1 and weights[0] == 1 and "points" not in want:
            return rows
        points = [None if g is None else self.split_points(g, k) for g in rows]
        if "points" in want:
            return points
        w = self.from_numpy(weights)
        return [None if g is None else self.weighted_sum(g, w) for g in points]

    def weighted_sum(self, x: Tensor, weights: Tensor) -> Tensor:
        """Σₖ wₖ xₖ: (k, b, …) and (k,) to (b, …), without a temporary as large as `x`."""
        xp, shape = self.xp, tuple(x.shape)
        flat = xp.reshape(x, (shape[0], math.prod(shape[1:])))
        w = xp.expand_dims(self.cast(weights, flat), axis=0)
        return xp.reshape(xp.matmul(w, flat), shape[1:])


def _magnitude(backend: Backend, x: Tensor) -> Tensor:
    return backend.xp.sum(backend.xp.abs(x))


def rows_at(x: Tensor, index: Sequence[int] | np.ndarray[Any, Any], backend: Backend) -> Tensor:
    """The rows of `x` at some places, in that order."""
    places = backend.from_numpy(np.asarray(index, "int32"), like=x)
    return backend.xp.take(x, places, axis=0)


def static_shape(x: Tensor) -> Sequence[int | None]:
    """The shape as far as it is known while a step is traced; None where an axis is open."""
    return [None if n is None else int(n) for n in x.shape]
