"""The tally: how often each value of one variable occurs in one group. Every statistic here is a function of tallies.

Tallies add. Counting in parts (processes, shards, hospitals) and merging gives the same object as counting at once, so
every statistic is the same bit for bit, and its cost is that of the distinct values and not of the patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from app.statistics.errors import StatisticsInputError
from app.statistics.scaling import LARGEST, MOST_DIGITS, Integers, Number, scaled


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Sorted (value, count) pairs.

    `values`: int64, strictly increasing, in units of 10**-digits; `counts`: int64, all positive. Both are read-only.
    """

    values: Integers
    counts: Integers
    digits: int = 0

    def __post_init__(self) -> None:
        values, counts = (np.ascontiguousarray(part, dtype=np.int64) for part in (self.values, self.counts))
        if values.ndim != 1 or values.shape != counts.shape:
            raise ValueError("A tally has one count per value.")
        if not 0 <= self.digits <= MOST_DIGITS:
            raise ValueError(f"A tally has between 0 and {MOST_DIGITS} decimal places.")
        if np.any(counts <= 0) or np.any(values[1:] <= values[:-1]):
            raise ValueError("A tally has strictly increasing values and positive counts.")
        for name, part in (("values", values), ("counts", counts)):
            frozen = part.view()
            frozen.flags.writeable = False
            object.__setattr__(self, name, frozen)

    @property
    def n(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    @classmethod
    def empty(cls, digits: int = 0) -> Tally:
        """Return the tally of nothing."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), digits)

    @classmethod
    def from_numbers(cls, numbers: Iterable[Number | None], digits: int | None = None) -> Tally:
        """Count numbers; None is missing and dropped. A float stands for its shortest decimal text.

        `digits`: decimal places of the tally; as many as the numbers need when None. StatisticsInputError (a
        ValueError): not finite, more decimal places than `digits`, or more than 18 digits when scaled.
        """
        units, places = scaled([number for number in numbers if number is not None], digits)
        return cls.from_units(units, places)

    @classmethod
    def from_units(cls, units: Integers, digits: int = 0) -> Tally:
        """Count scaled integers."""
        values, counts = np.unique(units, return_counts=True)
        return cls(values, counts.astype(np.int64), digits)

    @classmethod
    def from_counts(cls, counts: Mapping[int, int], digits: int = 0) -> Tally:
        """Make a tally of scaled integer -> count; zero counts are left away."""
        pairs = sorted((value, count) for value, count in counts.items() if count)
        if any(abs(number) > LARGEST for pair in pairs for number in pair):
            raise StatisticsInputError("", "span_too_wide", "A scaled value and a count may have at most 18 digits.")
        array = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        return cls(array[:, 0], array[:, 1], digits)

    @classmethod
    def merge(cls, *tallies: Tally) -> Tally:
        """Add tallies, in any order; the result has the most decimal places among them."""
        if not tallies:
            return cls.empty()
        digits = max(tally.digits for tally in tallies)
        parts = [tally.rescaled(digits) for tally in tallies]
        return _summed(np.concatenate([t.values for t in parts]), np.concatenate([t.counts for t in parts]), digits)

    def __add__(self, other: Tally) -> Tally:
        return Tally.merge(self, other)

    def minus(self, other: Tally) -> Tally:
        """Take away what `other` counted. ValueError when something would be counted less than never."""
        digits = max(self.digits, other.digits)
        left, right = self.rescaled(digits), other.rescaled(digits)
        values = np.concatenate([left.values, right.values])
        rest = _summed(values, np.concatenate([left.counts, -right.counts]), digits)
        return Tally(rest.values, rest.counts, digits)

    def rescaled(self, digits: int) -> Tally:
        """Return the same values in units of 10**-digits. ValueError: too few decimals, or more than 18 digits."""
        if digits == self.digits:
            return self
        if digits > self.digits:
            factor = 10 ** (digits - self.digits)
            if any(abs(end) * factor > LARGEST for end in self.values[[0, -1] if self.n else []].tolist()):
                raise StatisticsInputError("", "span_too_wide", "A scaled value may have at most 18 digits.")
            return Tally(self.values * factor, self.counts, digits)
        factor = 10 ** (self.digits - digits)
        if np.any(self.values % factor):
            raise StatisticsInputError("", "too_many_digits", f"Values here have at most {digits} decimal places.")
        return Tally(self.values // factor, self.counts, digits)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tally):
            return NotImplemented
        same_values = np.array_equal(self.values, other.values) and np.array_equal(self.counts, other.counts)
        return self.digits == other.digits and same_values

    def __hash__(self) -> int:
        return hash((self.digits, self.to_bytes()))

    def to_bytes(self) -> bytes:
        """Write the pairs as little-endian int64: value, count, value, count ..."""
        return np.column_stack((self.values, self.counts)).astype("<i8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, digits: int = 0) -> Tally:
        """Read what `to_bytes` wrote."""
        pairs = np.frombuffer(data, dtype="<i8").astype(np.int64).reshape(-1, 2)
        return cls(pairs[:, 0], pairs[:, 1], digits)

    def numbers(self) -> tuple[Decimal, ...]:
        """Return the distinct values as exact decimals."""
        return tuple(Decimal(value).scaleb(-self.digits) for value in self.values.tolist())

    def as_floats(self) -> NDArray[np.float64]:
        """Return the distinct values as the nearest doubles."""
        if self.digits == 0 or not self.n or int(np.abs(self.values).max()) < 2**53:
            return self.values / float(10**self.digits)
        return np.array([float(number) for number in self.numbers()])


def _summed(values: Integers, counts: Integers, digits: int) -> Tally:
    """Sum the counts of equal values; ValueError (from Tally) when one is below zero."""
    distinct, position = np.unique(values, return_inverse=True)
    sums = np.zeros(distinct.size, dtype=np.int64)
    np.add.at(sums, position, counts)
    kept = sums != 0
    return Tally(distinct[kept], sums[kept], digits)
