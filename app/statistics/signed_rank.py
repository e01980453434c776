"""The Wilcoxon signed rank test of a tally of differences, exact with ties and zeros.

Differences are scaled integers, so that binary noise breaks no tie. The exact distribution is that of W+ given the
ranks (every choice of signs is equally likely), by the shift algorithm of Streitberg B, Roehmel J (Stat Softw Newsl
1986;12:10-17) on doubled midranks.
Zeros: Wilcoxon (1945) drops them; Pratt JW (J Am Stat Assoc 1959;54:655-667) ranks them and drops their ranks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.statistics.checkpoint import checkpoint
from app.statistics.errors import StatisticsInputError
from app.statistics.models import Note
from app.statistics.normal import two_sided
from app.statistics.rank_models import RankMethod, SignedRank, Zeros
from app.statistics.scaling import Integers
from app.statistics.tally import Tally

MOST_EXACT: Final = 1_000
"""Non-zero differences up to which the test is exact: half a second; 2**1000 still fits a double."""
_MOST_COUNTS: Final = 20_000_000
_MOST_ADDITIONS: Final = 1_100_000_000
EXACT: Final = "Wilcoxon matched-pairs signed rank test, exact distribution given the ties"
ASYMPTOTIC: Final = "Wilcoxon matched-pairs signed rank test, normal approximation with tie and continuity correction"
_ZEROS: Final = {"wilcox": "zeros dropped", "pratt": "zeros ranked and dropped (Pratt)"}


@dataclass(frozen=True, slots=True)
class SignedRanks:
    """Blocks of equal absolute differences: doubled midrank, how many above and how many below zero."""

    ranks: Integers
    above: Integers
    below: Integers
    n_zero: int

    @classmethod
    def of(cls, differences: Tally, zeros: Zeros) -> SignedRanks:
        """Rank a tally of differences by size."""
        sizes, block = np.unique(np.abs(differences.values), return_inverse=True)
        above, below = (np.zeros(sizes.size, dtype=np.int64) for _ in range(2))
        np.add.at(above, block, np.where(differences.values > 0, differences.counts, 0))
        np.add.at(below, block, np.where(differences.values < 0, differences.counts, 0))
        n_zero = int(differences.counts[differences.values == 0].sum())
        real = sizes > 0
        above, below = above[real], below[real]
        counts = above + below
        start = np.cumsum(counts) - counts + (n_zero if zeros == "pratt" else 0)
        return cls(2 * start + counts + 1, above, below, n_zero)

    @property
    def counts(self) -> Integers:
        """Size of each block."""
        return self.above + self.below

    @property
    def n(self) -> int:
        """How many differences are not zero."""
        return int(self.counts.sum())

    def sums(self) -> tuple[int, int]:
        """Return 2W+ and 2W-."""
        return int(np.sum(self.ranks * self.above)), int(np.sum(self.ranks * self.below))


def signed_rank(differences: Tally, zeros: Zeros = "wilcox", method: RankMethod = "auto") -> SignedRank:
    """Test whether differences are symmetrical about zero.

    `auto` is exact up to MOST_EXACT differences that are not zero, and fewer where zeros that are ranked make ranks
    large. StatisticsInputError: `exact` was asked for past it.
    """
    ranks = SignedRanks.of(differences, zeros)
    if not differences.n:
        note = Note(code="no_pairs", message="There is no complete pair, so there is nothing to test.")
        return _result(ranks, zeros, None, exact=method != "asymptotic", notes=(note,))
    if not ranks.n:
        note = Note(code="all_differences_zero", message="Every difference is zero: nothing speaks for a change.")
        return _result(ranks, zeros, 1.0, exact=True, notes=(note,))
    if method == "exact" and not _is_feasible(ranks):
        raise StatisticsInputError(
            "/method",
            "too_much_work",
            f"The exact distribution is computed up to {MOST_EXACT} differences that are not zero, and fewer beside "
            "many zeros that are ranked. Use auto or asymptotic.",
        )
    exact = method != "asymptotic" and _is_feasible(ranks)
    return _result(ranks, zeros, _exact_p(ranks) if exact else _asymptotic_p(ranks), exact=exact)


def _is_feasible(ranks: SignedRanks) -> bool:
    """Say whether the exact distribution takes a second at most, and memory that there is."""
    if ranks.n > MOST_EXACT:
        return False
    size = int(np.sum(ranks.ranks * ranks.counts)) // int(np.gcd.reduce(ranks.ranks))
    return size <= _MOST_COUNTS and size * ranks.n <= _MOST_ADDITIONS


def exact_distribution(ranks: Integers, counts: Integers) -> tuple[int, NDArray[np.float64]]:
    """Return the unit of 2W+ and in how many ways it takes each multiple of it."""
    unit = int(np.gcd.reduce(ranks))
    ways = np.zeros(int(np.sum(ranks * counts)) // unit + 1)
    ways[0], reached = 1.0, 1
    for rank, count in zip((ranks // unit).tolist(), counts.tolist(), strict=True):
        for _ in range(count):
            checkpoint()
            ways[rank : rank + reached] += ways[:reached].copy()
            reached += rank
    return unit, ways


def _exact_p(ranks: SignedRanks) -> float:
    unit, ways = exact_distribution(ranks.ranks, ranks.counts)
    nearer = min(ranks.sums()) // unit
    tail = float(ways[: nearer + 1].sum())
    return min(1.0, 2 * tail / 2.0**ranks.n)


def _asymptotic_p(ranks: SignedRanks) -> float:
    plus, minus = ranks.sums()
    squares = sum(rank * rank * count for rank, count in zip(ranks.ranks.tolist(), ranks.counts.tolist(), strict=True))
    return two_sided((plus - minus) / 4, math.sqrt(squares) / 4)


def _result(
    ranks: SignedRanks, zeros: Zeros, p_value: float | None, *, exact: bool, notes: tuple[Note, ...] = ()
) -> SignedRank:
    plus, minus = (doubled / 2 for doubled in ranks.sums())
    none = p_value is None
    return SignedRank(
        method=f"{EXACT if exact else ASYMPTOTIC}, {_ZEROS[zeros]}",
        exact=exact,
        statistic=None if none else plus,
        p_value=p_value,
        w_plus=None if none else plus,
        w_minus=None if none else minus,
        n=ranks.n,
        n_zero=ranks.n_zero,
        zeros=zeros,
        warnings=notes,
    )
