"""SQLite while a long change holds it: reads are answered and recorded all the same, and nothing is lost or doubled."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.database.deeds import Deed
from app.database.errors import DatabaseUnavailableError
from app.security.store.session import writing
from app.security.store.waiting import SUFFIX, WaitingRoom
from tests.audit_rows import opened
from tests.cohort_api import Api, record


@pytest.fixture
def kept(sqlite_url):
    with opened(sqlite_url) as made:
        yield made


@contextmanager
def held(kept):
    """Hold the database as an import does."""
    with writing(kept.database.engine) as connection:
        yield connection


def room_of(kept) -> WaitingRoom:
    return WaitingRoom(kept.database.sqlite_file)


def patients(kept) -> list[str | None]:
    return [row.entry.patient_id for row in kept.rows()]


def test_an_entry_waits_while_another_holds_the_database_and_comes_in_with_the_next(kept):
    with held(kept):
        kept.record(3)
        assert kept.trail.waiting() == 3
    assert patients(kept) == []
    kept.record(1, patient_id="P9")
    assert patients(kept) == ["P0", "P1", "P2", "P9"]
    assert kept.trail.waiting() == 0
    assert kept.verify() == (True, [])


def test_the_change_itself_takes_in_what_waited_for_it(kept):
    with held(kept) as connection:
        kept.record(2)
        kept.trail.of_transaction(connection, [Deed("patients.add", "study")])
    assert [row.entry.event for row in kept.rows()] == ["read", "read", "patients.add"]
    assert kept.trail.waiting() == 0
    kept.record(1)
    assert len(kept.rows()) == 4


def test_what_was_taken_in_by_a_change_that_failed_still_waits(kept):
    with pytest.raises(ZeroDivisionError):
        fail_in_the_end(kept)
    assert (patients(kept), kept.trail.waiting()) == ([], 2)
    kept.trail.take_in()
    assert (patients(kept), kept.trail.waiting()) == (["P0", "P1"], 0)


def fail_in_the_end(kept) -> None:
    with held(kept) as connection:
        kept.record(2)
        kept.trail.of_transaction(connection, [Deed("patients.add", "study")])
        raise ZeroDivisionError


def test_what_is_in_the_chain_and_waits_still_is_taken_once(kept):
    """It is forgotten only when the chain that holds it was committed: the process may end in between."""
    with held(kept):
        kept.record(2)
    kept.trail.take_in()
    assert len(room_of(kept).some()) == 2
    assert kept.trail.waiting() == 0
    kept.record(1, patient_id="P9")
    assert room_of(kept).some() == []
    kept.record(1, patient_id="P10")
    assert patients(kept) == ["P0", "P1", "P9", "P10"]


def test_more_than_are_taken_at_once(kept, monkeypatch):
    monkeypatch.setattr("app.security.store.waiting._AT_ONCE", 3)
    with held(kept):
        kept.record(5)
    for _ in range(3):
        kept.trail.take_in()
    assert patients(kept) == ["P0", "P1", "P2", "P3", "P4"]
    assert kept.verify() == (True, [])


def test_the_tenant_of_an_entry_is_kept_while_it_waits(kept):
    with held(kept):
        kept.record(1, tenant="north")
        kept.record(1)
    kept.trail.take_in()
    assert (len(kept.rows("north")), len(kept.rows())) == (1, 1)


def test_a_database_that_is_only_read_lets_entries_wait(kept, monkeypatch):
    kept.record(1)
    with monkeypatch.context() as patched, opened(kept.url) as reader:
        patched.setattr("app.database.engine.file_address", lambda path, _: f"file:{path}?mode=ro")
        reader.record(1, patient_id="P7")
        assert reader.trail.waiting() == 1
    assert patients(kept) == ["P0"]
    kept.trail.take_in()
    assert patients(kept) == ["P0", "P7"]


def test_a_room_that_cannot_be_opened_is_said(kept):
    Path(kept.database.sqlite_file + SUFFIX).mkdir()
    with held(kept), pytest.raises(DatabaseUnavailableError):
        kept.record(1)


@pytest.fixture
def room_fault(monkeypatch):
    """Return what makes the file beside the database impossible to make, or to look for."""

    def arm(code: int, method: str = "touch") -> None:
        real = getattr(Path, method)

        def fail(path: Path, *args, **kwargs):
            if path.name.endswith(SUFFIX):
                raise OSError(code, "no", str(path))
            return real(path, *args, **kwargs)

        monkeypatch.setattr(Path, method, fail)

    return arm


@pytest.mark.parametrize("method", ["touch", "exists"])
@pytest.mark.parametrize(
    ("code", "reason"),
    [(errno.EROFS, "read_only"), (errno.EACCES, "read_only"), (errno.ENOSPC, "full"), (errno.EDQUOT, "full")],
)
def test_a_room_that_cannot_be_made_is_said(kept, room_fault, code, reason, method):
    room_fault(code, method)
    with held(kept), pytest.raises(DatabaseUnavailableError) as found:
        kept.record(1) if method == "touch" else kept.trail.waiting()
    assert (found.value.reason, found.value.code) == (reason, errno.errorcode[code])
    assert found.value.__cause__ is None


def test_on_a_read_only_folder_reads_are_refused_and_refusals_are_answered(sqlite_url, room_fault):
    api = Api(sqlite_url)
    path = api.create(record(1))
    room_fault(errno.EROFS)
    with opened(sqlite_url) as kept, held(kept):
        answers = [api.client.get(place) for place in (path, f"{path}/patients/P09", "/v1/cohorts/nope")]
    assert [(answer.status_code, answer.json()["type"]) for answer in answers] == [
        (503, "/problems/database-unavailable"),
        (404, "/problems/not-found"),
        (404, "/problems/not-found"),
    ]
    assert SUFFIX not in answers[0].text + api.logged()
    api.close()


def test_an_entry_waits_durably(kept):
    with held(kept):
        kept.record(1)
        with closing(sqlite3.connect(kept.database.sqlite_file + SUFFIX)) as connection:
            assert connection.execute("SELECT count(*) FROM waiting").fetchone() == (1,)


def test_cohorts_are_read_while_a_change_holds_the_database(sqlite_url):
    api = Api(sqlite_url)
    path = api.create(record(1))
    with opened(sqlite_url) as kept:
        with held(kept):
            for place in (path, f"{path}/patients", f"{path}/patients/P01", f"{path}/export", f"{path}/analysis"):
                assert api.client.get(place).status_code == 200
        assert api.client.get(path).status_code == 200
        told = [(row.entry.operation, row.entry.event) for row in kept.rows()][2:]
        assert told == [
            ("get_cohort", "read"),
            ("list_patients", "read"),
            ("get_patient", "read"),
            ("export_cohort", "read"),
            ("cohort_analysis", "read"),
            ("get_cohort", "read"),
        ]
        assert kept.verify() == (True, [])
    api.close()
