"""The analysis over a real store, SQLite and PostgreSQL: the same numbers through changes, and no patient's row."""

from __future__ import annotations

import random
import re
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from app.cohorts import strata
from app.cohorts.analysis.analyse import analyse
from app.cohorts.analysis.axes import AXES
from app.cohorts.analysis.columns import Counts
from app.cohorts.analysis.heart import Normal
from app.cohorts.analysis.selection import Question
from app.cohorts.analysis.service import Analyses, Kept
from app.cohorts.derivation.derived import Derived
from app.cohorts.store.model import NewPatient
from app.cohorts.variables import CATALOGUE
from app.statistics.tally import Tally

NORMAL = Normal(55, -21.4)
NAMES = ("age_years", "male", "cytokine.il_6", "ae.neutropenia", "ae.neutropenia.grade", "lvef.first")


def drawn(draw, number):
    stratum = draw.choice(list(strata.ALL.values()))
    values = {
        name: draw.randint(0, 1 if CATALOGUE[name].kind == "binary" else 5) for name in NAMES if draw.random() < 0.8
    }
    return NewPatient(f"P{number}", "{}", Derived(stratum, values, {}))


def counted(rows):
    """Count the patients anew, without the store."""
    sizes, cells = {}, {}
    for row in rows:
        key = row.derived.stratum.key()
        sizes[key] = sizes.get(key, 0) + 1
        for name, value in row.derived.values.items():
            cells.setdefault((name, key), []).append(value)
    kept = [
        (name, key, CATALOGUE[name].digits, Tally.from_numbers(values, 0).to_bytes())
        for (name, key), values in sorted(cells.items())
    ]
    return Counts(sizes, kept)


@pytest.fixture
def store(database_url, open_store):
    return open_store(database_url)


def test_the_stored_analysis_is_that_of_the_patients_through_every_change(store):
    draw = random.Random(3)  # noqa: S311  # data for a test
    rows = {f"P{k}": drawn(draw, k) for k in range(40)}
    with store.write() as writer:
        cohort = writer.create("Analysed", None, ())
        writer.add(cohort, rows.values())
    compare(store, cohort.id, rows)
    with store.write() as writer:
        rows["P7"] = drawn(draw, 7)
        writer.replace(writer.lock(cohort.id), rows["P7"])
    compare(store, cohort.id, rows)
    with store.write() as writer:
        for name in ("P1", "P2", "P3"):
            writer.remove(writer.lock(cohort.id), name)
            del rows[name]
    compare(store, cohort.id, rows)


def compare(store, cohort_id, rows):
    @contextmanager
    def opened(name):
        with store.read() as reader:
            yield reader, reader.cohort(name)

    analyses, statements = Analyses(opened, NORMAL, Kept(0)), []

    def watch(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", watch)
    try:
        found = {by: analyses.analysis(cohort_id, Question(by=by)) for by in AXES}
    finally:
        event.remove(Engine, "before_cursor_execute", watch)
    assert statements
    assert not [statement for statement in statements if re.search(r"\bpatients\b", statement)]
    with store.read() as reader:
        cohort = reader.cohort(cohort_id)
    for by, analysis in found.items():
        assert analysis == analyse(cohort, counted(rows.values()), Question(by=by), NORMAL)
        assert analysis.n == len(rows)
