"""What patching found, by layer and token."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from trulens_core.text.agreement import Agreement, agreement
from trulens_core.text.kept import KeptText, same_kind, shaped
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
class PatchingResult(KeptText):
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
        fingerprints: of weights and texts, and the versions, from the file it was loaded from.

    Example:
        >>> from trulens_core.text.tokens import Tokens
        >>> a, b = (Tokens.of_ids([0, i], ["the", w]) for i, w in ((1, " cat"), (2, " dog")))
        >>> r = PatchingResult(np.array([[0.0, 2.0]]), a, b, ("h",), 3.0, 1.0, "layers", 1)
        >>> r.top(1)[0].token, r.changed
        (' cat', [1])
        >>> r["h", "cat"]
        2.0
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

    _KIND = "patching"
    _TEXTS = "clean", "corrupted"

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

    def to_html(self, path: str | Path, title: str = "What is where") -> None:
        """Write one HTML file, to be explored by mouse and keyboard; it fetches nothing.

        The map of layers and tokens is a table whose cells tell their numbers; a layer or a token
        that is pointed at, or gone to with the arrow keys, is coloured in the text.

        Args:
            path: of the file, which is written whole or not at all.
            title: of the page.
        """
        from trulens_core.visualizations import patching_page, text_pages  # only when shown

        text_pages.put(path, patching_page.fragment(self), title)

    def _repr_html_(self) -> str:
        from trulens_core.visualizations import patching_page  # only when shown

        return patching_page.fragment(self)

    # -- by text -----------------------------------------------------------------------------

    def __getitem__(self, asked: Any) -> Any:
        """What a stretch of the clean text carries: r["nine"], (layers,) or (layers, parts).

        With the name of a layer, or its end, before it, what it carries there: r["h.0", "nine"].
        A stretch that stands several times counts with all of them.

        Raises:
            KeyError: for words or a layer that are not there, or an end that several names have.
        """
        layer, words = asked if isinstance(asked, tuple) else (None, asked)
        values = self.attributions[:, self._positions(words)].sum(axis=1)
        if layer is None:
            return values
        own = values[self._layer(layer)]
        return float(own) if own.ndim == 0 else own

    def _positions(self, words: Any) -> list[int]:
        places = self.clean.places_of(words)
        if not places:
            raise KeyError(f"{words!r} does not stand in {self.clean.text[:80]!r}")
        return places

    def _layer(self, name: str) -> int:
        found = [i for i, own in enumerate(self.layers) if own == name or own.endswith(f".{name}")]
        if len(found) != 1:
            raise KeyError(f"{len(found)} layers are called {name!r}, of {', '.join(self.layers)}")
        return found[0]

    # -- two results -------------------------------------------------------------------------

    def __sub__(self, other: PatchingResult) -> PatchingResult:
        """The difference of two results at the same places, of the same texts."""
        if not isinstance(other, PatchingResult):
            return NotImplemented
        self._check_alike(other)
        return dataclasses.replace(
            self,
            attributions=self.attributions - other.attributions,
            quantity=self.quantity - other.quantity,
            corrupted_quantity=self.corrupted_quantity - other.corrupted_quantity,
            asked=f"{self.asked} less {other.asked}" if self.asked != other.asked else self.asked,
            fingerprints=None,
        )

    def agreement(self, other: PatchingResult) -> Agreement:
        """How alike another result is, layer by layer: of another path, or of exact patching."""
        same_kind(self, other)
        self._check_alike(other)
        return agreement(self.attributions, other.attributions)

    def _check_alike(self, other: PatchingResult) -> None:
        same = all(
            np.array_equal(a.ids, b.ids)
            for a, b in ((self.clean, other.clean), (self.corrupted, other.corrupted))
        )
        if not same or (self.layers, self.at) != (other.layers, other.at):
            raise ValueError("the two results are of different texts, layers or kinds of places")

    # -- kept --------------------------------------------------------------------------------

    def _check(self) -> None:
        parts = self.attributions.shape[2:3] if self.at != "layers" else ()
        shaped("attributions", self.attributions, (len(self.layers), len(self.clean), *parts))
        if len(self.corrupted) != len(self.clean):
            raise ValueError("the two texts have other numbers of tokens")

    def _columns(self) -> Mapping[str, Any]:
        layers, positions, *parts = np.indices(self.attributions.shape).reshape(
            self.attributions.ndim, -1
        )
        found: dict[str, Any] = {
            "layer": [self.layers[i] for i in layers],
            "position": positions,
            "clean": [self.clean.pieces[i] for i in positions],
            "corrupted": [self.corrupted.pieces[i] for i in positions],
        }
        found |= {self.at[:-1]: part for part in parts}
        return {**found, "attribution": self.attributions.reshape(-1)}

    def _numbers(self) -> Mapping[str, Any]:
        return {
            "attributions": self.attributions,
            "names": {"tokens": [self.clean.pieces] * len(self.layers)},
        }

    def _method(self) -> Mapping[str, Any]:
        how = f"patch_attributions: {self.asked}, {self.at}, {self._points()}"
        return {"name": "patch_attributions", "text": how}

    def _points(self) -> str:
        how = "exact" if self.path == "exact" else f"{self.path} point{'s' * (self.path != 1)}"
        return f"{how} along {self.along}" if self.along else how

    def _lines(self, most: int) -> Iterator[str]:
        ends = f"{self.quantity:.4g} clean, {self.corrupted_quantity:.4g} corrupted"
        yield f"{self.asked}: {ends}"
        yield f"{self.at}, {self._points()}"
        for place in self.top(most):
            part = "" if place.part is None else f" {self.at[:-1]} {place.part}"
            token = place.token.strip() or repr(place.token)
            yield f"{place.value:+10.4f}  {place.layer}{part} at {place.position} {token}"

    def __str__(self) -> str:
        return "\n".join(self._lines(8))

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.attributions.shape))
        return f"PatchingResult({self.asked!r}, {self.at}, {shape}, path={self.path!r})"
