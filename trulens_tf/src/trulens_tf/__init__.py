"""The TensorFlow backend of trulens-nn."""

from trulens_tf._version import __version__ as __version__
