"""How large a difference is: the Hodges-Lehmann estimates with their limits, without ever writing out the pairs.

Hodges JL, Lehmann EL. Estimates of location based on rank tests. Ann Math Stat 1963;34:598-611. The limits are order
statistics of the pairwise differences (means), by the null distribution of the rank test without ties: exact where
that is computed, by the normal approximation past it (Hollander M, Wolfe DA. Nonparametric statistical methods, 3.3
and 4.3). With ties they reach at least the confidence stated.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.statistics import mann_whitney_exact as rank_sum
from app.statistics import signed_rank as signed
from app.statistics.models import Shift
from app.statistics.normal import normal_quantile, upper_tail
from app.statistics.rank_models import RankMethod
from app.statistics.tally import Tally

CONFIDENCE: Final = 0.95
_NONE: Final = Shift(estimate=None, low=None, high=None, confidence=None)


def hodges_lehmann(x: Tally, y: Tally, method: RankMethod = "auto", confidence: float = CONFIDENCE) -> Shift:
    """Estimate by how much x lies above y: the median of all differences x - y, with limits."""
    if not x.n or not y.n:
        return _NONE
    digits = max(x.digits, y.digits)
    x, y = x.rescaled(digits), y.rescaled(digits)
    upto = _cumulated(y)

    def not_above(bound: int) -> int:
        """Count the pairs with x - y <= bound, which are those with y >= x - bound."""
        below = upto[np.searchsorted(y.values, x.values - bound)]
        return int(np.sum(x.counts * (y.n - below)))

    ends = int(x.values[0] - y.values[-1]), int(x.values[-1] - y.values[0])
    pairs = _Sorted(not_above, x.n * y.n, ends)
    return _shift(pairs, _two_sample_place(x.n, y.n, method, confidence), 10**digits)


def pseudo_median(differences: Tally, method: RankMethod = "auto", confidence: float = CONFIDENCE) -> Shift:
    """Estimate the centre of differences: the median of the means of every two, with limits; zeros are dropped."""
    real = differences.values != 0
    d = Tally(differences.values[real], differences.counts[real], differences.digits)
    if not d.n:
        return _NONE
    upto = _cumulated(d)

    def not_above(bound: int) -> int:
        """Count the pairs, each with itself included, whose sum is at most bound."""
        ordered = int(np.sum(d.counts * upto[np.searchsorted(d.values, bound - d.values, side="right")]))
        itself = int(upto[np.searchsorted(2 * d.values, bound, side="right")])
        return (ordered + itself) // 2

    ends = 2 * int(d.values[0]), 2 * int(d.values[-1])
    sums = _Sorted(not_above, d.n * (d.n + 1) // 2, ends)
    return _shift(sums, _one_sample_place(d.n, method, confidence), 2 * 10**d.digits)


class _Sorted:
    """The sorted list of all pairs' numbers, known only through how many are not above a bound."""

    def __init__(self, not_above: Callable[[int], int], size: int, ends: tuple[int, int]) -> None:
        self.size = size
        self._not_above = not_above
        self._known = [(0, ends[0] - 1), (size, ends[1])]

    def __getitem__(self, place: int) -> int:
        """Return the number at a place, counted from 1: the smallest bound that so many are not above."""
        after = bisect_left(self._known, (place, -math.inf))
        below, at = self._known[after - 1][1], self._known[after][1]
        while at - below > 1:
            middle = (below + at) // 2
            count = self._not_above(middle)
            insort(self._known, (count, middle))
            below, at = (below, middle) if count >= place else (middle, at)
        return at


def _shift(pairs: _Sorted, place: tuple[int, float], unit: int) -> Shift:
    nth, reached = place
    middle = pairs[(pairs.size + 1) // 2] + pairs[pairs.size // 2 + 1]
    low, high = pairs[nth], pairs[pairs.size + 1 - nth]
    return Shift(estimate=middle / (2 * unit), low=low / unit, high=high / unit, confidence=reached)


@lru_cache(maxsize=256)
def _two_sample_place(n_x: int, n_y: int, method: RankMethod, confidence: float) -> tuple[int, float]:
    if method != "asymptotic" and rank_sum.untied_work(n_x, n_y) <= rank_sum.WORK_LIMIT:
        _, ways = rank_sum.exact_distribution(np.ones(n_x + n_y, dtype=np.int64), min(n_x, n_y))
        return _exact_place(ways, confidence)
    return _normal_place(n_x * n_y / 2, math.sqrt(n_x * n_y * (n_x + n_y + 1) / 12), confidence)


@lru_cache(maxsize=256)
def _one_sample_place(n: int, method: RankMethod, confidence: float) -> tuple[int, float]:
    if method != "asymptotic" and n <= signed.MOST_EXACT:
        _, ways = signed.exact_distribution(np.arange(1, n + 1), np.ones(n, dtype=np.int64))
        return _exact_place(ways, confidence)
    return _normal_place(n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24), confidence)


def _exact_place(ways: NDArray[np.float64], confidence: float) -> tuple[int, float]:
    """Return the place of the lower limit, counted from 1, and the confidence that it gives, at most that asked for.

    As R's wilcox.test: the first place whose tail reaches (1 - confidence)/2; at the least the first of all.
    """
    tails = np.cumsum(ways) / ways.sum()
    place = max(1, int(np.searchsorted(tails, (1 - confidence) / 2 * (1 - 1e-12))))
    return place, float(1 - 2 * tails[place - 1])


def _normal_place(centre: float, deviation: float, confidence: float) -> tuple[int, float]:
    place = max(1, math.floor(centre - normal_quantile((1 + confidence) / 2) * deviation + 0.5))
    return place, 1 - 2 * upper_tail((centre - place + 0.5) / deviation)


def _cumulated(tally: Tally) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(tally.counts)])
