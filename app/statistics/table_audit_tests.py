"""The tests by which a printed p-value may have been made, of one row's counts in groups of given sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import comb
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc  # type: ignore[import-untyped]  # scipy has no types

from app.statistics import fisher_larger, fisher_two_by_two
from app.statistics.fisher import TWO_BY_TWO, fisher_exact
from app.statistics.survival import Floats
from app.statistics.table_audit_models import TestName

Sizes = NDArray[np.int64]

NAMES: Final[dict[TestName, str]] = {
    "fisher_exact": "Fisher's exact test (Freeman-Halton)",
    "fisher_doubled": "Fisher's exact test by doubling the smaller tail",
    "pearson_chi_square": "Pearson chi-square without Yates' correction",
    "pearson_chi_square_yates": "chi-square with Yates' correction",
}
_PAIR: Final = 2
_FEW_TABLES: Final = 2_000
_TOLERANCE: Final = 10**7  # tables within a relative 1e-7 are as probable as the observed one, as R has it
_LARGEST_DOUBLED: Final = 5_000
_WORK_OF_A_SMALL_ONE: Final = 1_000.0
_WORK_OF_A_CALL: Final = 10_000.0
_WORK_OF_A_TABLE: Final = 80.0


class RowTest(NamedTuple):
    """The test of a row: what was made, whether exactly, and its two-sided p."""

    method: str
    exact: bool
    p_value: float | None


def recomputed(counts: Sequence[int], sizes: Sequence[int], budget: float = math.inf) -> RowTest:
    """Test a row, those with against those without by group: exactly, or by chi-square when that exceeds the budget."""
    table = _table(counts, sizes)
    if len(sizes) == _PAIR:
        return RowTest(TWO_BY_TWO, exact=True, p_value=fisher_two_by_two.p_value(table))
    found = fisher_exact(table.tolist(), "auto" if work_of(counts, sizes) <= budget else "chi_square")
    return RowTest(found.method, found.exact, found.p_value)


def work_of(counts: Sequence[int], sizes: Sequence[int]) -> float:
    """Return how much work the exact test of a row is, about: 5 million units take a second."""
    if len(sizes) == _PAIR:
        # The tables that weigh anything are some of the least expected count's square roots.
        total = sum(counts)
        least = min(total, sum(sizes) - total) * min(sizes) / max(sum(sizes), 1)
        return _WORK_OF_A_SMALL_ONE + _WORK_OF_A_TABLE * math.sqrt(1 + least)
    if _tables(counts, sizes) <= _FEW_TABLES:
        return _WORK_OF_A_SMALL_ONE
    return _WORK_OF_A_CALL + fisher_larger.Layout.of(_table(counts, sizes)).work()


def _table(counts: Sequence[int], sizes: Sequence[int]) -> Sizes:
    return np.array([counts, [size - count for count, size in zip(counts, sizes, strict=True)]], np.int64)


def candidate_tests(columns: int) -> tuple[TestName, ...]:
    """Name the tests that a table of so many groups may have been made with."""
    if columns == _PAIR:
        return ("fisher_exact", "pearson_chi_square", "pearson_chi_square_yates", "fisher_doubled")
    return ("fisher_exact", "pearson_chi_square")


def p_values(test: TestName, counts: Sequence[int], sizes: Sizes) -> Floats:
    """Return the p of each row of group sizes; NaN where the test is not defined or too large to be searched."""
    if test == "pearson_chi_square":
        return _chi_square(counts, sizes, 0.0)
    if test == "pearson_chi_square_yates":
        return _chi_square(counts, sizes, 0.5)
    exactly = _doubled if test == "fisher_doubled" else _fisher
    return np.array([exactly(counts, row) for row in sizes.tolist()], np.float64)


def _chi_square(counts: Sequence[int], sizes: Sizes, correction: float) -> Floats:
    observed, groups = np.array(counts, np.float64), sizes.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = groups * (observed.sum() / groups.sum(axis=1))[:, None]
        off = np.abs(observed - expected)
        off -= np.minimum(correction, off)
        statistic = (off**2 * (1 / expected + 1 / (groups - expected))).sum(axis=1)
    found: Floats = chdtrc(len(counts) - 1, statistic)
    return found


def _fisher(counts: Sequence[int], sizes: Sequence[int]) -> float:
    if len(sizes) > _PAIR and _tables(counts, sizes) <= _FEW_TABLES:
        return _enumerated(counts, sizes)
    found = recomputed(counts, sizes)
    return found.p_value if found.p_value is not None and found.exact else np.nan


def _tables(counts: Sequence[int], sizes: Sequence[int]) -> int:
    """Bound the number of tables that have a row's margins."""
    return math.prod(min(sum(counts), size) + 1 for size in sizes[:-1])


def _enumerated(counts: Sequence[int], sizes: Sequence[int]) -> float:
    """Go through the few tables of a small row in integers: quicker than setting up the large test."""
    *first, last = sizes
    ways = [[comb(size, k) for k in range(min(sum(counts), size) + 1)] for size in first]
    weights: dict[int, list[int]] = {0: [1]}
    for column in ways:
        further: dict[int, list[int]] = {}
        for taken, found in weights.items():
            for k, weight in enumerate(column[: sum(counts) - taken + 1]):
                further.setdefault(taken + k, []).extend(weight * before for before in found)
        weights = further
    all_tables = [comb(last, sum(counts) - taken) * weight for taken, found in weights.items() for weight in found]
    observed = math.prod(comb(size, count) for size, count in zip(sizes, counts, strict=True))
    at_most = sum(weight for weight in all_tables if weight * _TOLERANCE <= observed * (_TOLERANCE + 1))
    return at_most / comb(sum(sizes), sum(counts))


def _doubled(counts: Sequence[int], sizes: Sequence[int]) -> float:
    """Return twice the smaller tail of the hypergeometric distribution, at most 1."""
    size, other = sizes
    drawn, total = sum(counts), sum(sizes)
    if total > _LARGEST_DOUBLED:
        return np.nan
    ways = [comb(size, k) * comb(other, drawn - k) for k in range(max(0, drawn - other), min(size, drawn) + 1)]
    place = counts[0] - max(0, drawn - other)
    tail = min(sum(ways[: place + 1]), sum(ways[place:]))
    return min(1.0, 2 * tail / comb(total, drawn))
