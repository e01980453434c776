"""Migration 0002 keeps everything: patients, counts, numbers that were given; the release before goes on beside it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from alembic import command
from app.database import schema
from app.database.engine import WRITES, make_engine

BEFORE = [
    (
        "INSERT INTO cohorts (number, id, name, version, n, next_position, rules, read_only, created_at, updated_at)"
        " VALUES (1, 'study', 'Study', 1, 0, 1, '[]', true, '2026-01-01', '2026-01-01'),"
        " (2, 'abc', 'Ours', 1, 1, 2, '[]', false, '2026-01-01', '2026-01-01'),"
        " (9, 'gone', 'Deleted', 1, 0, 1, '[]', false, '2026-01-01', '2026-01-01')"
    ),
    (
        "INSERT INTO patients (cohort_number, position, patient_id, version, stratum, record, measures, facts)"
        " VALUES (2, 1, 'P01', 1, 's', '{}', '{}', '{}')"
    ),
    "INSERT INTO strata (cohort_number, stratum, n) VALUES (2, 's', 1)",
    (
        "INSERT INTO jobs (id, kind, cohort_id, state, progress, owner, created_at, updated_at)"
        " VALUES ('example', 'x', 'abc', 'succeeded', 1, 'o', '2026-01-01', '2026-01-01')"
    ),
    "DELETE FROM cohorts WHERE number = 9",
]
OLDER_RELEASE = (
    "INSERT INTO cohorts (id, name, version, n, next_position, rules, read_only, created_at, updated_at)"
    " VALUES ('later', 'Later', 1, 0, 1, '[]', false, '2026-01-01', '2026-01-01')"
)


@pytest.fixture
def at_0001(empty_url):
    schema.migrate(empty_url, "0001")
    engine = make_engine(empty_url)
    statements = list(BEFORE)
    if engine.dialect.name == "postgresql":
        statements.insert(-1, "SELECT setval('cohorts_number_seq', 9)")
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    yield empty_url, engine
    engine.dispose()


def rows(engine: sa.Engine, question: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(question))]


def test_everything_is_kept_and_belongs_to_somebody(at_0001):
    url, engine = at_0001
    schema.migrate(url)
    assert rows(engine, "SELECT id, tenant FROM cohorts ORDER BY number") == [("study", "*"), ("abc", "default")]
    assert rows(engine, "SELECT cohort_number, patient_id FROM patients") == [(2, "P01")]
    assert rows(engine, "SELECT n FROM strata") == [(1,)]
    assert rows(engine, "SELECT id, tenant FROM jobs") == [("example", "default")]


def test_foreign_keys_hold_after_it_and_numbers_are_not_given_twice(at_0001):
    url, engine = at_0001
    schema.migrate(url)
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(sa.text(OLDER_RELEASE))
    found = rows(engine, "SELECT number, tenant FROM cohorts WHERE id = 'later'")
    assert found == [(10, "default")], "a release that knows no tenants writes for `default`, and 9 was given once"
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(sa.text("DELETE FROM cohorts WHERE number = 2"))
    assert rows(engine, "SELECT * FROM patients") == []
    with pytest.raises(sa.exc.IntegrityError), engine.execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(sa.text("INSERT INTO strata (cohort_number, stratum, n) VALUES (77, 's', 1)"))


def test_two_tenants_may_use_one_id_and_one_may_not_use_it_twice(at_0001):
    url, engine = at_0001
    schema.migrate(url)
    named = (
        "INSERT INTO cohorts (tenant, id, name, version, n, next_position, rules, read_only, created_at, updated_at)"
    )
    row = named + " VALUES (:tenant, 'example', 'E', 1, 0, 1, '[]', false, '2026-01-01', '2026-01-01')"
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        for tenant in ("a", "b"):
            connection.execute(sa.text(row), {"tenant": tenant})
    with pytest.raises(sa.exc.IntegrityError), engine.execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(sa.text(row), {"tenant": "a"})


def test_back_again_while_there_is_one_tenant(at_0001):
    url, engine = at_0001
    schema.migrate(url)
    command.downgrade(schema.config(url), "0001")
    assert rows(engine, "SELECT cohort_number, patient_id FROM patients") == [(2, "P01")]
    schema.migrate(url)
    assert rows(engine, "SELECT id, tenant FROM cohorts ORDER BY number") == [("study", "*"), ("abc", "default")]


def test_not_back_while_there_are_several(at_0001):
    """They would see each other's cohorts."""
    url, engine = at_0001
    schema.migrate(url)
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(sa.text("UPDATE cohorts SET tenant = 'a' WHERE id = 'abc'"))
    with pytest.raises(RuntimeError, match="other tenants"):
        command.downgrade(schema.config(url), "0001")
    assert rows(engine, "SELECT tenant FROM cohorts WHERE id = 'abc'") == [("a",)]
    assert rows(engine, "SELECT patient_id FROM patients") == [("P01",)]
