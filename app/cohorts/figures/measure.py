"""The width of texts, in millimetres, in the font that the layout is made with; and lines broken to fit a width."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags

from app.cohorts.figures import style

_SUBPIXELS: Final = 64
_MARGIN_MM: Final = 2.0


@lru_cache(maxsize=4096)
def text_mm(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of a text."""
    font = get_font(findfont(FontProperties(family=["DejaVu Sans"], weight=weight)))
    font.set_size(size, style.POINTS_PER_INCH)
    font.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)
    width = font.get_width_height()[0] / _SUBPIXELS
    return float(width) * style.MM_PER_INCH / style.POINTS_PER_INCH


def widest(texts: Iterable[str], size: float, weight: str = "normal") -> float:
    """Return the width of the widest of some texts; 0 without any."""
    return max((text_mm(text, size, weight) for text in texts), default=0.0)


def wrapped(text: str, size: float, width: float, weight: str = "normal") -> list[str]:
    """Break a text into lines that fit a width; a single word may stick out."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_mm(f"{lines[-1]} {word}", size, weight) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def notes(lines: Iterable[str]) -> list[str]:
    """Break the lines at a figure's foot to the width of the paper."""
    return [part for line in lines for part in wrapped(line, style.SMALL, style.WIDTH_MM - 2 * _MARGIN_MM)]
