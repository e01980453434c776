"""Numbers as a table prints them: what range a printed p-value or percent stands for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

_NUMBER: Final = r"(?:[0-9]{1,3}(?:[.·][0-9]{1,15})?|[.·][0-9]{1,15})"
_SIGN: Final = "(?:<=|>=|[<>=≤≥])?"
_DASHES: Final = "-\u2013\u2014"
_NOTHING: Final = f"[{_DASHES}]?"
_NOT_SIGNIFICANT: Final = r"[Nn]\.?[Ss]\.?"
# For pydantic (Rust's regex) and for Python alike.
P_PATTERN: Final = (
    rf"^\s*(?:(?:[pP]\s*)?{_SIGN}\s*(?:0*[01](?:[.·]0{{0,15}})?|0*[.·][0-9]{{1,15}})|{_NOT_SIGNIFICANT}|{_NOTHING})\s*$"
)
PERCENT_PATTERN: Final = rf"^\s*{_SIGN}\s*{_NUMBER}\s*%?\s*$"
_PARTS: Final = re.compile(rf"({_SIGN})\s*([0-9]*(?:[.·][0-9]*)?)\s*%?\s*$")
_SIGNS: Final = {"<=": "≤", ">=": "≥", "": "="}
_FEWEST_DECIMALS: Final = 2
_ALPHA: Final = Decimal("0.05")
# How far a recomputed p may lie past the edge of what a printed one stands for: it is a double.
_SLACK: Final = 1e-12
EDGES_INCLUDED: Final = "both roundings of a half, up and to even, count as right"


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed number: its sign (`=`, `<`, `>`, `≤`, `≥`), its value and its decimal places."""

    text: str
    sign: str
    value: Decimal
    decimals: int

    @property
    def low(self) -> Decimal:
        """The least that it stands for."""
        return Decimal("-Infinity") if self.sign in "<≤" else self.value - self._half

    @property
    def high(self) -> Decimal:
        """The most that it stands for."""
        return Decimal("Infinity") if self.sign in ">≥" else self.value + self._half

    @property
    def _half(self) -> Decimal:
        """Half a unit of the last place printed: both half-up and half-to-even round to it from there."""
        return Decimal(5).scaleb(-self.decimals - 1) if self.sign == "=" else Decimal(0)

    def stands_for(self, number: Fraction) -> bool:
        """Say whether an exact number may be printed so."""
        if self.sign in "<>" and number == Fraction(self.value):
            return False
        below = not self.low.is_finite() or Fraction(self.low) <= number
        return below and (not self.high.is_finite() or number <= Fraction(self.high))

    def counts_of(self, size: int) -> range:
        """Return the counts of a group of this size whose percents may be printed so."""
        least, most = 0, size
        if self.low.is_finite():
            edge = Fraction(self.low) * size / 100
            least = math.floor(edge) + 1 if self.sign == ">" else math.ceil(edge)
        if self.high.is_finite():
            edge = Fraction(self.high) * size / 100
            most = math.ceil(edge) - 1 if self.sign == "<" else math.floor(edge)
        return range(max(0, least), min(size, most) + 1)

    def sizes_of(self, count: int, least: int, most: int) -> range:
        """Return the sizes from `least` to `most` of a group of which `count` may be printed so."""
        if not count:
            return range(least, most + 1) if self.stands_for(Fraction(0)) else range(0)
        if self.low.is_finite() and self.low > 0:
            edge = 100 * count / Fraction(self.low)
            most = min(most, math.ceil(edge) - 1 if self.sign == ">" else math.floor(edge))
        if self.high.is_finite():
            if self.high <= 0:
                return range(0)
            edge = 100 * count / Fraction(self.high)
            least = max(least, math.floor(edge) + 1 if self.sign == "<" else math.ceil(edge))
        return range(least, most + 1)

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the closed interval of doubles that it stands for; `<` and `>` leave their bound out."""
        slack = -_SLACK if self.sign in "<>" else _SLACK
        return float(self.low) - slack, float(self.high) + slack


def printed_p(text: str | None) -> Printed | None:
    """Read a printed p-value; None when none is printed. `1` and `0` stand for 1.00 and 0.00."""
    plain = (text or "").strip()
    if not plain.strip(_DASHES):
        return None
    if re.fullmatch(_NOT_SIGNIFICANT, plain):
        return Printed(plain, "≥", _ALPHA, _FEWEST_DECIMALS)
    found = _read(plain.lstrip("pP"), plain)
    if found.decimals:
        return found
    return Printed(found.text, found.sign, found.value, _FEWEST_DECIMALS)


def printed_percent(sent: float | str | None) -> Printed | None:
    """Read a printed percent: 63 and 63.0 as a number are whole percents, the text "63.0" has a decimal place."""
    if sent is None:
        return None
    if isinstance(sent, str):
        return _read(sent.strip(), sent.strip())
    text = str(int(sent)) if float(sent).is_integer() else repr(float(sent))
    return Printed(text, "=", Decimal(text), max(0, -int(Decimal(text).as_tuple().exponent)))


def _read(part: str, text: str) -> Printed:
    found = _PARTS.fullmatch(part.strip())
    if found is None:
        raise ValueError("This is not how a number is printed.")
    digits = found[2].replace("·", ".")
    value = Decimal(digits)
    return Printed(text, _SIGNS.get(found[1], found[1]), value, max(0, -int(value.as_tuple().exponent)))
