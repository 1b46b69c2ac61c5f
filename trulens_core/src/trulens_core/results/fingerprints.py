"""Fingerprints: what tells whether weights and inputs are those of before, to the bit."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterable
from typing import Any

from trulens_core._version import __version__
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import STATIC
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.results.arrays import Array, host

_SIZE = 16
_FRAMEWORKS = ("numpy", "torch", "tensorflow", "keras", "jax")


def of_bytes(content: bytes) -> str:
    """The fingerprint of bytes.

    Example:
        >>> len(of_bytes(b"abc"))
        32
    """
    return hashlib.blake2b(content, digest_size=_SIZE).hexdigest()


def of_array(name: str, array: Array) -> str:
    """The fingerprint of an array's name, type, shape and numbers."""
    digest = hashlib.blake2b(digest_size=_SIZE)
    digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
    if array.dtype.hasobject:  # strings
        digest.update(repr(array.tolist()).encode())
    else:
        digest.update(array.tobytes())
    return digest.hexdigest()


def of_weights(model: Any) -> dict[str, str]:
    """The fingerprints of a model's weights by name, as they are now; empty where none is read."""
    if model is None:
        return {}
    wrapper = model if isinstance(model, ModelWrapper) else get_model_wrapper(model)
    to_numpy = wrapper.backend.to_numpy
    return {name: of_array(name, to_numpy(w)) for name, w in wrapper.weights().items()}


def of_inputs(inputs: Any) -> str | None:
    """The fingerprint of the arrays in a call's inputs; None where these are not known."""
    if not isinstance(inputs, ModelInputs):
        return None
    held = (x for x in inputs.leaves if x.role != STATIC)
    return together(of_array(str(x.name), host(x.value)) for x in held)


def together(many: Iterable[str]) -> str:
    """One fingerprint of many."""
    return of_bytes("\n".join(many).encode())


def versions() -> dict[str, Any]:
    """What a number may depend on beside the method: versions, and threads."""
    found = {"trulens-nn": __version__, "python": platform.python_version()}
    for name in _FRAMEWORKS:  # what was not imported took no part
        if name in sys.modules:
            found[name] = str(getattr(sys.modules[name], "__version__", ""))
    threads = getattr(sys.modules.get("torch"), "get_num_threads", os.cpu_count)()
    return {**found, "machine": platform.machine(), "threads": int(threads or 0)}
