"""What holds for any amount in any unit, and for anything at all that is sent."""

from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clinical.arithmetic import exact, significant
from app.clinical.quantities import LabMeasurement, Quantities
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import Rulebook, load_rule_file
from app.clinical.rulebook.loader import BUILT_IN

SETS = ("quantities", "body-measures")
Q = Quantities(Rulebook(load_rule_file(BUILT_IN / f"{name}.toml") for name in SETS))
ANALYTES = tuple(Q.analytes.values())
PAIRS = tuple((a, u) for a in ANALYTES for u in a.units.values())
SPELLINGS = tuple((a, s, code) for a in ANALYTES for s, code in a.spellings().items())
TWELVE_DIGITS = st.decimals(min_value="0.00001", max_value="99999.9", allow_nan=False, places=7)


@st.composite
def amounts(draw):
    """Return an analyte and a plausible amount of it, in its canonical unit."""
    analyte = draw(st.sampled_from(ANALYTES))
    span = analyte.rule.plausible
    amount = draw(st.decimals(span.low, span.high, allow_nan=False, places=3))
    return analyte, amount


def clinical(value):
    """Round to 12 digits: an amount that another unit writes with 15 digits comes back with 13 or 14 of them."""
    return Context(prec=12).plus(value)


@given(st.sampled_from(PAIRS), TWELVE_DIGITS)
def test_there_and_back_gives_the_same_number(pair, amount):
    _, unit = pair
    assert clinical(unit.to_canonical(float(unit.from_canonical(amount)))) == clinical(amount)


@given(st.sampled_from(PAIRS), st.integers(1, 10_000_000))
def test_a_conversion_that_ends_is_exact(pair, count):
    """Where the factor leaves a finite decimal, not the last digit is lost."""
    _, unit = pair
    sent = Decimal(count) * unit.divide  # so that dividing leaves a whole number
    assert unit.to_canonical(sent) == significant(Decimal(count) * unit.multiply)


@given(amounts())
def test_the_same_amount_is_the_same_number_in_every_unit(analyte_and_amount):
    analyte, amount = analyte_and_amount
    sent = ((float(unit.from_canonical(amount)), code) for code, unit in analyte.units.items())
    labs = [LabMeasurement(analyte=analyte.slug, value=value, unit=code) for value, code in sent]
    assert {clinical(Q.measure(one, "", override_plausibility=True).value) for one in labs} == {amount}


@given(st.sampled_from(SPELLINGS), st.sampled_from(["", " ", "  "]))
def test_every_listed_spelling_resolves_with_and_without_spaces(listed, space):
    analyte, spelling, code = listed
    assert analyte.find_unit(spelling).code == code
    assert analyte.find_unit(space.join(spelling)).code == code


@given(st.sampled_from(SPELLINGS), st.data())
def test_no_change_of_a_meaningful_letter_changes_a_unit_into_another(listed, data):
    """Whatever the case of the letters, a spelling means its own unit or none: never another one."""
    analyte, spelling, code = listed
    shuffled = "".join(data.draw(st.sampled_from([c.lower(), c.upper()])) for c in spelling)
    found = analyte.find_unit(shuffled)
    assert found is None or found.code == code


@given(st.lists(st.sampled_from(ANALYTES), unique_by=lambda a: a.slug, min_size=1, max_size=6), st.randoms())
def test_the_order_of_results_does_not_matter(analytes, random):
    labs = [LabMeasurement(analyte=a.slug, value=float(a.rule.usual.high), unit=a.rule.canonical) for a in analytes]
    shuffled = random.sample(labs, len(labs))
    assert Q.measure_all(labs) == Q.measure_all(shuffled)


def codes(sent, *, override):
    try:
        return {c.code for c in Q.measure(sent, "/x", override_plausibility=override).cautions}, set()
    except RefusedInputError as refusal:
        return set(), {e.code for e in refusal.errors}


@given(st.sampled_from(PAIRS), st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_is_answered_or_refused_and_the_override_moves_one_tier_only(pair, value):
    analyte, unit = pair
    sent = LabMeasurement(analyte=analyte.slug, value=value, unit=unit.code)
    cautions, errors = codes(sent, override=False)
    overridden, still = codes(sent, override=True)
    assert errors <= {"out_of_range", "implausible"}
    assert ("out_of_range" in errors) == ("out_of_range" in still)
    assert ("implausible" in errors) == ("implausible_value_used" in overridden)
    assert errors or cautions == overridden


@given(st.text(max_size=100), st.text(max_size=40))
def test_any_text_for_analyte_or_unit_is_refused_and_never_repeated(name, unit):
    with pytest.raises(RefusedInputError) as unknown_analyte:
        Q.analyte(f"{name}\N{SNOWMAN}", "/a")
    with pytest.raises(RefusedInputError) as unknown_unit:
        Q.unit(ANALYTES[0], f"{unit}\N{SNOWMAN}", "/u")
    for error in unknown_analyte.value.errors + unknown_unit.value.errors:
        assert "\N{SNOWMAN}" not in error.message + "".join(error.allowed)


@given(st.sampled_from(PAIRS), st.floats(min_value=1e-9, max_value=1e9), st.floats(min_value=1e-9, max_value=1e9))
def test_a_limit_is_converted_as_the_value_is(pair, value, limit):
    analyte, unit = pair
    sent = LabMeasurement(analyte=analyte.slug, value=value, unit=unit.code, upper_limit=limit)
    try:
        measured = Q.measure(sent, "", override_plausibility=True)
    except RefusedInputError:
        return
    assert measured.upper_limit == unit.to_canonical(limit)
    assert measured.is_above_upper_limit == (measured.value > unit.to_canonical(limit))


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(PAIRS))
def test_conversion_holds_no_binary_noise(value, pair):
    _, unit = pair
    converted = unit.to_canonical(value)
    assert len(converted.as_tuple().digits) <= 15
    expected = exact(value) * unit.multiply / unit.divide
    assert abs(converted - expected) <= abs(expected) * Decimal("1e-14")
