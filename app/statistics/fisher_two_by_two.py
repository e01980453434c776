"""Fisher's exact test of a 2 x 2 table and the conditional odds ratio, for margins of any size.

Given the margins the upper left count follows Fisher's noncentral hypergeometric distribution. Its weights are the
running product of the ratios of neighbours, outward from the mode as far as p can be told: no factorials, no
cancellation, and a cost that grows with the standard deviation of the count. p as R's fisher.test: the sum of all
tables that are at most as probable, within a relative 1e-7. Odds ratio: conditional maximum likelihood with the limits
of Clopper-Pearson type (Cornfield J. 1956), each solved to the last digits by Newton's method.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.statistics.fisher_models import LARGEST_COUNT
from app.statistics.models import Limits, Note
from app.statistics.normal import normal_quantile
from app.statistics.scaling import Integers

TOLERANCE: Final = 1e-7
# The mode's weight. Its distance to the end of a double leaves every quotient that a double holds all its digits.
_OF_MODE: Final = 2.0**900
_EVERYTHING: Final = 40  # standard deviations from the mode to where a quotient of two weights ends
_BULK: Final = 12  # and to where nothing more changes a sum
_STEPS: Final = 200
_CLOSE: Final = 1e-13
_FARTHEST: Final = math.log(LARGEST_COUNT) * 3


@dataclass(frozen=True, slots=True)
class Margins:
    """The margins of a 2 x 2 table: its first row's total, its second row's, its first column's."""

    first: int
    second: int
    column: int

    @property
    def lowest(self) -> int:
        """Smallest count that the upper left cell can hold."""
        return max(0, self.column - self.second)

    @property
    def highest(self) -> int:
        """Largest count that the upper left cell can hold."""
        return min(self.first, self.column)

    def weights(self, reach: int, log_odds: float = 0.0) -> tuple[Integers, NDArray[np.float64]]:
        """Return counts of the upper left cell and their probabilities, up to a factor: the mode's is _OF_MODE.

        Counts that lie more than `reach` standard deviations from the mode are left out.
        """
        mode = self._mode(math.exp(log_odds))
        deviation = math.sqrt(1 + min(self.cells(mode)))
        far = int(reach * (deviation + reach))
        low, high = max(self.lowest, mode - far), min(self.highest, mode + far)
        counts = np.arange(low, high + 1)
        k = counts[:-1].astype(np.float64)
        ratios = (self.first - k) * (self.column - k) / ((k + 1) * (self.second - self.column + k + 1))
        ratios *= math.exp(log_odds)
        upward = np.cumprod(np.append(_OF_MODE, ratios[mode - low :]))
        downward = np.cumprod(np.append(_OF_MODE, 1 / ratios[: mode - low][::-1]))[:0:-1]
        return counts, np.concatenate([downward, upward])

    def cells(self, k: int) -> tuple[int, int, int, int]:
        """Return the four counts of the table whose upper left one is k."""
        return k, self.first - k, self.column - k, self.second - self.column + k

    def _mode(self, odds: float) -> int:
        """Return the most probable count: where odds (first-k)(column-k) = k (second-column+k), nearly."""
        low, high = self.lowest, self.highest
        while low < high:
            k = (low + high) // 2
            rises = odds * (self.first - k) * (self.column - k) >= (k + 1) * (self.second - self.column + k + 1)
            low, high = (k + 1, high) if rises else (low, k)
        return low


def p_value(table: Integers) -> float:
    """Return the two-sided p: all tables with these margins that are at most as probable as this one.

    0 stands for less than a double holds (5e-324).
    """
    margins, observed = _margins(table), int(table[0, 0])
    counts, weights = margins.weights(_EVERYTHING)
    place = observed - int(counts[0])
    bound = weights[place] * (1 + TOLERANCE) if 0 <= place < counts.size else 0.0
    return min(1.0, float(weights[weights <= bound].sum() / weights.sum()))


def odds_ratio(table: Integers, confidence: float = 0.95) -> tuple[Limits, tuple[Note, ...]]:
    """Return the conditional maximum likelihood estimate with exact limits; what is infinite is null, with a note."""
    margins, observed = _margins(table), int(table[0, 0])
    at_low, at_high = observed == margins.lowest, observed == margins.highest
    if at_low and at_high:
        note = "With an empty margin the table says nothing about the odds ratio; 0 to infinity is all there is."
        return Limits(estimate=0.0, low=0.0, high=None), (Note(code="odds_ratio_undetermined", message=note),)
    tail = (1 - confidence) / 2
    limits = Limits(
        estimate=0.0 if at_low else None if at_high else _estimate(margins, observed),
        low=0.0 if at_low else _limit(margins, observed, tail, upper=True),
        high=None if at_high else _limit(margins, observed, tail, upper=False),
    )
    note = "The odds ratio and its upper limit are infinite: no such count could be more extreme."
    return limits, (Note(code="odds_ratio_infinite", message=note),) if at_high else ()


def _estimate(margins: Margins, observed: int) -> float:
    """Solve: the expected count is the observed one. Its slope in the log odds is the variance."""

    def surplus(log_odds: float) -> tuple[float, float]:
        counts, weights = margins.weights(_BULK, log_odds)
        away, total = counts - observed, weights.sum()
        mean = float((weights * away).sum() / total)
        return mean, float((weights * (away - mean) ** 2).sum() / total)

    return math.exp(_root(surplus, _near(margins, observed, 0.0)))


def _limit(margins: Margins, observed: int, tail: float, *, upper: bool) -> float:
    """Solve: the tail from the observed count on has this probability. Its log has a difference of means as slope."""
    sign = 1 if upper else -1

    def surplus(log_odds: float) -> tuple[float, float]:
        counts, weights = margins.weights(_BULK, log_odds)
        away, inside = counts - observed, sign * (counts - observed) >= 0
        share = weights[inside].sum() / weights.sum()
        if not share:
            return -sign * math.inf, 0.0
        slope = (weights * away)[inside].sum() / weights[inside].sum() - (weights * away).sum() / weights.sum()
        return sign * math.log(share / tail), sign * float(slope)

    return math.exp(_root(surplus, _near(margins, observed, sign * normal_quantile(tail))))


def _near(margins: Margins, observed: int, deviations: float) -> float:
    """Return the log odds ratio of the table with a half added to each cell, so many standard errors away."""
    a, b, c, d = (cell + 0.5 for cell in margins.cells(observed))
    return math.log(a * d / (b * c)) + deviations * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)


def _root(surplus: Callable[[float], tuple[float, float]], at: float) -> float:
    """Find where an increasing function of the log odds is zero: by Newton's steps, or halves where these lead out."""
    low, high = -_FARTHEST, _FARTHEST
    for _ in range(_STEPS):
        value, slope = surplus(at)
        low, high = (low, at) if value > 0 else (at, high)
        step = -value / slope if slope > 0 else math.inf
        if abs(step) <= _CLOSE:
            return at + step
        at = at + step if low < at + step < high else (low + high) / 2
    return at


def _margins(table: Integers) -> Margins:
    return Margins(int(table[0].sum()), int(table[1].sum()), int(table[:, 0].sum()))
