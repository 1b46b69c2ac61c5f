"""Names by which a model's layers can be told apart, in the room that there is."""

from __future__ import annotations

from collections.abc import Sequence

from trulens_core.visualizations.look import label

ROOM = 34


def layer_names(layers: Sequence[str]) -> tuple[list[str], str]:
    """Short names, and in words what they leave out.

    Where one is too long, whole parts at the start and at the end that all have in common are left
    out of each; where two would look the same even so, nothing else is.

    Example:
        >>> layer_names([f"model.language_model.layers.{i}.self_attn.o_proj" for i in (0, 1)])
        (['0', '1'], 'of model.language_model.layers.….self_attn.o_proj')
    """
    parts = [name.split(".") for name in layers]
    first = last = 0
    if len(layers) > 1 and max(map(len, layers)) > ROOM:
        first = _common(parts)
        last = _common([p[first:][::-1] for p in parts])
    names = [".".join(p[first : len(p) - last]) for p in parts]
    short = [label(name, ROOM) for name in names]
    if len(set(short)) < len(set(names)):
        short = [label(name, max(map(len, names))) for name in names]
    left_out = ".".join([*parts[0][:first], "…", *parts[0][len(parts[0]) - last :]])
    return short, f"of {label(left_out, 50)}" if first + last else ""


def _common(parts: Sequence[Sequence[str]]) -> int:
    """How many parts all begin with; the last of each is not looked at."""
    most = max(0, min(map(len, parts)) - 1)
    return next((i for i in range(most) if len({p[i] for p in parts}) > 1), most)
