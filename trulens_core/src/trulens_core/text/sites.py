"""Where in a language model something is put in another's place: blocks, heads, neurons."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, Literal, get_args

from trulens_core.errors import CutError
from trulens_core.models import ModelWrapper
from trulens_core.slices import Anchor, Cut

At = Literal["layers", "heads", "neurons"]

_LAST = {
    "heads": r"(self_attn|self_attention|attention|attn|mixer)\.(o_proj|c_proj|out_proj|dense|wo)",
    "neurons": r"((mlp|feed_forward|ffn)\.(c_proj|down_proj|dense_4h_to_h|fc2|w2)|fc2)",
}
"""What the last layer of an attention, and of what follows it, is called in a block."""


@dataclasses.dataclass(frozen=True)
class Sites:
    """The places of one kind, of which each block has some.

    Attributes:
        at: which kind.
        layers: what each block's layer is called.
        anchor: at which side of it the value is.
        parts: how many heads a value's width holds, one after the other; None where it is one.
    """

    at: At
    layers: tuple[str, ...]
    anchor: Anchor
    parts: int | None = None

    @property
    def cut(self) -> Cut:
        """All of them: a cut of several layers."""
        names = self.layers
        return Cut(names if len(names) > 1 else names[0], self.anchor)


def sites(
    model: ModelWrapper, at: Any, layers: Sequence[str] | None, heads: int | None, first: str
) -> Sites:
    """The places that `at` means in a model.

    Args:
        model: it.
        at: "layers", what each block gives, after the embeddings; "heads", what each head of an
            attention gives, before they are mixed; "neurons", the hidden units between the two
            linear layers of a block.
        layers: what the layers are called, where it is not known: for "heads" and "neurons" those
            whose input holds them.
        heads: how many an attention has; None: what the model's configuration says.
        first: the embeddings.

    Raises:
        ValueError: for another kind, or an unknown number of heads.
        CutError: for a model whose blocks are not found.
    """
    if at not in get_args(At):
        raise ValueError(f"at is {at!r}; it must be one of {', '.join(map(repr, get_args(At)))}")
    if at == "layers":
        found = tuple(layers) if layers else (first, *_blocks(model))
        return Sites(at, found, "out")
    parts = _heads(model, heads) if at == "heads" else None
    return Sites(at, tuple(layers) if layers else _in_blocks(model, at), "in", parts)


def _blocks(model: ModelWrapper) -> list[str]:
    """The layers that are counted: one after another, and not within others that are."""
    counted: dict[str, list[str]] = {}
    for layer in model.layers():
        *parents, last = str(layer.name).split(".")
        if last.isdigit() and not any(p.isdigit() for p in parents):
            counted.setdefault(".".join(parents), []).append(str(layer.name))
    if len(counted) == 1:
        return next(iter(counted.values()))
    groups = ", ".join(f"{prefix}.0 …" for prefix in counted) or "none that are counted"
    raise CutError(
        f"which layers are the model's blocks is not known: it has {groups}; name them with layers="
    )


def _in_blocks(model: ModelWrapper, at: str) -> tuple[str, ...]:
    names = [str(layer.name) for layer in model.layers()]
    found = []
    for block in _blocks(model):
        inside = [n for n in names if n.startswith(f"{block}.")]
        own = [n for n in inside if re.fullmatch(_LAST[at], n.removeprefix(f"{block}."))]
        if len(own) != 1:
            raise CutError(
                f"which layer of {block!r} reads the {at} is not known; name that of each block "
                "with layers=, such as its attention's output projection for heads"
            )
        found += own
    return tuple(found)


def _heads(model: ModelWrapper, heads: int | None) -> int:
    config: Any = getattr(model.model, "config", None)
    found = heads or getattr(config, "num_attention_heads", None)
    if not found:
        raise ValueError("how many heads an attention has is not known; give heads=")
    return int(found)
