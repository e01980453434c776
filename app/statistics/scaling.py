"""Decimal numbers as 64-bit integers: the unit in which every tally counts.

A float stands for its shortest decimal text: 0.1 is one tenth and not its binary neighbour, so that values which are
equal on paper tie, and differences which are equal on paper tie too.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.statistics.errors import StatisticsInputError

Number: TypeAlias = int | float | Decimal
Integers: TypeAlias = NDArray[np.int64]

MOST_DIGITS: Final = 18
LARGEST: Final = 10**MOST_DIGITS - 1
"""Every number of 18 digits fits 64 bits, and so does the difference or the sum of two and its double."""
_POWERS: Final = 10 ** np.arange(MOST_DIGITS + 1, dtype=np.int64)
_CERTAIN: Final = 10**15
"""Decimals of up to 15 significant digits survive the way through a double, so a double names one of them at most."""


def scaled(numbers: Sequence[Number], digits: int | None = None) -> tuple[Integers, int]:
    """Return the numbers as integers in units of 10**-digits, and the digits: as many as needed when None.

    StatisticsInputError: a number is not finite, has more decimal places than `digits`, or more than 18 digits.
    """
    fast = _by_doubles(numbers, digits)
    if fast is not None:
        return fast
    mantissas, places = _parts(numbers)
    needed = int(places.max(initial=0))
    if digits is None:
        digits = needed
    elif needed > digits:
        raise StatisticsInputError("", "too_many_digits", f"Numbers here have at most {digits} decimal places.")
    if _whole_digits(mantissas, places) + digits > MOST_DIGITS:
        raise _too_wide()
    return _units(mantissas, places, digits), digits


def scaled_within(numbers: Sequence[Number]) -> tuple[Integers, int, bool]:
    """Like `scaled`, but round to as many decimal places as 18 digits leave when the numbers have more.

    The third of the answer says whether anything was rounded. StatisticsInputError: a number is not finite, or two
    different numbers would become equal (which would make a tie of what is none).
    """
    fast = _by_doubles(numbers, None)
    if fast is not None:
        return *fast, False
    mantissas, places = _parts(numbers)
    needed = int(places.max(initial=0))
    digits = min(needed, MOST_DIGITS - _whole_digits(mantissas, places))
    if digits < 0:
        raise _too_wide()
    units = _units(mantissas, places, digits)
    if digits < needed and _ties_made(units, mantissas, places):
        raise _too_wide()
    return units, digits, digits < needed


def _by_doubles(numbers: Sequence[Number], digits: int | None) -> tuple[Integers, int] | None:
    """Scale in hardware where that is provably exact: each scaled number below 10**15 and divided back to itself."""
    if not {type(number) for number in numbers} <= {float, int}:
        return None
    try:
        doubles = np.array(numbers, dtype=np.float64)
    except OverflowError:
        return None
    size = float(np.abs(doubles).max(initial=0.0))
    if not size < _CERTAIN:
        return None
    for places in range(MOST_DIGITS + 1) if digits is None else (digits,):
        unit = 10.0**places
        if size * unit >= _CERTAIN:
            return None
        units = np.rint(doubles * unit)
        if np.array_equal(units / unit, doubles):
            return units.astype(np.int64), places
    return None


def _parts(numbers: Sequence[Number]) -> tuple[Integers, Integers]:
    """Write each number as mantissa * 10**-places, without trailing zeros in the mantissa."""
    mantissas, places = list[int](), list[int]()
    try:
        for number in numbers:
            text = repr(number) if isinstance(number, float) else str(number)
            whole, point, fraction = text.partition(".")
            plain = point and fraction[-1] != "0" and fraction.isdecimal()
            mantissa, place = (int(whole + fraction), len(fraction)) if plain else _parsed(text.lower())
            mantissas.append(mantissa)
            places.append(place)
        return np.array(mantissas, dtype=np.int64), np.array(places, dtype=np.int64)
    except ValueError:
        raise StatisticsInputError("", "not_finite", "Numbers must be finite.") from None
    except OverflowError:
        raise _too_wide() from None


def _parsed(text: str) -> tuple[int, int]:
    significand, _, exponent = text.partition("e")
    whole, _, fraction = significand.partition(".")
    digits = (whole + fraction).rstrip("0")
    if not digits.strip("-"):
        return 0, 0
    return int(digits), len(digits) - len(whole) - int(exponent or 0)


def _whole_digits(mantissas: Integers, places: Integers) -> int:
    """Return the most digits that a number has before its decimal point; 0 when all are below 1."""
    real = mantissas != 0
    sizes = np.searchsorted(_POWERS, np.abs(mantissas[real]), side="right") - places[real]
    return int(sizes.max(initial=0))


def _units(mantissas: Integers, places: Integers, digits: int) -> Integers:
    """Write the numbers in units of 10**-digits; what has more places is rounded, half to even."""
    shift = np.where(mantissas == 0, 0, digits - places)
    exact = mantissas * _POWERS[np.clip(shift, 0, MOST_DIGITS)]
    unit = _POWERS[np.clip(-shift, 0, MOST_DIGITS)]
    quotient, rest = np.divmod(exact, unit)
    above = (rest > unit - rest) | ((rest == unit - rest) & (quotient % 2 == 1))
    return np.where(-shift > MOST_DIGITS, 0, quotient + above)


def _ties_made(units: Integers, mantissas: Integers, places: Integers) -> bool:
    """Say whether two numbers are equal in units that were not equal before."""
    order = np.argsort(units, kind="stable")
    units, mantissas, places = units[order], mantissas[order], places[order]
    differ = (mantissas[1:] != mantissas[:-1]) | (places[1:] != places[:-1])
    return bool(np.any(differ & (units[1:] == units[:-1])))


def _too_wide() -> StatisticsInputError:
    return StatisticsInputError(
        "",
        "span_too_wide",
        f"The numbers span too much: written with as many decimal places as they need, "
        f"each may have at most {MOST_DIGITS} digits.",
    )
