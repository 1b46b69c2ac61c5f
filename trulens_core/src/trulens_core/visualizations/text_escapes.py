"""Text made safe to show: what cannot be seen, or changes what is seen around it, as escapes."""

import html
import unicodedata

_JOINERS = "\u200c\u200d"
"""Invisible too, but part of how words (Persian, Hindi) and emoji are written."""
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode's categories of controls (bidirectional ones are in Cf) and of what has no glyph."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    r"""The text in which control, bidirectional and other invisible characters are escapes.

    Nothing that is left moves a cursor, reverses what is around it, or cannot be encoded.

    Example:
        >>> visible("a\nb\u202ec")
        'a\\nb\\u202ec'
    """
    return "".join(_escaped(c) if _is_hidden(c) else c for c in text)


def in_html(text: str) -> str:
    """Visible text for an element or a quoted attribute of HTML, in ASCII.

    Without a character beyond ASCII it reads the same in whichever encoding a page is read.

    Example:
        >>> in_html("<é>")
        '&lt;&#233;&gt;'
    """
    return html.escape(visible(text)).encode("ascii", "xmlcharrefreplace").decode("ascii")


def _is_hidden(c: str) -> bool:
    return unicodedata.category(c) in _HIDDEN and c not in _JOINERS


def _escaped(c: str) -> str:
    code = ord(c)
    if c in _SHORT:
        return _SHORT[c]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
