"""How figures look: sizes, fonts, and colours that people with colour-blindness tell apart (Okabe and Ito 2008).

Colour is never alone: every group has its own marker and line style, every grade its number. Imported by the drawing
modules only, because it loads matplotlib.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

import matplotlib as mpl
from matplotlib.colors import to_rgb

WIDTH_MM: Final = 180.0
"""Two columns of a journal, and the text width of A4 and Letter with decent margins."""
MM_PER_INCH: Final = 25.4
POINTS_PER_INCH: Final = 72

BODY: Final = 8.0
SMALL: Final = 7.0
TITLE: Final = 9.5

INK: Final = "#1a1a1a"
QUIET: Final = "#595959"
RULE: Final = "#b3b3b3"
FAINT: Final = "#e6e6e6"
PAPER: Final = "#ffffff"
_MIDDLE: Final = 0.2
"""The luminance from which dark ink has more contrast than white."""

FONT_STACK: Final = "Arial, Helvetica, 'Liberation Sans', 'Nimbus Sans', 'DejaVu Sans', sans-serif"
"""Fonts of the SVG's text. It is laid out by DejaVu Sans, the widest of them, so a substitute never overlaps."""

Dashes: TypeAlias = tuple[float, tuple[float, ...]] | Literal["solid"]


class Look(NamedTuple):
    """How one group is drawn, in three channels."""

    colour: str
    marker: str
    dashes: Dashes


LOOKS: Final = (
    Look("#0072b2", "o", "solid"),
    Look("#c45100", "s", (0, (6.0, 2.0))),
    Look("#007a5a", "^", (0, (6.0, 1.5, 1.2, 1.5))),
    Look("#b0508a", "D", (0, (2.5, 1.5))),
    Look("#000000", "v", (0, (1.2, 1.4))),
    Look("#8a6d00", "*", (0, (9.0, 2.0, 2.5, 2.0))),
    Look("#5c5c5c", "X", (0, (4.0, 1.5, 1.2, 1.5, 1.2, 1.5))),
    Look("#4b3d8f", "p", (0, (1.0, 1.0, 4.0, 1.0))),
)
"""By place in the order of groups. Every colour has a contrast of at least 4 to 1 against white paper."""

GRADE_COLOURS: Final = {1: "#fee0a3", 2: "#f9b15c", 3: "#e2711d", 4: "#a63a0a", 5: "#4a1404"}
"""From light to dark by grade: the order survives in grey."""
UNGRADED: Final = "#8c8c8c"


def look(place: int) -> Look:
    """Return how the group at this place is drawn; past the last look they begin again."""
    return LOOKS[place % len(LOOKS)]


def ink_on(colour: str) -> str:
    """Return the ink, dark or white, that stands out better from a colour (contrast of WCAG 2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]  # noqa: PLR2004  # of sRGB
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return INK if luminance > _MIDDLE else PAPER


def _settings() -> dict[str, Any]:
    return {
        "font.family": ["DejaVu Sans"],
        "font.size": BODY,
        "text.parse_math": False,
        "text.color": INK,
        "text.hinting": "none",
        "text.antialiased": True,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.7,
        "axes.labelsize": BODY,
        "axes.titlesize": BODY,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "hatch.linewidth": 0.5,
        "figure.facecolor": PAPER,
        "savefig.facecolor": PAPER,
        "svg.fonttype": "none",
        "svg.hashsalt": "defervesce",
        "path.simplify": False,
        "agg.path.chunksize": 0,
    }


def apply() -> None:
    """Set matplotlib up once, whatever a `matplotlibrc` of the machine says."""
    parameters = cast("dict[str, Any]", mpl.rcParams)
    parameters.update({key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")})
    parameters.update(_settings())


apply()
