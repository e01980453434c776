"""The whole answer: the worked example, what is refused, what is warned of, and where the numbers of labs stand."""

import json

import pytest

from app.clinical.phenotype import PhenotypeClassifier, deciding
from app.clinical.presentation import Presentation
from app.clinical.quantities import Quantities
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook

RULEBOOK = load_rulebook()
CLASSIFIER = PhenotypeClassifier(RULEBOOK)
EXAMPLE = Presentation.model_config["json_schema_extra"]["examples"][0]
PARTS = (
    "fever",
    "kawasaki_signs",
    "echocardiogram",
    "hemodynamics",
    "organ_involvement",
    "symptoms",
    "stated_results",
    "hemophagocytic",
    "sars_cov_2",
    "labs",
    "override_plausibility",
)


def classify(**request):
    return CLASSIFIER.classify(Presentation.model_validate_json(json.dumps(request)))


def refused(**request):
    with pytest.raises(RefusedInputError) as refusal:
        classify(**request)
    return {(e.pointer, e.code) for e in refusal.value.errors}


def codes(answer):
    return [w.code for w in answer.warnings]


def test_the_worked_example():
    answer = classify(**EXAMPLE)
    assert (answer.phenotype, answer.possible_phenotypes) == ("kdss_like", ("kdss_like",))
    assert (answer.kd_like.status, answer.kd_subtype, answer.cv_shock.status) == ("met", "complete", "met")
    assert (answer.vasoactive_inotropic_score, answer.coronary.coronary_class) == (5.0, "none")
    assert (answer.missing, answer.missing_in_full, answer.warnings) == ((), (), ())
    assert answer.case_definitions.cdc_2020.status == "met"
    assert answer.case_definitions.cste_2023.case_class == "confirmed"
    hscore = answer.macrophage_activation.hscore
    assert not hscore.complete
    assert hscore.minimum < hscore.maximum
    assert [c.text for c in answer.conversions] == ["154 mg/L x 0.1 = 15.4 mg/dL"]
    assert answer.rules.id == "misc-phenotype-2023"
    used = {"aha-kd-2017", "pals-hypotension", "misc-cv-shock-2023", "kanegaye-kdss-2009", "vis-2010", "quantities"}
    assert used <= {r.id for r in answer.rules.includes}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_null_is_unknown_like_one_that_is_absent(part):
    absent = {name: value for name, value in EXAMPLE.items() if name != part}
    assert classify(**absent, **{part: None}).missing == classify(**absent).missing


def test_only_the_age_is_needed():
    answer = classify(age_years=8.5)
    assert answer.phenotype == "indeterminate"
    assert answer.decided_by == ()
    assert answer.missing == ("fever.duration_hours", "hemodynamics.hypotension")
    assert {"fever.duration_hours", "labs.crp", "labs.alt.upper_limit", "hemodynamics.fluid_refractory"} <= set(
        answer.missing_in_full
    )


def test_only_what_is_open_is_asked_for():
    answer = classify(age_years=8.5, fever={"duration_hours": 20})
    assert answer.missing == ("hemodynamics.hypotension",)
    assert answer.possible_phenotypes == ("non_specific", "cv_shock")
    assert answer.missing_in_full == (
        "hemodynamics.hypotension",
        "hemodynamics.fluid_refractory",
        "hemodynamics.vasoactive_support",
    )


