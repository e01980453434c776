"""Weight and height against age: slips that must be caught, and ordinary children who must be left alone."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clinical.growth import BOTH, GrowthLimits
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import Rulebook, RulebookError, load_rule_file
from app.clinical.rulebook.loader import BUILT_IN

RULES = Rulebook([load_rule_file(BUILT_IN / "growth-limits.toml")])
GROWTH = GrowthLimits(RULES)
TABLE = Path(__file__).parents[1] / "spec" / "growth_slips.csv"
with TABLE.open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file))
TABLES = {g.id: g for g in RULES["growth-limits"].content.growth}
REFERENCE = [(g, row) for g in TABLES.values() for row in g.row if not (g.id.endswith("who") and row[0] == 24)]


def number(text):
    return float(text) if text else None


def child(row):
    return number(row["age_years"]), number(row["weight_kg"]), number(row["height_cm"]), row["sex"] or None


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r["what"])
def test_table_of_slips(row):
    _, refused, code = row["outcome"].rpartition("refused ")
    if refused:
        with pytest.raises(RefusedInputError) as caught:
            GROWTH.check(*child(row))
        assert [e.code for e in caught.value.errors] == [code]
        assert code in {c.code for c in GROWTH.check(*child(row), override=True)}
    else:
        assert [c.code for c in GROWTH.check(*child(row))] == ([code] if code else [])
        assert GROWTH.cautions(*child(row)) == GROWTH.check(*child(row))


def test_a_refusal_names_field_range_reason_and_override_but_not_the_value():
    with pytest.raises(RefusedInputError) as caught:
        GROWTH.check(8.5, 263.5, 1279.0, "male", pointer="/patient/weight_kg", height_pointer="/patient/height_cm")
    weight, height = caught.value.errors
    assert (weight.pointer, height.pointer) == ("/patient/weight_kg", "/patient/height_cm")
    assert "a tenth of it" in weight.message
    assert "weight_kg is taken from" in weight.message
    assert "millimetres" in height.message
    assert '"override_plausibility": true' in weight.message
    assert "263" not in weight.message
    assert "1279" not in height.message


def test_the_override_keeps_the_suspicion():
    codes = [c.code for c in GROWTH.check(8, 270, None, "male", override=True)]
    assert codes == ["weight_maybe_tenfold_high", "weight_implausible_for_age"]


@pytest.mark.parametrize(("age", "is_warned"), [(5.0, False), (5.5, True), (6.0, False)])
def test_a_whole_number_of_years_may_be_up_to_a_year_more(age, is_warned):
    """31 kg is too heavy for a girl of five and a half; one of five completed years may be nearly six."""
    assert bool(GROWTH.cautions(age, 31.0, None, "female")) == is_warned


@pytest.mark.parametrize(("sex", "is_warned"), [("male", True), ("female", False), (None, False)])
def test_without_the_sex_the_wider_limits_hold(sex, is_warned):
    assert bool(GROWTH.cautions(10.5, 60.3, None, sex)) == is_warned


@pytest.mark.parametrize(
    ("table", "row"), REFERENCE, ids=lambda v: getattr(v, "id", v[0] if isinstance(v, tuple) else "")
)
def test_the_median_and_both_centiles_of_every_row_are_ordinary(table, row):
    age, *centiles = (float(n) for n in row)
    years = age / 12 + 1e-9
    for value in centiles:
        weight, height = (value, None) if table.measure == "weight" else (None, value)
        assert GROWTH.check(years, weight, height, table.sex) == ()


@given(st.floats(0.01, 25), st.sampled_from(BOTH), st.floats(0.5, 400))
def test_who_knows_less_is_warned_no_sooner(age, sex, weight):
    """Not knowing the sex never adds a warning or a refusal of its own."""
    known = {sex: {c.code for c in GROWTH.check(age, weight, None, sex, override=True)} for sex in BOTH}
    unknown = {c.code for c in GROWTH.check(age, weight, None, None, override=True)}
    assert "weight_implausible_for_age" not in unknown or all("weight_implausible_for_age" in k for k in known.values())
    assert known[sex] or not unknown


@given(st.floats(-5, 130), st.floats(0, 1e6), st.one_of(st.none(), st.floats(0, 1e6)), st.sampled_from([None, *BOTH]))
def test_whatever_is_sent_is_answered_or_refused(age, weight, height, sex):
    try:
        cautions = GROWTH.check(age, weight, height, sex)
    except RefusedInputError as refusal:
        codes = {e.code for e in refusal.errors}
    else:
        codes = {c.code for c in cautions}
    assert all(code.startswith(("weight_", "height_")) for code in codes)


@given(st.sampled_from(BOTH), st.integers(2, 19), st.floats(1, 300), st.floats(1, 300))
def test_the_nearer_to_the_median_the_more_believable(sex, completed, one, other):
    age = completed + 0.5
    (point,) = GROWTH._points("weight", age, sex)
    near, far = sorted((one, other), key=lambda weight: abs(point.score(weight)))
    if (near > point.median) == (far > point.median):
        assert is_refused(age, far, sex) or not is_refused(age, near, sex)


def is_refused(age, weight, sex):
    return "weight_implausible_for_age" in {c.code for c in GROWTH.check(age, weight, None, sex, override=True)}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('measure = "height"\nsex = "male"', 'measure = "weight"\nsex = "male"', "no table of height for male"),
        ("[0, 2.459312, 3.3464, 4.419354]", "[0, 3.459312, 3.3464, 4.419354]", "must rise"),
        ("[1, 3.39089, 4.4709, 5.798331]", "[0, 3.39089, 4.4709, 5.798331]", "ages must rise"),
        ('source = "who-2006"\nz', 'source = "who-2007"\nz', "is not among the file's sources"),
        ('id = "weight_maybe_pounds"\nlabel', 'id = "weight_maybe_stones"\nlabel', "weight_maybe_pounds"),
    ],
)
def test_a_bad_rule_file_stops_the_start(tmp_path, old, new, reason):
    text = (BUILT_IN / "growth-limits.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "growth-limits.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(RulebookError, match=reason):
        GrowthLimits(Rulebook([load_rule_file(tmp_path / "growth-limits.toml")]))
