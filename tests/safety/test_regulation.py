"""The mappings are complete: every clinical operation, every source attribute."""

from __future__ import annotations

from app.clinical.rulebook.catalogue import SourceAttributes
from app.clinical.rulebook.model import Uses
from app.main import create_app
from app.safety.files import load
from app.settings import load_settings

DATA = load()
PATHS = create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://"})).openapi()["paths"]
# What speaks of patients, or serves those who do.
CLINICAL = ("phenotype", "treatment", "anakinra", "ctcae", "statistics", "cohorts", "protocols", "rules")
GROUPS = ("/v1/ctcae/terms", "/v1/protocols", "/v1/rules", "/v1/safety-case", "/v1/statistics", "/v1/cohorts")


def mapped(path):
    named = {p for e in DATA.fda_cds.endpoints for p in e.paths}
    return path in named or any(group in named and path.startswith(f"{group}/") for group in GROUPS)


def test_every_clinical_operation_is_mapped():
    asked = [path for path in PATHS if path.startswith(tuple(f"/v1/{topic}" for topic in CLINICAL))]
    assert len(asked) > 20
    assert [path for path in asked if not mapped(path)] == []


def test_every_mapped_path_is_there():
    named = {p for e in DATA.fda_cds.endpoints for p in e.paths}
    assert [p for p in named if not any(path == p or path.startswith(f"{p}/") for path in PATHS)] == []


def test_the_four_criteria_come_in_order_and_claims_have_tests():
    for endpoint in DATA.fda_cds.endpoints:
        assert [c.criterion for c in endpoint.criteria] == [1, 2, 3, 4]
        assert all(c.tests for c in endpoint.criteria if c.met != "not_applicable")
        assert all(c.doubt for c in endpoint.criteria if c.met == "doubtful")


def test_the_doubt_about_intensive_care_is_told():
    dose = next(e for e in DATA.fda_cds.endpoints if "/v1/anakinra/dose" in e.paths)
    assert dose.criteria[2].met == "doubtful"
    assert "time-critical" in (dose.criteria[2].doubt or "")


def test_every_source_attribute_is_served():
    fields = {a.field for a in DATA.onc_hti_1}
    served = set(SourceAttributes.model_fields) | {f"uses.{name}" for name in Uses.model_fields}
    assert fields <= served
    assert {f"uses.{name}" for name in Uses.model_fields} - fields == {"uses.age"}
    assert len(DATA.onc_hti_1) == 14
