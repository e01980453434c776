"""The tables of bounds, versions, decisions and clinical terms: one row, one grade."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.clinical.ctcae.grading import Grader
from app.clinical.ctcae.models import record_model
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook

HERE = Path(__file__).parent
GRADER = Grader(load_rulebook())
RECORD = record_model(GRADER.facts.values(), ())
WORDS = {"yes": True, "no": False}
NUMBERS = ("value", "lower_limit", "upper_limit", "baseline")


def rows(name: str) -> Iterator[Any]:
    with (HERE / name).open(newline="", encoding="utf-8") as table:
        for number, row in enumerate(csv.DictReader(table), start=2):
            for version in row["versions"].split():
                yield pytest.param(version, row, id=f"{name}:{number} {version} {row['term']}: {row['why']}")


def record(version: str, row: Mapping[str, str]) -> dict[str, Any]:
    sent: dict[str, Any] = {"term": row["term"], "version": version, "unit": row.get("unit") or None}
    sent |= {name: float(row[name]) for name in NUMBERS if row.get(name)}
    return sent | dict(map(fact, row["stated"].split()))


def fact(written: str) -> tuple[str, Any]:
    name, value = written.split("=")
    if value in WORDS:
        return name, WORDS[value]
    if name in GRADER.facts and GRADER.facts[name].kind == "integer":
        return name, int(value)
    return name, value if value.isidentifier() else float(value)


def grade(version: str, row: Mapping[str, str]) -> Any:
    return GRADER.grade(RECORD.model_validate(record(version, row)))


@pytest.mark.parametrize(("version", "row"), [*rows("ctcae_bounds.csv"), *rows("ctcae_versions.csv")])
def test_bounds(version: str, row: Mapping[str, str]) -> None:
    answer = grade(version, row)
    assert " ".join(map(str, answer.possible_grades)) == row["possible"]
    assert answer.grade == (answer.possible_grades[0] if len(answer.possible_grades) == 1 else None)
    assert answer.version == version


@pytest.mark.parametrize(("version", "row"), [*rows("ctcae_decisions.csv"), *rows("ctcae_clinical.csv")])
def test_decisions(version: str, row: Mapping[str, str]) -> None:
    if row["possible"].startswith("refused"):
        with pytest.raises(RefusedInputError) as refusal:
            grade(version, row)
        assert refusal.value.errors[0].code == row["possible"].removeprefix("refused ")
        return
    answer = grade(version, row)
    assert " ".join(map(str, answer.possible_grades)) == row["possible"]
    assert sorted(answer.missing) == sorted(row["missing"].split())
    assert [w.code for w in answer.warnings] == row["warnings"].split()
    assert (answer.grade is None) == (answer.reason is not None)


@pytest.mark.parametrize("version", ["4.03", "5.0", "6.0"])
def test_every_term_stands_in_a_table(version: str) -> None:
    """A term without a row in a table could change unseen."""
    names = ("ctcae_bounds.csv", "ctcae_versions.csv", "ctcae_decisions.csv", "ctcae_clinical.csv")
    shown = {p.values[1]["term"] for name in names for p in rows(name) if p.values[0] == version}
    graded = {GRADER.versions(version).find(term).meant for term in shown if _is_known(version, term)}
    missing = {slug for slug, term in GRADER.versions(version).terms.items() if term not in graded}
    assert missing <= {"sudden_death_nos"}


def _is_known(version: str, term: str) -> bool:
    try:
        GRADER.versions(version).find(term)
    except RefusedInputError:
        return False
    return True
