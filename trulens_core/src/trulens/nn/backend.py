"""The backend of a model or a tensor, as documented: a name of `trulens_core`."""

from trulens_core import get_backend

__all__ = ["get_backend"]
