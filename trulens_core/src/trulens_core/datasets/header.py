"""What a run is: the recipe, what its arrays hold, and what tells it from another run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trulens_core.attribution.method import AttributionMethod
from trulens_core.datasets import classes
from trulens_core.datasets.columns import Column, field_of
from trulens_core.datasets.keep import Keep
from trulens_core.datasets.work import Told
from trulens_core.errors import ResultFileError, ResumeError
from trulens_core.results import fingerprints
from trulens_core.results.arrays import host
from trulens_core.results.plain import own_code, plain, worded
from trulens_core.results.replaying import weights_changed

FORMAT, VERSION = "trulens-run", 1
OWN = "method."
"""How the names of arrays begin that the method holds."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """What a run must be equal in to be gone on with.

    Attributes:
        method: its name.
        parts: of the question, in words, and the fingerprint of each.
        weights: the fingerprints of the model's weights.
        keep: how much is kept, as data.
        records: how many the data has; None where only its end tells.
        batch_size: of the batches; None where the data decides.
        code: what of it is code of the caller's own, which no fingerprint sees.
    """

    method: str
    parts: Mapping[str, list[str]]
    weights: Mapping[str, str]
    keep: Mapping[str, Any]
    records: int | None
    batch_size: int | None
    code: list[str]

    @staticmethod
    def of(
        method: AttributionMethod,
        keep: Keep,
        records: int | None,
        batch_size: int | None,
        of_data: bool,
    ) -> Identity:
        """That of a run which is about to begin; `of_data`: whether the data says the classes."""
        question = method.question()
        parts, code = {}, []
        for field in dataclasses.fields(question):
            if field.name != "wrapper":
                arrays: list[Any] = []
                data = plain(getattr(question, field.name), arrays)
                if field.name == "qoi" and of_data:
                    data, arrays = classes.OF_DATA, []
                held = [fingerprints.of_array("", host(x)) for x in arrays]
                text = json.dumps(data, sort_keys=True)
                parts[field.name] = [worded(data), fingerprints.together([text, *held])]
                code += [] if data is classes.OF_DATA else own_code(data)
        weights = fingerprints.of_weights(method.model)
        how = json.loads(json.dumps(dataclasses.asdict(keep)))
        return Identity(type(method).__name__, parts, weights, how, records, batch_size, code)

    def refuse(self, other: Identity, path: Path) -> None:
        """Say how this run differs from the one that is there, where it does.

        Raises:
            ResumeError: where it does.
        """
        found = self._differences(other)
        if found:
            raise ResumeError(
                f"{path} was begun by another run: {'; '.join(found)}. Go on with what it was "
                "begun with, or give another out="
            )

    def _differences(self, was: Identity) -> list[str]:
        if self.method != was.method:
            return [f"the method was {was.method} and is {self.method}"]
        found = []
        if set(self.weights) != set(was.weights):
            found.append("the model is another one, with other weights")
        else:
            found += weights_changed(was.weights, self.weights)
        for name, (words, known) in self.parts.items():
            old = was.parts.get(name, ["not there", ""])
            if known != old[1]:
                same = " with other contents" if words == old[0] else ""
                found.append(f"its {name} was {old[0]} and is {words}{same}")
        for name in ("keep", "records", "batch_size"):
            a, b = getattr(was, name), getattr(self, name)
            if a != b:
                found.append(_changed(name, a, b))
        return found


def _changed(name: str, was: Any, now: Any) -> str:
    if name == "records" and None not in (was, now):
        which = "shorter" if now < was else "longer"
        return f"the data is {which} than before, {now} records and not {was}"
    return f"{name} was {was} and is {now}"


@dataclasses.dataclass(frozen=True)
class Header:
    """What stands in a run once, for all of its records.

    Attributes:
        identity: what tells it from others.
        shard: how many records a shard has.
        columns: its arrays.
        told: what results say of themselves; its arrays are named in `method_arrays`.
        method_arrays: what the arrays are that the method holds.
    """

    identity: Identity
    shard: int
    columns: tuple[Column, ...]
    structures: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    method: Any
    names: Any
    qoi: Any
    method_arrays: tuple[Column, ...]

    @staticmethod
    def of(identity: Identity, told: Told, columns: tuple[Column, ...], shard: int) -> Header:
        """The header of a run whose first batch was explained."""
        arrays = tuple(_own(i, host(x)) for i, x in enumerate(told.method_arrays))
        plainly = (plain(told.method, []), plain(told.names, []), told.qoi)
        return Header(identity, shard, columns, told.structures, told.shapes, *plainly, arrays)

    def versions_changed(self) -> str | None:
        """What is no longer of the version that the run was begun with, in words."""
        was = (field_of(self.method, []) or {}).get("versions", {})
        now = fingerprints.versions()
        found = [f"{k} was {v} and is {now[k]}" for k, v in was.items() if now.get(k, v) != v]
        if not found:
            return None
        return (
            f"the run was begun elsewhere: {', '.join(found)}; its numbers may differ by rounding"
        )

    def attributes(self) -> dict[str, Any]:
        """It as data of JSON's types."""
        data = json.loads(json.dumps(dataclasses.asdict(self), allow_nan=False))
        return {"format": FORMAT, "version": VERSION, "run": data, "print": _print(data)}

    @staticmethod
    def read(path: Path, attributes: Mapping[str, Any]) -> Header:
        """The header that stands in a store.

        Raises:
            ResultFileError: for a store that is no run, of a later version, or changed.
        """
        if attributes.get("format") != FORMAT:
            raise ResultFileError(f"{path} is a Zarr store, but holds no run of trulens-nn")
        version = attributes.get("version")
        if version != VERSION:
            raise ResultFileError(
                f"{path} is of version {version} of the format, and this is {VERSION}: it was "
                "written by another trulens-nn, which can read it"
            )
        data = attributes.get("run")
        if not isinstance(data, dict) or _print(data) != attributes.get("print"):
            raise ResultFileError(f"{path} is damaged: what it says of itself was changed")
        columns, arrays = (
            tuple(Column(c["name"], c["dtype"], tuple(c["shape"])) for c in data[key])
            for key in ("columns", "method_arrays")
        )
        shapes = {name: tuple(shape) for name, shape in data["shapes"].items()}
        changed = {"columns": columns, "method_arrays": arrays, "shapes": shapes}
        return Header(**{**data, **changed, "identity": Identity(**data["identity"])})


def _own(i: int, x: Any) -> Column:
    return Column(f"{OWN}{i}", x.dtype.name, tuple(map(int, x.shape)))


def _print(data: Mapping[str, Any]) -> str:
    return fingerprints.of_bytes(json.dumps(data, sort_keys=True).encode())
