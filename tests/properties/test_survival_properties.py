"""Survival statistics hold for any split of the data, any unit of time and any order of the patients."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.statistics.hazard_ratio import hazard_ratio
from app.statistics.kaplan_meier import kaplan_meier
from app.statistics.log_rank import log_rank
from app.statistics.restricted_mean import area
from app.statistics.survival import LifeTable, SurvivalTally

patients = st.lists(st.tuples(st.integers(0, 500).map(lambda tenths: tenths / 10), st.booleans()), max_size=40)


def tally(rows: list[tuple[float, bool]], digits: int | None = None) -> SurvivalTally:
    return SurvivalTally.from_rows([time for time, _ in rows], [event for _, event in rows], digits)


def everything(a: SurvivalTally, b: SurvivalTally) -> list[object]:
    curve = kaplan_meier(a)
    groups = [("a", a), ("b", b)]
    test = log_rank(groups)
    return [list(curve.rows()), curve.median, test.statistic, test.p_value, hazard_ratio(groups), area(a, 7.0)]


@given(patients, patients, st.integers(1, 4))
def test_merged_parts_are_the_whole(rows, others, parts):
    whole, other = tally(rows), tally(others)
    merged = SurvivalTally.merge(*(tally(rows[place::parts]) for place in range(parts)))
    assert everything(merged, other) == everything(whole, other)


@given(patients, patients)
def test_decimal_places_of_the_tally_do_not_matter(rows, others):
    assert everything(tally(rows, 3), tally(others, 1)) == everything(tally(rows), tally(others))


@given(patients, patients)
def test_a_life_table_is_as_good_as_its_tally(rows, others):
    tables = [LifeTable.of(tally(each)) for each in (rows, others)]
    assert everything(*tables) == everything(tally(rows), tally(others))


@given(patients)
def test_curves_come_down_and_stay_within_their_limits(rows):
    for interval in ("plain", "log", "log-log"):
        points = list(kaplan_meier(tally(rows), interval=interval).rows())
        survival = [1.0, *(point["survival"] for point in points)]
        assert all(0 <= after <= before for before, after in pairwise(survival))
        for point in points:
            assert (point["low"] is None) == (point["high"] is None)
            if point["low"] is not None:
                assert 0 <= point["low"] <= point["survival"] <= point["high"] <= 1


@given(patients, patients)
def test_time_in_another_unit_changes_times_alone(rows, others):
    def slower(each: list[tuple[float, bool]]) -> list[tuple[float, bool]]:
        return [(time * 8, event) for time, event in each]

    quick, slow = kaplan_meier(tally(rows)), kaplan_meier(tally(slower(rows)))
    assert quick.survival.tolist() == slow.survival.tolist()
    if quick.median.estimate is not None:
        assert slow.median.estimate == quick.median.estimate * 8
    test, other = (
        log_rank([("a", tally(rows)), ("b", tally(others))]),
        log_rank([("a", tally(slower(rows))), ("b", tally(slower(others)))]),
    )
    assert (test.statistic, test.p_value, test.expected) == (other.statistic, other.p_value, other.expected)
