"""All plug-ins of a process: asked by name, by model and by tensor."""

from __future__ import annotations

import dataclasses
import functools
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any

from trulens_core.backends import Backend
from trulens_core.errors import (
    AmbiguousBackendError,
    BrokenBackendError,
    NoBackendError,
    TrulensWarning,
)
from trulens_core.plugins import frameworks
from trulens_core.plugins.descriptions import BackendDescription, BackendInfo
from trulens_core.plugins.discovery import GROUP, Found, discover, names_of, without_duplicates
from trulens_core.plugins.functions import FUNCTION


class Registry:
    """All plug-ins that are there: those registered in process and those installed.

    Args:
        entry_points: gives the installed entry points; called once, at first use.
    """

    def __init__(self, entry_points: Callable[[], Iterable[metadata.EntryPoint]]) -> None:
        self._entry_points = entry_points
        self._lock = threading.Lock()
        self._registered: list[Found] = []
        self._installed: list[Found] | None = None
        self._by_type: dict[type, Backend] = {}
        self._warned: set[str] = set()

    def register(self, description: BackendDescription) -> None:
        """Add a backend in this process, in the place of any other of its name."""
        if not isinstance(description, BackendDescription):
            raise TypeError(f"register_backend takes a BackendDescription, found {description!r}")
        with self._lock:
            name = description.name.casefold()
            kept = [f for f in self._registered if f.info.name.casefold() != name]
            info = BackendInfo(description.name, serves=description.serves)
            self._registered = [*kept, Found(info, description)]
            self._by_type = {}

    def unregister(self, name: str) -> None:
        """Forget a backend that was registered in this process."""
        with self._lock:
            self._registered = [f for f in self._registered if f.info.name != name]
            self._by_type = {}

    def found(self) -> list[Found]:
        """All plug-ins, duplicates marked as broken."""
        with self._lock:
            if self._installed is None:
                self._installed = discover(self._entry_points())
            taken = {f.info.name.casefold() for f in self._registered}
            installed = [f for f in self._installed if f.info.name.casefold() not in taken]
            every = without_duplicates([*self._registered, *installed])
            news = [f.info for f in every if f.info.error and f.info.name not in self._warned]
            self._warned |= {info.name for info in news}
        for info in news:
            warnings.warn(
                f"the backend {info.name!r} of {info.distribution} is broken and left out: "
                f"{info.error!r}",
                TrulensWarning,
                stacklevel=3,
            )
        return every

    def infos(self) -> Mapping[str, BackendInfo]:
        """What `list_backends` shows."""
        every = self.found()
        keyed = {}
        for f in every:
            key = f.info.name
            if key in keyed:
                key = f"{f.info.name} ({f.info.distribution})"
            keyed[key] = f.info
        return MappingProxyType(keyed)

    def named(self, name: str) -> BackendDescription:
        """The backend that `backend=name` means."""
        if str(name).casefold() == FUNCTION.name:
            return FUNCTION
        every = self.found()
        for f in every:
            if str(name).casefold() in names_of(f):
                return self._usable(f)
        hint = frameworks.install_hint(name)
        have = sorted(f.info.name for f in every)
        raise NoBackendError(
            f"there is no backend {name!r}; installed: {', '.join(have) or 'none'}"
            + (f". Install it: {hint}" if hint else "")
        )

    def of_model(self, model: object) -> BackendDescription:
        """The one backend that claims the model."""
        claims, silent = self._claims(lambda d: d.claims(model))
        chosen = _foremost(claims)
        usable = [self._usable(f) for f in chosen]  # raises for two of one name
        if len(usable) == 1:
            return usable[0]
        if usable:
            names = sorted(f.info.name for f in chosen)
            raise AmbiguousBackendError(
                f"{_kind(model)} is claimed by the backends {' and '.join(names)}; choose one "
                f"with get_model_wrapper(model, backend={names[0]!r})"
            )
        raise NoBackendError(self._nothing(model, silent))

    def of_tensor(self, x: object) -> Backend:
        """The backend whose tensor `x` is."""
        backend = self._by_type.get(type(x))
        if FUNCTION.claims_tensor(x):
            return FUNCTION.loaded().backend
        if backend is None:
            claims, silent = self._claims(lambda d: d.claims_tensor(x))
            chosen = _foremost(claims)
            if len(chosen) != 1:
                raise NoBackendError(self._nothing(x, silent))
            backend = self._usable(chosen[0]).loaded().backend
            with self._lock:
                self._by_type[type(x)] = backend
        return backend

    def _claims(
        self, asked: Callable[[BackendDescription], bool]
    ) -> tuple[list[Found], list[Found]]:
        """The plug-ins that say yes, and those whose answer was an exception."""
        yes, failed = [], []
        for f in self.found():
            if f.description is None:
                continue
            try:
                if asked(f.description):
                    yes.append(f)
            except Exception as error:  # noqa: BLE001 - a bad plug-in must not harm the others
                failed.append(Found(dataclasses.replace(f.info, error=error)))
        return yes, failed

    def _usable(self, f: Found) -> BackendDescription:
        if f.info.error is not None or f.description is None:
            raise BrokenBackendError(
                f"the backend {f.info.name!r} is installed but broken: {f.info.error!r}"
            ) from f.info.error
        return f.description

    def _nothing(self, x: object, silent: list[Found]) -> str:
        """The message for what nothing fits: which of three cases it is, and what to do."""
        every = self.found()
        names = sorted(f.info.name for f in every)
        missing = frameworks.missing_backend(x, names)
        broken = [f.info for f in (*every, *silent) if f.info.error]
        text = f"no backend fits {_kind(x)}"
        if missing:
            text += f": it belongs to {missing[0]}, whose backend is not installed: {missing[1]}"
        elif not names:
            text += ": no backend is installed; install that of your framework, " + ", ".join(
                frameworks.install_hints()
            )
        else:
            text += f"; installed: {', '.join(names)}"
            text += frameworks.advice(x)
        for info in broken:
            text += f". The backend {info.name!r} is broken: {info.error!r}"
        return text


