"""A run over a data set as a TOML file says it, for schedulers and command lines.

    method = "my_project.explaining:method"
    data = "my_project.explaining:data"
    out = "run.zarr"

    [options]
    batch_size = 64
    keep = { sum = 1, dtype = "float16" }

What the file names is imported and called: it is the user's own, as a script is.
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trulens_core import attribution, perturbation
from trulens_core.attribution.method import AttributionMethod
from trulens_core.datasets.keep import Keep
from trulens_core.datasets.reading import Run
from trulens_core.datasets.sweep import explain_dataset
from trulens_core.errors import SpecError

_KEYS = ("method", "model", "data", "out", "options")
_CODE = ("inputs", "ids", "labels", "y", "loader")
_PLAIN = (
    *("batch_size", "shard", "max_failures", "prefetch", "progress", "engine"),
    *("rank", "world_size"),
)


class Spec(NamedTuple):
    """What a file says: the arguments of `explain_dataset`."""

    method: AttributionMethod | Callable[[], AttributionMethod]
    data: Any
    out: Path
    options: dict[str, Any]


def run_spec(path: str | Path, **options: Any) -> Run:
    """Do what a file says.

    Args:
        path: of the file. Paths in it, and modules, are looked for in its folder first.
        **options: of `explain_dataset`, which go before those of the file.

    Returns:
        The run.

    Raises:
        SpecError: for a file that cannot be read or says what is not known.
    """
    spec = read_spec(path)
    return explain_dataset(spec.method, spec.data, spec.out, **{**spec.options, **options})


def read_spec(path: str | Path) -> Spec:
    """What a file says, with what it names imported; errors are those of `run_spec`."""
    file = Path(path)
    try:
        given = tomllib.loads(file.read_text())
    except OSError as error:
        raise SpecError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SpecError(f"{file} is no TOML: {error}") from error
    for name in given:
        if name not in _KEYS:
            raise SpecError(f"{file} says {name!r}; it must be {', '.join(_KEYS)}")
    for name in ("method", "data", "out"):
        if name not in given:
            raise SpecError(f"{file} does not say {name!r}")
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    options = _options(file, given.get("options", {}))
    data = _called(_named(file, "data", given["data"]))
    return Spec(_method(file, given), data, file.parent / given["out"], options)


def _method(
    file: Path, given: Mapping[str, Any]
) -> AttributionMethod | Callable[[], AttributionMethod]:
    """A method by import path, or by its name with its options, made of the model."""
    method = given["method"]
    if isinstance(method, str):
        known: AttributionMethod | Callable[[], AttributionMethod] = _named(file, "method", method)
        return known
    if not isinstance(method, Mapping) or "name" not in method or "model" not in given:
        raise SpecError(
            f"{file}: method is 'module:name', or a table with a name, such as 'Saliency', and "
            "options, beside model = 'module:name'"
        )
    options = {k: v for k, v in method.items() if k != "name"}
    kind = getattr(attribution, method["name"], getattr(perturbation, method["name"], None))
    if not isinstance(kind, type) or not issubclass(kind, AttributionMethod):
        raise SpecError(f"{file}: there is no method {method['name']!r}")
    made: AttributionMethod = kind(_called(_named(file, "model", given["model"])), **options)
    return made


def _options(file: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in _CODE:
            found[name] = _named(file, name, value)
        elif name == "keep":
            found[name] = Keep(**value)
        elif name in _PLAIN:
            found[name] = value
        else:
            raise SpecError(f"{file}: options has {name!r}; it must be {', '.join(_CODE + _PLAIN)}")
    return found


def _named(file: Path, what: str, path: Any) -> Any:
    """What stands at 'module:name'."""
    module, colon, name = str(path).partition(":")
    if not colon:
        raise SpecError(f"{file}: {what} is {path!r}; it must be 'module:name'")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise SpecError(f"{file}: {what} is {path!r}, and there is no {error.name}") from error
    except AttributeError as error:
        raise SpecError(f"{file}: {what} is {path!r}, and {module} has no {name}") from error


def _called(found: Any) -> Any:
    """A function without arguments stands for what it gives."""
    function = callable(found) and hasattr(found, "__code__")
    return found() if function else found
