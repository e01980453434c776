"""No number of a record, however large or small, breaks its derivation: it is taken or refused."""

from __future__ import annotations

import copy
import json
from contextlib import suppress

import pytest
from pydantic import ValidationError

from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook
from app.cohorts.derivation.deriver import Deriver
from app.cohorts.records import PatientRecord

DERIVER = Deriver(load_rulebook())
EXTREMES = (0.0, -0.0, 5e-324, -1.7e308, -1e30, 1e-300, 2.0**53, 1e16, 1e26, 1e30, 1e300, 1.7976931348623157e308)
WHOLE = PatientRecord.model_config["json_schema_extra"]["examples"][0] | {
    "presentation": {
        "age_years": 8,
        "weight_kg": 27,
        "height_cm": 130,
        "fever": {"maximum_celsius": 39.4, "duration_hours": 120},
        "echocardiogram": {"lvef_percent": 48, "lad_z": 1.4, "rca_z": 0.9, "lad_mm": 3, "ap4_strain_percent": -13.2},
        "hemodynamics": {
            "systolic_bp_mmhg": 72,
            "baseline_systolic_bp_mmhg": 100,
            "fluid_bolus_ml_kg": 60,
            "vasoactive_infusions": [{"agent": "norepinephrine", "rate": 0.05}],
        },
        "sars_cov_2": {"days_before_admission": 20, "exposure_days_before_onset": 10},
        "labs": [{"analyte": "crp", "value": 154, "unit": "mg/L", "lower_limit": 0, "upper_limit": 10}],
    },
    "adverse_events": [{"term": "rash_maculo_papular", "facts": {"body_surface_percent": 20, "symptoms": "moderate"}}],
    "outcome": {"died": False, "length_of_stay_days": 11, "discharged_hour": 264},
}


def places(node, path=()):
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, value in items:
        yield from places(value, (*path, step))
    if isinstance(node, int | float) and not isinstance(node, bool):
        yield path


def changed(path, number):
    record = copy.deepcopy(WHOLE)
    part = record
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = number
    return json.dumps(record)


@pytest.mark.parametrize("path", [pytest.param(p, id="/".join(map(str, p))) for p in places(WHOLE)])
@pytest.mark.parametrize("override", [False, True])
def test_an_extreme_is_taken_or_refused(path, override):
    for number in EXTREMES:
        sent = changed(path, number)
        if override:
            sent = json.dumps(json.loads(sent) | {"override_plausibility": True})
        # Anything but a refusal is a fault.
        with suppress(ValidationError, RefusedInputError):
            DERIVER.accept(PatientRecord.model_validate_json(sent))


def test_the_record_itself_is_taken():
    assert DERIVER.accept(PatientRecord.model_validate_json(json.dumps(WHOLE))).derived.facts["phenotype"]
    assert len(list(places(WHOLE))) > 40
