"""Parts of a method as plain data, JSON's types and arrays beside it, and back again.

Law: `made(plain(x, arrays), arrays)` equals x, for the library's own parts. What is the caller's
own code, a function or a class, is named and not kept.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trulens_core.errors import ResultFileError

_ROOMS = (
    *("slices", "quantities", "distributions", "influence", "attribution", "perturbation"),
    *("segments", "rules", "text"),
)
"""Where the classes stand that are made again: no name in a file leads anywhere else."""
_PATH = re.compile(rf"trulens_core\.(?:{'|'.join(_ROOMS)})(?:\.[a-z_0-9]+)*\.[A-Za-z_0-9]+")
_DEEPEST = 50


class OwnCodeError(Exception):
    """The caller's own code, which data can only name."""


def plain(value: Any, arrays: list[Any]) -> Any:
    """A value of JSON's types; arrays and tensors are added to `arrays` and numbered.

    Example:
        >>> plain((1, "a", None), [])
        {'tuple': [1, 'a', None]}
        >>> held = []
        >>> plain({"data": np.zeros(2)}, held), len(held)
        ({'dict': [['data', {'array': 0, 'dtype': 'float64', 'shape': [2]}]]}, 1)
    """
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, np.generic):
        return plain(value.item(), arrays)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(float(value))}
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        arrays.append(value)
        shape = [int(n) for n in value.shape]
        return {"array": len(arrays) - 1, "dtype": _name(value.dtype), "shape": shape}
    return _container(value, arrays)


def _container(value: Any, arrays: list[Any]) -> Any:
    kind = type(value)
    if kind is list:
        return [plain(x, arrays) for x in value]
    if isinstance(value, tuple) and (kind is tuple or _PATH.fullmatch(_path(kind))):
        members = [plain(x, arrays) for x in value]
        return {"tuple": members} if kind is tuple else {"named": _path(kind), "members": members}
    if kind in (set, frozenset):
        return {"set": [plain(x, arrays) for x in sorted(value, key=repr)]}
    if kind is slice:
        return {"slice": [plain(x, arrays) for x in (value.start, value.stop, value.step)]}
    if isinstance(value, Mapping):
        return {"dict": [[plain(k, arrays), plain(v, arrays)] for k, v in value.items()]}
    if isinstance(value, type) and _PATH.fullmatch(_path(value)):
        return {"class": _path(value)}
    path = _path(kind)
    held = getattr(value, "__dict__", None)
    if not _PATH.fullmatch(path) or held is None:
        return {"code": _code(value)}
    return {"type": path, "state": {k: plain(v, arrays) for k, v in held.items()}}


def made(data: Any, arrays: Sequence[Any]) -> Any:
    """The value that `plain` made data of.

    Raises:
        OwnCodeError: for what is code of the caller's.
        ResultFileError: for data that `plain` does not give.
    """
    return _Maker(arrays).of(data, 0)


