"""Any function of arrays as a model: NumPy in, NumPy out, and no gradients."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from trulens_core.backends import Backend, Gradients, Tap, Tensor
from trulens_core.errors import DoiError, UnsupportedModelError
from trulens_core.inputs import ModelInputs
from trulens_core.models.wrapper import ModelWrapper
from trulens_core.passes import Layer, Pass
from trulens_core.plugins import LoadedBackend, Values
from trulens_core.slices import Cut

_KINDS = "fiub"
_ZERO = (
    "the records hold what are no numbers, and these have no zero: give baseline= a row of such "
    "values, as table.iloc[:1] is, or Marginal(table)"
)


class FunctionBackend(Backend):
    """NumPy, forward only. Every real number may be masked, integers and objects included."""

    name: ClassVar[str] = "function"
    xp = np
    has_gradients: ClassVar[bool] = False

    def is_tensor(self, x: object) -> bool:
        return isinstance(x, np.ndarray)

    def to_numpy(self, x: Tensor) -> np.ndarray[Any, Any]:
        return np.array(x)

    def from_numpy(self, a: np.ndarray[Any, Any], like: Tensor | None = None) -> Tensor:
        if a.dtype.kind not in _KINDS + "O":
            raise TypeError(
                f"has dtype {a.dtype}; give strings and the like as objects, x.astype(object), or "
                "a DataFrame"
            )
        floats = like is not None and a.dtype.kind == "f" and like.dtype.kind == "f"
        return a.astype(like.dtype, copy=False) if like is not None and floats else a

    def varies(self, x: Tensor) -> bool:
        return x.dtype.kind in "fiuO"

    def cast(self, x: Tensor, like: Tensor) -> Tensor:
        """Nothing is cast to integers: 0.5 in the place of a count is 0.5."""
        return x if like.dtype.kind != "f" else x.astype(like.dtype, copy=False)

    def filled(self, like: Tensor, value: float) -> Tensor:
        if like.dtype.hasobject:
            raise DoiError(_ZERO)
        whole = like.dtype.kind in "iu" and float(value).is_integer()
        dtype = like.dtype if whole or like.dtype.kind == "f" else "float64"
        return np.full(like.shape, value, dtype)

    def accumulator(self, x: Tensor) -> Tensor:
        return x if x.dtype in (np.float32, np.float64) else x.astype("float64")

    def softmax(self, x: Tensor, axis: int) -> Tensor:
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)

    def sigmoid(self, x: Tensor) -> Tensor:
        return np.exp(-np.logaddexp(0, -x))

    def stop_gradient(self, x: Tensor) -> Tensor:
        return x

    def fresh(self, x: Tensor) -> Tensor:
        return x.copy()

    def differentiate(self, run: Callable[[Tap], list[Tensor]]) -> Gradients:
        del run
        raise no_gradients()


BACKEND = FunctionBackend()


class FunctionWrapper(ModelWrapper):
    """A function of arrays, which has an input and an output and no layers.

    It is given what the caller gives: arrays, or a pandas DataFrame with the same columns and types
    of columns, of strings and categories too, which are kept or replaced whole. Lists,
    numbers of one axis, integers and truth values that it returns are taken as arrays.
    """

    backend: Backend = BACKEND

    def __init__(self, model: Any, *, batched: Mapping[str | int, bool] | None = None) -> None:
        if not callable(model):
            raise UnsupportedModelError(
                f"backend='function' takes a function of arrays, found {type(model).__name__}; "
                "of a model give the method, such as model.predict_proba"
            )
        super().__init__(model, batched=batched)
        self.parameters: Sequence[str] = _parameters(model)

    @property
    def _owner(self) -> str:
        return getattr(self.model, "__qualname__", type(self.model).__name__)

    def layers(self) -> Sequence[Layer]:
        return []

    def forward(
        self,
        inputs: ModelInputs,
        *,
        replace: Mapping[Cut, list[Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> list[list[Tensor]]:
        p = Pass(self, replace=replace, tap=tap, want=want)
        given = p.enter(inputs)
        return p.leave(_as_arrays(self.model(*given.args, **given.kwargs)))


def _as_arrays(value: Any) -> Any:
    """What a function returns: arrays, as the standard quantities know them."""
    if isinstance(value, Mapping):
        return {name: _as_arrays(v) for name, v in value.items()}
    if isinstance(value, tuple) or (
        isinstance(value, list) and any(hasattr(v, "shape") and v.shape for v in value)
    ):
        return [_as_arrays(v) for v in value]
    array = np.asarray(value)
    if array.dtype.kind not in _KINDS:
        raise UnsupportedModelError(
            f"the function returned {array.dtype}; a quantity is a number: explain a probability, "
            "such as predict_proba, not a label"
        )
    return (array if array.dtype.kind == "f" else array.astype("float64")).view(Values)


def _parameters(function: Any) -> list[str]:
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [p.name for p in found if p.kind in kinds]


def no_gradients() -> UnsupportedModelError:
    """The error for a method that needs gradients, which a function has none of."""
    return UnsupportedModelError(
        "a model of the backend 'function' has no gradients; Ablation, Occlusion, ShapleyValues, "
        "KernelSHAP, LIME, RISE and Sobol need none, or wrap the model itself, of its framework"
    )


def loaded() -> LoadedBackend:
    """The backend, for the registry."""
    return LoadedBackend(BACKEND, FunctionWrapper)


def refuse_gradients(backend: Backend) -> None:
    """Raise where models have no gradients."""
    if not backend.has_gradients:
        raise no_gradients()
    return
