"""The patients whose stated and derived facts differ are found in the database, and no others are fetched."""

from __future__ import annotations

from app.cohorts.store import NewPatient, Store
from tests.cohort_rows import RULES, Facts, row

TOLD = {"field": "phenotype.cv_shock", "stated": False, "derived": True, "message": "They differ."}
SPELT = '"disagreements":[{'


def differing(patient_id: str) -> NewPatient:
    return NewPatient(patient_id, "{}", Facts(disagreements=[TOLD]))


def test_only_those_who_disagree_are_fetched(store: Store) -> None:
    agreeing = NewPatient("P2", "{}", Facts(facts={"note": SPELT}, warnings=[{"code": "x", "message": SPELT}]))
    with store.write() as writer:
        other = writer.create("Other", None, RULES)
        writer.add(other, [differing("P9")])
        cohort = writer.create("One", None, RULES)
        writer.add(cohort, [row("P1"), agreeing, differing("P3"), differing("P4")])
    with store.read() as reader:
        found = list(reader.disagreeing(reader.cohort(cohort.id)))
    assert [patient.patient_id for patient in found] == ["P3", "P4"]
    assert found[0].disagreements == [TOLD]
