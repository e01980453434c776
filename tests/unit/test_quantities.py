"""Names, refusals and answers of laboratory values and other measurements."""

from dataclasses import asdict
from decimal import Decimal

import pytest
from pydantic import ValidationError

from app.clinical.quantities import LabMeasurement, Quantities
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import Rulebook, RulebookError, load_rule_file
from app.clinical.rulebook.loader import BUILT_IN

SETS = ("quantities", "body-measures")


def rulebook():
    return Rulebook(load_rule_file(BUILT_IN / f"{name}.toml") for name in SETS)


Q = Quantities(rulebook())


def lab(analyte, value, unit, lower=None, upper=None):
    return LabMeasurement(analyte=analyte, value=value, unit=unit, lower_limit=lower, upper_limit=upper)


def refused(call, *args, **kwargs):
    with pytest.raises(RefusedInputError) as caught:
        call(*args, **kwargs)
    return caught.value.errors


# Names


def test_a_loinc_code_names_the_same_analyte_as_the_slug():
    assert Q.analyte("loinc:1988-5", "/analyte") is Q.analyte("crp", "/analyte")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("loinc:1988-5", "loinc:30522-7"),
        ("loinc:48065-7", "loinc:48066-5"),
        ("loinc:30934-4", "loinc:33762-6"),
        ("loinc:10839-9", "loinc:6598-7"),
        ("loinc:89579-7", "loinc:67151-1"),
        ("calcium_total", "calcium_ionized"),
    ],
)
def test_assays_on_different_scales_are_different_analytes(one, other):
    assert Q.analyte(one, "").slug != Q.analyte(other, "").slug


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("d_dimer", ("d_dimer_feu", "d_dimer_ddu")),
        ("D-Dimer", ("d_dimer_feu", "d_dimer_ddu")),
        ("loinc:7799-0", ("d_dimer_feu", "d_dimer_ddu")),
        ("troponin", ("troponin_i", "troponin_t")),
        ("calcium", ("calcium_total", "calcium_corrected", "calcium_ionized")),
    ],
)
def test_a_name_that_may_mean_several_assays_is_refused_with_the_choices(name, choices):
    (error,) = refused(Q.analyte, name, "/labs/3/analyte")
    assert (error.pointer, error.code, error.allowed) == ("/labs/3/analyte", "analyte_ambiguous", choices)


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("hgb", "hemoglobin"),
        ("Platelet", "platelets"),
        ("ANC", "neutrophils"),
        ("nt-probnp", "nt_probnp"),
        ("crb", "crp"),
    ],
)
def test_an_unknown_name_is_refused_with_what_is_close(name, suggested):
    (error,) = refused(Q.analyte, name, "/analyte")
    assert error.code == "analyte_unknown"
    assert suggested in error.allowed
    assert "/v1/rules/quantities" in error.message


@pytest.mark.parametrize("name", ["loinc:9999-9", "zzzzzz", "", "CRP "])
def test_nothing_is_guessed(name):
    assert refused(Q.analyte, name, "/analyte")[0].code == "analyte_unknown"


def test_an_unknown_unit_is_refused_with_the_allowed_codes():
    (error,) = refused(Q.measure, lab("crp", 12.0, "mm/h"), "/labs/0")
    assert (error.pointer, error.code) == ("/labs/0/unit", "unit_unknown")
    assert error.allowed == ("mg/dL", "mg/L", "ug/mL")


# Results


def test_a_result_carries_its_conversion():
    measured = Q.measure(lab("crp", 154.0, "mg/L", upper=10.0), "/labs/0")
    assert (measured.value, measured.unit, measured.upper_limit) == (Decimal("15.4"), "mg/dL", Decimal(1))
    assert (measured.sent_value, measured.sent_unit) == (154.0, "mg/L")
    assert asdict(measured.conversion) == {
        "analyte": "crp",
        "from_value": 154.0,
        "from_unit": "mg/L",
        "to_value": 15.4,
        "to_unit": "mg/dL",
        "factor": 0.1,
        "text": "154 mg/L x 0.1 = 15.4 mg/dL",
    }


def test_a_factor_that_multiplies_and_divides_is_written_as_calculated():
    measured = Q.measure(lab("magnesium", 2.0, "mEq/L"), "")
    assert measured.conversion.text == "2 mEq/L x 2.4305 / 2 = 2.4305 mg/dL"


@pytest.mark.parametrize(
    ("unit", "text"),
    [("10*9/L", "8 x 10*9/L = 8 x 10*3/uL"), ("10*3/uL", None)],
)
def test_an_equal_unit_under_another_name_is_said_too(unit, text):
    conversion = Q.measure(lab("wbc", 8.0, unit), "").conversion
    assert (conversion and conversion.text) == text


