"""The layers of a model, as they were traced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from trulens_core.models import Layer
from trulens_jax.jaxprs import Found


def listed(known: Mapping[str, str], found: Iterable[Found] | None) -> list[Layer]:
    """One line per layer.

    Args:
        known: names and classes of the layers that are there whether called or not.
        found: the sites of a program; None before one is traced.
    """
    if found is None:
        return [Layer(name, kind) for name, kind in known.items()]
    at: dict[str, list[Found]] = {name: [] for name in known}
    kinds = dict(known)
    for f in found:
        held = at.setdefault(f.site.name, [])
        kinds.setdefault(f.site.name, f.site.kind)
        if f.site.anchor == "out":
            held.append(f)
    return [_layer(name, kinds[name], fs) for name, fs in at.items()]


def _layer(name: str, kind: str, found: Sequence[Found]) -> Layer:
    if not found:
        return Layer(name, kind, calls=0)
    first = found[0]
    shapes = [
        (*first.leading, *a.shape[1:]) for a in first.avals if jnp.issubdtype(a.dtype, np.floating)
    ]
    within = " in ".join(reversed(first.within))
    return Layer(name, kind, shapes[0] if shapes else None, len(found), within)
