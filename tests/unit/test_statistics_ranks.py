"""Rank tests at their edges, their work limits, and what they say."""

from __future__ import annotations

import numpy as np
import pytest

from app.statistics import mann_whitney as rank_sum
from app.statistics import signed_rank as signed
from app.statistics.errors import StatisticsInputError
from app.statistics.fisher import fisher_exact
from app.statistics.hodges_lehmann import hodges_lehmann, pseudo_median
from app.statistics.mann_whitney import Pooled, mann_whitney
from app.statistics.mann_whitney_exact import exact_work, untied_work
from app.statistics.signed_rank import signed_rank
from app.statistics.tally import Tally

NONE = (None, None, None, None)


def tally(*values):
    return Tally.from_numbers(values)


def codes(found):
    return [note.code for note in found.warnings]


def ramp(n, start=0):
    return Tally.from_counts({2 * k + start: 1 for k in range(n)})


@pytest.mark.parametrize(("method", "exact"), [("auto", True), ("exact", True), ("asymptotic", False)])
def test_a_test_that_cannot_be_made_goes_by_the_name_that_was_asked(method, exact):
    for found in (mann_whitney(Tally.empty(), tally(1, 2), method), signed_rank(Tally.empty(), method=method)):
        assert (found.p_value, found.exact) == (None, exact)
        assert ("normal approximation" in found.method) is not exact


@pytest.mark.parametrize("method", ["auto", "exact", "asymptotic"])
@pytest.mark.parametrize(("x", "y"), [((), ()), ((1,), ()), ((), (1, 2))])
def test_an_empty_group(x, y, method):
    found = mann_whitney(tally(*x), tally(*y), method)
    assert (found.p_value, found.p_value_doubled, found.u, found.rank_biserial) == NONE
    assert (found.n_x, found.n_y) == (len(x), len(y))
    assert codes(found) == ["group_empty"]
    assert found.reason


@pytest.mark.parametrize("method", ["exact", "asymptotic"])
def test_all_equal(method):
    found = mann_whitney(tally(5, 5, 5), tally(5, 5), method)
    assert (found.p_value, found.p_value_doubled, found.u, found.rank_biserial) == (1.0, 1.0, 3.0, 0.0)
    assert "all_values_equal" in codes(found)


def test_one_against_one():
    found = mann_whitney(tally(1), tally(2))
    assert (found.p_value, found.u, found.rank_biserial) == (1.0, 0.0, -1.0)


def test_one_against_many_is_exact_however_many():
    found = mann_whitney(Tally.from_counts({-1: 1}), Tally.from_counts(dict.fromkeys(range(20000), 10)))
    assert found.exact
    assert found.p_value == pytest.approx(1 / 200_001)  # nothing lies as far on the other side: its end is a block
    assert found.p_value_doubled == pytest.approx(2 / 200_001)


def test_groups_may_have_different_digits():
    found = mann_whitney(tally(1.5, 2), tally(1.25, 1.50))
    assert found.u == mann_whitney(tally(150, 200), tally(125, 150)).u == 3.5


def test_swapping_the_groups_mirrors_u():
    x, y = tally(1, 2, 2, 9), tally(2, 3, 3, 4, 4, 5)
    one, other = mann_whitney(x, y), mann_whitney(y, x)
    assert (one.p_value, one.p_value_doubled) == (other.p_value, other.p_value_doubled)
    assert one.u + other.u == 24
    assert one.rank_biserial == -other.rank_biserial


def test_the_work_limit_and_what_comes_after():
    x, y = ramp(300), ramp(300, 1)
    found = mann_whitney(x, y)
    assert (found.exact, found.method) == (False, rank_sum.ASYMPTOTIC)
    assert found.warnings == ()
    with pytest.raises(StatisticsInputError) as caught:
        mann_whitney(x, y, "exact")
    assert (caught.value.pointer, caught.value.code) == ("/method", "too_much_work")
    assert mann_whitney(ramp(100), ramp(300, 1)).exact


def test_a_poor_approximation_is_said():
    found = mann_whitney(ramp(3), ramp(100_000, 1))
    assert not found.exact
    assert codes(found) == ["approximation_poor"]


def test_a_million_patients_cost_their_distinct_values():
    x = Tally.from_counts(dict.fromkeys(range(100), 5000))
    y = Tally.from_counts({k: 5_000 + k for k in range(100)})
    found = mann_whitney(x, y)
    assert (found.n_x, found.n_y, found.exact) == (500_000, 504_950, False)
    assert 0 < found.p_value < 1
    shift = hodges_lehmann(x, y)
    assert shift.low <= shift.estimate <= shift.high


def test_work_is_told_before_it_is_done():
    ones = np.ones(40, dtype=np.int64)
    assert exact_work(ones, 1) == 40
    assert 0 < exact_work(ones, 14) < 1e7
    assert exact_work(np.ones(1_200, dtype=np.int64), 600) == np.inf
    assert untied_work(10**6, 10**6) == np.inf
    assert untied_work(100, 100) < rank_sum.WORK_LIMIT < untied_work(300, 300)


def test_ties_that_would_overflow_are_asymptotic():
    found = mann_whitney(Tally.from_counts({0: 900, 1: 900}), Tally.from_counts({0: 900, 1: 800}))
    assert not found.exact


