"""What a backend implements of a model: its layers, its passes, and what is put right around."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Self, final

import numpy as np

from trulens_core.backends import Backend, Tap, Tensor
from trulens_core.cache import StepCache
from trulens_core.errors import (
    BackendError,
    CutError,
    InterventionError,
    UncoveredOperationError,
    UnknownLayerError,
    UnsupportedModelError,
)
from trulens_core.inputs import ModelInputs, adoption
from trulens_core.inputs.owners import Owners, Rows
from trulens_core.inputs.structure import Name
from trulens_core.passes.names import Layer, place_of
from trulens_core.passes.trace import Trace
from trulens_core.rules import Applied
from trulens_core.slices import INPUT, LOGIT, OUTPUT, Cut

_NOTHING = contextlib.nullcontext()
_KEPT_STEPS = 64
_KEPT_FACTS = 256


class CutModel(ABC):
    """A model that can be evaluated with its values at cuts replaced, tapped and captured.

    The half of a `ModelWrapper` that a backend implements: `backend`, `layers`, `forward` and,
    where its framework needs it, the rest.

    Attributes:
        backend: of the model's framework.
        model: the user's model. It is never changed by a call.
        logit_layer: the layer that `LogitCut` means, if it was given.
        batched: which arguments have a row per record, as far as it was told.
        parameters: the names of the model's positional parameters, as far as they are known.
        sizes: how many tensors each layer of a cut of several holds, once that was seen.
        unchecked: the cut of scores that are still to be looked at, whether they are scores.
        rows: what tells how many rows each record owns, as graphs do; see `owners`.
        keeps_graph: whether what is computed can be differentiated again, see `keeping_graph`.
    """

    backend: Backend
    keeps_graph: bool = False
    rows: Rows | None = None
    parameters: Sequence[str] = ()

    def __init__(
        self,
        model: Any,
        *,
        logit_layer: Any = None,
        batched: Mapping[str | int, bool | int] | None = None,
    ) -> None:
        self.model: Any = model
        self.logit_layer: Any = logit_layer
        self.batched: dict[Name, bool | int] = dict(batched or {})
        self.sizes: StepCache = StepCache(_KEPT_FACTS)
        self.unchecked: Cut | None = None
        self._scores: Cut | None = None
        self._steps, self._known = StepCache(_KEPT_STEPS), StepCache(_KEPT_FACTS)

    @abstractmethod
    def layers(self) -> Sequence[Layer]:
        """The layers by the names that a cut takes; `print(wrapper)` shows them as a table."""

    @abstractmethod
    def forward(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[Tensor]]:
        """Evaluate the model; the values at the wanted cuts, records first.

        At a cut the order is replace, then tap, then capture; `trulens_core.passes.Pass` does all
        three. Every cut is of one layer. Called inside `opened` only.

        Args:
            inputs: tensors of the backend.
            replace: the tensors that take the place of the values at cuts; where the wrapper
                `narrows`, also functions that make them of these values.
            tap: where `Backend.differentiate` takes hold.
            want: the cuts whose values are returned, in this order.
        """

    def runs_whole(self) -> bool:
        """Whether `whole` is implemented: where tensors are evaluated as they come."""
        return type(self).whole is not CutModel.whole

    def whole(self, *args: Any, **kwargs: Any) -> Any:
        """What the model itself gives for its own arguments, with no cut inside; inside `opened`.

        Its graph goes back to the tensors among them.
        """
        raise NotImplementedError(f"{type(self).__name__} has no call of the whole: {args, kwargs}")

    def taken(self, value: Tensor) -> Tensor | None:  # noqa: ARG002 - a hook
        """A tensor of an `outline`, as `adopt` gives it, inside `opened`.

        None where it would be another one: of another type, or elsewhere.
        """
        return None

    def serves_rules(self) -> bool:
        """Whether `ruled` is implemented for this model."""
        return type(self).ruled is not CutModel.ruled

    def ruled(
        self,
        inputs: ModelInputs,  # noqa: ARG002 - a hook
        *,
        replace: Mapping[Cut, list[Tensor]],  # noqa: ARG002
        tap: Mapping[Cut, Tap],  # noqa: ARG002
        want: Sequence[Cut],  # noqa: ARG002
        rules: Applied,  # noqa: ARG002
    ) -> list[list[Tensor]]:
        """`forward`, in which every operation from a tapped value to a wanted one obeys the rules.

        Each operation on what depends on a tapped value goes through `rules.apply`, or
        `rules.seen`, exactly once; what cannot be seen raises. Where `rules.recording`, the tap
        gives its tensors back as they are, and what depends on them is to be seen all the same.

        Raises:
            UncoveredOperationError: for an operation that has no rule, or cannot be seen.
        """
        raise UncoveredOperationError(
            f"rules of the backward pass are not served by the backend {self.backend.name!r} for "
            f"{type(self).__name__}; leave rules= out, or explain the model on another framework"
        )

    def place(self, cut: Cut) -> tuple[str, Any]:
        """The canonical name of the cut's layer, and its anchor.

        Raises:
            UnknownLayerError: for a name that no layer has; it suggests near ones.
        """
        return place_of(cut, [layer.name for layer in self.layers()], self._owner)

    def opened(
        self,
        inputs: ModelInputs,  # noqa: ARG002 - a hook
        at: Cut,  # noqa: ARG002
    ) -> contextlib.AbstractContextManager[None]:
        """The context of all evaluations for one call, distributed at the cut `at`.

        What has to be put right before a model can be evaluated, and put back after it.
        """
        return contextlib.nullcontext()

    def aside(
        self,
        inputs: ModelInputs,  # noqa: ARG002 - a hook
        at: Cut,  # noqa: ARG002
    ) -> contextlib.AbstractContextManager[Trace]:
        """The context, inside `opened`, of evaluations that leave nothing for those after them.

        Where evaluating a model changes it, that is put back here: groups of records begin alike.
        """
        return contextlib.nullcontext(Trace())

    def careful(self) -> contextlib.AbstractContextManager[object]:
        """The context of a pass that may ask for what is not there: it must raise, and no worse."""
        return contextlib.nullcontext()

    def ending(self) -> contextlib.AbstractContextManager[object]:
        """The context of a pass that may end at the last of its cuts: others count the calls."""
        return contextlib.nullcontext()

    def keeping_graph(self) -> Self:
        """The same model, of which values and gradients can be differentiated once more.

        By its weights and by the inputs; its modes are as they are.
        """
        raise UnsupportedModelError(
            f"differentiable=True is served on PyTorch and JAX; the backend {self.backend.name!r} "
            f"gives attributions of {self._owner} that nothing can be differentiated through"
        )

    def narrows(self) -> bool:
        """Whether a value may be replaced by one of more rows than the inputs have."""
        return False

    @final
    def owners(self, inputs: ModelInputs) -> Owners | None:
        """Whose each row of the inputs is; None where each is a record's own."""
        if self.rows is None:
            return None
        return Owners.of(inputs, self.rows, self.parameters, self.backend)

    def declared_rows(self) -> int | None:
        """The only number of rows that a pass may have; None where it may have any."""
        return None

    def revision(self) -> Hashable:
        """What changes when the model does, so that what was found out holds no longer."""
        return 0

    def repeats(self) -> bool:
        """Whether `repeated` may record what it is given."""
        return False

    def unrepeated(self, why: str) -> None:  # noqa: B027 - a hook
        """Told where nothing is given to `repeated` that it could record, and why."""

    def repeated(
        self,
        key: Hashable,  # noqa: ARG002 - a hook
        run: Callable[[list[Tensor]], Any],
        tensors: list[Tensor],
    ) -> Any:
        """What `run(tensors)` gives: tensors, in containers or not.

        For one key it does the same every time, whatever the values of the tensors; the weights
        and the shapes of the tensors are no part of the key.
        """
        return run(tensors)

    def state(self) -> Any:
        """The weights where steps take them as arguments; empty elsewhere."""
        return ()

    def using(self, state: Any) -> contextlib.AbstractContextManager[Any]:  # noqa: ARG002 - a hook
        """The context of one evaluation with the weights `state`, which a step got as argument."""
        return _NOTHING

    def channel_axis(self, cut: Cut) -> int | None:  # noqa: ARG002 - a hook
        """The axis of the channels of images at the cut; None where it is not known."""
        return self.backend.channel_axis

    def like(self) -> Tensor | None:
        """A tensor with the model's dtype, on its device: its first floating parameter."""
        return None

    def floating_weights(self) -> Iterator[Tensor]:
        """One weight of each floating type, `like()` first: their types decide what is cast."""
        like = self.like()
        return iter(() if like is None else (like,))

    def weights(self) -> Mapping[str, Tensor]:
        """All weights by name, as they are now, for a fingerprint; empty where none can be read."""
        return {}

    def with_weights(self, changed: Mapping[str, np.ndarray[Any, Any]]) -> Self:
        """The wrapper of a copy of the model with some other weights, by the names of `weights()`.

        Raises:
            UnsupportedModelError: where no such copy is made.
        """
        del changed
        raise UnsupportedModelError(
            f"of a {type(self.model).__name__} no copy with other weights is made; wrap the "
            "framework's own model"
        )

    def check(self, inputs: ModelInputs) -> None:
        """Raise a TypeError for what the framework's models take and no method can explain."""
        del inputs

    def declared(self, inputs: ModelInputs) -> Mapping[int, Any]:  # noqa: ARG002 - a hook
        """The types that the model declares for its inputs, by their places among the leaves."""
        return {}

    def adopt(self, value: Any, declared: Any = None) -> Tensor:  # noqa: ARG002 - of `declared()`
        """An array or tensor of the caller's as the model takes it; `adoption` has the rule.

        `declared` is the type that `declared()` told for it, where it did.
        """
        backend = self.backend
        if not isinstance(value, np.ndarray) and not backend.is_tensor(value):
            raise TypeError(
                f"is a {type(value).__module__}.{type(value).__qualname__}; a "
                f"{backend.name} model takes NumPy arrays or {backend.name} tensors"
                + backend.advice_on(value)
            )
        weights = self.floating_weights()
        return adoption.adopted(value, next(weights, None), weights, backend)

    def logit_cut(self) -> Cut:
        """The cut that `LogitCut` means.

        Raises:
            UnknownLayerError: where no `logit_layer` was given and no layer is called `logits`.
        """
        if self.logit_layer is not None:
            return Cut(self.logit_layer)
        if any(layer.name == "logits" for layer in self.layers()):
            return Cut("logits")
        raise UnknownLayerError(
            f"LogitCut: {self._owner} has no layer called 'logits'; say which layer gives the "
            "scores with get_model_wrapper(model, logit_layer=)"
        )

    @final
    def holds_classes(self, cut: Cut) -> bool:
        """Whether a value has a score per class there; at another layer there are units."""
        return cut.name in (OUTPUT, "logits", self.logit_layer) or cut == self._scores

    def not_reached(self, cut: Cut, calls: int) -> str:
        """The message of the error for a cut that a pass did not reach."""
        if cut.call is not None and calls:
            return f"{cut} was not reached: its layer is called {calls} time(s) in one pass"
        return (
            f"the layer of {cut} was not called when {self._owner} ran; it is unused, or what it "
            "computes is computed without calling it. Cut at a layer around it instead"
        )

    @property
    def _owner(self) -> str:
        return type(self.model).__name__

    # -- what core keeps of a model ----------------------------------------------------------

    @final
    def values(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, Any],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[Tensor]]:
        """What `forward` gives, found to be what a pass gives."""
        found: Any = self.forward(inputs, replace=replace, tap=tap, want=want)
        lists = isinstance(found, list) and all([isinstance(v, list) for v in found])
        if not lists or len(found) != len(want):
            raise BackendError(
                f"forward of {type(self).__name__} returned {type(found).__name__}, and not the "
                f"values at {len(want)} cut(s): return `p.leave(output)`"
            )
        return found  # type: ignore[no-any-return]

    @final
    def resolved(self, cut: Cut) -> Cut:
        """`cut`, with LogitCut replaced by what it means, checked to exist."""
        if isinstance(cut.name, tuple) and any(isinstance(n, Cut) for n in cut.name):
            cut = Cut([self.resolved(member) for member in cut.members()])
        if cut.name == LOGIT:
            logits, accessor = self.logit_cut(), cut.accessor
            cut = Cut(logits.name, logits.anchor, accessor=accessor or logits.accessor)
            if accessor is None and cut != self._scores:
                self._scores, self.unchecked = cut, cut
        named = [p for p in cut.parts() if p.name not in (INPUT, OUTPUT)]
        places = [(self.place(p), p.call) for p in named]
        if len(set(places)) < len(places):
            raise CutError(f"{cut} names one layer twice; give each of its layers once")
        return cut

    @final
    def spread(self, interventions: Mapping[Cut, list[Tensor]]) -> dict[Cut, list[Tensor]]:
        """The same interventions at cuts of one layer each."""
        result: dict[Cut, list[Tensor]] = {}
        for cut, tensors in interventions.items():
            parts = cut.parts()
            sizes = self.sizes.found(cut) or (1,) * len(parts) if len(parts) > 1 else None
            if sizes is None:
                result[cut] = tensors
                continue
            if sum(sizes) != len(tensors):
                raise InterventionError(
                    f"{cut} holds {sum(sizes)} tensors, but {len(tensors)} were given"
                )
            rest = iter(tensors)
            for part, size in zip(parts, sizes, strict=True):
                result[part] = [next(rest) for _ in range(size)]
        return result

    @final
    def kept(self, key: Hashable, build: Callable[[], Any]) -> Any:
        """The traced step for `key` and the model as it is, built at its first use."""
        return self._steps.get((self.revision(), key), build)

    @final
    def shown(self, cut: Cut, kind: Hashable, build: Callable[[], Any] | None = None) -> Any:
        """What was seen of the value at a cut, for inputs of a kind; None where nothing was."""
        key = "shown", cut.accessed(None), kind
        seen = build is not None or key in self._known
        return self._known.get(key, build or (lambda: None)) if seen else None

    @final
    def known(self, key: Hashable, build: Callable[[], Any]) -> Any:
        """What was found out about the model for `key`, made at its first use."""
        return self._known.get(key, build)

    def clear_cache(self) -> None:
        """Forget all traced steps, as after a change of the model's structure."""
        self._steps.clear()
        self._known.clear()
