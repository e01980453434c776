"""A record's presentation is refused and warned of exactly as the phenotype request is, on random numbers."""

import json
import random

from app.clinical.phenotype import PhenotypeClassifier
from app.clinical.presentation import Presentation
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook
from app.cohorts.derivation import Deriver
from app.cohorts.records import PatientRecord

RULEBOOK = load_rulebook()
ADMIT = PhenotypeClassifier(RULEBOOK)._admit
DERIVER = Deriver(RULEBOOK)
RECORDS = 1500

NUMBERS = {
    "age_years": (-1, 0, 0.5, 8, 25, 26, 61, 121),
    "weight_kg": (0, 0.3, 1.9, 27, 151, 251, 501),
    "height_cm": (0, 24, 39, 130, 206, 231, 281),
    "fever.maximum_celsius": (19, 29, 34, 38.5, 42.5, 44, 47),
    "fever.duration_hours": (-1, 0, 120, 721, 2401, 87601),
    "echocardiogram.lvef_percent": (-1, 4, 9, 55, 86, 91, 101),
    "echocardiogram.lad_z": (-21, -9, -5, 1.4, 31, 61, 101),
    "echocardiogram.rca_z_previous": (-21, 0, 101),
    "echocardiogram.rca_mm": (0, 0.2, 0.4, 3, 21, 36, 61),
    "echocardiogram.ap4_strain_percent": (-61, -41, -33, -15, -2, 0, 13),
    "hemodynamics.systolic_bp_mmhg": (-1, 10, 39, 90, 201, 261, 351),
    "hemodynamics.baseline_systolic_bp_mmhg": (30, 50, 100, 181),
    "hemodynamics.fluid_bolus_ml_kg": (-1, 40, 151, 301, 1001),
    "sars_cov_2.days_before_admission": (-3651, -366, -61, 20, 181, 1101),
    "sars_cov_2.exposure_days_before_onset": (-31, -1, 20, 181),
}
LABS = (
    ("crp", "mg/L", (-1, 0, 50, 400, 900, 2000, 100000)),
    ("neutrophils", "10*3/uL", (0, 0.005, 4, 90, 600, 5000)),
    ("hemoglobin", "g/dL", (0.5, 2, 11, 26, 31, 60)),
    ("haptoglobin", "mg/dL", (0, 2, 100, 900)),
    ("bnp", "pg/mL", (0, 3000, 100000, 10000000)),
)
LIMITS = (None, None, 0, 0.001, 5, 40, 400, 100000)


def drawn(draw):
    sent = {"age_years": 8}
    for name in draw.sample(sorted(NUMBERS), draw.randrange(6)):
        *path, last = name.split(".")
        part = sent
        for step in path:
            part = part.setdefault(step, {})
        part[last] = draw.choice(NUMBERS[name])
    if draw.random() < 0.3:
        agent, rates = draw.choice((("dopamine", (0, 5, 21, 61, 1001)), ("vasopressin", (0.001, 0.009, 0.03, 2))))
        infusions = [{"agent": agent, "rate": draw.choice(rates)}]
        if infusions[0]["rate"] == rates[0]:
            infusions *= draw.choice((1, 2))  # refused as repeated
        sent.setdefault("hemodynamics", {})["vasoactive_infusions"] = infusions
    sent["labs"] = [
        {"analyte": slug, "unit": unit, "value": draw.choice(values)}
        | {"lower_limit": draw.choice(LIMITS), "upper_limit": draw.choice(LIMITS)}
        for slug, unit, values in draw.sample(LABS, draw.randrange(3))
    ]
    return sent | {"override_plausibility": draw.random() < 0.3}


def as_asked(sent):
    try:
        _, cautions = ADMIT(Presentation.model_validate_json(json.dumps(sent)))
    except RefusedInputError as refusal:
        return {("/presentation" + e.pointer, e.code) for e in refusal.errors}, None
    return set(), {c.code for c in cautions}


def as_recorded(sent):
    record = PatientRecord.model_validate_json(json.dumps({"patient_id": "P01", "presentation": sent}))
    try:
        admitted = DERIVER._admit(record)
    except RefusedInputError as refusal:
        return {(e.pointer, e.code) for e in refusal.errors}, None
    return set(), {c.code for c in admitted.cautions}


def test_the_same_numbers_are_refused_and_warned_of():
    draw = random.Random(20260202)  # noqa: S311  # drawn for a test
    refused = warned = 0
    for _ in range(RECORDS):
        sent = drawn(draw)
        asked = as_asked(sent)
        assert as_recorded(sent) == asked, sent
        refused += bool(asked[0])
        warned += bool(asked[1])
    assert refused > 50
    assert warned > 50
