"""Runs the tables on the derivation of records."""

import csv
import json
import tomllib
from pathlib import Path

import pytest

from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook
from app.cohorts.derivation import Deriver
from app.cohorts.records import PatientRecord
from app.cohorts.variables import CATALOGUE

HERE = Path(__file__).parent
DERIVER = Deriver(load_rulebook())
CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted(HERE.glob("derivation_*.toml"))
    for case in tomllib.loads(path.read_text(encoding="utf-8"))["case"]
]
RANGES = list(csv.DictReader((HERE / "derivation_ranges.csv").read_text(encoding="utf-8").splitlines()))
KEYS = {"name", "rule", "record", "json", "values", "absent", "stratum", "phenotype", "warns", "disagrees", "refused"}


def record(sent):
    return PatientRecord.model_validate_json(json.dumps({"patient_id": "P01", **sent}))


def sent_by(case):
    return json.loads(case["json"]) if "json" in case else case["record"]


@pytest.mark.parametrize("case", [c for c in CASES if "refused" not in c.values[0]])
def test_derived(case):
    assert set(case) <= KEYS
    derived = DERIVER.derive(record(sent_by(case)))
    known = {name: derived.values.get(name) for name in case.get("values", {})}
    assert known == {n: round(v * 10 ** CATALOGUE[n].digits) for n, v in case.get("values", {}).items()}
    assert [name for name in case.get("absent", ()) if name in derived.values] == []
    assert set(case.get("absent", ())) <= CATALOGUE.keys()
    stratum = derived.stratum._asdict()
    assert {axis: stratum[axis] for axis in case.get("stratum", {})} == case.get("stratum", {})
    assert derived.facts["phenotype"] == case.get("phenotype", derived.facts["phenotype"])
    codes = {w["code"] for w in derived.warnings}
    assert set(case.get("warns", ())) <= codes
    if case.get("warns") == []:
        assert codes == set()
    if "disagrees" in case:
        assert [d["field"] for d in derived.disagreements] == case["disagrees"]
    else:
        assert derived.disagreements == []


@pytest.mark.parametrize("case", [c for c in CASES if "refused" in c.values[0]])
def test_refused(case):
    with pytest.raises(RefusedInputError) as refusal:
        DERIVER.derive(record(sent_by(case)))
    assert sorted(f"{e.pointer} {e.code}" for e in refusal.value.errors) == sorted(case["refused"])
    assert all(e.message.endswith((".", "?")) for e in refusal.value.errors)


def placed(field, value):
    """Return a record in which one number stands."""
    base = {
        "temperatures": [{"hour": 0, "celsius": 37, "site": "oral"}],
        "labs": [{"analyte": "crp", "value": 5, "unit": "mg/dL", "hour": 1}],
        "echocardiograms": [{"day": 1}],
        "treatment": {"ivig": {}, "anakinra": {"doses": [{"hour": 0, "mg_kg_day": 1}]}, "aspirin": True},
        "outcome": {},
        "cytokines": {"il_6": {}},
    }
    base["treatment"]["corticosteroids"] = []
    *path, last = field.split("/")
    part = base
    for step in path:
        part = part[int(step)] if step.isdigit() else part[step]
    part[last] = value
    return base


@pytest.mark.parametrize("row", RANGES, ids=lambda r: f"{r['field']} {r['value']}")
def test_a_number_in_its_range(row):
    sent = placed(row["field"], json.loads(row["value"]))
    if row["outcome"] in {"out_of_range", "implausible"}:
        with pytest.raises(RefusedInputError) as refusal:
            DERIVER.derive(record(sent))
        assert [(e.pointer, e.code) for e in refusal.value.errors] == [(f"/{row['field']}", row["outcome"])]
    else:
        codes = {w["code"] for w in DERIVER.derive(record(sent)).warnings}
        assert ("value_unusual" in codes) == (row["outcome"] == "unusual")


@pytest.mark.parametrize("row", [r for r in RANGES if r["outcome"] == "implausible"], ids=lambda r: r["field"])
def test_the_override_takes_the_implausible(row):
    sent = placed(row["field"], json.loads(row["value"])) | {"override_plausibility": True}
    assert "implausible_value_used" in {w["code"] for w in DERIVER.derive(record(sent)).warnings}
