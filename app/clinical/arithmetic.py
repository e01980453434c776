"""Numbers that are arithmetic, not medicine: the only plain numbers that `app.clinical` may hold in code.

Everything clinical (thresholds, doses, factors, counts) stands in the rule files; a test holds that.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Final

HOURS_PER_DAY: Final = 24
DAYS_PER_WEEK: Final = 7
MONTHS_PER_YEAR: Final = 12
DAYS_PER_YEAR: Final = Decimal("365.25")
MINUTES_PER_HOUR: Final = 60
ICALENDAR_LINE_OCTETS: Final = 75  # RFC 5545, section 3.1
PERCENT: Final = Decimal(100)
# A JSON number is a double: 15 significant digits are what it holds for certain, so every comparison at a bound is
# made there. A tie at the sixteenth digit is binary noise (1.1 x 101 against 111.1), not a clinical difference.
SIGNIFICANT_DIGITS: Final = 15
# Answers show four decimals: finer than any dose is measured, and short enough to hide a division's endless tail.
SHOWN: Final = Decimal("0.0001")

_AT_15_DIGITS: Final = Context(prec=SIGNIFICANT_DIGITS, rounding=ROUND_HALF_EVEN)
_HALF_UP: Final = Context(rounding=ROUND_HALF_UP)
_ONE: Final = Decimal(1)


def exact(value: float | Decimal) -> Decimal:
    """Return the decimal number that was written, not its binary neighbour: 0.1 is 0.1."""
    return value if isinstance(value, Decimal) else Decimal(repr(value))


def significant(value: Decimal) -> Decimal:
    """Round to 15 significant digits, where values are compared with bounds."""
    return _AT_15_DIGITS.plus(value)


def rounded(value: Decimal, step: Decimal) -> Decimal:
    """Round half up to a multiple of `step` (step 0.01: two decimals; step 5: the nearest five)."""
    return _HALF_UP.quantize(value / step, _ONE) * step


def plain(value: Decimal) -> str:
    """Write a decimal for people: no exponent, no trailing zeros ("62.5", "200", "0")."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def shown(value: Decimal) -> float:
    """Return the number an answer shows, at four decimals and without binary noise (or a minus before zero)."""
    # By way of its text: a float is made from a short text in a third of the time it takes from a Decimal.
    return float(str(_HALF_UP.quantize(value, SHOWN))) + 0


def said(value: Decimal) -> str:
    """Write the number that `shown` returns, for people."""
    text = str(_HALF_UP.quantize(value, SHOWN)).rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
