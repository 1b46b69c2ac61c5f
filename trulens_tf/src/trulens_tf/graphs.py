"""Graphs of TensorFlow 2: ConcreteFunctions, SavedModels and frozen GraphDefs.

What was traced or saved cannot be run step by step. It is imported into the graph of the step,
once up to each place in turn, with other tensors in place of those that are replaced or tapped;
what is not needed then is left out.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from trulens_core.backends import Tap
from trulens_core.errors import UnsupportedModelError
from trulens_core.inputs import ModelInputs
from trulens_core.models import Layer, ModelWrapper
from trulens_core.passes import Pass, Place
from trulens_core.rules import Applied
from trulens_core.slices import INPUT, OUTPUT, Cut
from trulens_keras.switches import switches, turned
from trulens_tf.backend import TensorFlowBackend, zeros_of
from trulens_tf.names import Names, scratch
from trulens_tf.programs import Program, imported
from trulens_tf.ruled import by_rules


class GraphWrapper(ModelWrapper):
    """A program. Layers are its operations, or the tensors named in `internal_tensor_dict`.

    Args:
        model: what the caller gave.
        program: what is run of it.
        backend: TensorFlow.
        aliases: tensors by names of the caller's own.
        logit_layer: the layer that `LogitCut` means.
        batched: by argument name, whether its tensors have a row per record.
    """

    def __init__(
        self,
        model: Any,
        program: Program,
        backend: TensorFlowBackend,
        *,
        aliases: Mapping[str, Any] | None = None,
        logit_layer: Any = None,
        batched: Mapping[str | int, bool | int] | None = None,
    ) -> None:
        super().__init__(model, logit_layer=logit_layer, batched=batched)
        self.backend, self._program = backend, program
        self.parameters = program.parameters
        self._names = Names(scratch(program.graph_def), self._owner, aliases)
        self._switches = switches(program.variables)

    def layers(self) -> Sequence[Layer]:
        return self._names.listed()

    def place(self, cut: Cut) -> Place:
        if cut.name in (INPUT, OUTPUT):
            return cut.name, cut.anchor
        return self._names.find(cut.name), cut.anchor

    def logit_cut(self) -> Cut:
        return self._names.scores(super().logit_cut())

    def channel_axis(self, cut: Cut) -> int:
        inner = isinstance(cut.name, str | int) and cut.name not in (INPUT, OUTPUT)
        return self._names.channel_axis(self._names.find(cut.name) if inner else None)

    def revision(self) -> Hashable:
        """How the switches among the variables are."""
        return turned(self._switches)

    def like(self) -> tf.Tensor | None:
        return next(self.floating_weights(), None)

    def floating_weights(self) -> Iterator[tf.Tensor]:
        held = (*(v.dtype for v in self._program.variables), *self._program.dtypes)
        return zeros_of(held)

    def weights(self) -> Mapping[str, tf.Tensor]:
        return {f"{i} {v.name}": v.value() for i, v in enumerate(self._program.variables)}

    def forward(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[tf.Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[tf.Tensor]]:
        p = Pass(self, replace=replace, tap=tap, want=want)
        known = dict(self._program.feed(p.enter(inputs)))
        rewired: dict[tuple[str, int], tf.Tensor] = {}
        for place in sorted(p.places, key=lambda place: self._names.order(place[0])):
            self._show(p, place, known, rewired)
        if p.complete:
            return p.stop()
        found = self._program.evaluated(self._program.outputs, known, rewired)
        return p.leave(self._program.pack(found))

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
        return by_rules(forward, tap, rules, imported)

    def _show(
        self,
        p: Pass,
        place: Place,
        known: dict[str, tf.Tensor],
        rewired: dict[tuple[str, int], tf.Tensor],
    ) -> None:
        """Show the pass the tensors at a place, and keep what is to stand there instead."""
        name, anchor = place
        names = [t.name for t in self._names.tensors(name, anchor)]
        now = self._program.evaluated(names, known, rewired)
        if anchor == "in":
            (new, _) = p.at(place, (tuple(now), {}))
        else:
            given = p.at(place, now[0] if len(now) == 1 else now)
            new = [given] if len(now) == 1 else given
        for i, (a, b) in enumerate(zip(now, new, strict=True)):
            if a is not b and anchor == "in":
                rewired[name.partition(":")[0], i] = b
            elif a is not b:
                known[names[i]] = b


class FunctionWrapper(ModelWrapper):
    """A tf.function of several or no signatures: it is called as it is, without inner cuts.

    Args:
        model: the tf.function.
        backend: TensorFlow.
        logit_layer: accepted, and refused where it is used.
        batched: by argument name, whether its tensors have a row per record.
    """

    def __init__(
        self,
        model: Any,
        backend: TensorFlowBackend,
        *,
        logit_layer: Any = None,
        batched: Mapping[str | int, bool | int] | None = None,
    ) -> None:
        super().__init__(model, logit_layer=logit_layer, batched=batched)
        self.backend = backend

    def layers(self) -> Sequence[Layer]:
        return []

    def place(self, cut: Cut) -> Place:
        if cut.name in (INPUT, OUTPUT):
            return cut.name, cut.anchor
        raise UnsupportedModelError(
            f"{cut} is inside a tf.function whose graph is not known before it is called; give "
            "the graph itself: f.get_concrete_function(tf.TensorSpec([None, ...], tf.float32))"
        )

    def forward(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[tf.Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[tf.Tensor]]:
        p = Pass(self, replace=replace, tap=tap, want=want)
        entered = p.enter(inputs)
        return p.leave(self.model(*entered.args, **entered.kwargs))

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
        return by_rules(forward, tap, rules, lambda _: "")
