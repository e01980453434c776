"""Goals of the search: a printed quartile, a printed p, a count. Each looks at some positions of a list of integers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from struct import unpack
from typing import Final, NamedTuple

QUARTERS: Final = 4
HALF: Final = 0.5
FIELD: Final = 64
BYTE: Final = 8
NEAR: Final = 0.3  # of z: within this of the target the exact p is counted
INSIDE: Final = 0.9  # of the half unit that rounding forgives: stay off its ends


class Quantile(NamedTuple):
    """A printed quartile (1, 2 or 3): its value, and half a unit of its last digit, in units of the numbers."""

    quarter: int
    target: float
    half: float


@dataclass(frozen=True, slots=True)
class Quartiles:
    """Weibull quartiles that print as the printed ones; `inside` is the share used of what rounding forgives."""

    where: tuple[int, ...]
    wanted: tuple[Quantile, ...]
    inside: float = INSIDE

    def miss(self, values: Sequence[int]) -> float:
        """Return by how many printed units the quartiles are off, 0 when they print right."""
        ordered = sorted([values[place] for place in self.where])
        missed = 0.0
        for quarter, target, half in self.wanted:
            off = abs(quartile(ordered, quarter) - target) - self.inside * half
            if off > 0:
                missed += off / max(half, HALF)
        return missed


def quartile(ordered: Sequence[int], quarter: int) -> float:
    """Return a quartile of sorted numbers by Weibull's rule, (n + 1) p: an exact multiple of a quarter."""
    whole, rest = divmod(quarter * (len(ordered) + 1), QUARTERS)
    if whole < 1:
        return float(ordered[0])
    if whole >= len(ordered):
        return float(ordered[-1])
    return ordered[whole - 1] + rest * (ordered[whole] - ordered[whole - 1]) / QUARTERS


