"""Explained generations in files: arrays by safetensors, the rest a header of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trulens_core.errors import ResultFileError
from trulens_core.optional import require
from trulens_core.results import fingerprints
from trulens_core.text.fields import GenerationFields
from trulens_core.text.tokens import Tokens, Turn

_FORMAT, _VERSION = "trulens-generation", "1"
_ARRAYS = "attributions", "quantity", "baseline_quantity", "residual", "held", "standard_error"
_TEXTS = "inputs", "outputs"


def saved(result: GenerationFields, path: str | Path) -> None:
    """Write the file; see `GenerationResult.save`."""
    arrays = {k: getattr(result, k) for k in _ARRAYS if getattr(result, k) is not None}
    texts = {}
    for name in _TEXTS:
        tokens: Tokens = getattr(result, name)
        arrays |= {f"{name}.ids": tokens.ids, f"{name}.special": tokens.special}
        texts[name] = {
            "text": tokens.text,
            "offsets": tokens.offsets,
            "turns": [list(t) for t in tokens.turns],
        }
    stored = {k: np.ascontiguousarray(v) for k, v in arrays.items()}
    header = {
        "texts": texts,
        "targets": result.targets,
        "sources": result.sources,
        "method": dict(result.method),
        "removal": result.removal,
        "arrays": {k: fingerprints.of_array(k, v) for k, v in stored.items()},
    }
    text = json.dumps(header)
    told = {"format": _FORMAT, "version": _VERSION, "header": text}
    told["digest"] = fingerprints.of_bytes(text.encode())
    Path(path).write_bytes(require("safetensors.numpy", "save").save(stored, metadata=told))


def loaded(path: str | Path) -> dict[str, Any]:
    """The fields of the result; see `GenerationResult.load`."""
    safetensors = require("safetensors", "save")
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            told = file.metadata() or {}
            arrays = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - no dict
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, OverflowError) as error:
        raise ResultFileError(f"{path} is no safetensors file, or is damaged: {error}") from error
    try:
        return _fields(_header(told, arrays), arrays)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ResultFileError(f"{path} holds no explained generation: {error}") from error


def _header(told: Mapping[str, str], arrays: Mapping[str, Any]) -> dict[str, Any]:
    if told.get("format") != _FORMAT or told.get("version") != _VERSION:
        found = told.get("format"), told.get("version")
        raise ValueError(f"its format is {found}, and this reads {_FORMAT, _VERSION}")
    text = told["header"]
    header: dict[str, Any] = json.loads(text)
    prints = {k: fingerprints.of_array(k, v) for k, v in arrays.items()}
    if fingerprints.of_bytes(text.encode()) != told["digest"] or prints != header["arrays"]:
        raise ValueError("it was changed after it was written")
    return header


def _fields(header: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {k: arrays.get(k) for k in _ARRAYS}
    for name in _TEXTS:
        told = header["texts"][name]
        fields[name] = Tokens(
            arrays[f"{name}.ids"],
            told["text"],
            _pairs(told["offsets"]),
            arrays[f"{name}.special"].astype(bool),
            tuple(Turn(*t) for t in told["turns"]),
        )
    for name in ("targets", "sources"):
        fields[name] = _pairs(header[name])
    return {**fields, "method": header["method"], "removal": header["removal"]}


def _pairs(given: Any) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in given)
