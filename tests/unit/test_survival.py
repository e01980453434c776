"""Survival statistics at the edges: nobody, one, all censored, all at once, infinite ratios, large numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from app.statistics import kaplan_meier as module
from app.statistics.hazard_ratio import hazard_ratio
from app.statistics.kaplan_meier import kaplan_meier
from app.statistics.log_rank import log_rank
from app.statistics.restricted_mean import area, default_horizon, difference, restricted_mean
from app.statistics.survival import LifeTable, SurvivalTally

NOBODY = SurvivalTally.empty()


def tally(printed: str) -> SurvivalTally:
    words = printed.split()
    return SurvivalTally.from_rows([float(w.rstrip("+")) for w in words], [not w.endswith("+") for w in words])


def test_missing_times_and_events_are_left_out():
    counted = SurvivalTally.from_rows([1, None, 3, 4], [True, True, None, False])
    assert (counted.n, counted.events.n, counted.censored.n) == (2, 1, 1)
    with pytest.raises(ValueError, match="zip"):
        SurvivalTally.from_rows([1, 2], [True])


def test_tallies_add():
    parts = [tally("1 2+ 2"), tally("2+ 3.5"), NOBODY]
    assert SurvivalTally.merge(*parts) == tally("1 2+ 2 2+ 3.5")
    assert parts[0] + parts[1] == SurvivalTally.merge(*parts)
    assert SurvivalTally.merge().n == 0


def test_a_life_table_of_rows_is_that_of_the_tally():
    times = [0.1, 0.3, 0.3, 2.0, 2.0, 1e9]
    events = [True, False, True, True, True, False]
    of_rows = LifeTable.from_rows(np.array(times), np.array(events))
    of_tally = LifeTable.of(SurvivalTally.from_rows(times, events))
    for name in ("times", "events", "censored"):
        assert getattr(of_rows, name).tolist() == getattr(of_tally, name).tolist()
    assert of_rows.at_risk.tolist() == [6, 5, 3, 1]
    assert (of_rows.n, of_rows.n_events, of_rows.last_time) == (6, 4, 1e9)
    events_there, at_risk = of_rows.at(np.array([0.0, 0.3, 1.0, 2e9]))
    assert events_there.tolist() == [0, 1, 0, 0]
    assert at_risk.tolist() == [6, 5, 3, 0]


def test_a_curve_of_nobody_is_empty():
    found = kaplan_meier(NOBODY)
    assert list(found.rows()) == []
    assert found.median.estimate is None
    assert found.median.reason == "There are no patients."
    assert found.warnings == ()


@pytest.mark.parametrize("interval", ["plain", "log", "log-log"])
def test_one_patient_with_the_event(interval):
    found = kaplan_meier(tally("5"), interval=interval)
    assert list(found.rows()) == [
        {"time": 5.0, "survival": 0.0, "low": None, "high": None, "at_risk": 1, "events": 1, "censored": 0}
    ]
    assert found.median.estimate == 5
    assert (found.median.low, found.median.high) == (None, None)
    assert found.median.reason
    assert [note.code for note in found.warnings] == ["limits_undefined_at_zero"]


@pytest.mark.parametrize(("interval", "limit"), [("plain", 1.0), ("log", 1.0), ("log-log", None)])
def test_all_censored(interval, limit):
    found = kaplan_meier(tally("2+ 5+ 5+"), interval=interval)
    points = list(found.rows())
    assert [point["survival"] for point in points] == [1, 1]
    assert [(point["low"], point["high"]) for point in points] == [(limit, limit)] * 2
    assert found.median.estimate is None
    assert found.median.reason == "The curve does not come down to one half."
    assert [note.code for note in found.warnings] == ([] if limit else ["limits_undefined_at_one"])


def test_everybody_at_time_zero():
    found = kaplan_meier(tally("0 0 0+ 0+"))
    assert [point["survival"] for point in found.rows()] == [0.5]
    assert found.median.estimate == 0
    assert restricted_mean(tally("0 0+")).reason == "The last time is 0, so there is no time to take a mean of."


def test_events_come_before_censorings_at_one_time():
    assert [point["survival"] for point in kaplan_meier(tally("3 3+")).rows()] == [0.5]


@pytest.mark.parametrize(
    ("printed", "median"),
    [
        ("1 2 3 4 5 6", 3.5),
        ("1 2 3 4 5", 3),
        ("3+ 1 2+ 1 2 1 7+ 7+", 4.5),
        ("1 2 3+ 4+", 3),
        ("1 2 2+ 3+", 2.5),
        ("1 2+ 3+", None),
        ("0.1 0.2", 0.15),
        ("0.1 0.2+ 0.7+", None),
        ("1 1 2+ 2+ 3 3", 3),
    ],
)
def test_the_median(printed, median):
    assert kaplan_meier(tally(printed)).median.estimate == median


def test_one_half_is_decided_in_integers():
    """14/16 * 8/12 * 6/7 is one half, and a little less in doubles: the curve is flat there until the next event."""
    counted = tally("1 2 3+ 4+ 5 6 7 8 9+ 10 11+ 12 13 14 15 16+")
    found = kaplan_meier(counted)
    assert found.survival[9] == pytest.approx(0.5)
    assert found.survival[9] < 0.5
    assert found.median.estimate == 11


@pytest.mark.parametrize(("last", "median", "proofs"), [(1, 22.0, 2), (0, None, 1)])
def test_a_flat_part_just_above_one_half_is_proved_once(monkeypatch, last, median, proofs):
    """The curve is (1 + 1/product) / 2, which no double tells from one half, over twenty censoring times."""
    first, left = 100_000_001, 80_000_003
    kept = pow(2 * left, -1, first)
    second = (2 * left * kept - 1) // first
    assert 2 * left * kept == first * second + 1
    assert 20 < kept < second <= left
    events = [first - left, second - kept, *[0] * 19, last]
    censored = [left - second, 0, *[1] * 19, kept - 19 - last]
    table = LifeTable(np.arange(1.0, 23.0), np.array(events), np.array(censored))
    compared, against_half = [], module._against_half

    def counted(*asked):
        compared.append(asked[3])
        return against_half(*asked)

    monkeypatch.setattr(module, "_against_half", counted)
    assert kaplan_meier(table).median.estimate == median
    assert len(compared) == proofs


def test_limits_lie_around_the_curve_at_every_confidence():
    counted = tally("1 2 2+ 3 4+ 5 6 7+ 8")
    narrow, wide = kaplan_meier(counted, 0.5), kaplan_meier(counted, 0.999)
    for a, b in zip(narrow.rows(), wide.rows(), strict=True):
        if a["low"] is not None:
            assert 0 <= b["low"] <= a["low"] <= a["survival"] <= a["high"] <= b["high"] <= 1
    assert kaplan_meier(counted, 1 - 2**-53).low[0] >= 0
    least = kaplan_meier(counted, 5e-324)
    assert least.low[:-1] == pytest.approx(least.survival[:-1])


@pytest.mark.parametrize(
    ("first", "second", "code", "freedom"),
    [
        ("", "", "no_patients", 0),
        ("1+ 2+", "3+", "no_events", 0),
        ("1 2", "", "nothing_to_compare", 0),
        ("1+ 1+", "2 3", "nothing_to_compare", 0),
        ("2 2", "2", "no_variance", 1),
    ],
)
def test_without_a_p_value_there_is_a_reason(first, second, code, freedom):
    groups = [("a", tally(first)), ("b", tally(second))]
    for weights in ("log_rank", "gehan_breslow"):
        found = log_rank(groups, weights)
        assert (found.statistic, found.p_value, found.degrees_of_freedom) == (None, None, freedom)
        assert [note.code for note in found.warnings] == [code]
        assert found.reason == found.warnings[0].message
    assert hazard_ratio(groups).estimate is None
    assert hazard_ratio(groups).reason


def test_a_group_that_expects_nothing_does_not_count():
    """Lifelines counts it and so takes two degrees of freedom where there is one."""
    two = [("a", tally("3 5 7 8+")), ("b", tally("4 9 9+ 11"))]
    three = [*two, ("c", tally("1+ 2+"))]
    assert log_rank(three).degrees_of_freedom == 1
    assert log_rank(three).p_value == log_rank(two).p_value
    assert log_rank(three).expected[2] == 0


def test_a_group_without_events_is_compared_but_has_no_ratio():
    groups = [("a", tally("5+ 6+ 7+")), ("b", tally("1 2 3 4"))]
    assert log_rank(groups).p_value is not None
    for method in ("mantel_haenszel", "log_rank", "cox"):
        found = hazard_ratio(groups, method)
        assert (found.estimate, found.low, found.high) == (None, None, None)
        assert found.reason.startswith("One group has no events")
    # (O-E)/V is finite: to say that this ratio were zero or infinite would not be true of it.
    assert "infinite" not in hazard_ratio(groups, "mantel_haenszel").reason
    assert "zero or infinite" in hazard_ratio(groups, "log_rank").reason
    assert "no finite estimate" in hazard_ratio(groups, "cox").reason


def test_coxs_ratio_of_groups_that_never_met_is_null():
    groups = [("a", tally("1 2 3")), ("b", tally("4 5 6"))]
    found = hazard_ratio(groups, "cox")
    assert found.estimate is None
    assert "no finite ratio" in found.reason


def test_hazard_ratios_turn_round_with_the_groups():
    a, b = tally("9 13 13+ 18 23 28+ 31"), tally("5 5 8 8 12 16+ 23 27")
    for method in ("mantel_haenszel", "log_rank", "cox"):
        one, other = (hazard_ratio(pair, method) for pair in ([("a", a), ("b", b)], [("b", b), ("a", a)]))
        assert (one.of, one.to) == ("a", "b")
        assert one.estimate == pytest.approx(1 / other.estimate)
        assert one.low == pytest.approx(1 / other.high)
        assert one.method == other.method


def test_a_p_value_below_every_double_is_said_to_be_so():
    early, late = tally("1 " * 2_000), tally("1+ " * 2_000)
    found = log_rank([("a", early), ("b", late)])
    assert found.p_value == 0
    assert [note.code for note in found.warnings] == ["p_value_underflow"]


def test_the_default_horizon_is_the_smallest_last_time():
    assert default_horizon([tally("1 9"), tally("2 7+"), NOBODY]) == 7
    assert default_horizon([NOBODY]) is None


def test_past_the_last_time_the_curve_is_known_only_when_it_is_zero():
    assert restricted_mean(tally("1 3"), 10).estimate == 2
    found = restricted_mean(tally("1 3+"), 10)
    assert (found.estimate, found.standard_error, found.low, found.high) == (None, None, None, None)
    assert "past" in found.reason
    assert restricted_mean(NOBODY).reason == "There are no patients."


def test_a_restricted_mean_without_events_is_the_horizon():
    found = restricted_mean(tally("5+ 9+"), 5)
    assert (found.estimate, found.standard_error, found.low, found.high) == (5, 0, 5, 5)
    test = difference(area(tally("5+ 9+"), 5), area(tally("6+"), 5))
    assert (test.estimate, test.p_value) == (0, None)
    assert test.reason


def test_the_difference_of_restricted_means():
    a, b = area(tally("1 2 3 4"), 4), area(tally("2 3 4 4"), 4)
    found = difference(a, b, 0.95)
    assert found.estimate == pytest.approx(-0.75)
    assert found.standard_error == pytest.approx(math.hypot(a.error, b.error))
    assert found.p_value == pytest.approx(math.erfc(abs(found.z) / math.sqrt(2)))
    assert found.low < found.estimate < found.high
    assert difference(a, area(NOBODY, 4)).reason == "There are no patients."
