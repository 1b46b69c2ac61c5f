"""Graphs of TensorFlow 1 with their session, which are fed and fetched as they are.

Feeding a tensor replaces its value, so that nothing is rewired: a step adds a quantity and its
gradients to the caller's graph, once, and every call is one run of the session.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import tensorflow as tf

from trulens_core.backends import Backend, BlockStep, Gradients, Step, StepArguments, Tap, Want
from trulens_core.errors import CutError, UncoveredOperationError
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import STATIC
from trulens_core.models import Layer, ModelWrapper
from trulens_core.passes import Pass, Place
from trulens_core.rules import Applied
from trulens_core.slices import INPUT, OUTPUT, Cut
from trulens_tf import rows
from trulens_tf.backend import TensorFlowBackend, zeros_of
from trulens_tf.names import Names
from trulens_tf.programs import paired
from trulens_tf.ruled import by_rules

_KEPT = 16


class SessionBackend(TensorFlowBackend):
    """TensorFlow, each step run by a session.

    Args:
        graph: the caller's graph.
        session: of that graph.
        defaults: values of tensors that no argument feeds, by the tensors' names.
    """

    fuses: ClassVar[bool] = False
    nests: ClassVar[bool] = False

    def __init__(self, graph: Any, session: Any, defaults: Mapping[str, Any]) -> None:
        super().__init__()
        self.graph, self.session, self.defaults = graph, session, dict(defaults)
        self.fed: dict[str, Any] = {}

    def compiled(self, step: Callable[..., Any]) -> Callable[..., Any]:
        return _SessionStep(self, step)

    def blockwise(self, step: Step, want: frozenset[Want]) -> BlockStep:
        return Backend.blockwise(self, step, want)  # nothing more in the caller's graph

    def rowwise(self, step: Step) -> Callable[[StepArguments, int], Gradients]:
        rows = self.compiled(step)
        return lambda a, k: rows(self._rows(a, k))

    def leaf(self, x: tf.Tensor) -> tf.Tensor:
        return x  # the graph's own tensor, which what follows in the graph depends on

    def held(self) -> list[tf.Tensor]:
        # what is fed does not depend on what computes it in the graph
        return [self.graph.get_tensor_by_name(name) for name in self.fed]

    def cast(self, x: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        if isinstance(like, tf.Tensor) and getattr(like, "graph", None) is self.graph:
            self.fed[like.name] = tf.cast(x, like.dtype)  # `x` takes the place of `like`
            return like
        return super().cast(x, like)


class _SessionStep:
    """A step as operations of the caller's graph, one set per kind of its arguments."""

    def __init__(self, backend: SessionBackend, step: Callable[[StepArguments], Any]) -> None:
        self._backend, self._step = backend, step
        self._lock = threading.Lock()
        self._built: OrderedDict[Hashable, Callable[[StepArguments], Any]] = OrderedDict()

    def __call__(self, arguments: StepArguments) -> Any:
        tensors = _tensors(arguments)
        key = tuple((tuple(t.shape[1:]), t.dtype, len(t.shape)) for t in tensors)
        with self._lock:
            run = self._built.get(key)
            if run is None:
                run = self._built[key] = self._build(arguments)
                if len(self._built) > _KEPT:
                    self._built.popitem(last=False)
        return run(arguments)

    def _build(self, arguments: StepArguments) -> Callable[[StepArguments], Any]:
        backend, session = self._backend, self._backend.session
        with backend.graph.as_default():
            holders = StepArguments((), *(list(map(_holder, field)) for field in arguments[1:]))
            fed: dict[str, Any] = {}
            backend.fed = fed
            wanted = self._step(holders)
        flat = [t for t in tf.nest.flatten(wanted) if t is not None]
        names = [h.name for h in _tensors(holders)]

        def run(given: StepArguments) -> Any:
            feed = {n: t.numpy() for n, t in zip(names, _tensors(given), strict=True)}
            values = session.run(list(fed.values()), feed) if fed else []
            _check_rows(backend.graph, dict(zip(fed, values, strict=True)))
            feed = {**backend.defaults, **feed, **dict(zip(fed, values, strict=True))}
            with rows.reported():
                found = session.run(flat, feed)
            new = iter([tf.convert_to_tensor(v) for v in found])
            whole = [None if t is None else next(new) for t in tf.nest.flatten(wanted)]
            return tf.nest.pack_sequence_as(wanted, whole)

        return run


