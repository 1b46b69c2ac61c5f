"""What the reference needs to read docstrings: a section "Example:" holds code, as "Examples:"."""

from __future__ import annotations

from typing import Any

from griffe import Extension, Object


class Examples(Extension):
    """Reads sections of one example."""

    def on_instance(self, *, obj: Object, **kwargs: Any) -> None:
        """Rename the section of each docstring."""
        del kwargs
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
