"""The tally, and how numbers become integers."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from app.statistics.errors import StatisticsInputError
from app.statistics.scaling import scaled, scaled_within
from app.statistics.tally import Tally


def test_it_counts_decimals_and_leaves_out_what_is_missing():
    tally = Tally.from_numbers([0.1, 2, None, 0.10, Decimal("-1.50")])
    assert tally.values.tolist() == [-15, 1, 20]
    assert tally.counts.tolist() == [1, 2, 1]
    assert (tally.digits, tally.n) == (1, 4)
    assert tally.numbers() == (Decimal("-1.5"), Decimal("0.1"), Decimal("2.0"))
    assert tally.as_floats().tolist() == [-1.5, 0.1, 2.0]


def test_a_float_is_its_shortest_decimal_text():
    differences = [Decimal(str(a)) - Decimal(str(b)) for a, b in ((0.3, 0.2), (0.2, 0.1))]
    assert Tally.from_numbers(differences).values.size == 1
    assert Tally.from_numbers([0.1 + 0.2]).numbers() == (Decimal("0.30000000000000004"),)


@pytest.mark.parametrize(
    ("numbers", "units", "digits"),
    [
        ([], [], 0),
        ([0, -0.0], [0, 0], 0),
        ([1e-5, 100], [1, 10_000_000], 5),
        ([1e17], [10**17], 0),
        ([Decimal("1E2"), 7], [100, 7], 0),
        ([2**53 + 1], [2**53 + 1], 0),
        ([123456789.123456789], [12345678912345679], 8),
        ([-1.25, 1e-16], [-12_500_000_000_000_000, 1], 16),
    ],
)
def test_scaling(numbers, units, digits):
    found, places = scaled(numbers)
    assert (found.tolist(), places) == (units, digits)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (float("nan"), "not_finite"),
        (float("-inf"), "not_finite"),
        (Decimal("sNaN"), "not_finite"),
        (1e300, "span_too_wide"),
        (10**18, "span_too_wide"),
        (10**400, "span_too_wide"),
        (1e-300, "span_too_wide"),
        (Decimal("0.12345678901234567890123"), "span_too_wide"),
    ],
)
def test_what_does_not_fit_is_refused_without_its_value(number, code):
    with pytest.raises(StatisticsInputError) as caught:
        Tally.from_numbers([1, number])
    assert caught.value.code == code
    assert isinstance(caught.value, ValueError)
    assert "300" not in str(caught.value)


def test_given_digits_are_kept_and_never_exceeded():
    assert Tally.from_numbers([1.5, 2], 3).values.tolist() == [1500, 2000]
    assert Tally.from_numbers([1.0], 0).values.tolist() == [1]
    with pytest.raises(StatisticsInputError, match="at most 1 decimal"):
        Tally.from_numbers([1.25], 1)
    with pytest.raises(StatisticsInputError, match="at most 1 decimal"):
        Tally.from_numbers([Decimal("1.25")], 1)


def test_rounding_within_says_so_and_makes_no_ties():
    units, digits, rounded = scaled_within([3.5, 1e-20])
    assert (units.tolist(), digits, rounded) == ([35 * 10**16, 0], 17, True)
    with pytest.raises(StatisticsInputError, match="span too much"):
        scaled_within([0.25, 5.5e-18, 6.5e-18])  # both would be 6e-18
    with pytest.raises(StatisticsInputError, match="span too much"):
        scaled_within([1e20])
    assert scaled_within([1.5, 2.25])[1:] == (2, False)


def test_halves_are_rounded_to_even():
    units, digits, _ = scaled_within([0.5, 1.5e-18, 3.5e-18, -2.5e-18])
    assert digits == 18
    assert units.tolist() == [5 * 10**17, 2, 4, -2]


@pytest.mark.parametrize(
    ("values", "counts", "digits"),
    [
        ([2, 1], [1, 1], 0),
        ([1, 1], [1, 1], 0),
        ([1], [0], 0),
        ([1], [-1], 0),
        ([1, 2], [1], 0),
        ([1], [1], -1),
        ([1], [1], 19),
    ],
)
def test_what_is_no_tally_cannot_be_made(values, counts, digits):
    with pytest.raises(ValueError, match="A tally has"):
        Tally(np.array(values), np.array(counts), digits)


def test_it_cannot_be_changed():
    tally = Tally.from_numbers([1, 2])
    with pytest.raises(ValueError, match="read-only"):
        tally.values[0] = 5
    source = np.array([1, 2])
    Tally(source, np.array([1, 1]))
    source[0] = 0  # a caller's own array stays its own


def test_merge_takes_the_finer_digits():
    merged = Tally.from_numbers([1.5]) + Tally.from_numbers([1.50, 1.25, 3])
    assert merged == Tally.from_numbers([1.5, 1.5, 1.25, 3])
    assert merged.digits == 2
    assert Tally.merge() == Tally.empty()
    assert Tally.merge(Tally.empty(3)) == Tally.empty(3)


def test_minus():
    whole, part = Tally.from_numbers([1, 1, 2]), Tally.from_numbers([1.0, 2])
    assert whole.minus(part) == Tally.from_numbers([1])
    assert whole.minus(whole) == Tally.empty()
    with pytest.raises(ValueError, match="positive counts"):
        part.minus(whole)


def test_rescaled():
    tally = Tally.from_numbers([1.5, 2], 2)
    assert tally.rescaled(1) == Tally.from_numbers([1.5, 2])
    assert tally.rescaled(4).values.tolist() == [15000, 20000]
    with pytest.raises(StatisticsInputError, match="at most 0 decimal"):
        tally.rescaled(0)
    with pytest.raises(StatisticsInputError, match="18 digits"):
        tally.rescaled(18)
    assert Tally.empty().rescaled(18) == Tally.empty(18)


def test_from_counts():
    assert Tally.from_counts({15: 2, -1: 1, 7: 0}, 1) == Tally.from_numbers([1.5, 1.5, -0.1])
    with pytest.raises(StatisticsInputError, match="18 digits"):
        Tally.from_counts({10**18: 1})
    with pytest.raises(ValueError, match="positive counts"):
        Tally.from_counts({1: -1})


def test_equality_knows_digits_and_hashes():
    assert Tally.from_numbers([1]) != Tally.from_numbers([1], 1)
    assert Tally.from_numbers([1]) != "1"
    assert len({Tally.from_numbers([1, 2]), Tally.from_numbers([2, 1]), Tally.empty()}) == 2


def test_bytes_are_little_endian_pairs():
    tally = Tally.from_counts({-1: 2, 256: 1})
    assert tally.to_bytes().hex() == "ff" * 8 + "02" + "00" * 7 + "0001" + "00" * 6 + "01" + "00" * 7
    assert Tally.from_bytes(tally.to_bytes()) == tally
    assert Tally.from_bytes(b"", 2) == Tally.empty(2)
    with pytest.raises(ValueError, match="buffer size"):
        Tally.from_bytes(b"12345")


def test_large_scaled_values_become_the_nearest_doubles():
    tally = Tally.from_numbers([0.1, 12345678901234.567])
    assert tally.as_floats().tolist() == [0.1, 12345678901234.567]
    assert Tally.from_numbers([0.30000000000000004, 0.1]).as_floats().tolist() == [0.1, 0.30000000000000004]
