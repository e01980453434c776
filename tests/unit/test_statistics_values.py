"""Median and quartiles, adjustment, and the normal distribution."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from app.statistics.adjustment import benjamini_hochberg, holm
from app.statistics.descriptive import median, quantile, summarize
from app.statistics.normal import normal_quantile, two_sided, upper_tail
from app.statistics.tally import Tally


def summary(values, method="weibull"):
    found = summarize(Tally.from_numbers(values), method)
    return found.minimum, found.q1, found.median, found.q3, found.maximum


@pytest.mark.parametrize(
    ("values", "weibull", "linear"),
    [
        ([], (None,) * 5, (None,) * 5),
        ([7], (7,) * 5, (7,) * 5),
        ([1, 2], (1, 1, 1.5, 2, 2), (1, 1.25, 1.5, 1.75, 2)),
        ([1, 2, 3], (1, 1, 2, 3, 3), (1, 1.5, 2, 2.5, 3)),
        ([1, 2, 3, 4], (1, 1.25, 2.5, 3.75, 4), (1, 1.75, 2.5, 3.25, 4)),
        ([5, 5, 5, 5, 5], (5,) * 5, (5,) * 5),
        ([-13.8, -21.0, -13.9, -15.7], (-21.0, -19.675, -14.8, -13.825, -13.8), None),
    ],
)
def test_quartiles(values, weibull, linear):
    assert summary(values) == weibull
    if linear is not None:
        assert summary(values, "linear") == linear


def test_quartiles_are_rounded_once():
    """0.1 and 0.2 weighted by a quarter: the sum of doubles would be 0.12500000000000003 or 0.125 by luck."""
    tally = Tally.from_numbers([0.1, 0.2, 0.3, 0.7])
    assert quantile(tally, Fraction(1, 4)) == Fraction(5, 4)
    assert summarize(tally).q1 == 0.125
    assert summarize(tally).q3 == 0.6


def test_median():
    assert median(Tally.from_numbers([3, 1, 2.5])) == 2.5
    assert median(Tally.empty()) is None


P = [0.01, None, 0.04, 0.03, 0.005, None]


def test_holm():
    """By hand: .005 x 4, .01 x 3, .03 x 2, .04 x 1, made to rise."""
    assert holm(P) == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06), pytest.approx(0.02), None]


def test_benjamini_hochberg():
    """By hand: .005 x 4/1, .01 x 4/2, .03 x 4/3, .04 x 4/4, made to fall from the end."""
    found = benjamini_hochberg(P)
    assert found == [pytest.approx(0.02), None, 0.04, 0.04, pytest.approx(0.02), None]


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_adjustment_of_nothing_of_one_and_of_ones(adjust):
    assert adjust([]) == []
    assert adjust([None, None]) == [None, None]
    assert adjust([0.2, None]) == [0.2, None]
    assert adjust([1.0, 0.9, 0.8]) == [1.0, 1.0, 1.0]
    assert adjust([0.0, 0.5]) == [0.0, 0.5]


def test_ties_in_p_stay_ties():
    assert holm([0.02, 0.02, 0.5]) == [pytest.approx(0.06)] * 2 + [0.5]


def test_normal():
    assert upper_tail(0) == 0.5
    assert upper_tail(1.959963984540054) == pytest.approx(0.025, rel=1e-14)
    assert upper_tail(35) == pytest.approx(1.1249e-268, rel=1e-4)
    assert normal_quantile(0.975) == pytest.approx(1.959963984540054, rel=1e-15)


def test_two_sided_with_its_correction():
    assert two_sided(0.5, 1) == 1.0
    assert two_sided(-0.25, 1) == 1.0
    assert two_sided(3, 0) == 1.0
    assert two_sided(-2.5, 1) == two_sided(2.5, 1) == pytest.approx(math.erfc(2 / math.sqrt(2)))
