"""Every error and warning of the library: one class per condition a caller can meet.

Each message names the cut or argument, what was found, what was expected and what to do next.
"""

from __future__ import annotations


class TrulensError(Exception):
    """Base of all errors that the library raises by itself."""


class TrulensWarning(UserWarning):
    """Category of all warnings about a result: non-finite gradients, a large residual, ….

    Filter it by this class; the results are returned all the same.
    """


class CutError(TrulensError, ValueError):
    """A cut that this model, or this call, cannot serve.

    Its kinds say why; each message names the cut.
    """


class UnknownLayerError(CutError):
    """No layer has the name or index of the cut.

    The message suggests names that come near; `print(wrapper)` lists them all.
    """


class AmbiguousLayerError(CutError):
    """Several layers fit the (old-style) name of the cut.

    The message lists them; give the whole dotted name.
    """


class LayerNotReachedError(CutError):
    """The model ran without calling the layer of the cut.

    It is unused, or what it computes is computed without calling it: cut at a layer around it.
    """


class CalledSeveralTimesError(CutError):
    """The layer ran more than once in one pass and the cut does not say which call it means.

    The message says how often; give `Cut(name, call=i)`, a list of calls, or `call="all"`.

    Attributes:
        calls: how often.
    """

    calls: int = 0


class NotDifferentiableError(CutError):
    """There is no gradient at the cut: integers, or a value inside a loop.

    For token ids, cut at the output of the embedding layer, which the message names.
    """


class NotConnectedError(CutError):
    """The quantity does not depend on the value at the source cut.

    Nothing but zeros could be returned, and the cuts are in the wrong order or on different
    paths.
    """


class QoiError(TrulensError, ValueError):
    """A quantity of interest that is not one floating number per record, or several.

    The message has the shape and type that were found.
    """


class QoiCutSupportError(QoiError):
    """The quantity of interest cannot be read at this cut, such as one of several tensors.

    Choose a tensor with an accessor, or write a quantity of the list.
    """


class DoiError(TrulensError, ValueError):
    """A distribution of interest whose points do not fit the value at its cut.

    The message has both shapes.
    """


class DoiCutSupportError(DoiError):
    """The distribution of interest cannot act at this cut, such as a path over integers.

    Give the distribution the `cut=` of an embedding's output.
    """


class InterventionError(TrulensError, ValueError):
    """A value given to replace an activation does not fit it.

    It needs k rows per record, point by point, in the shape of the activation.
    """


class BackendError(TrulensError, RuntimeError):
    """Something about the installed frameworks' plug-ins is wrong.

    `python -m trulens_core backends` lists what is installed, and what is broken and why.
    """


class NoBackendError(BackendError):
    """No installed backend serves the model or tensor.

    The message says whether none is installed, none fits, or the fitting one is missing, with
    the line that installs it.
    """


class AmbiguousBackendError(BackendError):
    """More than one installed backend serves the model.

    Choose one with `get_model_wrapper(model, backend=...)`.
    """


class BrokenBackendError(BackendError):
    """The backend that serves the model is installed but does not work.

    The exception that broke it is its cause.
    """


class UnsupportedModelError(TrulensError, TypeError):
    """A model, or an object given as one, that the backend cannot explain.

    The message says what about it, and what to give instead.
    """


class UncoveredOperationError(TrulensError, NotImplementedError):
    """An operation that no rule of the backward pass is for, or that rules cannot see.

    The message names the operation and its layer. Its derivative in the rule's place would be a
    number that nobody asked for.
    """


class ResultFileError(TrulensError, ValueError):
    """A file that holds no result that can be read: damaged, foreign, or of a later version.

    The message says which, and what to do.
    """


class ResumeError(TrulensError, ValueError):
    """A run over a data set that cannot be gone on with: another model, method or data.

    The message says what was and what is.
    """


class SpecError(TrulensError, ValueError):
    """A file that should say what to run, and does not.

    The message names the file, what it says, and what is expected.
    """
