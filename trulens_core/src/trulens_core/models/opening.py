"""`get_model_wrapper` and its options, each of which belongs to one framework or several."""

from __future__ import annotations

import warnings
from typing import Any

from trulens_core.models.wrapper import ModelWrapper
from trulens_core.plugins import registry

_DEFAULTS: dict[str, tuple[Any, str]] = {
    "logit_layer": (None, "every framework"),
    "replace_softmax": (False, "Keras"),
    "softmax_layer": (-1, "Keras"),
    "custom_objects": (None, "Keras"),
    "jit_compile": (False, "TensorFlow and Keras on it"),
    "device": (None, "PyTorch"),
    "input_tensors": (None, "TensorFlow graphs"),
    "output_tensors": (None, "TensorFlow graphs"),
    "internal_tensor_dict": (None, "TensorFlow graphs"),
    "default_feed_dict": (None, "TensorFlow graphs"),
    "session": (None, "TensorFlow graphs"),
    "force_eval": (True, "PyTorch"),
    "skip_prefix": (True, "PyTorch"),
    "graphs": (False, "PyTorch"),
    "layers": (None, "PyTorch and TensorFlow (functions)"),
    "params": (None, "JAX"),
    "state": (None, "JAX (Haiku)"),
    "method": (None, "JAX (Flax Linen)"),
    "rows": (None, "PyTorch"),
    "batched": (None, "every framework"),
}
_FORMER = ("input_shape", "input_dtype")


def get_model_wrapper(model: Any, *, backend: str | None = None, **options: Any) -> ModelWrapper:
    """The wrapper that explains `model`, by the backend that serves its framework.

    Args:
        model: a model of any installed framework.
        backend: the backend's name, where the model does not tell: "torch" or "pytorch", "tf" or
            "tensorflow", "keras", "tf_keras" or "tf.keras", "jax", or any registered name.
            "function" is any function of NumPy arrays, for methods that need no gradients.
        **options: of the frameworks; one of another framework is ignored at its default.

            - `logit_layer`: the layer that `LogitCut` means (every framework).
            - `batched`: by argument name, whether it has a row per record (every framework).
            - `device`: PyTorch; moves the model there, once. By default it stays where it is.
            - `rows`: PyTorch; where records own a number of rows each, as graphs their nodes: the
              argument that tells each row's record, or each record's number of rows, "batch"; and
              the one that holds the edges, ("batch", "edge_index"). Quantities are those of
              records, or of rows, which are added up; all records go through the model together.
            - `force_eval`: PyTorch; False keeps each module's train or eval state during a call.
            - `skip_prefix`: PyTorch; False computes what comes before a cut for all points, not for
              the records alone.
            - `graphs`: PyTorch on a GPU; True records what a block of points runs there, as a CUDA
              graph, and repeats it; `trulens_torch.graphs` says when it can.
            - `layers`: PyTorch; of a function, the modules that it uses where they are not found in
              it: a module, a list, or a dict by name.
            - `replace_softmax`, `softmax_layer`, `custom_objects`: Keras.
            - `jit_compile`: TensorFlow, and Keras on it; whether XLA compiles each step.
            - `input_tensors`, `output_tensors`, `internal_tensor_dict`, `default_feed_dict`,
              `session`: TensorFlow graphs.
            - `params`, `state`, `method`: JAX.

    Returns:
        The `ModelWrapper`. The model is neither copied nor changed, but for `device=`.

    Raises:
        NoBackendError: no installed backend fits; the message says which is missing.
        AmbiguousBackendError: more than one fits; name one with `backend=`.
        BrokenBackendError: the one that fits is installed, and does not import.
        UnsupportedModelError: a model, or a part of one, that the backend cannot explain.
        TypeError: an unknown option, or one of another framework with another value than its
            default.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> get_model_wrapper(model)(x).shape
        (2, 3)
    """
    _check_known(options)
    found = registry()
    description = found.of_model(model) if backend is None else found.named(backend)
    taken = {}
    for name, value in options.items():
        if name in description.options:
            taken[name] = value
        elif name in _DEFAULTS and not _is_default(value, _DEFAULTS[name][0]):
            raise TypeError(
                f"{name}={value!r} is an option of {_DEFAULTS[name][1]}; this model is served by "
                f"the backend {description.name!r}, which takes {', '.join(description.options)}"
            )
        elif name not in _DEFAULTS and name not in _FORMER:
            raise TypeError(
                f"the backend {description.name!r} has no option {name!r}; it takes "
                f"{', '.join(description.options)}"
            )
    wrapper: ModelWrapper = description.loaded().wrap(model, **taken)
    return wrapper


def _check_known(options: dict[str, Any]) -> None:
    for name in _FORMER:
        if name in options:
            warnings.warn(
                f"{name}= is no longer needed and has no effect; leave it out",
                DeprecationWarning,
                stacklevel=3,
            )


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, bool | int) and value == default)
