"""The Keras backend of trulens-nn."""

from trulens_keras._version import __version__ as __version__
