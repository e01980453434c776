"""A seeded generator of synthetic cohorts: records at clinical precision with about 30 measurements each.

Nobody is in them: every number is drawn. Chunks are independent of each other, so that they can be made in parallel and
are the same however many processes make them. `python -m bench.generate 10000 > cohort.ndjson` writes one.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Iterator
from typing import Any

SEED = 20_201_115
CHUNK = 1_000
# analyte, unit, decimals, median, spread of the logarithm, upper limit, share of patients in whom it is measured
LABS = (
    ("crp", "mg/dL", 1, 15.0, 0.6, 0.9, 0.98),
    ("ferritin", "ng/mL", 0, 520.0, 0.8, 320, 0.95),
    ("d_dimer_feu", "ug/mL{FEU}", 2, 3.1, 0.7, 0.5, 0.92),
    ("albumin", "g/dL", 1, 2.8, 0.2, 5.0, 0.97),
    ("alt", "U/L", 0, 38.0, 0.7, 45, 0.97),
    ("ast", "U/L", 0, 45.0, 0.6, 50, 0.97),
    ("bnp", "pg/mL", 0, 900.0, 0.9, 100, 0.85),
    ("troponin_i", "ng/mL", 2, 0.06, 0.9, 0.04, 0.85),
    ("platelets", "10*3/uL", 0, 160.0, 0.4, 450, 0.99),
    ("neutrophils", "10*3/uL", 1, 8.2, 0.5, 7.5, 0.99),
    ("hemoglobin", "g/dL", 1, 10.8, 0.12, 15.5, 0.99),
    ("creatinine", "mg/dL", 2, 0.55, 0.4, 0.8, 0.98),
)
LATER = ("alt", "neutrophils", "hemoglobin", "platelets", "crp")
CYTOKINES = {
    "ifn_gamma": 1.0,
    "il_1_beta": 0.9,
    "il_2": 1.0,
    "il_6": 14.3,
    "il_8": 0.6,
    "il_12": 0.4,
    "il_17": 1.0,
    "sil_2r": 4.0,
    "tnf_alpha": 0.3,
}
TREATMENTS = ("ivig_monotherapy", "ivig_anakinra", "anakinra_only", "other", "unknown")
SHARES = (0.3, 0.62, 0.03, 0.02, 0.03)
RACES = ("african_american", "latin_american", "caucasian", "other")
EVENTS = (
    ("alanine_aminotransferase_increased", 0.2),
    ("neutrophil_count_decreased", 0.15),
    ("rash_maculo_papular", 0.05),
)
_LIMIT = {name: limit for name, _, _, _, _, limit, _ in LABS}
_UNIT = {name: unit for name, unit, *_ in LABS}


def records(size: int, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """Yield the records of a cohort, in order."""
    for number in range(-(-size // CHUNK)):
        yield from chunk(number, min(CHUNK, size - number * CHUNK), seed)


def chunk(number: int, size: int = CHUNK, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """Yield the records of one chunk."""
    draw = random.Random(seed * 1_000_003 + number)  # noqa: S311 - data for a benchmark
    for place in range(size):
        yield _record(draw, f"S{number * CHUNK + place:08d}")


def _record(draw: random.Random, patient_id: str) -> dict[str, Any]:
    treatment = draw.choices(TREATMENTS, SHARES)[0]
    severe = treatment in {"ivig_anakinra", "anakinra_only"}
    shock = draw.random() < (0.6 if severe else 0.2)
    age = round(min(max(draw.gauss(8.5, 4.5), 0.3), 20.9), 1)
    weight = round(min(max(3.5 + age * 3.2 * draw.uniform(0.8, 1.3), 3.0), 110), 1)
    record: dict[str, Any] = {
        "patient_id": patient_id,
        "age_years": age,
        "sex": draw.choice(("male", "male", "female", "female", None)) if draw.random() < 0.05 else _sex(draw),
        "race_ethnicity": [draw.choices(RACES, (50, 38, 8, 4))[0]],
        "weight_kg": weight,
        "phenotype": {
            "kd_like": draw.random() < 0.43 if draw.random() < 0.97 else None,
            "cv_shock": shock if draw.random() < 0.98 else None,
        },
        "sars_cov_2_pcr_positive": draw.random() < 0.41 if draw.random() < 0.95 else None,
        "treatment": _treatment(draw, treatment, weight, shock=shock),
        "temperatures": _temperatures(draw, severe=severe),
        "echocardiograms": _echocardiograms(draw, shock=shock),
        "labs": _labs(draw, severe=severe),
        "cytokines": {
            name: {"fold": round(median * _factor(draw, 0.9, 0.5 if severe else 0.0), 1)}
            for name, median in CYTOKINES.items()
            if draw.random() < 0.7
        },
        "adverse_events": [
            {"term": term, "grade": draw.choices((1, 2, 3), (6, 3, 1))[0]}
            for term, share in EVENTS
            if draw.random() < share
        ],
        "outcome": {
            "died": draw.random() < 0.001,
            "thrombosis": draw.random() < 0.005,
            "readmitted": draw.random() < 0.02,
            "length_of_stay_days": round(draw.lognormvariate(2.0, 0.4), 1),
        },
    }
    return {name: value for name, value in record.items() if value is not None}


def _sex(draw: random.Random) -> str:
    return "male" if draw.random() < 0.55 else "female"


def _treatment(draw: random.Random, treatment: str, weight: float, *, shock: bool) -> dict[str, Any] | None:
    if treatment == "unknown":
        return None
    found: dict[str, Any] = {"aspirin": draw.random() < 0.97, "anakinra": False, "corticosteroids": []}
    found["ivig"] = {"dose_g_kg": 2, "ended_hour": round(draw.uniform(6, 30), 1)} if "ivig" in treatment else False
    if "anakinra" in treatment:
        start = round(draw.uniform(4, 80), 1)
        dose = round(draw.uniform(4.5, 10), 1)
        days = round(draw.uniform(3, 14), 1)
        found["anakinra"] = {
            "role": "adjunct" if shock else "rescue",
            "started_hour": start,
            "initiation_hospital_day": int(start // 24) + 1,
            "starting_mg_kg_day": dose,
            "maximum_mg_kg_day": round(min(dose + draw.choice((0, 0, 1, 2)), 10.0), 1),
            "maximum_mg_per_dose": round(min(dose * weight / 4, 100.0)),
            "duration_days": days,
        }
    if draw.random() < (0.25 if shock else 0.07):
        found["corticosteroids"] = [{"purpose": draw.choice(("stress", "stress", "inflammatory"))}]
    return found


def _temperatures(draw: random.Random, *, severe: bool) -> list[dict[str, Any]]:
    """Draw eight temperatures, twelve hours apart; the fever ends somewhere, or not while it is watched."""
    ends = draw.expovariate(1 / (60 if severe else 34)) + 6
    hour, found = 0.0, []
    for _ in range(8):
        celsius = draw.uniform(38.1, 40.2) if hour < ends else draw.uniform(36.4, 37.8)
        found.append({"hour": round(hour, 1), "celsius": round(celsius, 1), "site": "oral"})
        hour += draw.uniform(6, 18)
    return found


def _echocardiograms(draw: random.Random, *, shock: bool) -> list[dict[str, Any]]:
    if draw.random() < 0.1:
        return []
    lvef = min(max(draw.gauss(51 if shock else 60, 7), 20), 75)
    strain = min(max(draw.gauss(-13.5 if shock else -16.5, 3), -28), -4)
    found = [{"day": 1, "lvef_percent": round(lvef, 1), "ap4_strain_percent": round(strain, 1)}]
    if draw.random() < 0.85:
        later = {"lvef_percent": round(min(lvef + draw.gauss(5, 4), 78), 1)}
        later["ap4_strain_percent"] = round(min(max(strain - draw.gauss(3, 3), -30), -2), 1)
        found.append({"day": draw.randint(7, 16), **later})
    return found


def _labs(draw: random.Random, *, severe: bool) -> list[dict[str, Any]]:
    found = []
    for analyte, unit, digits, median, spread, limit, share in LABS:
        if draw.random() < share:
            value = median * _factor(draw, spread, shift=0.2 if severe and spread > 0.5 else 0.0)
            found.append(_lab(analyte, unit, round(value, digits), limit, draw.uniform(0, 20)))
    for analyte in LATER:
        if draw.random() < 0.6:
            digits, median, spread = next((d, m, s) for a, _, d, m, s, *_ in LABS if a == analyte)
            value = round(median * _factor(draw, spread), digits)
            found.append(_lab(analyte, _UNIT[analyte], value, _LIMIT[analyte], draw.uniform(90, 200)))
    return found


def _factor(draw: random.Random, spread: float, shift: float = 0.0) -> float:
    """Draw from a lognormal distribution without its far tails, which would be refused as implausible."""
    return math.exp(shift + spread * max(-2.2, min(draw.gauss(0, 1), 2.2)))


def _lab(analyte: str, unit: str, value: float, limit: float, hour: float) -> dict[str, Any]:
    return {"analyte": analyte, "value": value, "unit": unit, "hour": round(hour, 1), "upper_limit": limit}


def measurements(record: dict[str, Any]) -> int:
    """Count what was measured in a record."""
    return sum(len(record.get(part, ())) for part in ("labs", "temperatures", "echocardiograms", "cytokines"))


if __name__ == "__main__":
    for made in records(int(sys.argv[1])):
        print(json.dumps(made, separators=(",", ":")))
