"""Reference limits and anaemia cut-offs by age and sex, from tables a clinician can read."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from app.clinical.quantities import Quantities
from app.clinical.reference_limits import ReferenceLimits
from app.clinical.rulebook import Rulebook, load_rule_file
from app.clinical.rulebook.loader import BUILT_IN

SETS = ("paediatric-reference-limits", "who-anaemia-2024", "quantities", "body-measures")
RULES = Rulebook(load_rule_file(BUILT_IN / f"{name}.toml") for name in SETS)
LIMITS = ReferenceLimits(RULES)
SPEC = Path(__file__).parents[1] / "spec"


def rows(name):
    with (SPEC / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def age(row):
    return float(row["age_years"]) if row["age_years"] else None


def decimal(text):
    return Decimal(text) if text else None


@pytest.mark.parametrize("row", rows("reference_limits.csv"), ids=lambda r: " ".join(r.values()))
def test_limits(row):
    found = LIMITS.limits(row["analyte"], age(row), row["sex"] or None)
    if row["lower"] == "none":
        assert found is None
    else:
        assert (found.lower, found.upper) == (decimal(row["lower"]), decimal(row["upper"]))
        assert found.source


@pytest.mark.parametrize("row", rows("anaemia_cutoffs.csv"), ids=lambda r: " ".join(r.values()))
def test_anaemia(row):
    found = LIMITS.hemoglobin_lower_limit(age(row), row["sex"] or None)
    assert found == (None if row["cutoff"] == "none" else Decimal(row["cutoff"]))


def test_every_table_is_of_a_known_analyte_in_its_canonical_unit_and_has_a_case():
    analytes = Quantities(RULES).analytes
    tables = RULES["paediatric-reference-limits"].content.table + RULES["who-anaemia-2024"].content.table
    assert all(table.unit == analytes[table.id].canonical.code for table in tables)
    assert {t.id for t in tables} <= {row["analyte"] for row in rows("reference_limits.csv")}


def test_the_source_is_named():
    assert LIMITS.limits("hemoglobin", 8.0).source.startswith("Guideline on haemoglobin")
    assert "Pathology handbook" in LIMITS.limits("neutrophils", 8.0).source
