"""What may decide how a model goes about its rows: integers, truth values, masks, padding."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import numpy as np

from trulens_core.backends import Backend
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import STATIC

_Array = np.ndarray[Any, Any]

_FEW = 16
"""Numbers of a tensor that are looked at first: most are found there to be no mask."""


def integers(inputs: ModelInputs, backend: Backend) -> Hashable:
    """How many records there are, and a digest of their integers, truth values and masks."""
    return inputs.n_records, _digest(_deciding(inputs, backend))


def padding(inputs: ModelInputs, backend: Backend) -> Hashable:
    """The same for prompts that differ in their words, but not in where they are padded.

    A digest of masks, of what is one number a record (lengths, say), and of how many equal numbers
    all others begin and end with. Numbers inside of them, as of words, are no part of it: each new
    prompt would be looked at as if it were the first.
    """
    n = inputs.n_records

    def outline(a: _Array) -> Iterable[_Array]:
        return [a] if a.size == n or a.ndim < 2 or _is_mask(a) else _runs(a)

    return n, _digest([x for a in _deciding(inputs, backend) for x in outline(a)])


def _deciding(inputs: ModelInputs, backend: Backend) -> Iterator[_Array]:
    held = [backend.stored(leaf.value) for leaf in inputs.leaves if leaf.role != STATIC]
    for value in itertools.chain.from_iterable(held):
        if not backend.is_floating(value):
            yield backend.to_numpy(value)
            continue
        few = backend.to_numpy(backend.xp.reshape(value, (-1,))[:_FEW])
        if len(set(few.tolist())) <= 2:
            whole = backend.to_numpy(value)
            if _is_mask(whole):
                yield whole


def _digest(arrays: Iterable[_Array]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for a in arrays:
        digest.update(np.ascontiguousarray(a).tobytes())
    return digest.digest()


def _is_mask(a: _Array) -> bool:
    """Whether there are two numbers in it at most."""
    return a.size > 0 and bool(((a == a.min()) | (a == a.max())).all())


def _runs(a: _Array) -> Iterator[_Array]:
    """How many equal numbers it begins and ends with along each axis."""
    for axis in range(a.ndim if a.size else 0):
        for along in (a, np.flip(a, axis)):
            equal = along == along.take([0], axis)
            yield np.logical_and.accumulate(equal, axis).sum(axis)
