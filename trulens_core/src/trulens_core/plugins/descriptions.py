"""What a plug-in says of itself: a `BackendDescription`, and what becomes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from trulens_core.backends import Backend
from trulens_core.errors import BrokenBackendError


@dataclasses.dataclass(frozen=True)
class LoadedBackend:
    """What `BackendDescription.load` returns.

    Attributes:
        backend: the framework.
        wrap: `wrap(model, **options)` gives the model wrapper; it raises `UnsupportedModelError`
            for a model it cannot serve.
    """

    backend: Backend
    wrap: Callable[..., Any]


def _never(x: object) -> bool:  # noqa: ARG001 - a predicate
    return False


@dataclasses.dataclass(frozen=True)
class BackendDescription:
    """What a plug-in says of itself, before its framework is imported.

    Attributes:
        name: as `backend=` takes it, in small or capital letters.
        claims: whether it serves a model. It looks at the type's MRO and at what is imported
            already, and imports nothing.
        load: imports the framework and gives the `LoadedBackend`.
        claims_tensor: the same as `claims`, for tensors.
        aliases: other names that `backend=` takes.
        options: the names of the keyword arguments of `get_model_wrapper` that `wrap` takes.
        install: the line that installs it.
        before: backends that step back where this one claims a model, too.
        serves: the models that it claims, in words, for people.
        conformance: where its harness for the conformance suite is, `"module:class"`; imported
            when the suite is asked for, see `trulens_core.testing.plugin`.

    Example:
        >>> from trulens_core.testing.reference import BACKEND, ReferenceModel, ReferenceWrapper
        >>> def claims(model):
        ...     return isinstance(model, ReferenceModel)
        >>> load = lambda: LoadedBackend(BACKEND, ReferenceWrapper)
        >>> BackendDescription("mine", claims, load).name
        'mine'
    """

    name: str
    claims: Callable[[object], bool]
    load: Callable[[], LoadedBackend]
    claims_tensor: Callable[[object], bool] = _never
    aliases: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    install: str = ""
    before: tuple[str, ...] = ()
    serves: str = ""
    conformance: str = ""

    def loaded(self) -> LoadedBackend:
        """What `load` returns.

        Raises:
            BrokenBackendError: where it returns anything else.
        """
        found: Any = self.load()
        if not isinstance(found, LoadedBackend):
            raise BrokenBackendError(
                f"`load` of the backend {self.name!r} returned {type(found).__name__}; return "
                "LoadedBackend(backend, wrap)"
            )
        return found


@dataclasses.dataclass(frozen=True)
class BackendInfo:
    """One line of `list_backends()`.

    Attributes:
        name: of the backend, or of the entry point where it is broken.
        distribution: the installed distribution it comes from, None if registered in process.
        version: of the distribution.
        error: why it is broken, None if it is not.
        serves: the models that it claims, in words.
    """

    name: str
    distribution: str | None = None
    version: str | None = None
    error: BaseException | None = None
    serves: str = ""
