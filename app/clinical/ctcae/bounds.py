"""Compare at 15 significant digits, on both sides of a bound, as a double holds them for certain.

1.1 x 101 is 111.10000000000001 in binary; a value of 111.1 stands *at* that bound, not below it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from app.clinical.arithmetic import SIGNIFICANT_DIGITS
from app.clinical.ctcae.conditions import LOWER, NUMBERS, UPPER, Comparison

# Two numbers further apart than this, relative to their size, keep their order when both are rounded to 15 digits.
NEAR: Final = float(f"2e-{SIGNIFICANT_DIGITS - 1}")
_FORMAT: Final = f"%.{SIGNIFICANT_DIGITS}g"

Numbers = Sequence[float | None]


def at_15_digits(number: float) -> float:
    """Round to 15 significant digits."""
    return float(_FORMAT % number)


def order(left: float, right: float) -> int:
    """Return -1, 0 or 1: the order of two numbers at 15 significant digits."""
    if left == right:
        return 0
    if abs(left - right) <= NEAR * abs(right):
        left, right = at_15_digits(left), at_15_digits(right)
    return (left > right) - (left < right)


_HOLDS: Final[dict[str, Callable[[int], bool]]] = {
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
}


class Bound(NamedTuple):
    """A comparison with its numbers found by position, ready to be used a million times."""

    comparison: Comparison
    left: int
    reference: int | None
    factor: float
    offset: float
    holds: Callable[[int], bool]

    @property
    def is_against_limit(self) -> bool:
        """Say whether the right side is a limit of normal."""
        return self.comparison.reference in {LOWER, UPPER}

    @property
    def is_computed(self) -> bool:
        """Say whether the right side is computed, rather than printed or sent."""
        return self.reference is not None and (self.factor != 1 or self.offset != 0)

    def against(self, numbers: Numbers) -> float | None:
        """Return the number on the right side, or None when its reference is missing."""
        if self.reference is None:
            return self.offset
        reference = numbers[self.reference]
        return None if reference is None else self.factor * reference + self.offset

    def test(self, numbers: Numbers) -> bool | None:
        """Say whether the comparison holds; None when a number is missing."""
        left, right = numbers[self.left], self.against(numbers)
        return None if left is None or right is None else self.holds(order(left, right))

    def missing(self, numbers: Numbers) -> tuple[str, ...]:
        """Name the numbers that are missing."""
        places = (self.left,) if self.reference is None else (self.left, self.reference)
        return tuple(NUMBERS[place] for place in places if numbers[place] is None)


def bound(comparison: Comparison) -> Bound:
    """Compile a comparison; raises ValueError for a number that a laboratory record does not have."""
    if comparison.left not in NUMBERS:
        raise ValueError(f"{comparison.left!r} is not a number of a laboratory record")
    return Bound(
        comparison,
        NUMBERS.index(comparison.left),
        None if comparison.reference is None else NUMBERS.index(comparison.reference),
        float(comparison.factor),
        float(comparison.offset),
        _HOLDS[comparison.operator],
    )
