"""Models of the zoo on the reference backend, and their wrapper."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from trulens_core.backends import Backend, Tap
from trulens_core.inputs import ModelInputs
from trulens_core.models import Layer, ModelWrapper
from trulens_core.passes import Pass, Place
from trulens_core.plugins import BackendDescription, LoadedBackend, register_backend
from trulens_core.rules import Applied
from trulens_core.slices import Cut
from trulens_core.testing.reference.backend import BACKEND
from trulens_core.testing.reference.by_rules import ByRules
from trulens_core.testing.reference.layers import LAYERS, OPERATIONS
from trulens_core.testing.reference.modes import IN_TRAINING
from trulens_core.testing.reference.tensors import Array, Tensor
from trulens_core.testing.zoo import Architecture

At = Callable[[Place, Any], Any]
_LOCK = threading.RLock()
"""Models may share layers, so that one is explained at a time; a thread may do so inside of it."""
Run = Callable[[str, str, Callable[..., Any], list[Any]], Any]
"""How an operation is run: the layer that it is, or none; its kind; its function; operands."""


def _unseen(place: Place, value: Any) -> Any:
    del place
    return value


def _as_it_is(layer: str, kind: str, function: Callable[..., Any], operands: list[Any]) -> Any:
    del layer, kind
    return function(*operands)


class ReferenceModel:
    """A model of the zoo in NumPy; called with reference tensors.

    Args:
        architecture: of the model.
        dtype: of its weights.

    Attributes:
        weights: by the names that the architecture gives them.
        training: whether its layers are in training mode: dropout is random then, and batch
            normalisation is by the batch and writes its statistics.
        random: what dropout draws from.

    Example:
        >>> from trulens_core import get_model_wrapper
        >>> from trulens_core.testing import ZOO
        >>> register_reference()
        >>> args, kwargs = ZOO["mlp"].inputs(2)
        >>> get_model_wrapper(ReferenceModel(ZOO["mlp"]))(*args, **kwargs).shape
        (2, 3)
    """

    def __init__(self, architecture: Architecture, dtype: str = "float64") -> None:
        self.architecture = architecture
        weights = architecture.weights()
        self.weights: dict[str, Array] = {
            n: np.asarray(w, _type(architecture, n, dtype)) for n, w in weights.items()
        }
        self.training: bool = False
        self.random: np.random.Generator = np.random.default_rng(0)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The output for tensors."""
        return self.run(args, kwargs, _unseen)

    def run(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], at: At, by: Run = _as_it_is
    ) -> Any:
        """The output, with `at` shown every layer's input and output, which it may replace.

        Operations are run `by` a function, which may do so otherwise.
        """
        return self._run(self.architecture, "", args, kwargs, (at, by))

    def _run(
        self,
        architecture: Architecture,
        prefix: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        seen: tuple[At, Run],
    ) -> Any:
        at, by = seen

        def call(name: str, operands: list[Any], **keywords: Any) -> Any:
            if name not in architecture.layers:
                return by("", name, OPERATIONS[name], operands)
            path, (kind, *sizes) = prefix + name, architecture.layers[name]
            given, named = at((path, "in"), (tuple(operands), keywords))
            if kind == "block":
                output = self._run(sizes[0], f"{path}.", given, named, seen)
            elif self.training and kind in IN_TRAINING:
                output = IN_TRAINING[kind](*given, self._of(path), self.random)
            else:
                output = by(path, str(kind), LAYERS[kind], [*given, self._of(path)])
            return at((path, "out"), output)

        return architecture.run(args, kwargs, call)

    def _of(self, path: str) -> dict[str, Tensor]:
        """The weights of a layer, as tensors that share their memory."""
        return {
            n.rpartition(".")[2]: Tensor(w)
            for n, w in self.weights.items()
            if n.rpartition(".")[0] == path
        }


def _type(architecture: Architecture, weight: str, dtype: str) -> str:
    """The type of a weight: that of the model, but in layers of a type of their own."""
    kind, *_ = architecture.layers[weight.partition(".")[0]]
    return "float32" if kind == "narrow" else dtype


def _listed(architecture: Architecture, prefix: str = "") -> Iterator[Layer]:
    """All layers, those inside of a layer after it."""
    calls = Counter(step[1] for step in architecture.steps)
    for name, (kind, *sizes) in architecture.layers.items():
        yield Layer(prefix + name, str(kind), calls=calls[name])
        if kind == "block":
            yield from _listed(sizes[0], f"{prefix}{name}.")


class ReferenceWrapper(ModelWrapper):
    """A reference model seen through its cuts."""

    backend: Backend = BACKEND
    model: ReferenceModel

    def __init__(self, model: ReferenceModel, **options: Any) -> None:
        super().__init__(model, **options)
        self.parameters: Sequence[str] = model.architecture.parameters

    def layers(self) -> Sequence[Layer]:
        return list(_listed(self.model.architecture))

    @contextlib.contextmanager
    def opened(self, inputs: ModelInputs, at: Cut) -> Iterator[None]:
        """The model in evaluation mode, for one thread at a time; what it writes is put back."""
        del inputs, at
        model = self.model
        with _LOCK:
            mode, before = model.training, {n: w.copy() for n, w in model.weights.items()}
            model.training = False
            try:
                yield
            finally:
                model.training = mode
                for name, values in before.items():
                    model.weights[name][...] = values

    def forward(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[Tensor]]:
        p = Pass(self, replace=replace, tap=tap, want=want)
        inputs = p.enter(inputs)
        return p.leave(self.model.run(inputs.args, inputs.kwargs, p.at))

    def ruled(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
        rules: Applied,
    ) -> list[list[Tensor]]:
        by = ByRules(rules)
        p = Pass(self, replace=replace, tap=by.taps(tap), want=want)
        inputs = p.enter(inputs)
        return p.leave(self.model.run(inputs.args, inputs.kwargs, p.at, by))

    def like(self) -> Tensor | None:
        return next(self.floating_weights(), None)

    def floating_weights(self) -> Iterator[Tensor]:
        return iter({w.dtype: Tensor(w) for w in reversed(self.model.weights.values())}.values())

    def weights(self) -> Mapping[str, Tensor]:
        return {name: Tensor(w) for name, w in self.model.weights.items()}

    def with_weights(self, changed: Mapping[str, Array]) -> Self:
        model = copy.copy(self.model)
        held = {name: changed.get(name, w) for name, w in model.weights.items()}
        model.weights = {name: np.array(w) for name, w in held.items()}
        return type(self)(model, logit_layer=self.logit_layer, batched=self.batched)


DESCRIPTION = BackendDescription(
    name="reference",
    claims=lambda model: isinstance(model, ReferenceModel),
    claims_tensor=lambda x: isinstance(x, Tensor),
    load=lambda: LoadedBackend(BACKEND, ReferenceWrapper),
    options=("logit_layer", "batched"),
    conformance="trulens_core.testing.plugin:Reference",
)


def register_reference() -> None:
    """Make the reference backend known in this process, as an installed plug-in would be.

    Example:
        >>> register_reference()
        >>> from trulens_core import list_backends
        >>> list_backends()["reference"].name
        'reference'
    """
    register_backend(DESCRIPTION)
