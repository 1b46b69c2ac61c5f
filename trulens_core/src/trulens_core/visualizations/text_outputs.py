"""Where texts are shown: as plain text, as HTML, in a notebook."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from trulens_core.optional import require
from trulens_core.visualizations.text_html import as_html
from trulens_core.visualizations.text_lines import TextLine
from trulens_core.visualizations.text_plain import as_colored, as_plain, terminal_colors


class Output(ABC):
    """A way to show texts."""

    @abstractmethod
    def render(self, lines: Sequence[TextLine]) -> Any:
        """The texts, shown: what `NLP.token_attribution` returns."""


@final
@dataclass(frozen=True)
class PlainText(Output):
    """Text to print.

    Each token is followed by its attribution in parentheses, unless that is zero. Where standard
    output is a terminal with colours and rich is installed, colours stand in place of numbers.

    Args:
        color: True for colours in any case (needs the extra `text`:
            `pip install 'trulens-nn[text]'`), False for none, None for what the terminal has.

    Example:
        >>> from trulens_core.visualizations.text_lines import Column, Token
        >>> line = TextLine((Column((Token("good", 0.5, False), Token("film", -0.1))),), "good")
        >>> print(PlainText(color=False).render([line]), end="")
        good: good(+0.5) film(-0.1)  [±0.5]
    """

    color: bool | None = None

    def render(self, lines: Sequence[TextLine]) -> str:
        if self.color:
            require("rich", "text")
        system = None if self.color is False else terminal_colors()
        if self.color and system is None:
            system = "truecolor"
        return as_plain(lines) if system is None else as_colored(lines, system)


@final
@dataclass(frozen=True)
class HTML(Output):
    """A fragment of HTML, as a str of ASCII: it can be put anywhere, or in a file as it is.

    Orange with a solid underline raises, blue with a dashed one lowers. Tokens bring their own
    ground and ink, and so read the same on light and on dark pages. The numbers are in the tokens'
    titles.

    Example:
        >>> HTML().render([]).startswith("<div")
        True
    """

    def render(self, lines: Sequence[TextLine]) -> str:
        return as_html(lines)


@final
@dataclass(frozen=True)
class IPython(Output):
    """An object that a notebook shows as HTML, and a console as plain text.

    Example:
        >>> IPython().render([])._repr_html_() == HTML().render([])
        True
    """

    def render(self, lines: Sequence[TextLine]) -> TextPicture:
        return TextPicture(tuple(lines))


@final
@dataclass(frozen=True, repr=False)
class TextPicture:
    """Texts that notebooks and consoles show, each in its own way.

    Attributes:
        lines: the texts.
    """

    lines: tuple[TextLine, ...]

    def _repr_html_(self) -> str:
        return as_html(self.lines)

    def __repr__(self) -> str:
        return as_plain(self.lines)


def default_output() -> Output:
    """IPython in a notebook, PlainText elsewhere."""
    ipython = sys.modules.get("IPython")  # a notebook has imported it
    shell = ipython.get_ipython() if ipython is not None else None
    return PlainText() if getattr(shell, "kernel", None) is None else IPython()
