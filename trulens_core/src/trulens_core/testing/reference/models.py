"""Models of the zoo on the reference backend, and their wrapper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trulens_core.backends import Backend, Tap
from trulens_core.inputs import ModelInputs
from trulens_core.models import Layer, ModelWrapper
from trulens_core.passes import Pass, Place
from trulens_core.plugins import BackendDescription, LoadedBackend, register_backend
from trulens_core.slices import Cut
from trulens_core.testing.reference.backend import BACKEND
from trulens_core.testing.reference.layers import LAYERS, OPERATIONS
from trulens_core.testing.reference.tensors import Array, Tensor
from trulens_core.testing.zoo import Architecture

At = Callable[[Place, Any], Any]


def _unseen(place: Place, value: Any) -> Any:
    del place
    return value


class ReferenceModel:
    """A model of the zoo in NumPy; called with reference tensors.

    Args:
        architecture: of the model.
        dtype: of its weights.

    Attributes:
        weights: by the names that the architecture gives them.

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
        self.weights: dict[str, Array] = {n: w.astype(dtype) for n, w in weights.items()}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The output for tensors."""
        return self.run(args, kwargs, _unseen)

    def run(self, args: Sequence[Any], kwargs: Mapping[str, Any], at: At) -> Any:
        """The output, with `at` shown every layer's input and output, which it may replace."""

        def call(name: str, operands: list[Any]) -> Any:
            if name not in self.architecture.layers:
                return OPERATIONS[name](*operands)
            operands, _ = at((name, "in"), (tuple(operands), {}))
            weights = {
                n.partition(".")[2]: Tensor(w)
                for n, w in self.weights.items()
                if n.partition(".")[0] == name
            }
            layer = LAYERS[self.architecture.layers[name][0]]
            return at((name, "out"), layer(*operands, weights))

        return self.architecture.run(args, kwargs, call)


class ReferenceWrapper(ModelWrapper):
    """A reference model seen through its cuts."""

    backend: Backend = BACKEND
    model: ReferenceModel

    def __init__(self, model: ReferenceModel, **options: Any) -> None:
        super().__init__(model, **options)
        self.parameters: Sequence[str] = model.architecture.parameters

    def layers(self) -> Sequence[Layer]:
        architecture = self.model.architecture
        calls = Counter(step[1] for step in architecture.steps)
        return [
            Layer(name, str(kind), calls=calls[name])
            for name, (kind, *_) in architecture.layers.items()
        ]

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

    def like(self) -> Tensor | None:
        return next((Tensor(w) for w in self.model.weights.values()), None)

    def weights(self) -> Mapping[str, Tensor]:
        return {name: Tensor(w) for name, w in self.model.weights.items()}


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
