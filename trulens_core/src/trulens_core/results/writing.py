"""Results in files: arrays by safetensors, everything else a header of JSON.

docs/how-to/save-and-share.md specifies the format. Nothing in a file is executed.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from trulens_core import trees
from trulens_core.inputs import ModelInputs
from trulens_core.optional import require
from trulens_core.results import fingerprints
from trulens_core.results.arrays import Array, host
from trulens_core.results.fields import ResultFields
from trulens_core.results.plain import own_code, plain

FORMAT, VERSION = "trulens-result", 1
KEY, HEADER, DIGEST = "format", "header", "digest"
SUFFIX = ".safetensors"
KIND = "attributions"
"""The kind of result that an `AttributionResult` is; the results of texts have their own."""
FIELDS = tuple(f.name for f in dataclasses.fields(ResultFields))
APART = ("inputs", "method_arrays", "fingerprints")
"""The fields that are more than containers of arrays."""


def saved(result: ResultFields, path: str | Path, weights: Mapping[str, str], inputs: bool) -> None:
    """Write the file whole or not at all, see `AttributionResult.save`."""
    arrays: list[Any] = []
    fields = {
        name: plain(without_classes(getattr(result, name)), arrays)
        for name in FIELDS
        if name not in APART
    }
    known = result.fingerprints or {}
    prints = {
        "weights": dict(weights) or known.get("weights"),
        "inputs": fingerprints.of_inputs(result.inputs) or known.get("inputs"),
    }
    first = len(arrays)
    arrays += result.method_arrays
    given = _inputs(result.inputs, arrays) if inputs else None
    header = {
        "kind": KIND,
        "fields": fields,
        "method arrays": [first, len(result.method_arrays)],
        "inputs": given,
        "fingerprints": prints,
        "code": own_code(result.method or {}),
    }
    write(path, header, arrays)


def write(path: str | Path, header: Mapping[str, Any], arrays: Sequence[Any]) -> None:
    """Write a header of JSON, and the arrays that it numbers, whole or not at all."""
    check_suffix(path)
    stored = {array_name(i): _storable(host(x)) for i, x in enumerate(arrays)}
    digests = {name: fingerprints.of_array(name, x) for name, x in stored.items()}
    text = json.dumps({**header, "arrays": digests}, allow_nan=False)
    metadata = {KEY: FORMAT, "version": str(VERSION), HEADER: text}
    metadata[DIGEST] = fingerprints.of_bytes(text.encode())
    _written(Path(path), stored, metadata)


def check_suffix(path: str | Path) -> None:
    """Refuses a name that says another format than the one that is written."""
    path = Path(path)
    if path.suffix not in ("", SUFFIX):
        raise ValueError(
            f"{path.name!r} says another format than safetensors, the only one that results are "
            f"kept in: save to {path.with_suffix(SUFFIX).name!r}, and for others to_html(path) "
            "writes a page, to_frame() makes a table, and plot() a figure with savefig(path)"
        )


def without_classes(value: Any) -> Any:
    """Containers of the caller's own kinds as lists and dicts, which are all that a file has.

    Of a DataFrame the numbers; the names of its columns are the result's.
    """
    if isinstance(value, Mapping):
        return {str(k): without_classes(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_classes(v) for v in value]
    if trees.is_dataclass(value) and not type(value).__module__.startswith("trulens_core."):
        return {f.name: without_classes(getattr(value, f.name)) for f in dataclasses.fields(value)}
    table = trees.numbers_of_table(value)
    return value if table is None else table


def _inputs(inputs: Any, arrays: list[Any]) -> Any:
    """A call's inputs; None where they hold what a file cannot."""
    if not isinstance(inputs, ModelInputs):
        return None
    mine: list[Any] = []
    numbers = len(arrays)
    data = plain({"args": list(inputs.args), "kwargs": dict(inputs.kwargs)}, mine)
    if own_code(data) or any(host(x).dtype.kind not in "biufV" for x in mine):
        return None
    arrays += mine
    batched = [[k, v] for k, v in inputs.batched.items()]
    return {"first": numbers, "count": len(mine), "data": data, "batched": batched}


def _storable(array: Array) -> Array:
    """The array in a type that safetensors has."""
    if array.dtype.kind == "V":  # such as bfloat16, all of whose numbers float32 has
        return array.astype("float32")
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise ValueError(
            f"arrays of {array.dtype} cannot be saved, numbers of up to 64 bits can; to_frame() "
            "makes a table of the attributions, and to_html(path) a page"
        )
    return np.asarray(array.astype(array.dtype.newbyteorder("="), copy=False), order="C")


def array_name(i: int) -> str:
    """What the file calls an array."""
    return f"array {i}"


def _written(path: Path, arrays: dict[str, Array], metadata: dict[str, str]) -> None:
    save_file = require("safetensors.numpy", "save").save_file
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder of {path} does not exist")
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        save_file(arrays, draft, metadata=metadata)
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
