"""Every number of every built-in rule file has a unit, a source that can be found, a date, and cases in tests/spec.

A case names the row that it is about in `rule`, as "rule_set/row" (one, or a list), in a TOML table or in the column
`rule` of a CSV table. A CSV table that is about one row as a whole is listed in WHOLE_TABLES. The tables of CTCAE name
versions and term instead; their cases with an age are those of the bound between children and adults.
"""

import csv
import tomllib
from pathlib import Path

import pytest

from app.clinical.rulebook import load_rulebook

SPEC = Path(__file__).parents[1] / "spec"
RULEBOOK = load_rulebook()
KINDS = ("threshold", "parameter", "range", "table")
ROWS = [
    pytest.param(rules, row, id=f"{rules.id}/{row.id}")
    for rules in RULEBOOK.all()
    for kind in KINDS
    for row in getattr(rules.content, kind)
]
SOURCES = [pytest.param(s, id=f"{r.id}/{s.key}") for r in RULEBOOK.all() for s in r.content.source]
# Tables without a column `rule`: each of their rows is a case of these rows of the rulebook ("*": of all of the set).
WHOLE_TABLES = {
    "anaemia_cutoffs.csv": ("who-anaemia-2024/*",),
    "growth_slips.csv": ("growth-limits/*",),
    "hscore_probability.csv": ("hscore-2014/probability",),
    "reference_limits.csv": ("paediatric-reference-limits/*",),
}


def _named():
    """Yield every row of the rulebook that a case names as its rule."""
    for path in SPEC.glob("*.toml"):
        for case in tomllib.loads(path.read_text(encoding="utf-8")).get("case", []):
            rule = case.get("rule", [])
            yield from [rule] if isinstance(rule, str) else rule
    for path in SPEC.glob("*.csv"):
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            yield from (row.get("rule") or "").split()
        yield from WHOLE_TABLES.get(path.name, ())


def _graded():
    """Yield every CTCAE term of every version with a case; one with an age is a case of the children's bound too."""
    for path in SPEC.glob("ctcae_*.csv"):
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            for version in row["versions"].split():
                yield f"ctcae-{version}/{row['term']}"
                if "age_years=" in row["stated"]:
                    yield f"ctcae-{version}/pediatric_below_years"


NAMED = set(_named())
GRADED = set(_graded())


@pytest.mark.parametrize(("rules", "row"), ROWS)
def test_a_number_has_a_unit_a_source_and_a_date(rules, row):
    assert row.unit
    source = next(s for s in rules.content.source if s.key == row.source)
    assert source.title
    assert 1900 < source.year <= rules.content.rule_set.revised.year
    since = row.effective or rules.content.rule_set.effective
    assert since <= rules.content.rule_set.revised
    assert rules.cite(row)


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_can_be_found_or_says_why_not(source):
    assert source.doi or source.url or source.locator or source.reading in {"decision", "general_knowledge"}
    assert source.doi is None or source.doi.startswith("10.")
    assert source.url is None or source.url.startswith("https://")
    assert source.reading != "decision" or source.title.startswith("Defervesce decision")


@pytest.mark.parametrize(("rules", "row"), ROWS)
def test_a_number_has_cases(rules, row):
    assert {f"{rules.id}/{row.id}", f"{rules.id}/*"} & (NAMED | GRADED), (
        "no case in tests/spec names this row as its rule"
    )


def test_cases_name_rows_that_exist():
    rows = {f"{r.id}/{row.id}" for r in RULEBOOK.all() for kind in (*KINDS, "text") for row in getattr(r.content, kind)}
    rows |= {f"{r.id}/{name}" for r in RULEBOOK.all() for named in r.content.rows().values() for name, _ in named}
    rows |= {f"{r.id}/*" for r in RULEBOOK.all()}
    assert NAMED - rows == set()


def test_every_analyte_has_cases():
    cases = csv.DictReader((SPEC / "quantities_conversions.csv").read_text(encoding="utf-8").splitlines())
    assert {a.slug for a in RULEBOOK["quantities"].content.analyte} - {c["analyte"] for c in cases} == set()


@pytest.mark.parametrize("rules", RULEBOOK.of_topic("ctcae"), ids=lambda r: r.id)
def test_every_ctcae_term_has_cases(rules):
    assert {f"{rules.id}/{t.slug}" for t in rules.content.term} - GRADED == set()


@pytest.mark.parametrize("rules", RULEBOOK.all(), ids=lambda r: r.id)
def test_a_header_is_complete(rules):
    header = rules.content.rule_set
    assert header.developer
    assert header.purpose.endswith(".")
    assert header.released <= header.revised
    assert header.limitations, "say what the rule set must not be taken for"
    says_how = {name for name, use in header.uses if use != "not used"}
    assert says_how or rules.topic in {"guideline", "quantities"}, "say how age, sex, health status ... are used"
