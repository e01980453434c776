"""Which test compares which groups, by the kind of the variable; every result says its method.

An analysis makes a hundred tests or more, so each is exact only up to an amount of work that is smaller than that of a
test which is asked for by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from app.cohorts.analysis.answers import TestResult
from app.cohorts.analysis.kruskal_wallis import METHOD as KRUSKAL_WALLIS
from app.cohorts.analysis.kruskal_wallis import kruskal_wallis
from app.statistics import fisher_larger, fisher_two_by_two
from app.statistics.contingency import pearson_chi_square
from app.statistics.fisher import FREEMAN_HALTON, PAST_LIMIT, TWO_BY_TWO
from app.statistics.mann_whitney import EXACT as MANN_WHITNEY
from app.statistics.mann_whitney import Pooled, exact_work, mann_whitney
from app.statistics.models import Test
from app.statistics.scaling import Integers
from app.statistics.signed_rank import signed_rank
from app.statistics.tally import Tally

PEARSON: Final = "Pearson chi-square test without Yates' correction"
# A few hundredths of a second each.
RANK_WORK: Final = 30_000_000
TABLE_WORK: Final = 20_000
MOST_PAIRS: Final = 300
_TWO: Final = 2
_ONE_GROUP: Final = "Fewer than two of the groups have known values."
_ALL_ALIKE: Final = "Every known value is the same, so there is nothing to test."
_UNCHANGED: Final = "Every difference of a pair is zero, so there is nothing to test."


def compare_binary(counts: Sequence[tuple[int, int]]) -> tuple[TestResult, TestResult | None]:
    """Compare (with, without) of groups: Fisher's exact test, and for three groups or more Pearson's beside it.

    Groups of which nothing is known do not count. Where all patients are alike there is no p-value but the reason.
    """
    table = np.array([pair for pair in counts if sum(pair)], dtype=np.int64)
    if len(table) < _TWO:
        return TestResult(method=TWO_BY_TWO, exact=True, reason=_ONE_GROUP), None
    if not np.all(table.sum(axis=0)):
        return _alike(len(table))
    if len(table) == _TWO:
        return TestResult(method=TWO_BY_TWO, exact=True, p_value=fisher_two_by_two.p_value(table)), None
    return _larger(table), _pearson(table, PEARSON)


def _alike(groups: int) -> tuple[TestResult, TestResult | None]:
    """Name the tests that are not made."""
    if groups == _TWO:
        return TestResult(method=TWO_BY_TWO, exact=True, reason=_ALL_ALIKE), None
    pearson = TestResult(method=PEARSON, exact=False, reason=_ALL_ALIKE)
    return TestResult(method=FREEMAN_HALTON, exact=True, reason=_ALL_ALIKE), pearson


def _larger(table: Integers) -> TestResult:
    layout = fisher_larger.Layout.of(table)
    try:
        if _fillings(layout) <= TABLE_WORK:
            return TestResult(method=FREEMAN_HALTON, exact=True, p_value=fisher_larger.p_value(layout))
    except fisher_larger.PastLimitError:
        pass
    return _pearson(table, PAST_LIMIT)


def _fillings(layout: fisher_larger.Layout) -> int:
    """Bound in how many ways the two halves of a table can be filled, which is what the exact test enumerates."""
    ways = fisher_larger.ways_to_fill(layout.table)
    return sum(math.prod(ways[column] for column in half) for half in layout.halves)


def _pearson(table: Integers, method: str) -> TestResult:
    found = pearson_chi_square(table)
    return TestResult(
        method=method,
        exact=False,
        statistic=found.statistic,
        degrees_of_freedom=found.degrees_of_freedom or None,
        p_value=found.p_value,
    )


def compare_continuous(groups: Sequence[Tally]) -> TestResult:
    """Compare the values of groups: two by Mann and Whitney's test, more by Kruskal and Wallis's.

    Groups without values do not count. Where all values are equal there is no p-value but the reason.
    """
    known = [group for group in groups if group.n]
    if len(known) < _TWO:
        return TestResult(method=MANN_WHITNEY, exact=True, reason=_ONE_GROUP)
    if len(known) == _TWO:
        return _mann_whitney(*known)
    found = kruskal_wallis(known)
    return TestResult(
        method=KRUSKAL_WALLIS,
        exact=False,
        statistic=found.statistic,
        degrees_of_freedom=found.degrees_of_freedom,
        p_value=found.p_value,
        reason=found.reason,
    )


def _mann_whitney(x: Tally, y: Tally) -> TestResult:
    pooled = Pooled.of(x, y)
    if pooled.blocks.size == 1:
        return TestResult(method=MANN_WHITNEY, exact=True, reason=_ALL_ALIKE)
    exact = exact_work(pooled.blocks, pooled.n_x) <= RANK_WORK
    return _result(mann_whitney(x, y, "exact" if exact else "asymptotic"))


def paired(differences: Tally) -> TestResult:
    """Test whether paired differences lie around zero: Wilcoxon's signed rank test, zeros dropped.

    Where no pair changed there is no p-value but the reason.
    """
    changed = int(differences.counts[differences.values != 0].sum())
    if differences.n and not changed:
        return TestResult(method=signed_rank(differences).method, exact=True, reason=_UNCHANGED)
    return _result(signed_rank(differences, method="exact" if changed <= MOST_PAIRS else "asymptotic"))


def _result(found: Test) -> TestResult:
    return TestResult(
        method=found.method,
        exact=found.exact,
        statistic=found.statistic,
        p_value=found.p_value,
        reason=found.warnings[0].message if found.warnings else None,
    )
