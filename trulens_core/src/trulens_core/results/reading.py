"""Results read from files: whole and unchanged, or one error that says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trulens_core.errors import ResultFileError
from trulens_core.inputs import ModelInputs
from trulens_core.optional import require
from trulens_core.results import fingerprints
from trulens_core.results.arrays import Array
from trulens_core.results.plain import OwnCodeError, class_at, made
from trulens_core.results.result import AttributionResult
from trulens_core.results.writing import (
    APART,
    DIGEST,
    FIELDS,
    FORMAT,
    HEADER,
    KEY,
    KIND,
    VERSION,
    array_name,
)

_OF_TEXTS = {
    "generation": "trulens_core.text.result.GenerationResult",
    "segments": "trulens_core.text.segment_result.SegmentsResult",
    "patching": "trulens_core.text.patching_result.PatchingResult",
}
"""The other kinds of result, in a room that is imported where a file holds one."""


def load_result(path: str | Path) -> Any:
    """The result that `save` wrote, with NumPy arrays (extra `save`).

    No framework is needed, and nothing in the file is executed.

    Args:
        path: of the file.

    Returns:
        An `AttributionResult`, which `r.replay(model)` computes again, or what else was saved: a
        `GenerationResult`, a `SegmentsResult` or a `PatchingResult`.

    Raises:
        FileNotFoundError: where there is no file.
        ResultFileError: for a file that is damaged, cut short, of something else, or of a later
            version.
        ImportError: where safetensors is not installed.

    Example:
        >>> import tempfile, pathlib
        >>> import numpy as np
        >>> r = AttributionResult(np.array([[0.5, -2.0]])).named(features=["age", "income"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     r.save(pathlib.Path(folder, "r.safetensors"))
        ...     load_result(pathlib.Path(folder, "r.safetensors")) == r
        True
    """
    path = Path(path)
    header, arrays = _read(path)
    try:
        return _opened(header, arrays)
    except ResultFileError as error:
        raise ResultFileError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise ResultFileError(f"{path} is no result as this version writes it: {error}") from error


def _read(path: Path) -> tuple[dict[str, Any], list[Array]]:
    """The header and the arrays, both found to be as they were written."""
    safetensors = require("safetensors", "save")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            header = _header(path, metadata)
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, OverflowError) as error:
        raise ResultFileError(
            f"{path} is no safetensors file, or is damaged or cut short: {error}"
        ) from error
    written = header.get("arrays")
    if not isinstance(written, dict) or set(found) != set(written):
        raise ResultFileError(f"{path} is damaged: it does not hold the arrays of its header")
    for name, array in found.items():
        if fingerprints.of_array(name, array) != written[name]:
            raise ResultFileError(f"{path} is damaged: the numbers of {name!r} were changed")
    return header, [found[array_name(i)] for i in range(len(found))]


def _header(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if metadata.get(KEY) != FORMAT:
        raise ResultFileError(f"{path} is a safetensors file, but holds no result of trulens-nn")
    version, text = metadata.get("version", ""), metadata.get(HEADER, "")
    if version != str(VERSION):
        raise ResultFileError(
            f"{path} is of version {version!r} of the format, and this is {VERSION}: it was "
            "written by a later trulens-nn, which can read it"
        )
    if fingerprints.of_bytes(text.encode("utf-8", "surrogatepass")) != metadata.get(DIGEST):
        raise ResultFileError(f"{path} is damaged: its header was changed")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResultFileError(f"{path} has a header that is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise ResultFileError(f"{path} has a header that is no mapping")
    return header


def _opened(header: dict[str, Any], arrays: list[Array]) -> Any:
    kind = header.get("kind", KIND)
    if kind == KIND:
        return _result(header, arrays)
    if kind not in _OF_TEXTS:
        raise ResultFileError(f"it holds {kind!r}, a kind of result that is not known here")
    held: Any = class_at(_OF_TEXTS[kind])
    fields = {str(k): _field(data, arrays) for k, data in header["fields"].items()}
    return held.opened(fields, dict(header["fingerprints"]))


def _result(header: dict[str, Any], arrays: list[Array]) -> AttributionResult:
    fields = {str(k): v for k, v in header["fields"].items() if k in FIELDS and k not in APART}
    method = fields.pop("method", None)
    found: dict[str, Any] = {name: _field(data, arrays) for name, data in fields.items()}
    first, count = header["method arrays"]
    return AttributionResult(
        **found,
        method=_field(method, arrays),
        method_arrays=tuple(arrays[first : first + count]),
        inputs=_given(header["inputs"], arrays),
        fingerprints=dict(header["fingerprints"]),
    )


def _field(data: Any, arrays: list[Array]) -> Any:
    try:
        return made(data, arrays)
    except OwnCodeError:  # a class of the caller's own, whose name the header has
        return None


def _given(data: Any, arrays: list[Array]) -> ModelInputs | None:
    if data is None:
        return None
    mine = arrays[data["first"] : data["first"] + data["count"]]
    held = made(data["data"], mine)
    batched = {k: bool(v) for k, v in data["batched"]}
    return ModelInputs(held["args"], held["kwargs"], batched)
