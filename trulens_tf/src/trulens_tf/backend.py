"""TensorFlow's tensors and its gradient primitive."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from tensorflow.python import pywrap_tfe  # there is no public way
from tensorflow.python.eager import context

from trulens_core import trees
from trulens_core.backends import (
    Backend,
    BlockStep,
    Gradients,
    Halves,
    Step,
    StepArguments,
    Tap,
    Want,
    half,
)
from trulens_core.errors import NotDifferentiableError
from trulens_tf import halved, namespace, rows
from trulens_tf.blocks import TracedBlock, folded, of_rows
from trulens_tf.compiling import Compiled
from trulens_tf.fused import Fused
from trulens_tf.halves import TwoGraphs
from trulens_tf.through import dense, through

_UNSUPPORTED = "mMV"
"""NumPy kinds that TensorFlow has no tensors of."""
_TEXT = "OSUT"
"""NumPy kinds that strings come in."""


class TensorFlowBackend(Backend):
    """TensorFlow, each step traced once into a graph whose rows' axis is open.

    Args:
        jit_compile: whether graphs are compiled by XLA, once for each number of rows. On CPUs
            that is slower than TensorFlow's own way.
    """

    name: ClassVar[str] = "tensorflow"
    xp = namespace
    traces: ClassVar[bool] = True
    splits: ClassVar[bool] = True
    fuses: ClassVar[bool] = True
    nests: ClassVar[bool] = True
    channel_axis: ClassVar[int | None] = -1

    def __init__(self, jit_compile: bool = False) -> None:
        self.jit_compile = bool(jit_compile)

    def compiled_by_xla(self) -> TensorFlowBackend:
        """The backend whose graphs XLA compiles."""
        return COMPILED_BY_XLA

    def is_tensor(self, x: object) -> bool:
        return isinstance(x, tf.Tensor | tf.Variable)

    def passes_whole(self, x: object) -> bool:
        return callable(x)  # compiled functions and modules among them

    def advice_on(self, value: object) -> str:
        if isinstance(value, tf.RaggedTensor):
            return (
                "; records of several sizes are given padded, x.to_tensor(), to a function of that "
                "and of the lengths, x.row_lengths(), or one record a call"
            )
        return "; give tf.sparse.to_dense(x)" if isinstance(value, tf.SparseTensor) else ""

    def is_floating(self, x: tf.Tensor) -> bool:
        return bool(x.dtype.is_floating)

    def to_numpy(self, x: tf.Tensor) -> np.ndarray[Any, Any]:
        if x.dtype.is_floating and x.dtype not in (tf.float16, tf.float32, tf.float64):
            x = tf.cast(x, tf.float32)
        return np.array(x.numpy())

    def from_numpy(self, a: np.ndarray[Any, Any], like: tf.Tensor | None = None) -> tf.Tensor:
        if a.dtype.kind in _UNSUPPORTED:
            raise TypeError(f"has dtype {a.dtype}; TensorFlow has no tensors of that type")
        if a.dtype.kind in _TEXT:
            return _strings(a)
        if like is not None and a.dtype.kind == "f":
            a = a.astype(like.dtype.as_numpy_dtype, copy=False)
        return tf.constant(a)

    def cast(self, x: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        return tf.cast(x, like.dtype)

    def accumulator(self, x: tf.Tensor) -> tf.Tensor:
        return x if x.dtype in (tf.float32, tf.float64) else tf.cast(x, tf.float32)

    def given(self, x: tf.Tensor, like: tf.Tensor | None) -> tf.Tensor:
        return x if like is None else tf.cast(x, like.dtype)

    def flatten(self, value: Any) -> trees.Tree:
        return trees.flatten(value, _tensorflow_tree)

    def softmax(self, x: tf.Tensor, axis: int) -> tf.Tensor:
        return tf.nn.softmax(x, axis=axis)

    def sigmoid(self, x: tf.Tensor) -> tf.Tensor:
        return tf.math.sigmoid(x)

    def places(self, index: tf.Tensor, x: tf.Tensor, axis: int, what: str) -> tf.Tensor:
        if x.shape[axis] is None:
            return rows.within(index, tf.shape(x, index.dtype)[axis], what)
        return super().places(index, x, axis, what)

    def stop_gradient(self, x: tf.Tensor) -> tf.Tensor:
        return tf.stop_gradient(x)

    def through(self, x: tf.Tensor, pull: Callable[..., tf.Tensor], *held: tf.Tensor) -> tf.Tensor:
        return through(self, x, pull, held)

    def repeat(self, x: tf.Tensor, k: int) -> tf.Tensor:
        return x if k == 1 else tf.tile(x, [k] + [1] * (len(x.shape) - 1))

    def weighted_sum(self, x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        w, shape = tf.cast(weights, x.dtype), tf.shape(x)
        if tf.config.list_logical_devices("GPU"):  # where a matrix product has 10 bits of float32
            return tf.reduce_sum(tf.reshape(w, [-1] + [1] * (len(x.shape) - 1)) * x, axis=0)
        summed = tf.matmul(w[None], tf.reshape(x, [shape[0], tf.reduce_prod(shape[1:])]))
        return tf.reshape(summed, shape[1:])

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, tf.errors.ResourceExhaustedError | MemoryError)

    def outside(self) -> contextlib.AbstractContextManager[Any]:
        if tf.executing_eagerly():
            return tf.init_scope()  # type: ignore[no-any-return]
        # within a graph of TensorFlow 1, which that scope does not leave; nothing public does
        return context.eager_mode()  # type: ignore[no-any-return]

    def same_rows(self, x: tf.Tensor, like: tf.Tensor, cut: object = None) -> tf.Tensor:
        return rows.checked(x, like, cut)

    def compiled(self, step: Callable[..., Any]) -> Callable[..., Any]:
        return step if isinstance(step, Compiled) else Compiled(step, self.jit_compile)

    def fused(self, program: Callable[..., Any]) -> Callable[..., Any]:
        return Fused(program)

    def folded(
        self, block: Callable[[Any, Any], Any], join: Callable[[Any, Any], Any], n: Any, size: Any
    ) -> Any:
        return folded(block, join, n, size)

    def blockwise(self, step: Step, want: frozenset[Want]) -> BlockStep:
        """One graph for points, step and sum; for the unmodified value, which has none, the step.

        Either is traced when it is first called, and a step is called with one of them only.
        """
        one = self.compiled(step)
        rows, block = super().blockwise(one, want), TracedBlock(self, step, want, self.jit_compile)

        def run(a: StepArguments, weights: Any) -> Gradients:
            if a.points:
                return block(a, weights)
            if tf.is_symbolic_tensor(weights):  # in a program, where it weighs 1
                return self._of_one_point(one(a), want)
            return rows(a, weights)

        return run

    def _of_one_point(self, got: Gradients, want: frozenset[Want]) -> Gradients:
        def pointed(t: tf.Tensor | None) -> tf.Tensor | None:
            return None if t is None else tf.expand_dims(t, 0)

        gradients = [[g if g is None else self.accumulator(g) for g in gs] for gs in got.gradients]
        if "points" in want:
            gradients = [[pointed(g) for g in gs] for gs in gradients]
        quantities, activations = map(pointed, got.quantities), map(pointed, got.activations)
        return Gradients([*quantities], [*activations], gradients)

    def rowwise(self, step: Step) -> Callable[[StepArguments, int], Gradients]:
        """How a step evaluates k points × b records, where all that it gives stays as it is."""
        rows = self.compiled(step)
        block = Compiled(lambda a, k: step(of_rows(a, k[0])), self.jit_compile, axes=2)

        def run(a: StepArguments, k: int) -> Gradients:
            got: Gradients = block(a, tf.constant([k])) if a.points else rows(self._rows(a, k))
            return got

        return run

    def halves(
        self, run: Callable[[StepArguments, Tap], list[tf.Tensor]], want: frozenset[Want]
    ) -> Callable[[StepArguments], Halves]:
        return TwoGraphs(self, run, want)

    def tap(self, leaves: list[tf.Tensor]) -> Tap:
        """A tap that adds to `leaves` the tensors that go on, which are differentiated for."""
        graph = tf.compat.v1.get_default_graph()

        def tap(z: list[tf.Tensor]) -> list[tf.Tensor]:
            if tf.compat.v1.get_default_graph() is not graph:
                raise NotDifferentiableError(
                    "the value at the source cut is computed inside a loop or another function's "
                    "graph, where there is no gradient for it alone; cut at what is around it"
                )
            new = [self.leaf(t) for t in z]
            leaves.extend(new)
            return new

        return tap

    def differentiate(self, run: Callable[[Tap], list[tf.Tensor]]) -> Gradients:
        return self.differentiate_each(run, list)

    def differentiate_each(
        self, run: Callable[[Tap], list[tf.Tensor]], each: Callable[..., list[tf.Tensor | None]]
    ) -> Gradients:
        leaves: list[tf.Tensor] = []
        tap = self.tap(leaves)
        if tf.executing_eagerly():  # outside any step
            quantities, found = self._by_tape(run, tap, leaves, each)
            return Gradients(quantities, leaves, found)
        quantities, found = run(tap), []
        for q in quantities:
            # a graph does not say in which order: one after the other, so that few are held
            done = [g for gs in found[-1:] for g in gs if g is not None] if each is not list else []
            with tf.control_dependencies(done):
                found.append(each(self._derived(q, leaves)))
        return Gradients(quantities, leaves, found)

    def _derived(self, q: tf.Tensor, leaves: list[tf.Tensor]) -> list[tf.Tensor | None]:
        """The gradients of a quantity in a graph; of float16, by passes with several factors."""
        known = halved.between(q, leaves)
        if known is None:
            return self.pulled([q], leaves)

        def derived(factor: float) -> list[tf.Tensor | None]:
            return self.pulled([q], leaves, [tf.fill(tf.shape(q), tf.cast(factor, q.dtype))])

        return half.scaled(derived, known, self)

    def _by_tape(
        self,
        run: Callable[[Tap], list[tf.Tensor]],
        tap: Tap,
        leaves: list[tf.Tensor],
        each: Callable[..., list[tf.Tensor | None]],
    ) -> tuple[list[tf.Tensor], list[list[tf.Tensor | None]]]:
        with (
            recording(),
            tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape,
        ):
            quantities = run(_watched(tap, tape))
        return quantities, [each(_dense(tape.gradient(q, leaves), leaves)) for q in quantities]

    def leaf(self, x: tf.Tensor) -> tf.Tensor:
        """The tensor that goes on in place of `x`, and that is differentiated for."""
        return tf.identity(x)

    def pulled(
        self,
        values: list[tf.Tensor],
        leaves: list[tf.Tensor],
        cotangents: list[tf.Tensor] | None = None,
    ) -> list[tf.Tensor | None]:
        """The gradients of Σ values, or their cotangents pulled back; None where unconnected.

        Also through operations that were imported, which no tape records. Each is the total
        derivative, through the leaves that come after it too.
        """
        found = tf.gradients(values, leaves, grad_ys=cotangents, stop_gradients=self.held())
        return _dense(found, leaves)

    def held(self) -> list[tf.Tensor]:
        """Tensors that do not depend on what computes them in the graph."""
        return []


def _strings(a: np.ndarray[Any, Any]) -> tf.Tensor:
    """An array of strings as a tensor."""
    objects = a.astype(object)  # TensorFlow knows no StringDType
    others = {type(x).__name__ for x in objects.flat if not isinstance(x, str | bytes)}
    if others:
        raise TypeError(
            f"has dtype {a.dtype} and holds {', '.join(sorted(others))}; TensorFlow makes tensors "
            "of an array of objects only where all are strings: give numbers in a type of their "
            "own, as by .astype('float32'), and a string for what is missing"
        )
    return tf.convert_to_tensor(objects, tf.string)


def zeros_of(types: Iterable[tf.DType]) -> Iterator[tf.Tensor]:
    """A zero of each floating type among `types`, in their order."""
    return (tf.zeros((), d) for d in dict.fromkeys(types) if d.is_floating)


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """A context in which tapes record; `outside` stops them, the caller's among them."""
    stopped = pywrap_tfe.TFE_Py_TapeSetIsStopped()
    if stopped:
        pywrap_tfe.TFE_Py_TapeSetRestartOnThread()
    try:
        yield
    finally:
        if stopped:
            pywrap_tfe.TFE_Py_TapeSetStopOnThread()


def _dense(found: Sequence[Any], leaves: Sequence[tf.Tensor]) -> list[tf.Tensor | None]:
    return [dense(g, z) for g, z in zip(found, leaves, strict=True)]


def _watched(tap: Tap, tape: tf.GradientTape) -> Tap:
    def watched(z: list[tf.Tensor], /) -> list[tf.Tensor]:
        new = tap(z)
        tape.watch(new)
        return new

    return watched


def _tensorflow_tree(value: Any) -> tuple[list[Any], Any, trees.Unflatten]:
    if not tf.nest.is_nested(value):
        return [value], None, lambda new: new[0]
    if isinstance(value, list):  # as modules keep lists; a dict inside is not to be sorted
        return list(value), type(value), type(value)
    leaves = tf.nest.flatten(value)
    shape = tf.nest.map_structure(lambda _: 0, value)
    return leaves, str(shape), lambda new: tf.nest.pack_sequence_as(value, list(new))


BACKEND = TensorFlowBackend()
COMPILED_BY_XLA = TensorFlowBackend(jit_compile=True)
