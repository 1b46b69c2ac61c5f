"""Entry points loaded one by one, so that a broken one harms nobody else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from importlib import metadata

import pluggy

from trulens_core.errors import BackendError
from trulens_core.plugins.descriptions import BackendDescription, BackendInfo

GROUP = "trulens.backends"
hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker("trulens")
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker("trulens")


class _Spec:
    @hookspec
    def trulens_backend(self) -> BackendDescription:  # type: ignore[empty-body]
        """Describe the backend."""


@dataclasses.dataclass(frozen=True)
class Found:
    """One plug-in: its description, or why there is none."""

    info: BackendInfo
    description: BackendDescription | None = None


def discover(entry_points: Iterable[metadata.EntryPoint]) -> list[Found]:
    """Load each entry point by itself, in the order of names."""
    return [_loaded(ep) for ep in sorted(entry_points, key=lambda ep: (ep.name, ep.value))]


def _loaded(ep: metadata.EntryPoint) -> Found:
    dist = getattr(ep, "dist", None)
    info = BackendInfo(ep.name, dist and dist.name, dist and dist.version)
    try:
        manager = pluggy.PluginManager("trulens")
        manager.add_hookspecs(_Spec)
        manager.register(ep.load(), name=ep.name)
        manager.check_pending()
        described = manager.hook.trulens_backend()
        if len(described) != 1 or not isinstance(described[0], BackendDescription):
            raise BackendError(
                f"the plug-in {ep.value!r} must implement the hook trulens_backend and return a "
                f"BackendDescription; it returned {described!r}"
            )
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises, others must go on
        return Found(dataclasses.replace(info, error=error))
    description = described[0]
    named = dataclasses.replace(info, name=description.name, serves=description.serves)
    return Found(named, description)


def names_of(f: Found) -> set[str]:
    """What `backend=` may call a plug-in, in small letters."""
    d = f.description
    return {n.casefold() for n in ((d.name, *d.aliases) if d else (f.info.name,))}


def without_duplicates(found: list[Found]) -> list[Found]:
    """The same plug-ins; those that share a name are broken."""
    result = []
    for f in found:
        twins = [
            g
            for g in found
            if g is not f and f.description and g.description and names_of(f) & names_of(g)
        ]
        if not twins:
            result.append(f)
            continue
        owners = sorted(str(x.info.distribution) for x in (f, *twins))
        error = BackendError(
            f"the backend name {f.info.name!r} is taken by more than one plug-in: "
            f"{', '.join(owners)}; uninstall one of them"
        )
        result.append(Found(dataclasses.replace(f.info, error=error), f.description))
    return result