def _foremost(claims: list[Found]) -> list[Found]:
    """The claims without those that step back before another."""
    behind = {n for f in claims if f.description for n in f.description.before}
    return [f for f in claims if f.info.name not in behind]


def _kind(x: object) -> str:
    return f"{type(x).__module__}.{type(x).__qualname__}"


@functools.cache
def registry() -> Registry:
    """The registry of this process."""
    return Registry(lambda: metadata.entry_points(group=GROUP))


def list_backends() -> Mapping[str, BackendInfo]:
    """All backends by name, the broken ones with the error that broke them.

    Nothing of a framework is imported for it. `python -m trulens_core backends` prints the same.

    Returns:
        A read-only mapping from the name to the `BackendInfo`.

    Example:
        >>> isinstance(list_backends(), Mapping)
        True
    """
    return registry().infos()


def register_backend(description: BackendDescription) -> None:
    """Add a backend in this process, in the place of any other of its name, installed or not.

    An installed one is there again in the next process; nothing is written anywhere.

    Args:
        description: of the backend.

    Raises:
        TypeError: for anything else.

    Example:
        >>> from trulens_core.testing.reference import DESCRIPTION
        >>> register_backend(DESCRIPTION)
        >>> "reference" in list_backends()
        True
    """
    registry().register(description)


def get_backend(wrapper_or_tensor: Any = None) -> Backend:
    """The backend of a model wrapper or of a tensor, one being traced included.

    A quantity or a distribution that is to work on every framework is written over its `xp`.

    Args:
        wrapper_or_tensor: a `ModelWrapper`, or a tensor of any installed framework.

    Returns:
        The `Backend`: one for all models and tensors of a framework.

    Raises:
        TypeError: without an argument: models of several frameworks live in one process, and
            there is no current backend.
        NoBackendError: for anything that no installed backend knows.

    Example:
        >>> from trulens_core.models import get_model_wrapper
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> get_backend(get_model_wrapper(model)).name
        'reference'
    """
    if wrapper_or_tensor is None:
        raise TypeError(
            "there is no current backend; pass a model wrapper or a tensor: get_backend(y).xp"
        )
    backend = getattr(wrapper_or_tensor, "backend", None)
    if backend is not None and isinstance(backend, Backend):
        return backend
    return registry().of_tensor(wrapper_or_tensor)
