"""What the tests of JAX share: comparing, counting and 64-bit numbers."""

import contextlib
import os

# tests compile much and run little; at level 0 products are rounded before they are added
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")

import jax
import numpy as np
import pytest

from trulens_core.testing.measure import relative_error

_COMPILED = "/jax/core/compile/backend_compile_duration"


@pytest.fixture
def close():
    """`close(a, b, 1e-6)` asserts equality in the measure of the library."""

    def check(a, b, tolerance=1e-6):
        error = relative_error(np.asarray(a), np.asarray(b))
        assert error <= tolerance, f"relative error {error:.2e} > {tolerance}"

    return check


@pytest.fixture
def x64():
    """64-bit numbers within a test."""
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    with enable(True):
        yield


@pytest.fixture(scope="session")
def compiled():
    """`with compiled() as names:` lists what XLA compiles inside."""
    listeners = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: [x.append(event) for x in listeners if event == _COMPILED]
    )

    @contextlib.contextmanager
    def count():
        found = []
        listeners.append(found)
        try:
            yield found
        finally:
            # by identity: lists are equal when they hold the same events
            listeners[:] = [x for x in listeners if x is not found]

    return count