class _Maker:
    def __init__(self, arrays: Sequence[Any]) -> None:
        self._arrays = arrays

    def of(self, data: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ResultFileError(f"the recipe is nested more than {_DEEPEST} deep")
        if isinstance(data, list):
            return [self.of(x, depth + 1) for x in data]
        if not isinstance(data, dict):
            return data
        kind, held = _first(data)
        if kind == "code":
            raise OwnCodeError(held)
        known = {
            "array": self._array,
            "float": self._float,
            "type": self._instance,
            "class": self._own_class,
            "named": self._named,
        }
        if kind in known:
            return known[kind](data, depth)
        items = held if isinstance(held, list) else []
        parts: list[Any] = [self.of(x, depth + 1) for x in items]
        containers = {"tuple": tuple, "set": frozenset, "dict": dict}
        if kind in containers:
            return containers[kind](parts)
        if kind == "slice" and len(parts) == 3:
            return slice(*parts)
        raise ResultFileError(f"the recipe has {kind!r}, which is not known here")

    def _array(self, data: dict[str, Any], depth: int) -> Any:
        del depth
        return self._arrays[data["array"]]

    def _float(self, data: dict[str, Any], depth: int) -> float:
        del depth
        return float(data["float"])

    def _own_class(self, data: dict[str, Any], depth: int) -> type:
        del depth
        return class_at(data["class"])

    def _named(self, data: dict[str, Any], depth: int) -> Any:
        """A tuple of ours whose members have names."""
        kind = class_at(data["named"])
        members = [self.of(x, depth + 1) for x in data["members"]]
        if not issubclass(kind, tuple) or len(getattr(kind, "_fields", ())) != len(members):
            raise ResultFileError(f"the recipe has {len(members)} members of {data['named']!r}")
        return tuple.__new__(kind, members)

    def _instance(self, data: dict[str, Any], depth: int) -> Any:
        """A new object of a class of ours with these attributes; nothing of it is called."""
        kind = class_at(data["type"])
        new: Any = object.__new__(kind)
        for name, held in data["state"].items():
            new.__dict__[str(name)] = self.of(held, depth + 1)
        return new


def class_at(path: str) -> type:
    """The class of this library's that stands there.

    Raises:
        ResultFileError: for what is no part of a method, or not there.
    """
    module, _, name = str(path).rpartition(".")
    if not _PATH.fullmatch(str(path)):
        raise ResultFileError(f"the recipe names {path!r}, which is no part of a method")
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except ImportError:
        kind = None
    if not isinstance(kind, type) or kind.__module__ != module or issubclass(kind, BaseException):
        raise ResultFileError(
            f"the recipe names {path}, which this version of trulens-nn does not have"
        )
    return kind


def worded(data: Any) -> str:
    """Plain data in words, as short as the parts themselves say it.

    Example:
        >>> from trulens_core import LinearDoi
        >>> worded(plain(LinearDoi(resolution=20), []))
        "LinearDoi(rule='endpoints', resolution=20)"
    """
    if isinstance(data, list):
        return f"[{', '.join(map(worded, data))}]"
    if not isinstance(data, dict):
        return repr(data)
    kind, held = _first(data)
    if kind in ("type", "named"):
        return _call(data)
    if kind == "array":
        shape = data["shape"]
        return f"<{data['dtype']} {tuple(shape)}>" if shape else f"<{data['dtype']}>"
    if kind == "dict":
        return f"{{{', '.join(f'{worded(k)}: {worded(v)}' for k, v in held)}}}"
    if kind == "code":
        return f"<{held}>"
    if kind in ("float", "class"):
        return str(held).rpartition(".")[2] if kind == "class" else str(held)
    return f"({', '.join(map(worded, held))})"


def _first(data: dict[str, Any]) -> tuple[str, Any]:
    """What kind of thing it is, and what it holds."""
    return next(iter(data.items()), ("", None))


def _call(data: dict[str, Any]) -> str:
    """An object as a call with what tells it from another."""
    kind, path = _first(data)
    if kind == "named":
        return f"{path.rpartition('.')[2]}({', '.join(map(worded, data['members']))})"
    shown = {
        k.removeprefix("_"): v
        for k, v in data["state"].items()
        if v is not None and not (k.startswith("_") and k != "_baseline")
    }
    words = ", ".join(f"{k}={worded(v)}" for k, v in shown.items())
    return f"{path.rpartition('.')[2]}({words})"


def own_code(data: Any) -> list[str]:
    """The names of all code of the caller's in plain data."""
    if isinstance(data, list):
        return [name for x in data for name in own_code(x)]
    if not isinstance(data, dict):
        return []
    if "code" in data:
        return [str(data["code"])]
    return [name for x in data.values() for name in own_code(x)]


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.").removeprefix("<dtype: '").removesuffix("'>")


def _code(value: Any) -> str:
    """What the caller calls it."""
    named = value if hasattr(value, "__qualname__") else type(value)
    suffix = "" if named is value else " object"
    return f"{named.__module__}.{named.__qualname__}{suffix}"
