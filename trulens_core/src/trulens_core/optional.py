"""Packages that only some features need."""

from importlib import import_module
from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """The module, imported; where its package is missing, an error that says how to get it.

    Args:
        module: What to import, such as `"scipy.ndimage"`.
        extra: The extra of this distribution that brings the package.

    Raises:
        ImportError: The package is not installed. A package that is installed but broken
            raises whatever it raises.
    """
    package = module.partition(".")[0]
    try:
        import_module(package)  # first by itself: its absence must not be told as a part's
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        message = f"{package} is needed here and not installed: pip install 'trulens-nn[{extra}]'"
        raise ImportError(message, name=package) from error