@pytest.mark.parametrize(
    ("value", "lower", "upper", "below", "above"),
    [
        (5.0, 10.0, 40.0, True, False),
        (10.0, 10.0, 40.0, False, False),
        (40.0, 10.0, 40.0, False, False),
        (40.1, 10.0, 40.0, False, True),
        (40.1, None, None, None, None),
        (5.0, 0.0, 40.0, None, False),
    ],
)
def test_against_the_laboratory_s_own_limits(value, lower, upper, below, above):
    measured = Q.measure(lab("alt", value, "U/L", lower, upper), "")
    assert (measured.is_below_lower_limit, measured.is_above_upper_limit) == (below, above)


def test_comparison_happens_at_fifteen_digits_of_the_number_as_written():
    measured = Q.measure(lab("creatinine", 0.1 + 0.2, "mg/dL", upper=0.3), "")
    assert measured.is_above_upper_limit is False


def test_every_fault_of_an_entry_is_reported():
    errors = refused(Q.measure, lab("alt", -1.0, "U/L", 50.0, 1e9), "/labs/2")
    assert {(e.pointer, e.code) for e in errors} == {
        ("/labs/2/value", "out_of_range"),
        ("/labs/2/upper_limit", "out_of_range"),
    }


def test_an_implausible_value_is_taken_with_the_override_and_says_so():
    low = lab("hemoglobin", 12.0, "g/L")
    (error,) = refused(Q.measure, low, "/labs/0")
    assert error.code == "implausible"
    assert "21 to 280 g/L" in error.message
    assert '"override_plausibility": true' in error.message
    measured = Q.measure(low, "/labs/0", override_plausibility=True)
    assert [c.code for c in measured.cautions] == ["implausible_value_used"]


def test_the_override_does_not_make_the_impossible_possible():
    (error,) = refused(Q.measure, lab("hemoglobin", 120.0, "g/dL"), "", override_plausibility=True)
    assert (error.pointer, error.code) == ("/value", "out_of_range")


def test_an_implausible_limit_can_be_overridden_too():
    sent = lab("platelets", 250.0, "10*3/uL", 0.5, 450.0)
    assert refused(Q.measure, sent, "")[0].pointer == "/lower_limit"
    assert [c.code for c in Q.measure(sent, "", override_plausibility=True).cautions] == ["implausible_value_used"]


def test_all_results_of_a_request_by_slug():
    measured = Q.measure_all([lab("crp", 154.0, "mg/L"), lab("loinc:777-3", 90.0, "K/uL")])
    assert {slug: m.value for slug, m in measured.items()} == {"crp": Decimal("15.4"), "platelets": Decimal(90)}


def test_the_faults_of_all_entries_are_reported_together():
    labs = [lab("d_dimer", 1.0, "ug/mL"), lab("crp", 1.0, "mg/dL"), lab("crp", 2.0, "mg/dL"), lab("alt", 1.0, "mg/dL")]
    errors = refused(Q.measure_all, labs)
    assert [(e.pointer, e.code) for e in errors] == [
        ("/labs/0/analyte", "analyte_ambiguous"),
        ("/labs/2/analyte", "analyte_repeated"),
        ("/labs/3/unit", "unit_unknown"),
    ]


def test_one_analyte_sent_under_two_names_is_repeated():
    errors = refused(Q.measure_all, [lab("crp", 1.0, "mg/dL"), lab("loinc:1988-5", 1.0, "mg/dL")], pointer="/x")
    assert [(e.pointer, e.code) for e in errors] == [("/x/1/analyte", "analyte_repeated")]


@pytest.mark.parametrize(
    "changes",
    [
        {"value": "5"},
        {"value": True},
        {"value": float("nan")},
        {"value": float("inf")},
        {"upper_limit": "5"},
        {"unit": ""},
        {"unit": "x" * 41},
        {"analyte": ""},
        {"analyte": "x" * 101},
        {"units": "mg/dL"},
    ],
)
def test_the_entry_is_strict(changes):
    with pytest.raises(ValidationError):
        LabMeasurement(**({"analyte": "crp", "value": 1.0, "unit": "mg/dL"} | changes))


# Other measurements


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("weight_kg", 0, "out_of_range"),
        ("weight_kg", -3, "out_of_range"),
        ("weight_kg", 1e300, "out_of_range"),
        ("weight_kg", 300, "implausible"),
        ("weight_kg", 0.3, "implausible"),
        ("age_years", 400, "out_of_range"),
        ("age_years", -0.1, "out_of_range"),
        ("age_years", 96, "implausible"),
        ("height_cm", 1.28, "implausible"),
        ("maximum_celsius", 102.2, "out_of_range"),
        ("systolic_bp_mmhg", -1, "out_of_range"),
        ("lvef_percent", 101, "out_of_range"),
        ("ap4_strain_percent", 13.2, "out_of_range"),
        ("infusion.norepinephrine", 50, "implausible"),
        ("infusion.vasopressin", 0.04, "implausible"),
        ("creatinine_mg_dl", 40, "implausible"),
        ("neutrophils_10e3_ul", 3100, "out_of_range"),
        ("platelets_10e3_ul", -1, "out_of_range"),
    ],
)
def test_measurements_that_are_refused(name, value, code):
    (error,) = refused(Q.check, name, value, f"/{name}")
    assert (error.pointer, error.code) == (f"/{name}", code)


