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
    """One unit of one analyte: canonical value = value x multiply / divide, exactly.

    `tiers` and `limits` are the analyte's ranges in this unit, for messages; values are judged in the canonical unit.
    `factor` is the ratio at 15 significant digits, `working` how the conversion is written ("x 0.1", "/ 88.4",
    "" where only the name changes).
    """

    __slots__ = ("_same_size", "code", "divide", "factor", "float_factor", "limits", "multiply", "tiers", "working")

    def __init__(self, code: str, multiply: Decimal, divide: Decimal, tiers: Tiers) -> None:
        self.code = code
        self.multiply = multiply
        self.divide = divide
        self._same_size = multiply == divide
        self.factor = significant(multiply / divide)
        self.float_factor = float(self.factor)
        self.working = _working(multiply, divide)
        self.tiers = tiers
        self.limits = tiers.for_limits()

    def to_canonical(self, value: float | Decimal) -> Decimal:
        """Convert to the analyte's canonical unit, at 15 significant digits."""
        written = exact(value)
        return significant(written if self._same_size else written * self.multiply / self.divide)

    def from_canonical(self, value: float | Decimal) -> Decimal:
        """Convert from the analyte's canonical unit, at 15 significant digits."""
        written = exact(value)
        return significant(written if self._same_size else written * self.divide / self.multiply)


def _working(multiply: Decimal, divide: Decimal) -> str:
    times = f"x {plain(multiply)}" if multiply != 1 else ""
    by = f"/ {plain(divide)}" if divide != 1 else ""
    return " ".join(part for part in (times, by) if part)
