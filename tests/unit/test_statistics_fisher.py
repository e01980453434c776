"""Fisher's exact test at its edges, and by which way it goes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from app.statistics import fisher_larger
from app.statistics.contingency import CHI_SQUARE, pearson_chi_square, table_of
from app.statistics.errors import StatisticsInputError
from app.statistics.fisher import FREEMAN_HALTON, PAST_LIMIT, SAMPLED, TWO_BY_TWO, fisher_exact
from app.statistics.fisher_two_by_two import odds_ratio, p_value


def codes(found):
    return [note.code for note in found.warnings]


def test_two_by_two_says_all():
    found = fisher_exact([[3, 11], [20, 12]])
    assert (found.method, found.exact, found.n) == (TWO_BY_TWO, True, 46)
    assert (found.row_totals, found.column_totals) == ([14, 32], [23, 23])
    assert found.statistic == found.odds_ratio.estimate
    assert found.odds_ratio.low < found.odds_ratio.estimate < found.odds_ratio.high
    assert found.pearson_chi_square is None
    assert codes(found) == []


@pytest.mark.parametrize(
    ("table", "estimate", "low", "high", "expected"),
    [
        ([[0, 5], [0, 7]], 0, 0, None, ["empty_margin", "odds_ratio_undetermined"]),
        ([[0, 0], [3, 4]], 0, 0, None, ["empty_margin", "odds_ratio_undetermined"]),
        ([[5, 0], [0, 0]], 0, 0, None, ["empty_margin", "odds_ratio_undetermined"]),
        ([[1, 0], [0, 0]], 0, 0, None, ["empty_margin", "odds_ratio_undetermined"]),
        ([[1, 0], [0, 1]], None, 0.0256410256410256, None, ["odds_ratio_infinite"]),
        ([[0, 1], [1, 0]], 0, 0, 39.0, []),
    ],
)
def test_margins_of_zero_and_infinite_odds(table, estimate, low, high, expected):
    found = fisher_exact(table)
    assert found.p_value == 1.0
    assert found.odds_ratio.estimate == estimate
    assert found.odds_ratio.low == pytest.approx(low)
    assert found.odds_ratio.high == (None if high is None else pytest.approx(high))
    assert codes(found) == expected


@pytest.mark.parametrize("table", [[[0, 0], [0, 0]], [[0, 0, 0], [0, 0, 0]]])
def test_a_table_of_nothing(table):
    found = fisher_exact(table)
    assert (found.p_value, found.statistic, found.n) == (None, None, 0)
    assert codes(found) == ["table_empty"]
    assert "no counts" in found.reason


@pytest.mark.parametrize("table", [[[5, 1, 2], [0, 0, 0]], [[5, 0], [3, 0], [1, 0]]])
def test_a_single_line_that_is_not_empty(table):
    found = fisher_exact(table)
    assert (found.p_value, found.method, codes(found)) == (1.0, FREEMAN_HALTON, ["empty_margin"])
    assert found.pearson_chi_square.degrees_of_freedom == 0
    assert found.pearson_chi_square.p_value is None
    assert found.reason is None


def test_empty_lines_change_nothing():
    plain = fisher_exact([[2, 12], [6, 19], [7, 2]])
    padded = fisher_exact([[2, 0, 12], [0, 0, 0], [6, 0, 19], [7, 0, 2]])
    assert padded.p_value == plain.p_value
    assert padded.pearson_chi_square == plain.pearson_chi_square
    two = fisher_exact([[3, 11], [20, 12], [0, 0]])
    assert two.p_value == fisher_exact([[3, 11], [20, 12]]).p_value
    assert two.odds_ratio is None


def test_any_order_of_lines_and_sides_gives_the_same():
    table = np.array([[1, 3, 10, 6], [2, 3, 10, 7], [1, 6, 14, 12]])
    right = fisher_exact(table.tolist()).p_value
    for other in (table.T, table[::-1], table[:, ::-1], table[[2, 0, 1]][:, [3, 1, 0, 2]]):
        assert fisher_exact(other.tolist()).p_value == pytest.approx(right, rel=1e-12)


def test_a_table_past_the_limit_is_chi_square_and_says_so():
    """What stopped R with error 501, and other libraries silently answered with .546: N = 124,600."""
    table = (70 * np.array([[200, 300, 400], [150, 320, 410]])).tolist()
    found = fisher_exact(table)
    assert (found.method, found.exact) == (PAST_LIMIT, False)
    assert found.p_value == found.pearson_chi_square.p_value
    assert found.statistic == found.pearson_chi_square.statistic
    assert found.p_value == pytest.approx(1.4e-117, rel=0.05)
    larger = fisher_exact((100 * np.array([[200, 300, 400], [150, 320, 410]])).tolist())
    assert larger.p_value == pytest.approx(1e-167, rel=1)
    with pytest.raises(StatisticsInputError) as caught:
        fisher_exact(table, "exact")
    assert (caught.value.pointer, caught.value.code) == ("/method", "too_much_work")


@pytest.mark.parametrize("table", [[[9] * 50] * 50, [[0, 1] * 25] * 50, [[10**8, 1, 1], [1, 10**8, 1]]])
def test_absurd_tables_are_answered_at_once(table):
    assert fisher_exact(table).method == PAST_LIMIT


def test_chi_square_on_request_with_its_warning():
    found = fisher_exact([[1, 13], [5, 20], [3, 6]], "chi_square")
    assert (found.method, found.exact, codes(found)) == (CHI_SQUARE, False, ["approximation_poor"])
    assert found.p_value == pytest.approx(0.2836, abs=5e-5)
    assert fisher_exact([[30, 30], [30, 40]], "chi_square").warnings == ()
    assert codes(fisher_exact([[3, 0], [4, 0]], "chi_square")) == ["empty_margin"]


def test_monte_carlo_only_on_request_and_labelled():
    found = fisher_exact([[2, 12], [6, 19], [7, 2]], "monte_carlo", replicates=5_000, seed=3)
    assert (found.method, found.exact) == (SAMPLED, False)
    assert (found.monte_carlo.replicates, found.monte_carlo.seed) == (5_000, 3)
    assert fisher_exact([[13, 11, 0], [0, 0, 42]], "monte_carlo", replicates=1_000).p_value == pytest.approx(1 / 1_001)


def test_monte_carlo_of_one_table_alone_and_of_too_much():
    """A single column has one table; what would take minutes is refused."""
    found = fisher_exact([[999_999_998, 0], [1, 0]], "monte_carlo", replicates=1_000)
    assert (found.p_value, found.monte_carlo.standard_error) == (1.0, 0.0)
    assert fisher_exact([[600_000_000, 399_999_998], [1, 1]], "monte_carlo", replicates=1_000).p_value > 0.5
    with pytest.raises(StatisticsInputError) as refused:
        fisher_exact([[1] * 50] * 50, "monte_carlo", replicates=1_000_000)
    assert (refused.value.pointer, refused.value.code) == ("/replicates", "too_much_work")


def test_monte_carlo_in_several_pieces_is_one_run_of_the_generator():
    found = fisher_exact([[3, 1], [1, 3]], "monte_carlo", replicates=250_000, seed=7)
    assert found.p_value == pytest.approx(0.4857, abs=0.004)
    assert found == fisher_exact([[3, 1], [1, 3]], "monte_carlo", replicates=250_000, seed=7)


def test_vanishing_p_is_said_not_to_be_zero():
    for table in ([[10**6, 10], [10, 10**6]], [[700, 0, 0], [0, 700, 0], [0, 0, 700]]):
        found = fisher_exact(table)
        assert found.p_value == 0
        assert "p_value_underflow" in codes(found)


@pytest.mark.parametrize("moved", [5_000, 10_000, 12_000])
def test_a_p_that_no_double_holds_is_0_with_its_warning(moved):
    """6e-350 for the second of them: many tables at the end of what a double holds add up to nothing."""
    middle = 250_000
    found = fisher_exact([[middle - moved, middle + moved], [middle + moved, middle - moved]])
    assert (found.p_value == 0) == (moved >= 10_000)
    assert ("p_value_underflow" in codes(found)) == (moved >= 10_000)


@pytest.mark.parametrize("n", [500, 510, 518, 530, 535, 540])
def test_a_p_that_a_double_holds_is_told_to_its_end(n):
    """2 n! n! / (2n)!, from 7e-300 to the smallest double."""
    expected = float(Fraction(2, math.comb(2 * n, n)))
    assert 0 < expected < 1e-299
    found = fisher_exact([[n, 0], [0, n]])
    assert found.p_value == pytest.approx(expected, rel=1e-13, abs=5e-324)
    assert "p_value_underflow" not in codes(found)


def test_small_p_far_out_keep_their_digits():
    """(50! 50! / 100!) x 2: the two corner tables."""
    assert p_value(np.array([[50, 0], [0, 50]])) == pytest.approx(1.9823306042836678e-29, rel=1e-13)
    assert fisher_exact([[13, 11, 0], [0, 0, 42]]).p_value == pytest.approx(1.6014364010853e-18, rel=1e-13)


def test_limits_hold_their_promise():
    """At each limit the tail that it is made of has 2.5%."""
    scipy_stats = pytest.importorskip("scipy.stats")
    table = np.array([[7, 11], [3, 25]])
    limits, _ = odds_ratio(table)
    n, first, column = int(table.sum()), int(table[0].sum()), int(table[:, 0].sum())
    below = scipy_stats.nchypergeom_fisher(n, first, column, limits.low)
    above = scipy_stats.nchypergeom_fisher(n, first, column, limits.high)
    at = scipy_stats.nchypergeom_fisher(n, first, column, limits.estimate)
    assert below.sf(6) == pytest.approx(0.025, rel=1e-9)
    assert above.cdf(7) == pytest.approx(0.025, rel=1e-9)
    assert at.mean() == pytest.approx(7, rel=1e-9)


@pytest.mark.parametrize(
    ("rows", "pointer", "code"),
    [
        ([[1, 2], [3]], "/table/1", "table_ragged"),
        ([[1, 2]], "/table", "table_too_small"),
        ([[1], [2]], "/table", "table_too_small"),
        ([[1, 2], [3, -4]], "/table/1/1", "not_a_count"),
        ([[1, 2.5], [3, 4]], "/table/0/1", "not_a_count"),
        ([[10**9, 2], [3, 4]], "/table", "table_too_large"),
    ],
)
def test_what_is_no_table(rows, pointer, code):
    with pytest.raises(StatisticsInputError) as caught:
        table_of(rows)
    assert (caught.value.pointer, caught.value.code) == (pointer, code)


def test_the_largest_two_by_two():
    found = fisher_exact([[249_990_000, 250_000_000], [250_010_000, 249_990_000]])
    assert 0 < found.p_value < 1
    assert found.odds_ratio.low < found.odds_ratio.estimate < found.odds_ratio.high
    assert found.p_value == pytest.approx(
        pearson_chi_square([[249_990_000, 250_000_000], [250_010_000, 249_990_000]]).p_value, rel=1e-3
    )


@pytest.mark.parametrize("table", [[[10**8, 3], [2, 10**8]], [[1, 999_999_990], [1, 1]], [[1, 10**8], [10**8, 1]]])
def test_extreme_odds_come_near_the_plain_ones(table):
    odds = fisher_exact(table).odds_ratio
    (a, b), (c, d) = table
    assert odds.low < odds.estimate < odds.high
    assert odds.low < a * d / (b * c) < odds.high


def test_work_is_bounded_by_what_the_halves_can_hold():
    assert fisher_larger.Layout.of(np.full((50, 50), 10**5)).work() == np.inf
    layout = fisher_larger.Layout.of(np.array([[2, 12], [6, 19], [7, 2]]))
    assert layout.work() >= 100
    assert sorted(layout.halves[0] + layout.halves[1]) == [0, 1, 2]
