"""The JAX backend of trulens-nn: plain functions, Flax, Equinox and Haiku."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trulens_jax._version import __version__ as __version__

if TYPE_CHECKING:
    from trulens_jax.taps import tap as tap


def __getattr__(name: str) -> Any:
    """`tap`, at its first use: the plug-in must be listed without importing JAX."""
    if name == "tap":
        from trulens_jax.taps import tap as found

        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