def _check_rows(graph: Any, fed: Mapping[str, Any]) -> None:
    """Raise where tensors of the graph are declared for another number of rows than they get."""
    for name, value in fed.items():
        declared = graph.get_tensor_by_name(name).shape
        if not declared.rank or not value.ndim or declared[0] is None:
            continue
        n, found = declared[0], value.shape[0]
        if n != found and declared[1:].is_compatible_with(value.shape[1:]):
            raise ValueError(
                f"the graph's tensor {name!r} is declared for {n} rows, but is fed {found}; "
                f"give a multiple of {n} records and rebatch_size={n} ({n} records to the wrapper "
                "itself), or declare it with None rows"
            )


def _name(op: Any) -> str:
    return str(op.name)


def _tensors(a: StepArguments) -> list[Any]:
    return [t for field in a[1:] for t in field]


def _holder(tensor: tf.Tensor) -> Any:
    shape = [None, *tensor.shape[1:]] if len(tensor.shape) else []
    return tf.compat.v1.placeholder(tensor.dtype, shape)


class SessionWrapper(ModelWrapper):
    """A graph with a session.

    Args:
        model: the graph.
        backend: runs it.
        inputs: the tensors that positional arguments feed.
        outputs: the tensors that come out.
        names: of the graph.
        named: tensors by the names of keyword arguments.
        logit_layer: the layer that `LogitCut` means.
        batched: by argument name, whether its tensors have a row per record.
    """

    def __init__(  # noqa: PLR0913 - the documented options
        self,
        model: Any,
        backend: SessionBackend,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        names: Names,
        *,
        named: Mapping[str, Any],
        logit_layer: Any = None,
        batched: Mapping[str | int, bool | int] | None = None,
    ) -> None:
        super().__init__(model, logit_layer=logit_layer, batched=batched)
        self.backend = self._session_backend = backend
        self._inputs, self._outputs, self._named = list(inputs), list(outputs), dict(named)
        self._names = names

    def layers(self) -> Sequence[Layer]:
        return self._names.listed()

    def place(self, cut: Cut) -> Place:
        if cut.name in (INPUT, OUTPUT):
            return cut.name, cut.anchor
        if cut.batch_axis:
            raise CutError(f"{cut}: graphs of TensorFlow 1 need the records on axis 0")
        return self._names.find(cut.name), cut.anchor

    def logit_cut(self) -> Cut:
        return self._names.scores(super().logit_cut())

    def channel_axis(self, cut: Cut) -> int:
        inner = isinstance(cut.name, str | int) and cut.name not in (INPUT, OUTPUT)
        return self._names.channel_axis(self._names.find(cut.name) if inner else None)

    def declared_rows(self) -> int | None:
        for i, tensor in enumerate(self._inputs):  # the first that has records tells how many
            if self.batched.get(i) is not False and tensor.shape.rank:
                rows: int | None = tensor.shape[0]
                return rows
        return None

    def like(self) -> tf.Tensor | None:
        return next(self.floating_weights(), None)

    def floating_weights(self) -> Iterator[tf.Tensor]:
        return zeros_of(t.dtype for t in self._inputs)

    def forward(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[tf.Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[tf.Tensor]]:
        p = Pass(self, replace=replace, tap=tap, want=want)
        p.enter(self._own(inputs))
        for place in p.places:
            tensors = self._names.tensors(*place)
            if place[1] == "in":
                p.at(place, (tuple(tensors), {}))
            else:
                p.at(place, tensors[0] if len(tensors) == 1 else tensors)
        return p.leave(self._outputs[0] if len(self._outputs) == 1 else self._outputs)

    def ruled(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[tf.Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
        rules: Applied,
    ) -> list[list[tf.Tensor]]:
        forward = functools.partial(self.forward, inputs, replace=replace, want=want)
        if not rules.recording:
            return by_rules(forward, tap, rules, _name)
        fed = self._session_backend.fed  # a tensor is fed once: the baseline is emitted instead
        before = dict(fed)
        found = by_rules(forward, tap, rules, _name, at=self._at_baseline)
        fed.clear()
        fed.update(before)
        return found

    def _at_baseline(self, t: tf.Tensor) -> tf.Tensor:
        """What a tensor is fed at the baseline."""
        if t.name not in self._session_backend.fed:
            raise UncoveredOperationError(
                f"rules that compare with a baseline are served in a graph of TensorFlow 1 at the "
                f"cut of that baseline, and {t.name!r} is not fed at it; give the baseline there, "
                "by doi_cut="
            )
        return self._session_backend.fed[t.name]

    def _own(self, inputs: ModelInputs) -> ModelInputs:
        """The inputs with the graph's own tensors in place of what feeds them."""
        own = {}
        for tensor, value in paired(inputs, self._inputs, self._named):
            own[id(value)] = tensor
            self._session_backend.fed[tensor.name] = tf.cast(value, tensor.dtype)
        at = [i for i, leaf in enumerate(inputs.leaves) if leaf.role != STATIC]
        return inputs.with_values(at, [own[id(inputs.leaves[i].value)] for i in at])
