"""A unit of an analyte, and how the spellings that senders use lead to it.

Only spelling is forgiven, never meaning. Spaces go; micro signs become u and mcg becomes ug; superscripts become
powers. Letters fold to lower case except those whose case carries meaning as prefix or symbol: m and M (milli, mega),
g and G (gram, giga), p and P (pico, peta), k and K (kilo, kelvin), t and T (tera). Feeds that write everything in
capitals are served by spellings listed in the rule file ("MG/DL"), so that "Mg/dL" and "MU/L" stay refused.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from app.clinical.arithmetic import exact, plain, significant
from app.clinical.plausibility import Tiers

_KEEP_CASE: Final = frozenset("MGPKT")
_FOLD_CASE: Final = {ord(c): c.lower() for c in map(chr, range(ord("A"), ord("Z") + 1)) if c not in _KEEP_CASE}
_SIGNS: Final = {
    ord("\N{MICRO SIGN}"): "u",
    ord("\N{GREEK SMALL LETTER MU}"): "u",
    ord("\N{MULTIPLICATION SIGN}"): "x",
    ord("\N{DOT OPERATOR}"): "*",
    ord("\N{MIDDLE DOT}"): "*",
    ord("\N{SUPERSCRIPT TWO}"): "^2",
    ord("\N{SUPERSCRIPT THREE}"): "^3",
    ord("\N{SUPERSCRIPT SIX}"): "^6",
    ord("\N{SUPERSCRIPT NINE}"): "^9",
}
_TRANSLATE: Final = _FOLD_CASE | _SIGNS


def fold(spelling: str) -> str:
    """Return the form under which spellings of one unit meet."""
    return "".join(spelling.translate(_TRANSLATE).split()).replace("mc", "u")


class Unit:
    """One unit of one analyte: canonical value = value x multiply / divide, exactly."""

    __slots__ = ("code", "divide", "is_canonical", "multiply", "tiers")

    def __init__(self, code: str, multiply: Decimal, divide: Decimal, tiers: Tiers) -> None:
        self.code = code
        self.multiply = multiply
        self.divide = divide
        self.is_canonical = multiply == divide
        self.tiers = tiers

    def to_canonical(self, value: float | Decimal) -> Decimal:
        """Convert to the analyte's canonical unit, at 15 significant digits."""
        written = exact(value)
        return significant(written if self.is_canonical else written * self.multiply / self.divide)

    def from_canonical(self, value: float | Decimal) -> Decimal:
        """Convert from the analyte's canonical unit, at 15 significant digits."""
        written = exact(value)
        return significant(written if self.is_canonical else written * self.divide / self.multiply)

    @property
    def factor(self) -> Decimal:
        """Return the factor to the canonical unit (a ratio that does not end is cut at 15 significant digits)."""
        return significant(self.multiply / self.divide)

    @property
    def working(self) -> str:
        """Write the factor as it is calculated with: "x 0.1", "/ 88.4"."""
        times = f"x {plain(self.multiply)}" if self.multiply != 1 else ""
        by = f"/ {plain(self.divide)}" if self.divide != 1 else ""
        return f"{times} {by}".strip() or "x 1"
