"""What patching found, by layer and token."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, NamedTuple

import numpy as np

from trulens_core.text.tokens import Tokens

Array = np.ndarray[Any, Any]


class Place(NamedTuple):
    """One place and its number.

    Attributes:
        layer: its name.
        position: of the token.
        token: what the clean text has there.
        part: which head or neuron; None where there are none.
        value: what the place carries of the difference.
    """

    layer: str
    position: int
    token: str
    part: int | None
    value: float


@dataclasses.dataclass(frozen=True, eq=False)
class PatchingResult:
    """What each place inside a model carries of the difference between two texts.

    Attributes:
        attributions: (layers, tokens), or with an axis more for heads or neurons; positive where
            what the place has in the clean run supports the quantity.
        clean: the tokens of the clean text.
        corrupted: those of the other.
        layers: the names of the layers.
        quantity: of the clean run.
        corrupted_quantity: of the corrupted run. Where a layer's values are all that later ones
            see, its exact numbers come near to the difference of the two.
        at: "layers", "heads" or "neurons".
        path: how many points the gradient was taken at, or "exact".
        along: where they lay; None for one point, or exact numbers.
        asked: the quantity in words.

    Example:
        >>> from trulens_core.text.tokens import Tokens
        >>> a, b = (Tokens.of_ids([0, i], ["the", w]) for i, w in ((1, " cat"), (2, " dog")))
        >>> r = PatchingResult(np.array([[0.0, 2.0]]), a, b, ("h",), 3.0, 1.0, "layers", 1)
        >>> r.top(1)[0].token, r.changed
        (' cat', [1])
    """

    attributions: Array
    clean: Tokens
    corrupted: Tokens
    layers: tuple[str, ...]
    quantity: float
    corrupted_quantity: float
    at: Literal["layers", "heads", "neurons"]
    path: int | Literal["exact"]
    along: str | None = None
    asked: str = ""

    @property
    def changed(self) -> list[int]:
        """The positions at which the two texts have different tokens."""
        return np.flatnonzero(self.clean.ids != self.corrupted.ids).tolist()

    def total(self, over: Literal["tokens", "parts"] = "tokens") -> Array:
        """Sums: over tokens, (layers,) or (layers, parts); or over parts, (layers, tokens).

        Args:
            over: "tokens", or "parts": heads or neurons.

        Raises:
            ValueError: for "parts" where there are none.
        """
        if over == "tokens":
            return np.asarray(self.attributions.sum(axis=1))
        if self.attributions.ndim < 3:
            raise ValueError("layers have no parts; sum over 'tokens'")
        return np.asarray(self.attributions.sum(axis=2))

    def top(self, k: int = 10) -> list[Place]:
        """The places with the largest numbers, by size.

        Args:
            k: how many.
        """
        sizes = np.abs(self.attributions).reshape(-1)
        order = np.argsort(-sizes, kind="stable")[:k]
        return [self._place(i) for i in order.tolist()]

    def _place(self, i: int) -> Place:
        at = [int(n) for n in np.unravel_index(i, self.attributions.shape)]
        part = at[2] if len(at) > 2 else None
        value = float(self.attributions.reshape(-1)[i])
        return Place(self.layers[at[0]], at[1], self.clean.pieces[at[1]], part, value)

    def plot(self, *, fig: Any = None, ax: Any = None, most: int = 40) -> Any:
        """A map of layers and tokens; of heads and neurons, of layers and these (extra `viz`).

        Orange supports the quantity, blue opposes it. Tokens that the texts differ in are written
        as clean → corrupted.

        Args:
            fig: a figure of the caller's to draw on, or a part of one.
            ax: axes of the caller's.
            most: how many columns there may be; of more neurons or tokens those with the largest
                numbers are drawn.

        Returns:
            The figure.

        Raises:
            ImportError: where matplotlib is not installed.
        """
        from trulens_core.visualizations.patching import patching_map

        return patching_map(self, fig=fig, ax=ax, most=most)

    def __str__(self) -> str:
        how = "exact" if self.path == "exact" else f"{self.path} point{'s' * (self.path != 1)}"
        along = f" along {self.along}" if self.along else ""
        lines = [
            f"{self.asked}: {self.quantity:.4g} clean, {self.corrupted_quantity:.4g} corrupted",
            f"{self.at}, {how}{along}",
        ]
        for place in self.top(8):
            part = "" if place.part is None else f" {self.at[:-1]} {place.part}"
            token = place.token.strip() or repr(place.token)
            lines.append(f"{place.value:+10.4f}  {place.layer}{part} at {place.position} {token}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.attributions.shape))
        return f"PatchingResult({self.asked!r}, {self.at}, {shape}, path={self.path!r})"
