"""Names of layers: looked up, explained where there is none, and printed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, NamedTuple

from trulens_core.errors import UnknownLayerError
from trulens_core.slices import INPUT, OUTPUT, Cut


class Layer(NamedTuple):
    """One line of `ModelWrapper.layers()`.

    Attributes:
        name: as a `Cut` takes it.
        kind: the layer's class.
        shape: of its output without the records' axis; None where it is not known.
        calls: how often one pass calls it; None where it is not known.
        within: the control flow that it runs in, as "scan"; empty where it is not known.
        parameters: how many numbers it has to learn, those of layers inside it too; None where it
            is not known.

    Example:
        >>> Layer("conv1", "Conv2d").calls is None
        True
    """

    name: str
    kind: str
    shape: tuple[int | None, ...] | None = None
    calls: int | None = None
    within: str = ""
    parameters: int | None = None


def place_of(cut: Cut, names: Sequence[str], owner: str) -> tuple[str, Any]:
    """The layer that a cut names, and its anchor, among the names of a model's layers."""
    if cut.name in (INPUT, OUTPUT):
        return cut.name, cut.anchor
    if isinstance(cut.name, int):
        if not -len(names) <= cut.name < len(names):
            raise UnknownLayerError(
                f"no layer {cut.name} in {owner}: it has {len(names)}, from 0 to {len(names) - 1}"
            )
        return names[cut.name], cut.anchor
    if cut.name not in names:
        raise unknown_layer(cut.name, names, owner)
    return cut.name, cut.anchor


def unknown_layer(
    name: Any, names: Sequence[str], owner: str, count: int | None = None
) -> UnknownLayerError:
    """The error for a name that no layer has, with the names that come near it.

    `count` is the number of layers, where some have several names.
    """
    near = suggestions(str(name), names)
    meant = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    count = len(names) if count is None else count
    return UnknownLayerError(
        f"no layer {name!r} in {owner}; {meant}print the wrapper for all {count} layers"
    )


def suggestions(name: str, names: Sequence[str], most: int = 4) -> list[str]:
    """The names nearest to `name`: equal but for signs, then containing it, then alike."""
    wanted = _bare(name)
    bare = {n: _bare(n) for n in names}
    equal = [n for n in names if bare[n] == wanted]
    ends = [
        n
        for n in names
        if wanted and bare[n] and (bare[n].endswith(wanted) or wanted.endswith(bare[n]))
    ]
    ends.sort(key=lambda n: abs(len(bare[n]) - len(wanted)))
    alike = difflib.get_close_matches(name, names, n=most, cutoff=0.6)
    return list(dict.fromkeys([*equal, *ends, *alike]))[:most]


def _bare(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