@dataclass(slots=True)
class RankSum:
    """A Mann-Whitney z near a target; the exact p is looked at when the search is done, and the target corrected."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    target: float
    tolerance: float

    @property
    def where(self) -> tuple[int, ...]:
        """Positions of both groups."""
        return self.x + self.y

    def miss(self, values: Sequence[int]) -> float:
        """Return how many tolerances too far from the target the z is."""
        z = rank_sum_z([values[place] for place in self.x], [values[place] for place in self.y])
        return max(0.0, abs(abs(z) - self.target) - self.tolerance) / self.tolerance / QUARTERS


def rank_sum_z(x: Sequence[int], y: Sequence[int]) -> float:
    """Return z of the rank sum of x, corrected for ties and continuity (0 where all are equal)."""
    doubled_rank: dict[int, int] = {}
    n = ties = 0
    for value, count in sorted(Counter([*x, *y]).items()):
        doubled_rank[value] = 2 * n + count + 1
        ties += count * (count * count - 1)
        n += count
    variance = len(x) * len(y) * (n * (n * n - 1) - ties) / (3 * n * (n - 1))
    off = sum(map(doubled_rank.__getitem__, x)) - len(x) * (n + 1)
    size = max(0.0, abs(off) - 1)
    return 0.0 if variance <= 0 else (size if off > 0 else -size) / sqrt(variance)


@dataclass(frozen=True, slots=True)
class SignedRank:
    """An exact Wilcoxon signed-rank p between two bounds, for a rise; `pairs` are positions before and after.

    `z` is where the normal approximation of the bounds' middle lies; the exact p is counted only near it.
    """

    pairs: tuple[tuple[int, int], ...]
    low: float
    high: float
    z: float

    @property
    def where(self) -> tuple[int, ...]:
        """Positions before and after."""
        return tuple(place for pair in self.pairs for place in pair)

    def miss(self, values: Sequence[int]) -> float:
        """Return how far z is from where it should be; near that, how far the exact p is from its bounds."""
        differences = [values[after] - values[before] for before, after in self.pairs]
        off = abs(signed_rank_z(differences) - self.z)
        if off > NEAR:
            return NEAR + off
        p = signed_rank_p(differences)
        return NEAR * max(0.0, 1 - p / self.low, 1 - self.high / p)


def signed_rank_z(differences: Sequence[int]) -> float:
    """Return z of the signed ranks, positive for a rise (0 where nothing differs)."""
    sizes = sorted(abs(d) for d in differences if d)
    ranks = {size: bisect_left(sizes, size) + bisect_right(sizes, size) + 1 for size in sizes}
    off = sum(ranks[d] if d > 0 else -ranks[-d] for d in differences if d)
    square = sum(ranks[size] * ranks[size] for size in sizes)
    return off / sqrt(square) if square else 0.0


def signed_rank_p(differences: Sequence[int]) -> float:
    """Return the exact two-sided p, zeros dropped, ties by midranks: the share of sign patterns as far from the middle.

    The sums are counted as a polynomial whose coefficients lie side by side, 64 bits each, in one long integer.
    """
    sizes = sorted(abs(d) for d in differences if d)
    ranks = {size: bisect_left(sizes, size) + bisect_right(sizes, size) + 1 for size in sizes}
    total = sum(ranks[size] for size in sizes)
    risen = sum(ranks[d] for d in differences if d > 0)
    ways = 1
    for size in sizes:
        ways += ways << FIELD * ranks[size]
    counts: tuple[int, ...] = unpack(f"<{total + 1}Q", ways.to_bytes((total + 1) * FIELD // BYTE, "little"))
    lesser = min(risen, total - risen)
    return min(1.0, 2 * sum(counts[: lesser + 1]) / (1 << len(sizes)))


@dataclass(frozen=True, slots=True)
class CountBetween:
    """So many numbers from `low` up to but not including `high`."""

    where: tuple[int, ...]
    low: int
    high: int
    count: int

    def miss(self, values: Sequence[int]) -> float:
        """Return how many too many or too few."""
        return float(abs(sum(self.low <= values[place] < self.high for place in self.where) - self.count))


@dataclass(frozen=True, slots=True)
class AtMost:
    """The number at `lesser` plus `gap` is not above the number at `greater`."""

    lesser: int
    greater: int
    gap: int
    scale: float

    @property
    def where(self) -> tuple[int, ...]:
        """Both positions."""
        return (self.lesser, self.greater)

    def miss(self, values: Sequence[int]) -> float:
        """Return by how much it is above, in units of `scale`."""
        return max(0, values[self.lesser] + self.gap - values[self.greater]) / self.scale


@dataclass(frozen=True, slots=True)
class LogRank:
    """A two-group log-rank chi-square between two bounds, all events observed."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    low: float
    high: float
    offsets: tuple[int, ...] = ()

    @property
    def where(self) -> tuple[int, ...]:
        """Positions of both groups."""
        return self.x + self.y

    def miss(self, values: Sequence[int]) -> float:
        """Return how far the root of chi-square is outside its bounds."""
        at = self.offsets or (0,) * (max(self.where) + 1)
        root = log_rank_z([values[i] - at[i] for i in self.x], [values[i] - at[i] for i in self.y])
        return max(0.0, root - self.high, self.low - root) * 2


def log_rank_z(x: Sequence[int], y: Sequence[int]) -> float:
    """Return the root of the log-rank chi-square (Mantel-Haenszel variance) of two groups without censoring."""
    first, second = sorted(x), sorted(y)
    excess = variance = 0.0
    for time in sorted({*first, *second}):
        n1, n2 = len(first) - bisect_left(first, time), len(second) - bisect_left(second, time)
        d1, d2 = (
            bisect_right(first, time) - bisect_left(first, time),
            bisect_right(second, time) - bisect_left(second, time),
        )
        n, d = n1 + n2, d1 + d2
        excess += d1 - d * n1 / n
        if n > 1:
            variance += d * n1 * n2 * (n - d) / (n * n * (n - 1))
    return abs(excess) / sqrt(variance) if variance > 0 else 0.0