@pytest.mark.parametrize(
    ("name", "value", "codes"),
    [
        ("weight_kg", 25, []),
        ("weight_kg", Decimal(25), []),
        ("weight_kg", 0.9, ["value_unusual"]),
        ("age_years", 8, []),
        ("age_years", 30, ["value_unusual"]),
        ("ap4_strain_percent", -13.2, []),
        ("systolic_bp_mmhg", 0, None),
        ("weight_kg", None, []),
    ],
)
def test_measurements_that_are_taken(name, value, codes):
    override = codes is None
    cautions = Q.check(name, value, "/x", override=override)
    assert [c.code for c in cautions] == (["implausible_value_used"] if override else codes)


def test_several_measurements_are_refused_together():
    errors = refused(Q.check_each, [("weight_kg", 0, "/w"), ("age_years", None, "/a"), ("height_cm", 500, "/h")])
    assert [e.pointer for e in errors] == ["/w", "/h"]


def test_several_measurements_warn_together():
    cautions = Q.check_each([("weight_kg", 0.9, "/w"), ("age_years", 26, "/a"), ("height_cm", 100, "/h")])
    assert [c.code for c in cautions] == ["value_unusual", "value_unusual"]


@pytest.mark.parametrize("quantity", ["weight_kg", "infusion.epinephrine"])
def test_a_refusal_says_the_range_and_the_unit_and_never_the_value(quantity):
    (error,) = refused(Q.check, quantity, 987654.25, "/x")
    assert "987654" not in error.message
    assert "kg" in error.message


# Rule files that must stop the start


def with_text(tmp_path, name, old, new):
    text = (BUILT_IN / f"{name}.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / f"{name}.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    other = {n: BUILT_IN / f"{n}.toml" for n in SETS} | {name: tmp_path / f"{name}.toml"}
    return Rulebook(load_rule_file(path) for path in other.values())


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("quantities", 'loinc = ["1988-5"]', 'loinc = ["30522-7"]', "LOINC 30522-7 stands at"),
        ("quantities", 'code = "mg/L", multiply = 0.1', 'code = "mg/Q", multiply = 0.1', "not among the file's units"),
        ("quantities", '"MG/DL", ', '"MG/DL", "mg/L", ', "spells two units"),
        ("quantities", '"MG/DL", ', '"MG/DL", "mg/ L", ', "spells two units where case is ignored"),
        ("quantities", 'choice = ["bnp", ', 'choice = ["bnpp", ', "'bnpp' is no analyte"),
        ("body-measures", 'id = "weight_kg.usual"', 'id = "weight_kg.normal"', "must end in one of"),
        ("body-measures", 'id = "weight_kg.possible"', 'id = "weight_g.possible"', "weight_kg.possible"),
        ("body-measures", "high = 250", "high = 2500", "must lie within the wider tier"),
        ("quantities", 'canonical = "mg/dL"', 'canonical = "mg/L"', "with factor 1"),
        ("quantities", "plausible = { low = 0, high = 100 }", "plausible = { low = 0, high = 10 }", "within plausible"),
        ("quantities", "usual = { low = 0, high = 50 }", "usual = { low = 60, high = 50 }", "lies above high"),
        ("quantities", "divide = 88.4", "divide = 0", "greater than 0"),
        ("quantities", 'loinc = ["1988-5"]', 'loinc = ["1988"]', "should match pattern"),
        ("quantities", 'slug = "hs_crp"', 'slug = "crp"', "'crp' stands twice"),
        ("quantities", 'source = "katal"', 'source = "catalogue"', "a source is not among"),
        ("quantities", '{ code = "ug/mL", multiply = 0.1', '{ code = "mg/L", multiply = 0.1', "a unit stands twice"),
    ],
)
def test_a_bad_rule_file_stops_the_start_with_its_reason(tmp_path, name, old, new, reason):
    with pytest.raises(RulebookError, match=reason):
        Quantities(with_text(tmp_path, name, old, new))


def test_the_same_spelling_twice_for_one_unit_is_no_fault(tmp_path):
    Quantities(with_text(tmp_path, "quantities", '"MG/DL", ', '"MG/DL", "MG/DL", "mg/dL", '))


def test_a_unit_is_found_by_any_of_its_spellings():
    analyte = Q.analyte("wbc", "/analyte")
    assert Q.unit(analyte, "K/uL", "/unit") is Q.unit(analyte, "10^3 / \N{MICRO SIGN}L", "/unit")
