"""Whatever number stands in a record, it is taken or refused by its field: it never makes the service fail."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.cohorts.precision import DIGITS
from tests.cohort_api import JSON, Api

EXTREMES = (1e17, -1e17, 3.4e140, -2.4e285, 1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 10**40)
RECORD: dict[str, Any] = {
    "patient_id": "P01",
    "age_years": 8,
    "sex": "male",
    "weight_kg": 27,
    "presentation": {
        "age_years": 8,
        "weight_kg": 27,
        "height_cm": 130,
        "fever": {"maximum_celsius": 39.4, "duration_hours": 120},
        "echocardiogram": {
            "lvef_percent": 48,
            "lad_z": 1.4,
            "rca_z": 0.9,
            "lad_z_previous": 1,
            "rca_z_previous": 1,
            "lad_mm": 3,
            "rca_mm": 3,
            "ap4_strain_percent": -13.2,
        },
        "hemodynamics": {
            "systolic_bp_mmhg": 72,
            "baseline_systolic_bp_mmhg": 100,
            "fluid_bolus_ml_kg": 60,
            "vasoactive_infusions": [{"agent": "norepinephrine", "rate": 0.05}],
        },
        "sars_cov_2": {
            "days_before_admission": 20,
            "exposure_days_before_onset": 10,
            "exposure_days_before_admission": 12,
        },
        "labs": [{"analyte": "crp", "value": 154, "unit": "mg/L", "lower_limit": 0, "upper_limit": 10}],
    },
    "treatment": {
        "ivig": {"dose_g_kg": 2, "ended_hour": 20},
        "anakinra": {
            "started_hour": 26,
            "stopped_hour": 260,
            "initiation_hospital_day": 2,
            "starting_mg_kg_day": 8,
            "maximum_mg_kg_day": 10,
            "maximum_mg_per_dose": 60,
            "duration_days": 9.8,
            "doses": [{"hour": 26, "mg_kg_day": 8}],
        },
    },
    "temperatures": [{"hour": 0, "celsius": 39.4, "site": "oral"}],
    "defervescence": {"hours": 52, "observed": True},
    "echocardiograms": [{"day": 1, "lvef_percent": 48, "ap4_strain_percent": -13.2}],
    "labs": [{"analyte": "bnp", "value": 3339, "unit": "pg/mL", "hour": 2, "lower_limit": 0, "upper_limit": 1157}],
    "cytokines": {"il_6": {"fold": 22.1}, "sil_2r": {"value": 4100, "unit": "U/mL", "upper_limit": 1000}},
    "adverse_events": [{"term": "alanine_aminotransferase_increased", "grade": 1}],
    "outcome": {"length_of_stay_days": 11, "discharged_hour": 264},
}


def numbers(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in members:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield (*path, key)
        yield from numbers(value, (*path, key))


def replaced(path: tuple[Any, ...], value: float, *, override: bool) -> dict[str, Any]:
    made = copy.deepcopy(RECORD)
    node = made
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return made | {"override_plausibility": override}


@pytest.fixture(scope="module")
def api():
    made = Api("sqlite://")
    yield made
    made.close()


def test_the_record_as_it_stands_is_taken(api):
    answer = api.client.post("/v1/cohorts", json={"name": "Sound", "patients": [RECORD]})
    assert answer.status_code == 201, answer.text
    assert set(DIGITS) <= {path[-1] for path in numbers(RECORD)}, "every field that is rounded is tried"


@pytest.mark.parametrize("override", [False, True], ids=["", "override"])
@pytest.mark.parametrize("path", list(numbers(RECORD)), ids=lambda path: "/".join(map(str, path)))
def test_an_extreme_number_is_taken_or_refused_by_its_field(api, path, override):
    for extreme in EXTREMES:
        body = json.dumps({"name": "Extreme", "patients": [replaced(path, extreme, override=override)]})
        answer = api.client.post("/v1/cohorts", content=body, headers={"Content-Type": JSON})
        assert answer.status_code in {201, 422}, (extreme, answer.text)
        if answer.status_code == 422:
            assert any(f"/{path[-1]}" in error["pointer"] for error in answer.json()["errors"]), answer.text
