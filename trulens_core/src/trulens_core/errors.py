"""Every error and warning of the library: one class per condition a caller can meet.

Each message names the cut or argument, what was found, what was expected and what to do next.
"""

from __future__ import annotations


class TrulensError(Exception):
    """Base of all errors that the library raises by itself."""


class TrulensWarning(UserWarning):
    """Category of all warnings about a result: non-finite gradients, a large residual, …."""


class CutError(TrulensError, ValueError):
    """A cut that this model, or this call, cannot serve."""


class UnknownLayerError(CutError):
    """No layer has the name or index of the cut."""


class AmbiguousLayerError(CutError):
    """Several layers fit the (old-style) name of the cut."""


class LayerNotReachedError(CutError):
    """The model ran without calling the layer of the cut."""


class CalledSeveralTimesError(CutError):
    """The layer ran more than once in one pass and the cut does not say which call it means."""


class NotDifferentiableError(CutError):
    """There is no gradient at the cut: integers, or a value inside a loop."""


class NotConnectedError(CutError):
    """The quantity does not depend on the value at the source cut."""


class QoiError(TrulensError, ValueError):
    """A quantity of interest that is not one floating number per record, or several."""


class QoiCutSupportError(QoiError):
    """The quantity of interest cannot be read at this cut, such as one of several tensors."""


class DoiError(TrulensError, ValueError):
    """A distribution of interest whose points do not fit the value at its cut."""


class DoiCutSupportError(DoiError):
    """The distribution of interest cannot act at this cut, such as a path over integers."""


class InterventionError(TrulensError, ValueError):
    """A value given to replace an activation does not fit it."""


class BackendError(TrulensError, RuntimeError):
    """Something about the installed frameworks' plug-ins is wrong."""


class NoBackendError(BackendError):
    """No installed backend serves the model or tensor."""


class AmbiguousBackendError(BackendError):
    """More than one installed backend serves the model."""


class BrokenBackendError(BackendError):
    """The backend that serves the model is installed but does not work."""


class UnsupportedModelError(TrulensError, TypeError):
    """A model, or an object given as one, that the backend cannot explain."""