def test_pooled_counts():
    pooled = Pooled.of(tally(1, 1, 3), tally(1, 2))
    assert pooled.blocks.tolist() == [3, 1, 1]
    assert pooled.doubled_u() == 2 * (0.5 + 0.5 + 2)


@pytest.mark.parametrize("zeros", ["wilcox", "pratt"])
def test_no_pairs_and_no_change(zeros):
    nothing = signed_rank(Tally.empty(), zeros)
    assert (nothing.p_value, nothing.statistic, nothing.w_plus, nothing.w_minus) == NONE
    assert codes(nothing) == ["no_pairs"]
    flat = signed_rank(tally(0, 0, 0), zeros)
    assert (flat.p_value, flat.w_plus, flat.w_minus, flat.n, flat.n_zero) == (1.0, 0.0, 0.0, 0, 3)
    assert codes(flat) == ["all_differences_zero"]


def test_one_pair():
    assert signed_rank(tally(2.5)).p_value == 1.0
    assert signed_rank(tally(-2.5)).w_minus == 1.0


def test_pratt_ranks_the_zeros():
    found = signed_rank(tally(0, 0, 1, -2, 3), "pratt")
    assert (found.w_plus, found.w_minus, found.n, found.n_zero) == (8.0, 4.0, 3, 2)
    assert "Pratt" in found.method
    assert signed_rank(tally(0, 0, 1, -2, 3)).w_plus == 4.0


def test_signed_rank_limit():
    d = Tally.from_counts({k if k % 3 else -k: 1 for k in range(1, signed.MOST_EXACT + 1)})
    assert signed_rank(d).exact
    longer = d + tally(5_000)
    found = signed_rank(longer)
    assert (found.exact, "normal approximation" in found.method) == (False, True)
    with pytest.raises(StatisticsInputError, match="up to 1000 differences"):
        signed_rank(longer, method="exact")
    assert found.p_value == pytest.approx(signed_rank(d).p_value, abs=0.01)


def test_zeros_do_not_count_towards_the_limit():
    assert signed_rank(Tally.from_counts({0: 10**6, 1: 3, -2: 1})).exact


def test_shift_of_nothing():
    for found in (hodges_lehmann(Tally.empty(), tally(1)), pseudo_median(tally(0, 0)), pseudo_median(Tally.empty())):
        assert (found.estimate, found.low, found.high, found.confidence) == NONE


def test_shift_of_few_has_the_widest_limits_there_are():
    found = hodges_lehmann(tally(3, 5), tally(1))
    assert (found.estimate, found.low, found.high) == (3.0, 2.0, 4.0)
    assert found.confidence == pytest.approx(1 / 3)
    assert pseudo_median(tally(2.5)).confidence == 0.0


def test_shift_keeps_the_digits():
    found = hodges_lehmann(tally(0.3), tally(0.1))
    assert found.estimate == 0.2  # 0.3 - 0.1 in doubles is 0.19999999999999998


def test_asymptotic_limits_come_near_the_exact_ones():
    x, y = ramp(60), ramp(80, 21)
    exact, near = hodges_lehmann(x, y, "exact"), hodges_lehmann(x, y, "asymptotic")
    assert near.estimate == exact.estimate
    assert (near.low, near.high) == pytest.approx((exact.low, exact.high), abs=2)
    assert near.confidence == pytest.approx(0.95, abs=2e-3)
    d = Tally.from_counts({3 * k - 40: 1 for k in range(70)})
    exact, near = pseudo_median(d, "exact"), pseudo_median(d, "asymptotic")
    assert (near.low, near.high) == pytest.approx((exact.low, exact.high), abs=2)


@pytest.mark.parametrize(
    ("x", "y"), [({0: 510, 1: 2}, {0: 585, 1: 3}), ({0: 379, 1: 1}, {0: 1_420}), ({0: 200}, {0: 900})]
)
def test_one_block_of_many_equal_values(x, y):
    """Its binomials pass a double; with two values the test is Fisher's on the counts."""
    found = mann_whitney(Tally.from_counts(x), Tally.from_counts(y))
    assert found.exact
    table = [[x[0], x.get(1, 0)], [y[0], y.get(1, 0)]]
    assert found.p_value == pytest.approx(fisher_exact(table).p_value or 1.0, rel=1e-9)


def test_what_would_not_fit_into_memory_is_not_exact():
    x, y = Tally.from_counts({0: 659, 1: 1}), Tally.from_counts({0: 9_340})
    assert exact_work(Pooled.of(x, y).blocks, 660) == float("inf")
    assert not mann_whitney(x, y).exact
    with pytest.raises(StatisticsInputError, match="counts"):
        mann_whitney(x, y, "exact")


def test_ranked_zeros_count_for_the_work_of_signed_ranks():
    few = dict.fromkeys(range(1, 301), 1)
    assert signed_rank(Tally.from_counts(few | {0: 1_000}), "pratt").exact
    many = Tally.from_counts(few | {0: 1_000_000})
    assert not signed_rank(many, "pratt").exact
    assert signed_rank(many, "wilcox").exact
    with pytest.raises(StatisticsInputError, match="zeros that are ranked"):
        signed_rank(many, "pratt", "exact")
