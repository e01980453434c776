"""The Mann-Whitney test of two tallies, exact with ties: P(|U - E| >= |u - E|), as in StatXact and coin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.statistics.errors import StatisticsInputError
from app.statistics.mann_whitney_exact import WORK_LIMIT, exact_distribution, exact_work
from app.statistics.models import Note
from app.statistics.normal import two_sided
from app.statistics.rank_models import MannWhitney, RankMethod
from app.statistics.scaling import Integers
from app.statistics.tally import Tally

EXACT: Final = "Mann-Whitney U test, exact distribution given the ties"
ASYMPTOTIC: Final = "Mann-Whitney U test, normal approximation with tie and continuity correction"
_SMALL: Final = 20


@dataclass(frozen=True, slots=True)
class Pooled:
    """Two groups as blocks of equal values, in ascending order."""

    x: Integers
    y: Integers

    @classmethod
    def of(cls, x: Tally, y: Tally) -> Pooled:
        """Lay two tallies side by side."""
        digits = max(x.digits, y.digits)
        left, right = x.rescaled(digits), y.rescaled(digits)
        # Asked for counts numpy sorts, which is quick for what is nearly sorted; else it hashes, which takes longer.
        values, _ = np.unique(np.concatenate((left.values, right.values)), return_counts=True)
        return cls(_spread(left, values), _spread(right, values))

    @property
    def n_x(self) -> int:
        """Size of the first group."""
        return int(self.x.sum())

    @property
    def n_y(self) -> int:
        """Size of the second group."""
        return int(self.y.sum())

    @property
    def blocks(self) -> Integers:
        """Size of each block of ties."""
        return self.x + self.y

    def doubled_u(self) -> int:
        """Return 2U of x: twice the pairs in which x is larger, and the tied pairs."""
        below = np.cumsum(self.y) - self.y
        return int(np.sum(self.x * (2 * below + self.y)))


def mann_whitney(x: Tally, y: Tally, method: RankMethod = "auto") -> MannWhitney:
    """Test whether two groups differ in location.

    `auto` is exact up to WORK_LIMIT and asymptotic past it. StatisticsInputError: `exact` was asked for past it.
    """
    pooled = Pooled.of(x, y)
    if not pooled.n_x or not pooled.n_y:
        return _without_data(pooled, method)
    if method != "asymptotic" and (work := exact_work(pooled.blocks, pooled.n_x)) > WORK_LIMIT:
        if method == "exact":
            raise _too_much(work)
        return _asymptotic(pooled)
    return _asymptotic(pooled) if method == "asymptotic" else _exact(pooled)


def rank_biserial(pooled: Pooled) -> float:
    """Return 2U/(n_x n_y) - 1 (Cureton EE. Psychometrika 1956;21:287-290; Wendt HW. 1972)."""
    pairs = pooled.n_x * pooled.n_y
    return (pooled.doubled_u() - pairs) / pairs


def _exact(pooled: Pooled) -> MannWhitney:
    smaller, pairs, observed = min(pooled.n_x, pooled.n_y), pooled.n_x * pooled.n_y, pooled.doubled_u()
    doubled_u, ways = exact_distribution(pooled.blocks, smaller)
    if pooled.n_x != smaller:
        observed = 2 * pairs - observed  # U of the other group is the mirror image
    as_far = ways[np.abs(doubled_u - pairs) >= abs(observed - pairs)].sum()
    tail = min(ways[doubled_u <= observed].sum(), ways[doubled_u >= observed].sum())
    p_values = (float(min(part / ways.sum(), 1.0)) for part in (as_far, 2 * tail))
    return _result(pooled, EXACT, tuple(p_values), exact=True)


def _asymptotic(pooled: Pooled) -> MannWhitney:
    n, pairs = pooled.n_x + pooled.n_y, pooled.n_x * pooled.n_y
    ties = sum(size**3 - size for size in pooled.blocks.tolist() if size > 1)
    variance = pairs * ((n + 1) * n * (n - 1) - ties) / (12 * n * (n - 1))
    p_value = two_sided((pooled.doubled_u() - pairs) / 2, math.sqrt(variance))
    notes = (_poor(),) if min(pooled.n_x, pooled.n_y) < _SMALL else ()
    return _result(pooled, ASYMPTOTIC, (p_value, p_value), exact=False, notes=notes)


def _result(
    pooled: Pooled, method: str, p_values: tuple[float, ...], *, exact: bool, notes: tuple[Note, ...] = ()
) -> MannWhitney:
    u = pooled.doubled_u() / 2
    if pooled.blocks.size == 1:
        notes = (
            *notes,
            Note(code="all_values_equal", message="All values are equal: nothing speaks for a difference."),
        )
    return MannWhitney(
        method=method,
        exact=exact,
        statistic=u,
        u=u,
        p_value=p_values[0],
        p_value_doubled=p_values[1],
        n_x=pooled.n_x,
        n_y=pooled.n_y,
        rank_biserial=rank_biserial(pooled),
        warnings=notes,
    )


def _without_data(pooled: Pooled, method: RankMethod) -> MannWhitney:
    """Answer under the name of the test that would have been made."""
    note = Note(code="group_empty", message="A group holds no values, so there is nothing to compare.")
    return MannWhitney(
        method=ASYMPTOTIC if method == "asymptotic" else EXACT,
        exact=method != "asymptotic",
        statistic=None,
        u=None,
        p_value=None,
        p_value_doubled=None,
        n_x=pooled.n_x,
        n_y=pooled.n_y,
        rank_biserial=None,
        warnings=(note,),
    )


def _poor() -> Note:
    return Note(
        code="approximation_poor",
        message=f"With fewer than {_SMALL} values in a group the normal approximation is poor, above all for small p.",
    )


def _spread(tally: Tally, values: Integers) -> Integers:
    counts = np.zeros(values.size, dtype=np.int64)
    counts[np.searchsorted(values, tally.values)] = tally.counts
    return counts


def _too_much(work: float) -> StatisticsInputError:
    most = f"would take {work:.1e} additions, and at most {WORK_LIMIT:.0e} are made"
    what = "has more counts than are held, or larger ones than a double holds" if math.isinf(work) else most
    return StatisticsInputError(
        "/method",
        "too_much_work",
        f"The exact distribution {what}. Use auto or asymptotic.",
    )


__all__ = ["ASYMPTOTIC", "EXACT", "WORK_LIMIT", "Pooled", "exact_work", "mann_whitney", "rank_biserial"]
