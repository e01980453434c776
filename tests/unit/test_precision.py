from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clinical.rulebook.model import Threshold
from app.cohorts.precision import DIGITS, at_precision, closed, factor_of, scaled
from app.cohorts.records import PatientRecord


@pytest.mark.parametrize(
    ("value", "factor", "expected"),
    [
        (0.285, 100, 29),
        (1.005, 100, 101),
        (2.675, 100, 268),
        (0.5, 1, 1),
        (1.5, 1, 2),
        (2.5, 1, 3),
        (-2.5, 1, -3),
        (-13.25, 10, -133),
        (8.25, 10, 83),
        (0.04999, 10, 0),
        (1e15, 10, 10**16),
        (0.0, 100, 0),
        (-5.003915897451763e16, 100, -5003915897451763000),
        (1.7976931348623157e308, 100_000, 17976931348623157 * 10**297),
    ],
)
def test_half_up_of_the_number_as_written(value, factor, expected):
    assert scaled(value, factor) == expected


@given(st.floats(-1e12, 1e12), st.sampled_from((1, 10, 100, 1000, 10_000)))
def test_equals_the_exact_way(value, factor):
    exact = (Decimal(repr(value)) * factor).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    assert scaled(value, factor) == int(exact)


@given(st.floats(-1e9, 1e9), st.sampled_from((1, 10, 100, 1000)))
def test_rounding_is_idempotent(value, factor):
    once = at_precision(value, factor)
    assert at_precision(once, factor) == once


@given(st.integers(-(10**9), 10**9), st.integers(0, 4))
def test_what_is_at_precision_stays(number, digits):
    value = float(Decimal(number).scaleb(-digits))
    assert at_precision(value, 10**digits) == value


@pytest.mark.parametrize("value", [2.0**53, 2.0**53 + 2, 1e26, 1e30, 1.7e306, 1.7976931348623157e308])
def test_a_number_beyond_all_decimals_stays(value):
    assert at_precision(value, 100) == value
    assert at_precision(-value, 100) == -value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_can_be_brought_to_precision(value):
    assert abs(at_precision(value, 100) - value) <= 0.0051 + abs(value) * 1e-15


def _floats(model, found):
    for name, field in model.model_fields.items():
        kinds = str(field.annotation)
        if "float" in kinds and "dict" not in kinds:
            found.add(name)


def test_every_number_of_a_record_has_its_digits():
    found = set()
    pending, seen = [PatientRecord], set()
    while pending:
        model = pending.pop()
        if model in seen:
            continue
        seen.add(model)
        _floats(model, found)
        pending += [m for f in model.model_fields.values() for m in _models(f.annotation)]
    by_analyte_and_unit = {"value", "lower_limit", "upper_limit"}
    assert found - by_analyte_and_unit == set(DIGITS)


def _models(annotation):
    if hasattr(annotation, "model_fields"):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)


def test_factor():
    assert factor_of("lvef_percent") == 10
    assert factor_of("mg_kg_day") == 100


@pytest.mark.parametrize(
    ("operator", "holds", "fails"),
    [("<", 37.999999, 38.0), ("<=", 38.0, 38.000001), (">", 38.000001, 38.0), (">=", 38.0, 37.9)],
)
def test_a_closed_bound_compares_as_its_threshold(operator, holds, fails):
    threshold = Threshold(id="t", source="s", operator=operator, value=Decimal(38), unit="Cel")
    bound = closed(threshold)
    plain = (lambda v: v <= bound) if "<" in operator else (lambda v: v >= bound)
    assert plain(holds)
    assert threshold.is_met(holds)
    assert not plain(fails)
    assert not threshold.is_met(fails)


@pytest.mark.parametrize("value", [1e27, 1e28, 7.5e288, 1.7976931348623157e308, -1.7976931348623157e308])
def test_the_largest_numbers_are_rounded_like_any_other(value):
    assert scaled(value, 100) == int(Decimal(repr(value)) * 100)
    assert at_precision(value, 100) == value
