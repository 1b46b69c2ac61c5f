"""The models that a function uses: found in it, or named by the caller."""

from __future__ import annotations

import contextlib
import dis
import functools
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trulens_core.errors import UnsupportedModelError

_DEPTH = 4
"""How many objects, containers and functions within one another are looked into."""
_CLOSED = type, types.ModuleType
_INSTALLED = {"site-packages", "dist-packages"}


def named(layers: Any, kind: type) -> dict[str, Any]:
    """What `layers=` gives, by name.

    Args:
        layers: one of a kind, a list or a dict of them; None.
        kind: of modules.

    Raises:
        UnsupportedModelError: for anything else.
    """
    if layers is None:
        return {}
    if isinstance(layers, kind):
        return {"model": layers}
    given = layers if isinstance(layers, Mapping | list | tuple) else [layers]
    by_name = dict(given) if isinstance(given, Mapping) else dict(enumerate(given))
    for module in by_name.values():
        if not isinstance(module, kind):
            raise UnsupportedModelError(
                f"layers= takes a {kind.__name__}, a list or a dict of them; found in it a "
                f"{type(module).__name__}"
            )
    return {str(name): module for name, module in by_name.items()}


def found_in(function: Any, kind: type) -> dict[str, Any]:
    """The modules that a callable uses, by the names that it has for them.

    They are those that it is bound to, closes over, has as defaults or as arguments of a
    `functools.partial`, or reads as global names, also in the functions that it calls; those in
    containers, and in attributes of objects, too. Globals of installed packages are not looked at.

    Args:
        function: any callable.
        kind: of modules.

    Example:
        >>> class Module: pass
        >>> net = Module()
        >>> list(found_in(lambda x, net=net: net, Module))
        ['net']
    """
    found: dict[str, Any] = {}
    seen: set[int] = set()

    def visit(name: str, value: Any, depth: int) -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, kind):
            name = name.replace(".", "_")
            found[name if name not in found else f"{name}_{len(found)}"] = value
        elif depth < _DEPTH:
            for inner, held in _held(value):
                visit(inner or name, held, depth + 1)

    visit("model", function, 0)
    return found


def _held(value: Any) -> Iterator[tuple[str, Any]]:
    """What a callable, a container or an object holds, by name."""
    if isinstance(value, functools.partial):
        yield from (("", held) for held in (value.func, *value.args))
        yield from value.keywords.items()
    elif isinstance(value, types.MethodType):
        yield from (("", held) for held in (value.__self__, value.__func__))
    elif isinstance(value, types.FunctionType):
        yield from _of_function(value)
    elif isinstance(value, dict):
        yield from ((str(k), v) for k, v in value.items())
    elif isinstance(value, list | tuple):
        yield from ((str(i), v) for i, v in enumerate(value))
    elif hasattr(value, "__dict__") and not isinstance(value, _CLOSED):
        yield from vars(value).items()
        yield "", vars(type(value)).get("__call__")


def _of_function(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function closes over, its defaults, and the globals that the caller's own reads."""
    yield "", getattr(function, "__wrapped__", None)
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # still empty
            yield name, cell.cell_contents
    defaults = function.__defaults__ or ()
    arguments = code.co_varnames[: code.co_argcount]
    yield from zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True)
    yield from (function.__kwdefaults__ or {}).items()
    if not _INSTALLED & set(Path(code.co_filename).parts):
        names = _globals_read(code)
        yield from ((n, function.__globals__[n]) for n in names if n in function.__globals__)


@functools.lru_cache(256)
def _globals_read(code: types.CodeType) -> tuple[str, ...]:
    """The global names that a function reads, also in functions that it defines."""
    own = [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return tuple(dict.fromkeys([*own, *(n for c in inner for n in _globals_read(c))]))
