"""Which framework an object belongs to, told from its type alone, and how to install it.

Nothing is imported: an object of a framework can exist only if the framework was imported.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_HINTS = {
    "torch": ("PyTorch", "pip install 'trulens-nn[torch]'"),
    "tensorflow": ("TensorFlow", "pip install 'trulens-nn[tf]'"),
    "keras": ("Keras", "pip install 'trulens-nn[keras]'"),
    "tf_keras": ("tf_keras", "pip install 'trulens-nn[keras]'"),
    "jax": ("JAX", "pip install 'trulens-nn[jax]'"),
}
_ALIASES = {"pytorch": "torch", "tf": "tensorflow", "tf.keras": "tf_keras"}
# by the root module of a class in the model's MRO; Keras first: its models are others' too
_ROOTS = {
    "tf_keras": "tf_keras",
    "keras": "keras",
    "torch": "torch",
    "tensorflow": "tensorflow",
    "flax": "jax",
    "equinox": "jax",
    "haiku": "jax",
    "jax": "jax",
    "jaxlib": "jax",
}


def roots(x: object) -> list[str]:
    """The root modules of the classes that `x` is an instance of.

    Example:
        >>> roots(1)
        ['builtins']
    """
    found = [c.__module__.partition(".")[0] for c in type(x).__mro__]
    return list(dict.fromkeys(found))


def qualified_names(x: object) -> list[str]:
    """The full names of the classes that `x` is an instance of."""
    return [f"{c.__module__}.{c.__qualname__}" for c in type(x).__mro__]


def framework(x: object) -> str | None:
    """The framework that a model, a tensor or a path to a saved model belongs to."""
    if isinstance(x, str | Path):
        return _of_path(Path(x))
    held = roots(x)
    return next((name for root, name in _ROOTS.items() if root in held), None)


def _of_path(path: Path) -> str | None:
    if path.suffix in (".keras", ".h5"):
        return "keras"
    if path.suffix == ".pb" or (path / "saved_model.pb").is_file():
        return "tensorflow"
    return None


def missing_backend(x: object, installed: Iterable[str]) -> tuple[str, str] | None:
    """The framework of `x` and its backend's install line, where that backend is missing."""
    name = framework(x)
    have = {_ALIASES.get(n, n) for n in installed}
    return _HINTS[name] if name is not None and name not in have else None


def install_hint(name: str) -> str:
    """The line that installs a backend of ours; empty for an unknown name."""
    small = str(name).casefold()
    return _HINTS.get(_ALIASES.get(small, small), ("", ""))[1]


def install_hints() -> list[str]:
    """The lines that install our backends."""
    return list(dict.fromkeys(hint for _, hint in _HINTS.values()))


def advice(x: object) -> str:
    """What to do with an object whose type does not tell its framework."""
    if isinstance(x, str | Path):
        return ". A path does not tell its framework: name it with backend="
    if isinstance(x, type):
        return f". It is a class: pass an instance of {x.__name__}"
    predicts = [n for n in ("predict_proba", "decision_function", "predict") if hasattr(x, n)]
    if predicts and not callable(x):
        return (
            f". Of a model that gives no gradients explain its function: get_model_wrapper("
            f'model.{predicts[0]}, backend="function")'
        )
    if callable(x):
        return (
            ". A plain function does not tell its framework: give "
            'get_model_wrapper(f, backend="torch"), or "jax" or "tensorflow", and for NumPy '
            'arrays, such as predict_proba of scikit-learn, backend="function"'
        )
    return ". Pass the model itself, or name its framework with backend="
