"""The PyTorch backend of trulens-nn."""

from trulens_torch._version import __version__ as __version__
