"""Colours of tokens: orange raises, blue lowers, for every kind of colour vision.

On a page a token has its own ground and its own ink, so that it reads the same wherever it stands.
A terminal's ground is not known: there colours are used whose contrast with black and with white
is the same, 4.5 to 1, and what is weak keeps the terminal's own.
"""

from __future__ import annotations

import math

Color = tuple[int, int, int]

INK: Color = (0x11, 0x11, 0x11)
GROUND: Color = (0xFF, 0xFF, 0xFF)
QUIET: Color = (0x59, 0x59, 0x59)
"""Ink of remarks, 7 to 1 on GROUND."""
RAISES: Color = (0xFF, 0x94, 0x57)
LOWERS: Color = (0x6F, 0xB1, 0xFF)
STRONG_RAISES: Color = (0xCC, 0x4C, 0x0C)
STRONG_LOWERS: Color = (0x1F, 0x77, 0xD0)
"""The same two hues half way between black and white."""
MISSING: Color = (0xDD, 0xDD, 0xDD)

VISIBLE = 0.05
"""The part of a text's largest attribution below which a token counts as neutral."""


def ground(fraction: float) -> Color:
    """The colour behind a token, from LOWERS at -1 over GROUND at 0 to RAISES at 1.

    Example:
        >>> ground(0.0), ground(1.0) == RAISES, ground(float("nan")) == MISSING
        ((255, 255, 255), True, True)
    """
    if math.isnan(fraction):
        return MISSING
    end = RAISES if fraction > 0 else LOWERS
    part = min(abs(fraction), 1.0)
    r, g, b = (round(a + part * (z - a)) for a, z in zip(GROUND, end, strict=True))
    return r, g, b


def edge(fraction: float) -> Color:
    """The colour of a token's underline, as strong at any fraction."""
    return STRONG_RAISES if fraction > 0 else STRONG_LOWERS


def css(color: Color) -> str:
    """The colour as a style sheet writes it.

    Example:
        >>> css((255, 0, 17))
        '#ff0011'
    """
    return "#{:02x}{:02x}{:02x}".format(*color)


def contrast(a: Color, b: Color) -> float:
    """How well ink of one colour reads on the other, from 1 to 21 (WCAG 2); 4.5 is good.

    Example:
        >>> contrast((0, 0, 0), (255, 255, 255))
        21.0
    """
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Color) -> float:
    r, g, b = (_linear(c / 255) for c in color)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _linear(c: float) -> float:
    return c / 12.92 if c <= 0.04045 else math.pow((c + 0.055) / 1.055, 2.4)
