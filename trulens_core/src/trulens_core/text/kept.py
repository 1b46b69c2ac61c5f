"""What results of texts have in common: files, equality, other forms."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from trulens_core.errors import ResultFileError
from trulens_core.optional import require
from trulens_core.results import AttributionResult, fingerprints
from trulens_core.results.arrays import equal
from trulens_core.results.plain import plain
from trulens_core.results.reading import load_result
from trulens_core.results.writing import write
from trulens_core.text.tokens import Tokens


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class KeptText:
    """A result of a text that can be kept, opened and compared.

    Two are equal where all that they hold is, to the bit; not how it was computed.
    """

    fingerprints: Mapping[str, Any] | None = dataclasses.field(default=None, kw_only=True)

    _KIND: ClassVar[str]
    _TEXTS: ClassVar[tuple[str, ...]]
    _APART: ClassVar[tuple[str, ...]] = ("fingerprints",)
    """The fields in which equal results may differ."""

    # -- kept --------------------------------------------------------------------------------

    def save(self, path: str | Path, model: Any = None) -> None:
        """Write the result to a file, whole or not at all (extra `save`).

        `load_result` reads it where no framework is installed. Nothing in a file is executed.

        Args:
            path: of the file; an older one is replaced once the new one is complete.
            model: the model or its wrapper, of whose weights, as they are now, a fingerprint is
                kept; None: none is.

        Raises:
            ImportError: where safetensors is not installed.
            FileNotFoundError: where the folder does not exist.
        """
        arrays: list[Any] = []
        fields = {f.name: plain(getattr(self, f.name), arrays) for f in self._fields()}
        header = {"kind": self._KIND, "fields": fields, "fingerprints": self._prints(model)}
        write(path, header, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """What `save` wrote; `load_result` reads any kind of result.

        Raises:
            FileNotFoundError: where there is no file.
            ResultFileError: for a file that is none, was changed, or holds another kind of result.
        """
        found = load_result(path)
        if not isinstance(found, cls):
            raise ResultFileError(
                f"{path} holds a {type(found).__name__} and no {cls.__name__}; open it with "
                "load_result"
            )
        return found

    @classmethod
    def opened(cls, fields: Mapping[str, Any], prints: Mapping[str, Any]) -> Self:
        """The result of a file's fields, which are looked at.

        Raises:
            ValueError: where they do not fit together.
        """
        new = cls(**{f.name: fields[f.name] for f in cls._fields()}, fingerprints=prints)
        for name in cls._TEXTS:
            getattr(new, name).check()
        new._check()
        return new

    @classmethod
    def _fields(cls) -> list[dataclasses.Field[Any]]:
        return [f for f in dataclasses.fields(cls) if f.name != "fingerprints"]

    def _check(self) -> None:
        """Raise a ValueError where the fields do not fit together."""
        raise NotImplementedError

    def _prints(self, model: Any) -> dict[str, Any]:
        known = self.fingerprints or {}
        texts = (getattr(self, name) for name in self._TEXTS)
        return {
            "weights": fingerprints.of_weights(model) or known.get("weights"),
            "inputs": fingerprints.together(fingerprints.of_array(t.text, t.ids) for t in texts),
            "versions": known.get("versions") or fingerprints.versions(),
        }

    # -- compared ----------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        names = [f.name for f in self._fields() if f.name not in self._APART]
        return self is other or all(equal(getattr(self, n), getattr(other, n)) for n in names)

    def __hash__(self) -> int:
        return hash(self.told_texts())

    def told_texts(self) -> tuple[str, ...]:
        """The texts that it is of."""
        found: list[Tokens] = [getattr(self, name) for name in self._TEXTS]
        return tuple(t.text for t in found)

    # -- other forms -------------------------------------------------------------------------

    def numpy(self) -> Self:
        """The result itself: its arrays are NumPy's, whatever the model's framework is."""
        return self

    def to_frame(self) -> Any:
        """A pandas DataFrame, a row per number, with the texts that it is of (extra `table`).

        Raises:
            ImportError: where pandas is not installed.
        """
        return require("pandas", "table").DataFrame(self._columns())

    def _columns(self) -> Mapping[str, Any]:
        """The columns of the frame, by name."""
        raise NotImplementedError

    def as_attributions(self) -> AttributionResult:
        """The same numbers as an `AttributionResult`, a record per row."""
        method = {**self._method(), "versions": (self.fingerprints or {}).get("versions")}
        prints = self.fingerprints or self._prints(None)
        return AttributionResult(**self._numbers(), method=method, fingerprints=prints)

    def _numbers(self) -> Mapping[str, Any]:
        """Attributions, records first, and what is said of them, as fields of that result."""
        raise NotImplementedError

    def _method(self) -> Mapping[str, Any]:
        """How it was computed: a name, a text."""
        raise NotImplementedError

    def told(self, most: int) -> Iterator[str]:
        """What it is, and its strongest numbers, a line each; then what it was made with."""
        yield from self._lines(most)
        prints = self.fingerprints or {}
        framework = {k: v for k, v in (prints.get("versions") or {}).items() if k != "threads"}
        if framework:
            yield "versions: " + ", ".join(f"{k} {v}" for k, v in framework.items())
        if prints.get("weights"):
            yield f"weights: {len(prints['weights'])}, with fingerprints"

    def _lines(self, most: int) -> Iterator[str]:
        raise NotImplementedError


def same_kind(one: KeptText, other: object) -> None:
    """Accepts a result of the same kind as another.

    Raises:
        TypeError: for anything else.
    """
    if not isinstance(other, type(one)):
        raise TypeError(
            f"a {type(one).__name__} is compared with another, not with a {type(other).__name__}"
        )


def shaped(name: str, value: Any, *shapes: tuple[int, ...]) -> None:
    """Accepts an array of numbers of one of these shapes.

    Raises:
        ValueError: for anything else.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        raise ValueError(f"{name} is no array of numbers")
    if value.shape not in shapes:
        raise ValueError(f"{name} has the shape {value.shape}, and {shapes[0]} would fit")
