"""Laws of an analysis: sums over strata are sums over patients, however they are divided or narrowed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from app.cohorts import strata
from app.cohorts.analysis.analyse import analyse
from app.cohorts.analysis.axes import AXES
from app.cohorts.analysis.columns import OUTSIDE, Column, Counts
from app.cohorts.analysis.heart import Normal
from app.cohorts.analysis.kruskal_wallis import kruskal_wallis
from app.cohorts.analysis.selection import Question
from app.cohorts.store.model import Cohort
from app.statistics.tally import Tally

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NORMAL = Normal(55, -21.4)
values = st.one_of(st.integers(-50, 50), st.integers(-(10**12), 10**12))
keys = st.sampled_from(sorted(strata.ALL))
cohorts = st.lists(st.tuples(keys, st.integers(0, 40) | st.none()), max_size=40)


def counts_of(rows):
    cells = {}
    for key, value in rows:
        if value is not None:
            cells.setdefault(key, Counter())[value] += 1
    kept = [("age_years", key, 2, Tally.from_counts(cells[key], 2).to_bytes()) for key in sorted(cells)]
    return Counts(Counter(key for key, _ in rows), kept)


def analysed(rows, **asked):
    cohort = Cohort(1, "c", "C", None, 1, len(rows), (), False, NOW, NOW)
    return analyse(cohort, counts_of(rows), Question(sections=("characteristics",), **asked), NORMAL)


@given(
    st.lists(st.tuples(st.integers(0, 5), values), max_size=60), st.lists(st.integers(-1, 2), min_size=6, max_size=6)
)
def test_a_column_is_summed_as_its_values_are_counted(rows, groups):
    tallies = {k: Tally.from_numbers([v for place, v in rows if place == k], 0) for k in {place for place, _ in rows}}
    if not tallies:
        return
    column = Column.of([(place, 0, tally.to_bytes()) for place, tally in sorted(tallies.items())])
    split = column.split(np.array(groups), 3)
    for group, tally in enumerate(split.groups):
        assert tally == Tally.from_numbers([v for place, v in rows if groups[place] == group], 0)
    assert split.overall == Tally.from_numbers([v for place, v in rows if groups[place] != OUTSIDE], 0)


@given(cohorts, st.sampled_from(sorted(AXES)))
@settings(max_examples=40)
def test_groups_add_up_to_all(rows, by):
    found = analysed(rows, by=by)
    assert sum(group.n for group in found.groups) == found.n == len(rows)
    for row in found.characteristics.rows:
        assert sum(cell.n for cell in row.groups) == row.overall.n
        assert sum(cell.n_missing for cell in row.groups) == row.overall.n_missing


@given(cohorts, st.sampled_from(sorted(AXES)), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_narrowing_to_a_group_is_that_groups_column(rows, axis, random):
    value = random.choice(list(AXES[axis].labels))
    whole = analysed(rows, by=axis)
    part = analysed(rows, by=axis, where=((axis, (value,)),))
    (column,) = [row for row in whole.characteristics.rows if row.variable == "age_years"]
    (narrow,) = [row for row in part.characteristics.rows if row.variable == "age_years"]
    shown = [cell for cell in column.groups if cell.group == value]
    if shown:
        assert narrow.overall.model_copy(update={"group": value}) == shown[0]
    assert narrow.overall.n == sum(AXES[axis].of(strata.parse(key)) == value for key, _ in rows)


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=15), min_size=2, max_size=5))
def test_kruskal_wallis_is_scipys(groups):
    found = kruskal_wallis([Tally.from_numbers(group) for group in groups])
    if len(set().union(*groups)) == 1:
        assert found.p_value is None
        return
    plain = stats.kruskal(*groups)
    assert found.statistic == pytest.approx(plain.statistic, rel=1e-9, abs=1e-10)
    # scipy subtracts two numbers of size n for its statistic. Where that is 0 (rank sums as expected) it leaves some
    # 1e-14, and p falls off by the root of that: 0.9999998 where 1 is right. So p is compared at the same statistic.
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, len(groups) - 1), rel=1e-9)
    assert found.p_value == pytest.approx(plain.pvalue, rel=1e-9, abs=1e-6 if plain.statistic < 1e-9 else 0)
