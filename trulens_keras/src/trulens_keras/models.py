"""Keras models seen through their cuts, on every framework that Keras runs on."""

from __future__ import annotations

import contextlib
import copy
import functools
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from trulens_core.backends import Tap, Tensor
from trulens_core.errors import NotDifferentiableError, TrulensWarning, UncoveredOperationError
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import BATCHED, Leaf
from trulens_core.models import Layer, ModelWrapper
from trulens_core.passes import Pass, Place
from trulens_core.passes.trace import Trace, aside
from trulens_core.rules import Applied
from trulens_core.slices import INPUT, OUTPUT, Cut
from trulens_keras.attributes import Attributes
from trulens_keras.declarations import declared_rows, declared_types
from trulens_keras.flavours import Flavour, parameters
from trulens_keras.opening import opened
from trulens_keras.operations import ACTIVATION, Operations
from trulens_keras.patches import LOCK, undisturbed
from trulens_keras.sites import Sites, Within
from trulens_keras.softmax import HINT, Squashing


class KerasModelWrapper(ModelWrapper):
    """A Keras model, or one layer. Weights are read at each call; its structure at wrapping.

    Args:
        model: the model, or the path of a saved one.
        flavour: Keras 3 or tf_keras.
        logit_layer: the layer that `LogitCut` means: its values before its softmax or sigmoid, or
            its output where it has neither. A nested model that ends in one counts.
        replace_softmax: whether the model is seen without the activation of `softmax_layer`.
        softmax_layer: a name or an index; -1 is what gives the model's output.
        custom_objects: classes that a saved model needs, by name; for a model at a path.
        batched: by argument name, whether its tensors have a row per record.
        jit_compile: on TensorFlow, whether XLA compiles the steps.
    """

    def __init__(  # noqa: PLR0913 - the documented signature
        self,
        model: Any,
        flavour: Flavour,
        *,
        logit_layer: Any = None,
        replace_softmax: bool = False,
        softmax_layer: Any = -1,
        custom_objects: Mapping[str, Any] | None = None,
        batched: Mapping[str | int, bool | int] | None = None,
        jit_compile: bool = False,
    ) -> None:
        if isinstance(model, str | Path):
            model = flavour.loaded(model, custom_objects)
        super().__init__(flavour.checked(model), logit_layer=logit_layer, batched=batched)
        self._flavour = flavour
        self.backend = flavour.backend_for(jit_compile)
        self._takes = [n for n in parameters(model) if n not in ("training", "mask")]
        self.parameters = self._names_of_inputs() or parameters(model)
        self._read()
        self._linear = self._squashing.replaceable(softmax_layer) if replace_softmax else None
        self._hinted = logit_layer is not None or replace_softmax
        self._ran = False

    def _read(self) -> None:
        """Look at what the model is made of."""
        self._operations = Operations(self.model, self._flavour)
        self._attributes, self._changes = self._watched_attributes(), 0
        self._squashing = Squashing(self._operations, self._evaluated)
        self._softmaxes: frozenset[str] | None = None

    def _watched_attributes(self) -> Attributes:
        flavour, model = self._flavour, self.model
        return Attributes(
            self._operations.all(), variables=lambda: flavour.tensorflow_variables(model)
        )

    def __getstate__(self) -> dict[str, Any]:
        # operations are known by identity
        return {**vars(self), "_operations": None, "_squashing": None, "_attributes": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._read()

    def _evaluated(self, function: Callable[..., Any], x: np.ndarray[Any, Any]) -> Any:
        """A function of tensors at an array."""
        with self.backend.outside(), self.using(self.state()):
            return self.backend.to_numpy(function(self.backend.from_numpy(x, self.like())))

    def _names_of_inputs(self) -> tuple[str, ...]:
        """The names of a functional model's inputs, where there are several in a list."""
        declared = getattr(self.model, "input", None) if len(self._takes) == 1 else None
        if not isinstance(declared, list | tuple) or len(declared) < 2:
            return ()
        return tuple(str(t.name) for t in declared)

    # -- names -------------------------------------------------------------------------------

    def layers(self) -> Sequence[Layer]:
        return self._operations.listed()

    def place(self, cut: Cut) -> Place:
        if cut.name in (INPUT, OUTPUT):
            return cut.name, cut.anchor
        name = self._operations.find(cut.name)
        loop = self._operations.loops.get(name.removesuffix(ACTIVATION))
        if loop is not None:
            raise NotDifferentiableError(
                f"{cut} is inside the loop of {loop!r}, which runs it for all steps at once; build "
                f"{loop!r} with unroll=True and say which call is meant, or cut at {loop!r} itself"
            )
        return name, cut.anchor

    def logit_cut(self) -> Cut:
        layer = self.logit_layer if self.logit_layer is not None else self._linear
        if layer is None:
            layer = "logits" if self._operations.has("logits") else super().logit_cut().name
        return self._squashing.scores_cut(layer)

    def channel_axis(self, cut: Cut) -> int | None:
        layout = None
        if cut.name not in (INPUT, OUTPUT) and not isinstance(cut.name, tuple):
            name = self._operations.find(cut.name).removesuffix(ACTIVATION)
            layout = getattr(self._operations.by_name[name], "data_format", None)
        if layout is None:  # of the first layer that has one
            formats = (getattr(op, "data_format", None) for op in self._operations.all())
            layout = next((f for f in formats if isinstance(f, str)), None)
        if layout is None:
            layout = self._flavour.image_data_format()
        return 1 if layout == "channels_first" else -1

    def not_reached(self, cut: Cut, calls: int) -> str:
        return super().not_reached(cut, calls) + (
            ". Attention without dropout, and functions under tf.function, compute what is inside "
            "them without calling their parts"
        )

    # -- tensors -----------------------------------------------------------------------------

    def like(self) -> Tensor | None:
        return next(self.floating_weights(), None)

    def floating_weights(self) -> Iterator[Tensor]:
        found = set()
        for v in self._flavour.holding(self.model.variables):
            if "float" in str(v.dtype) and v.dtype not in found:
                found.add(v.dtype)
                yield self._flavour.value(v)

    def weights(self) -> Mapping[str, Tensor]:
        held = self._flavour.holding(self.model.variables)
        names = [str(getattr(v, "path", v.name)) for v in held]
        several = len(set(names)) < len(names)
        labels = [f"{i} {n}" for i, n in enumerate(names)] if several else names
        return {n: self._flavour.value(v) for n, v in zip(labels, held, strict=True)}

    def with_weights(self, changed: Mapping[str, np.ndarray[Any, Any]]) -> Self:
        wrapper = copy.copy(self)
        wrapper.model = self._flavour.copied(self.model)
        wrapper._steps, wrapper._known = copy.copy(self._steps), copy.copy(self._known)
        held = self._flavour.holding(wrapper.model.variables)
        for name, v in zip(self.weights(), held, strict=True):
            if name in changed:
                v.assign(changed[name])
        wrapper._read()
        return wrapper

    def declared(self, inputs: ModelInputs) -> Mapping[int, Any]:
        return declared_types(self.model, inputs, len(self._takes) == 1)

    def declared_rows(self) -> int | None:
        return declared_rows(self.model)

    def adopt(self, value: Any, declared: Any = None) -> Tensor:
        backend = self.backend
        if not isinstance(value, np.ndarray) and not backend.is_tensor(value):
            raise TypeError(
                f"is a {type(value).__module__}.{type(value).__qualname__}; this model runs on "
                f"{self._flavour.framework} (see keras.config.backend()) and takes NumPy arrays "
                f"or tensors of {self._flavour.framework}"
            )
        if declared is None:
            return backend.stop_gradient(super().adopt(value))
        own = isinstance(value, np.ndarray)  # nothing is differentiated through it
        x = self._flavour.cast(backend.from_numpy(value) if own else value, declared)
        x = x if own else backend.stop_gradient(x)
        # TensorFlow moves tensors to where they are used
        like = None if self._flavour.framework == "tensorflow" else self.like()
        return x if like is None else backend.placed(x, like)

    def state(self) -> Any:
        if self._flavour.framework != "jax":  # the others read variables where they are used
            return ()
        return [self._flavour.value(v) for v in self._flavour.read(self.model)]

    def revision(self) -> Hashable:
        """How often the layers' attributes have changed: a traced model has read them."""
        return self._changes

    # -- runs --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def opened(self, inputs: ModelInputs, at: Cut) -> Iterator[None]:
        del at
        with opened(self.model, self._flavour, inputs):
            if not self._ran and not all(getattr(x, "built", 1) for x in self._operations.all()):
                self._built(inputs)
            self._ran = True
            if self.backend.traces:
                self._look_for_changes()
            if self._softmaxes is None and not self._hinted:
                self._softmaxes = self._squashing.softmaxes()
            yield

    def _look_for_changes(self) -> None:
        """What is known of activations and kept by a revision holds of layers as they are."""
        with LOCK:  # another thread's trace may be patching them
            changes = self._attributes.changes()
        if changes != self._changes:
            self._squashing = Squashing(self._operations, self._evaluated)
            self._changes, self._softmaxes = changes, None

    def aside(self, inputs: ModelInputs, at: Cut) -> contextlib.AbstractContextManager[Trace]:
        return aside(self.opened(inputs, at))

    def _built(self, inputs: ModelInputs) -> None:
        """Build the model as its first call does, by such a call."""
        inputs = inputs.own(self.backend)
        keywords = {**self._flavour.evaluating(self.model), **inputs.kwargs}
        self.model(*self._arguments(inputs), **keywords)
        self._read()

    @contextlib.contextmanager
    def using(self, state: Any) -> Iterator[None]:
        with LOCK, undisturbed(self._operations.all()), self._flavour.held(self.model, state):
            yield

    def forward(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[Tensor]]:
        return self._run(inputs, replace=replace, tap=tap, want=want)

    def _run(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
        within: Within | None = None,
    ) -> list[list[Tensor]]:
        """`forward`, in which each layer runs in the context that its name gives."""
        rows = self.declared_rows()
        if rows is not None:
            replace = {cut: self._sized(new, rows) for cut, new in replace.items()}
        p = Pass(self, replace=replace, tap=tap, want=want)
        saturated: list[tuple[str, Any]] = []
        watched = self._watched(saturated) if tap else {}
        sites = Sites(p, self._operations, self.backend, self._linear, watched, within)
        with sites.patched():
            entered = p.enter(inputs)
            if rows is not None:
                entered = entered.map_tensors(lambda x: self._with_rows(x, rows))
            keywords = {**self._flavour.evaluating(self.model), **entered.kwargs}
            output = self.model(*self._arguments(entered), **keywords)
        self._hint(saturated, output, want)
        return p.leave(output)

    def ruled(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
        rules: Applied,
    ) -> list[list[Tensor]]:
        forward = functools.partial(self.forward, inputs, replace=replace, want=want)
        if self._flavour.framework == "torch":
            from trulens_torch.ruled import ByRules

            self._check_merge(rules)
            by = ByRules(rules, {op: name for name, op in self._operations.by_name.items()})
            with by.layers(), by:
                found = forward(tap=by.taps(tap))
            by.check(found)
            return found
        if self._flavour.framework == "jax":
            from trulens_jax.ruled import after_taps
            from trulens_jax.taps import within

            layered = functools.partial(
                self._run, inputs, replace=replace, want=want, within=within
            )
            return after_taps(layered, tap, rules)
        from trulens_tf.ruled import by_rules
        from trulens_tf.running import Running

        running = Running()
        layered = functools.partial(
            self._run, inputs, replace=replace, want=want, within=running.within
        )
        with self._operations.unrolled():
            return by_rules(layered, tap, rules, running)

    def _check_merge(self, rules: Applied) -> None:
        """Raise where a normalisation would have to be merged that is written out."""
        held = [n for n, x in self._operations.by_name.items() if "BatchNorm" in type(x).__name__]
        if rules.merge and held:
            raise UncoveredOperationError(
                f"merge=True is not served for Keras on PyTorch, which computes {held[0]!r} in "
                "several operations; leave it out, or fold the scale into the layer before it"
            )

    def _sized(self, new: Any, rows: int) -> Any:
        """What replaces a value, told of its rows; a function, what it makes of the value."""
        if callable(new):
            return lambda now: self._sized(new(now), rows)
        return [self._flavour.of_rows(t, rows) for t in new]

    def _with_rows(self, leaf: Leaf, rows: int) -> Tensor:
        return self._flavour.of_rows(leaf.value, rows) if leaf.role == BATCHED else leaf.value

    def _arguments(self, inputs: ModelInputs) -> Sequence[Any]:
        """The positional arguments; several tensors for a model of one argument are a list of them.

        Keras models take all their inputs as one argument.
        """
        several = len(inputs.args) > 1 and len(self._takes) == 1
        return [list(inputs.args)] if several else inputs.args

    def _watched(self, saturated: list[tuple[str, Any]]) -> dict[str, Callable[[Any], None]]:
        """What to do with the outputs of softmax layers, as long as nobody was told of them."""
        if self._hinted:
            return {}
        return {
            name: lambda output, name=name: saturated.append((name, output))  # type: ignore[misc]
            for name in self._softmaxes or ()
        }

    def _hint(self, saturated: list[tuple[str, Any]], output: Any, want: Sequence[Cut]) -> None:
        """Say once that gradients of a softmax vanish, where one is the target."""
        targets = {self.place(cut)[0] for cut in want}
        leaves = self.backend.flatten(output).leaves
        for name, value in saturated:
            whole = OUTPUT in targets and any(leaf is value for leaf in leaves)
            if not self._hinted and (whole or name in targets):
                self._hinted = True
                warnings.warn(HINT.format(name=name), TrulensWarning, stacklevel=2)
