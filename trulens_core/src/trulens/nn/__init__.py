"""All public names of `trulens_core`, loaded on use, beside the documented modules."""

from typing import TYPE_CHECKING, Any

import trulens_core
from trulens_core import __all__ as __all__

if TYPE_CHECKING:
    from trulens_core import *  # noqa: F403 - that is what is re-exported
else:

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(trulens_core, name)


def __dir__() -> list[str]:
    return sorted(__all__)
