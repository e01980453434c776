"""The law of tallies: counted in parts and merged is counted at once, and so is every statistic, bit for bit."""

from __future__ import annotations

import math
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.statistics.descriptive import summarize
from app.statistics.hodges_lehmann import hodges_lehmann, pseudo_median
from app.statistics.mann_whitney import mann_whitney
from app.statistics.scaling import scaled_within
from app.statistics.signed_rank import signed_rank
from app.statistics.tally import Tally

clinical = st.integers(-60, 60).map(lambda tenths: tenths / 10)
decimals = st.decimals(-(10**6), 10**6, places=4)
values = st.lists(clinical, max_size=24)


@st.composite
def split(draw, numbers=values):
    """Draw numbers and one way to deal them out to a few counters."""
    whole = draw(numbers)
    parts: list[list[object]] = [[] for _ in range(draw(st.integers(1, 5)))]
    for number in whole:
        parts[draw(st.integers(0, len(parts) - 1))].append(number)
    return whole, draw(st.permutations(parts))


def merged(parts):
    return Tally.merge(*(Tally.from_numbers(part) for part in parts))


@given(split(st.lists(decimals, max_size=30)))
def test_merge_of_a_split_is_the_whole(dealt):
    whole, parts = dealt
    tally = Tally.from_numbers(whole)
    assert merged(parts) == tally
    assert merged(parts).to_bytes() == tally.to_bytes()


@given(split(), split())
def test_every_statistic_of_a_merge_is_that_of_the_rows(first, second):
    (x, x_parts), (y, y_parts) = first, second
    whole = Tally.from_numbers(x), Tally.from_numbers(y)
    parts = merged(x_parts), merged(y_parts)
    for method in ("weibull", "linear"):
        assert summarize(parts[0], method) == summarize(whole[0], method)
    for method in ("auto", "asymptotic"):
        assert mann_whitney(*parts, method) == mann_whitney(*whole, method)
    for zeros in ("wilcox", "pratt"):
        assert signed_rank(parts[0], zeros) == signed_rank(whole[0], zeros)
    assert hodges_lehmann(*parts) == hodges_lehmann(*whole)
    assert pseudo_median(parts[0]) == pseudo_median(whole[0])


@given(values, st.integers(0, 6))
def test_finer_digits_change_no_statistic(numbers, more):
    tally = Tally.from_numbers(numbers)
    finer = tally.rescaled(tally.digits + more)
    assert finer.rescaled(tally.digits) == tally
    assert summarize(finer) == summarize(tally)
    assert signed_rank(finer) == signed_rank(tally)
    assert pseudo_median(finer) == pseudo_median(tally)


@given(split())
def test_what_was_added_can_be_taken_away(dealt):
    whole, parts = dealt
    rest = Tally.from_numbers(whole)
    for part in parts:
        rest = rest.minus(Tally.from_numbers(part))
    assert rest == Tally.empty(rest.digits)


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-6), max_size=30))
def test_bytes_and_numbers_come_back(numbers):
    try:
        tally = Tally.from_numbers(numbers)
    except ValueError:
        return
    assert Tally.from_bytes(tally.to_bytes(), tally.digits) == tally
    assert (
        Tally.from_numbers([n for n, c in zip(tally.numbers(), tally.counts, strict=True) for _ in range(c)]) == tally
    )
    assert sorted(set(numbers)) == tally.as_floats().tolist()


@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=20))
def test_rounding_keeps_the_order_of_any_doubles(numbers):
    try:
        units, digits, rounded = scaled_within(numbers)
    except ValueError:
        return
    assert [sorted(numbers).index(x) for x in numbers] == [sorted(units.tolist()).index(u) for u in units.tolist()]
    if not rounded:
        assert [Decimal(u).scaleb(-digits) for u in units.tolist()] == [Decimal(repr(x)) for x in numbers]


@given(values, values, st.integers(-50, 50), st.integers(1, 9))
def test_ranks_know_no_unit(x, y, shift, factor):
    """Adding a constant and multiplying by one changes no rank, and so no p."""

    def moved(numbers):
        return Tally.from_numbers([Decimal(str(number)) * factor + shift for number in numbers])

    plain = mann_whitney(Tally.from_numbers(x), Tally.from_numbers(y))
    assert mann_whitney(moved(x), moved(y)) == plain


@given(values, values)
def test_p_values_are_probabilities_and_mirror(x, y):
    one = mann_whitney(Tally.from_numbers(x), Tally.from_numbers(y))
    other = mann_whitney(Tally.from_numbers(y), Tally.from_numbers(x))
    assert (one.p_value is None) == (not x or not y)
    if one.p_value is not None:
        assert 0 < one.p_value <= 1
        assert 0 < one.p_value_doubled <= 1
        assert one.p_value == other.p_value
        assert one.u + other.u == len(x) * len(y)
        shift = hodges_lehmann(Tally.from_numbers(x), Tally.from_numbers(y))
        assert shift.low <= shift.estimate <= shift.high
        mirror = hodges_lehmann(Tally.from_numbers(y), Tally.from_numbers(x))
        assert (shift.estimate, shift.low, shift.high) == (-mirror.estimate, -mirror.high, -mirror.low)


@given(values)
def test_signs_mirror(differences):
    one = signed_rank(Tally.from_numbers(differences))
    other = signed_rank(Tally.from_numbers([-d for d in differences]))
    assert (one.p_value, one.w_plus, one.w_minus) == (other.p_value, other.w_minus, other.w_plus)
    if one.p_value is not None:
        assert 0 < one.p_value <= 1
        assert one.w_plus + one.w_minus == one.n * (one.n + 1) / 2


@given(values)
def test_quartiles_are_in_order_and_never_nan(numbers):
    found = summarize(Tally.from_numbers(numbers))
    if not numbers:
        assert found.median is None
        return
    ordered = [found.minimum, found.q1, found.median, found.q3, found.maximum]
    assert ordered == sorted(ordered)
    assert not any(map(math.isnan, ordered))
