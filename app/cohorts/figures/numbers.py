"""Numbers as they are printed in figures, their descriptions and the report: one place, so that they agree."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

from app.clinical.arithmetic import exact
from app.clinical.arithmetic import significant as without_noise
from app.cohorts.figures.contents import Comparison

ABSENT: Final = "\N{EN DASH}"
WITHHELD: Final = "withheld"
"""Stands where a disclosure policy lets no number be told."""
MINUS: Final = "\N{MINUS SIGN}"
HOURS_PER_DAY: Final = 24
_SMALLEST_SHOWN: Final = 0.0001
_THREE_PLACES: Final = 0.001
_LARGEST_SHOWN: Final = 0.999
_GROUPED_FROM: Final = 10_000
# Wide enough for every double with its places.
_HALF_UP: Final = Context(prec=400, rounding=ROUND_HALF_UP)
_TWO_SIDED: Final = ("Fisher", "Mann-Whitney", "Wilcoxon")


def number(value: float | None, places: int = 1, absent: str = "\N{EN DASH}") -> str:
    """Write a number with at most so many decimal places, without trailing zeros, with a true minus sign."""
    if value is None or not math.isfinite(value):
        return absent
    text = _rounded(value, places)
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", MINUS)


def _rounded(value: float, places: int) -> str:
    """Round half up the decimal number that was written: 4.475 is 4.48, although its binary neighbour lies below."""
    written = without_noise(exact(float(value)))
    return format(_HALF_UP.quantize(written, Decimal(1).scaleb(-places)), "f")


def significant(value: float | None, digits: int = 3, absent: str = "\N{EN DASH}") -> str:
    """Write a number to so many significant digits, never in powers of ten, integers in full."""
    if value is None or not math.isfinite(value):
        return absent
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return number(value, min(places, 8))


def count(value: int | None) -> str:
    """Write a count with thin spaces between thousands from 10,000 on, as SI does; None is withheld."""
    if value is None:
        return WITHHELD
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if abs(value) >= _GROUPED_FROM else str(value)


def percent(value: float | None) -> str:
    """Write percents whole, small ones with a decimal, and never 0% or 100% for what is not."""
    if value is None:
        return "\N{EN DASH}"
    if 0 < value < 1:
        return "<1%" if value < 0.1 else f"{_rounded(value, 1)}%"  # noqa: PLR2004  # the decimal shown
    if 99 < value < 100:  # noqa: PLR2004  # percents
        return ">99%"
    return f"{math.floor(value + 0.5)}%"


def p_value(p: float | None) -> str:
    """Write "p = 0.018": three decimals, four below 0.001, and bounds where rounding would say 0 or 1."""
    if p is None:
        return "no p"
    if p < _SMALLEST_SHOWN:
        return "p < 0.0001"
    if p > _LARGEST_SHOWN:
        return "p > 0.999"
    return f"p = {_rounded(p, 4 if p < _THREE_PLACES else 3)}"


def tested(test: Comparison | None) -> str:
    """Write a test's p, or why there is none."""
    if test is None:
        return ""
    if test.p_value is None:
        return "no p" + (f": {test.reason}" if test.reason else "")
    return p_value(test.p_value) + ("" if test.adjusted is None else f" (adjusted {p_value(test.adjusted)[2:]})")


def drawn(test: Comparison | None) -> str:
    """Write a test's p where there is little room: a dash for none; the figure's description says why."""
    return f"p {ABSENT}" if test is not None and test.p_value is None else tested(test)


def methods(tests: Iterable[Comparison | None]) -> str:
    """Name the methods that gave a p-value, each once."""
    return "; ".join(dict.fromkeys(method_of(test.method) for test in tests if test and test.p_value is not None))


def method_of(name: str) -> str:
    """Return a method's name, with "two-sided" where a test has two sides: not over several groups at once."""
    return f"{name}, two-sided" if name.startswith(_TWO_SIDED) and "larger tables" not in name else name


def days(hours: float | None, absent: str = "not reached") -> str:
    """Write hours as days with one decimal."""
    return absent if hours is None else number(hours / HOURS_PER_DAY)
