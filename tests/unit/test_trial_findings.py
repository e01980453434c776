"""What a trial by fresh eyes found, so that it stays found."""

from __future__ import annotations

import json

import pytest

from app.clinical.anakinra.dose import DoseRequest, StartingDose
from app.clinical.anakinra.protocol import Protocols
from app.clinical.patient import PatientCheck
from app.clinical.phenotype import PhenotypeClassifier
from app.clinical.presentation import Presentation
from app.clinical.quantities import LabMeasurement, Quantities
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook

RULEBOOK = load_rulebook()


@pytest.fixture(scope="module")
def dose():
    starting = StartingDose(RULEBOOK, Protocols(RULEBOOK), PatientCheck(RULEBOOK))
    return lambda **sent: starting(DoseRequest(critically_ill=True, **sent))


def codes(answer):
    return {w.code for w in answer.warnings}


def test_a_creatinine_that_gives_no_estimate_is_said(dose):
    assert "renal_function_not_estimated" in codes(dose(weight_kg=25.0, height_cm=120.0, creatinine_mg_dl=1.7))
    assert "renal_function_not_estimated" in codes(dose(weight_kg=25.0, age_years=8.0, creatinine_mg_dl=1.7))
    assert "renal_function_not_estimated" not in codes(dose(weight_kg=25.0, age_years=8.0))


def test_rounding_above_the_ceiling_is_said(dose):
    assert "rounded_above_ceiling" in codes(dose(weight_kg=25.0))  # 62.5 mg becomes 63 mg: 10.08 mg/kg/day
    assert "rounded_above_ceiling" not in codes(dose(weight_kg=26.0))  # 65 mg needs no rounding
    assert "rounded_above_ceiling" not in codes(dose(weight_kg=24.9))  # 62.25 mg becomes 62 mg


def test_a_pending_result_is_unknown_and_its_names_must_be_right():
    classify = PhenotypeClassifier(RULEBOOK).classify
    pending = LabMeasurement(analyte="crp", value=None, unit="mg/L")
    answer = classify(Presentation(age_years=8.0, labs=(pending,)))
    assert answer.phenotype == "indeterminate"
    assert answer.conversions == ()
    with pytest.raises(RefusedInputError, match="/labs/0/unit: unit_unknown"):
        classify(Presentation(age_years=8.0, labs=(LabMeasurement(analyte="crp", value=None, unit="mmHg"),)))


def test_a_single_result_needs_its_value():
    with pytest.raises(RefusedInputError, match="/value: field_missing"):
        Quantities(RULEBOOK).measure(LabMeasurement(analyte="crp", unit="mg/L"), "")


def phenotype(**sent):
    return PhenotypeClassifier(RULEBOOK).classify(Presentation.model_validate_json(json.dumps({"age_years": 8} | sent)))


@pytest.mark.parametrize(
    ("fever", "warned"),
    [
        ({"maximum_celsius": 37.9, "duration_hours": 120}, True),
        ({"maximum_celsius": 38.0, "duration_hours": 120}, False),
        ({"maximum_celsius": 37.9, "duration_hours": 120, "subjective": True}, False),
        ({"duration_hours": 120}, False),
        ({"maximum_celsius": 37.9, "duration_hours": 0}, False),
    ],
)
def test_a_duration_of_fever_without_fever_is_said(fever, warned):
    assert ("fever_duration_without_fever" in codes(phenotype(fever=fever))) == warned


@pytest.mark.parametrize(
    ("hemodynamics", "warned"),
    [
        ({"systolic_bp_mmhg": 86}, True),
        ({"systolic_bp_mmhg": 85}, False),
        ({"systolic_bp_mmhg": 86, "hypotension": False}, False),
        ({"systolic_bp_mmhg": 86, "vasoactive_infusions": []}, False),
        ({"systolic_bp_mmhg": 86, "vasoactive_infusions": [{"agent": "norepinephrine", "rate": None}]}, True),
        ({"systolic_bp_mmhg": 86, "vasoactive_infusions": [{"agent": "norepinephrine", "rate": 0}]}, False),
        ({"systolic_bp_mmhg": 85, "vasoactive_infusions": [{"agent": "norepinephrine", "rate": None}]}, False),
    ],
)
def test_a_normal_pressure_on_vasoactive_support_is_said(hemodynamics, warned):
    running = {"vasoactive_infusions": [{"agent": "norepinephrine", "rate": 0.1}]}
    answer = phenotype(hemodynamics=running | hemodynamics)
    assert ("pressure_on_vasoactive_support" in codes(answer)) == warned
