"""The search behind the synthetic cohort: its goals against the service's own statistics, and its habits."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cohorts.study.roster import columns, roster
from app.cohorts.study.search import Domain, NotFoundError, search, seeded, shuffled
from app.cohorts.study.search_continuous import Plan, continuous, z_of
from app.cohorts.study.search_goals import (
    AtMost,
    CountBetween,
    Quantile,
    Quartiles,
    log_rank_z,
    quartile,
    rank_sum_z,
    signed_rank_p,
    signed_rank_z,
)
from app.statistics.descriptive import summarize
from app.statistics.log_rank import log_rank
from app.statistics.mann_whitney import mann_whitney
from app.statistics.signed_rank import signed_rank
from app.statistics.survival import SurvivalTally
from app.statistics.tally import Tally

NUMBERS = st.lists(st.integers(-30, 30), min_size=2, max_size=20)


@given(NUMBERS)
def test_quartiles_are_the_services(numbers):
    found = summarize(Tally.from_numbers(numbers), "weibull")
    assert [quartile(sorted(numbers), k) for k in (1, 2, 3)] == [found.q1, found.median, found.q3]


@given(NUMBERS, NUMBERS)
def test_the_rank_sums_z_is_the_services(x, y):
    found = mann_whitney(Tally.from_numbers(x), Tally.from_numbers(y), "asymptotic")
    p = 1.0 if found.p_value is None else found.p_value
    assert math.erfc(abs(rank_sum_z(x, y)) / math.sqrt(2)) == pytest.approx(p, rel=1e-9)


@given(NUMBERS)
def test_the_signed_ranks_p_is_the_services(differences):
    found = signed_rank(Tally.from_numbers(differences), "wilcox", "exact").p_value
    assert signed_rank_p(differences) == pytest.approx(1.0 if found is None else found, rel=1e-12)


@given(NUMBERS)
def test_a_rise_has_a_positive_z(differences):
    assert signed_rank_z([-d for d in differences]) == -signed_rank_z(differences)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=20), st.lists(st.integers(0, 30), min_size=2, max_size=20))
def test_the_log_rank_is_the_services(x, y):
    groups = [(name, SurvivalTally(Tally.from_numbers(times), Tally.empty())) for name, times in (("x", x), ("y", y))]
    found = log_rank(groups, "log_rank").statistic
    assert log_rank_z(x, y) ** 2 == pytest.approx(found or 0.0, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("goal", "met", "missed"),
    [
        (Quartiles((0, 1, 2), (Quantile(2, 5, 0.5),)), [1, 5, 9], [1, 6, 9]),
        (CountBetween((0, 1, 2), 0, 5, 2), [0, 4, 5], [0, 5, 5]),
        (AtMost(0, 1, 2, 1.0), [3, 5, 0], [4, 5, 0]),
    ],
)
def test_a_goal_is_met_or_missed(goal, met, missed):
    assert goal.miss(met) == 0
    assert goal.miss(missed) > 0


def test_what_cannot_be_met_is_said():
    goals = [CountBetween((0,), 0, 5, 1), CountBetween((0,), 5, 10, 1)]
    with pytest.raises(NotFoundError, match="CountBetween"):
        search([0], [Domain(0, 9)], goals, Random(0))  # noqa: S311  # no secret
    with pytest.raises(NotFoundError, match="none of"):
        seeded("nothing", lambda rng: search([0], [Domain(0, 0)], [CountBetween((0,), 1, 2, 1)], rng))


def test_a_search_stays_in_its_domains():
    domains = [Domain(3, 9, 3)] * 3 + [Domain(7, 7)]
    found = search([3, 3, 3, 7], domains, [Quartiles((0, 1, 2, 3), (Quantile(2, 8, 0.5),))], Random(1))  # noqa: S311  # no secret
    assert {*found[:3]} <= {3, 6, 9}
    assert found[3] == 7


def test_the_same_seed_finds_the_same():
    plan = Plan("cytokine.il_8", 1, Domain(1, 40))
    assert continuous(plan, columns(roster())) == continuous(plan, columns(roster()))


def test_shuffling_keeps_everything():
    assert sorted(shuffled(range(20), Random(2))) == list(range(20))  # noqa: S311  # no secret


@pytest.mark.parametrize(("p", "z"), [(1.0, 0.0), (0.05, 1.959964), (0.003, 2.967738)])
def test_z_of_a_printed_p(p, z):
    assert z_of(p) == z