@pytest.mark.parametrize(
    ("request_", "pointer", "code"),
    [
        ({"age_years": 400}, "/age_years", "out_of_range"),
        ({"age_years": -1}, "/age_years", "out_of_range"),
        ({"age_years": 8, "weight_kg": 0}, "/weight_kg", "out_of_range"),
        ({"age_years": 8, "weight_kg": 900}, "/weight_kg", "out_of_range"),
        ({"age_years": 2, "weight_kg": 80}, "/weight_kg", "weight_implausible_for_age"),
        ({"age_years": 8, "height_cm": 1.3}, "/height_cm", "implausible"),
        ({"age_years": 8, "fever": {"maximum_celsius": 101}}, "/fever/maximum_celsius", "out_of_range"),
        ({"age_years": 8, "fever": {"duration_hours": -1}}, "/fever/duration_hours", "out_of_range"),
        ({"age_years": 8, "echocardiogram": {"lvef_percent": 0.5}}, "/echocardiogram/lvef_percent", "implausible"),
        ({"age_years": 8, "echocardiogram": {"lad_z": 1000}}, "/echocardiogram/lad_z", "out_of_range"),
        ({"age_years": 8, "echocardiogram": {"rca_mm": 200}}, "/echocardiogram/rca_mm", "out_of_range"),
        (
            {"age_years": 8, "echocardiogram": {"ap4_strain_percent": 13.2}},
            "/echocardiogram/ap4_strain_percent",
            "strain_sign_ambiguous",
        ),
        ({"age_years": 8, "hemodynamics": {"systolic_bp_mmhg": 10}}, "/hemodynamics/systolic_bp_mmhg", "implausible"),
        (
            {"age_years": 8, "sars_cov_2": {"days_before_admission": -900}},
            "/sars_cov_2/days_before_admission",
            "implausible",
        ),
        (
            {"age_years": 8, "hemodynamics": {"vasoactive_infusions": [{"agent": "epinephrine", "rate": -1}]}},
            "/hemodynamics/vasoactive_infusions/0/rate",
            "out_of_range",
        ),
        (
            {"age_years": 8, "labs": [{"analyte": "crp", "value": 1, "unit": "mmol/L"}]},
            "/labs/0/unit",
            "unit_unknown",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(request_, pointer, code):
    assert (pointer, code) in refused(**request_)


def test_all_faults_are_named_at_once():
    found = refused(
        age_years=8,
        weight_kg=-3,
        fever={"maximum_celsius": 101},
        echocardiogram={"ap4_strain_percent": 13.2},
        hemodynamics={"vasoactive_infusions": [{"agent": "dopamine", "rate": 1}, {"agent": "dopamine", "rate": 1}]},
        labs=[{"analyte": "crp", "value": 1, "unit": "mg/L"}, {"analyte": "nonsense", "value": 1, "unit": "mg/L"}],
    )
    assert {
        ("/weight_kg", "out_of_range"),
        ("/fever/maximum_celsius", "out_of_range"),
        ("/echocardiogram/ap4_strain_percent", "strain_sign_ambiguous"),
        ("/hemodynamics/vasoactive_infusions/0/agent", "agent_repeated"),
        ("/hemodynamics/vasoactive_infusions/1/agent", "agent_repeated"),
        ("/labs/1/analyte", "analyte_unknown"),
    } <= found


def test_an_implausible_value_can_be_kept_and_is_warned_of():
    request = {"age_years": 8.5, "echocardiogram": {"lvef_percent": 3}}
    assert refused(**request) == {("/echocardiogram/lvef_percent", "implausible")}
    assert codes(classify(**request, override_plausibility=True)) == ["implausible_value_used"]


def test_pounds_for_kilograms_are_warned_of():
    assert "weight_maybe_pounds" in codes(classify(age_years=8.5, sex="male", weight_kg=60))


def test_a_warning_stands_once():
    answer = classify(
        age_years=8.5,
        echocardiogram={"lvef_percent": 60, "ventricular_dysfunction": True},
        hemodynamics={"hypotension": True, "systolic_bp_mmhg": 110},
    )
    assert len(answer.warnings) == len(set(answer.warnings)) > 0


def test_the_thresholds_of_labs_stand_in_the_units_of_the_labs():
    analytes = Quantities(RULEBOOK).analytes
    values = {"crp": 9, "esr": 50, "hemoglobin": 12, "platelets": 500, "albumin": 4, "wbc": 9, "urine_wbc_hpf": 2}
    labs = [{"analyte": n, "value": v, "unit": analytes[n].canonical.code} for n, v in values.items()]
    answer = classify(age_years=8.5, fever={"duration_hours": 200}, labs=labs)
    compared = {next(iter(f.used)): f.threshold.unit for f in _every(answer.kd_like) if f.threshold and f.used}
    assert {n: u for n, u in compared.items() if n.startswith("labs.")} == {
        f"labs.{n}": analytes[n].canonical.code for n in values
    }


def _every(finding):
    yield finding
    for part in finding.of:
        yield from _every(part)


def test_what_decided():
    answer = classify(age_years=0.5, alternative_diagnosis=True, fever={"duration_hours": 200})
    entry = answer.kd_like.of[1].of[0].of[1]
    assert entry.status == "not_met"
    assert (deciding(entry), entry.used) == (("kd.incomplete.entry.infant",), {"alternative_diagnosis": True})
    assert deciding(answer.cv_shock) == ()


def test_a_usual_pressure_of_zero_says_nothing_of_a_fall():
    hemodynamics = {"systolic_bp_mmhg": 110, "baseline_systolic_bp_mmhg": 0}
    answer = classify(age_years=8.5, hemodynamics=hemodynamics, override_plausibility=True)
    fall = answer.kd_shock_syndrome.of[1].of[1]
    assert (fall.status, fall.missing) == ("unknown", ("hemodynamics.baseline_systolic_bp_mmhg",))
