"""The chain on SQLite and PostgreSQL: linear whoever writes, and what was tampered with is found and named."""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import cli
from app.cohorts.store import Store
from app.database.deeds import Deed
from app.database.engine import make_engine
from app.database.errors import DatabaseUnavailableError
from app.security.audit.asking import Asking, on_behalf
from app.security.audit.entry import ALGORITHM, FIRST, Entry
from app.security.audit.grouping import _Waiting
from app.security.caller import Caller
from app.security.receipts.signing import Signer
from app.security.store import audit
from app.security.store.session import reading, writing
from tests.audit_rows import KEY, opened
from tests.cohort_api import Api

UNSIGNED = (
    "signature: the chain's head is not signed; was it so before there was a key, `defervesce audit sign` signs it"
)
ROOT = Path(__file__).parents[2]
BAD_KEYS = [
    "nothing",
    '{"keys": [1]}',
    '{"keys": null}',
    '{"keys": {}}',
    '{"keys": [{"crv": "Ed25519", "x": []}]}',
    '{"crv": "Ed25519", "x": "\\ud800"}',
    '{"keys": [{}, null, []]}',
    '{"keys": ' + "[" * 100_000,
    "{",
    "\ufeff{}",
    "-----BEGIN PUBLIC KEY-----\nMBIwDQYLKwYBBAGConfused==\n-----END PUBLIC KEY-----",
    # An algorithm that nobody has: 1.3.6.1.4.1.99999.1
    "-----BEGIN PUBLIC KEY-----\nMBEwCwYJKwYBBAGGjR8BAwIAAA==\n-----END PUBLIC KEY-----",
]
CHANGES = {
    "at": "'2020-01-01 00:00:00'",
    "caller": "'somebody'",
    "operation": "'x'",
    "event": "'x'",
    "outcome": "'denied'",
    "status": "418",
    "cohort_id": "'example'",
    "patient_id": "'P99'",
    "subject": "'x'",
    "request_id": "'x'",
    "details": "'{}'",
    "id": "'x'",
    "prev_hash": f"'{'a' * 64}'",
    "row_hash": f"'{'a' * 64}'",
}


@pytest.fixture
def kept(database_url):
    with opened(database_url) as made:
        yield made


@pytest.fixture
def nine(kept):
    kept.record(9, cohort_id="study", status=200, request_id="r", details='{"patients":1}')
    return kept


class TestWhole:
    def test_rows_follow_one_another(self, nine):
        rows = nine.rows()
        assert [row.position for row in rows] == list(range(1, 10))
        assert [row.prev_hash for row in rows] == [FIRST, *(row.row_hash for row in rows[:-1])]
        assert {row.algorithm for row in rows} == {ALGORITHM}
        assert [row.entry.patient_id for row in rows] == [f"P{n}" for n in range(9)]
        assert nine.verify() == (True, [])

    def test_an_entry_comes_back_as_it_went_in(self, nine):
        entry = nine.rows()[0].entry
        assert (entry.tenant, entry.caller, entry.operation, entry.event) == ("default", "ward", "get_patient", "read")
        assert (entry.outcome, entry.status, entry.cohort_id, entry.request_id) == ("success", 200, "study", "r")
        assert entry.at.tzinfo is not None
        assert len(entry.id) == 32

    def test_every_tenant_has_a_chain_of_its_own(self, kept):
        kept.record(3)
        kept.record(2, tenant="north")
        kept.record(1)
        assert [row.position for row in kept.rows()] == [1, 2, 3, 4]
        assert [row.position for row in kept.rows("north")] == [1, 2]
        assert kept.verify() == (True, [])

    def test_nothing_recorded_is_whole(self, kept):
        assert kept.verify() == (True, [])

    def test_many_writers_make_one_chain(self, kept):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: kept.record(10), range(8)))
        kept.record(1)
        assert [row.position for row in kept.rows()] == list(range(1, 82))
        assert kept.verify() == (True, [])

    @pytest.mark.parametrize("bad", [{"outcome": "none"}, {"operation": "x" * 101}, {"caller": "\ud800"}])
    def test_an_entry_that_cannot_be_kept_fails_alone(self, kept, bad):
        """Those that were recorded beside it are kept, in a tenant's chain of its own and in the same."""
        told = {"caller": "ward", "operation": "get_patient", "event": "read"}
        entries = [Entry(tenant=tenant, **told) for tenant in ("default", "north", "default")]
        odd = Entry(**{"tenant": "default"} | told | bad)
        kept.record(1)
        waiting = [_Waiting(one) for one in (entries[0], odd, *entries[1:])]
        kept.trail._in_group._queue.extend(waiting)
        kept.record(1)
        is_kept = kept.url.startswith("sqlite") and "operation" in bad  # SQLite knows no longest text
        assert [one.is_written for one in waiting] == [True, is_kept, True, True]
        assert (waiting[1].error is None) == is_kept
        assert (len(kept.rows()), len(kept.rows("north"))) == (5 if is_kept else 4, 1)
        assert kept.verify() == (True, [])

    def test_several_processes_make_one_chain(self, kept):
        code = "import sys; from tests.audit_rows import Kept; Kept(sys.argv[1]).record(15)"
        command = [sys.executable, "-c", code, kept.url]
        running = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
        kept.record(15)
        assert [process.wait(120) for process in running] == [0, 0, 0]
        kept.record(1)
        assert len(kept.rows()) == 61
        assert kept.verify() == (True, [])


class TestTampering:
    @pytest.mark.parametrize("column", CHANGES)
    def test_a_changed_row(self, nine, column):
        nine.sql(f"UPDATE audit SET {column} = {CHANGES[column]} WHERE position = 4")  # noqa: S608  # of this module
        whole, found = nine.verify()
        assert not whole
        assert "changed: row 4 was changed" in found
        assert not any("row 2" in text or "row 7" in text for text in found)

    def test_a_changed_algorithm(self, nine):
        nine.sql("UPDATE audit SET algorithm = 'none' WHERE position = 4")
        assert nine.verify() == (False, ["algorithm: row 4: its algorithm is not known to this release"])

    def test_a_row_given_to_another_tenant(self, nine):
        nine.sql("UPDATE audit SET tenant = 'north' WHERE position = 9")
        whole, found = nine.verify()
        assert not whole
        assert "removed: row 9 was removed" in found
        assert "changed: row 9 was changed" in found

    @pytest.mark.parametrize(
        ("where", "said"),
        [
            ("position = 1", "row 1 was removed"),
            ("position = 5", "row 5 was removed"),
            ("position IN (5, 6)", "rows 5 to 6 were removed"),
            ("position = 9", "row 9 was removed"),
            ("position > 6", "rows 7 to 9 were removed"),
            ("position > 0", "rows 1 to 9 were removed"),
        ],
    )
    def test_a_removed_row(self, nine, where, said):
        nine.sql(f"DELETE FROM audit WHERE {where}")  # noqa: S608  # of this module
        assert nine.verify() == (False, [f"removed: {said}"])

    def test_rows_that_changed_places(self, nine):
        for old, new in ((3, 100), (7, 3), (100, 7)):
            nine.sql("UPDATE audit SET position = :new WHERE position = :old", old=old, new=new)
        whole, found = nine.verify()
        assert not whole
        assert found == ["reordered: row 3 is what was row 7", "reordered: row 7 is what was row 3"]

    def test_a_removed_row_with_the_others_moved_up(self, nine):
        nine.sql("DELETE FROM audit WHERE position = 5")
        for position in range(6, 10):
            nine.sql("UPDATE audit SET position = :new WHERE position = :old", old=position, new=position - 1)
        whole, found = nine.verify()
        assert not whole
        assert found[:2] == ["reordered: row 5 is what was row 6", "reordered: row 6 is what was row 7"]
        assert "removed: row 9 was removed" in found

    def test_a_changed_row_with_a_new_hash(self, nine):
        row = nine.rows()[3]
        forged = replace(row, entry=replace(row.entry, caller="somebody"))
        values = {"caller": "somebody", "hash": forged.hashed()}
        nine.sql("UPDATE audit SET caller = :caller, row_hash = :hash WHERE position = 4", **values)
        whole, found = nine.verify()
        assert (whole, found) == (
            False,
            ["relinked: row 5 does not follow from row 4, which was rewritten or put in"],
        )

    def test_a_row_put_in_at_the_end(self, nine):
        nine.sql(
            "INSERT INTO audit (tenant, position, id, at, caller, operation, event, outcome, prev_hash, row_hash,"
            " algorithm) SELECT tenant, 10, 'x', at, caller, operation, event, outcome, row_hash, prev_hash, algorithm"
            " FROM audit WHERE position = 9"
        )
        whole, found = nine.verify()
        assert not whole
        assert "added: rows after 9 were put in past the chain's head" in found
        # Where the next row belongs stands another: nothing is done any more until the operator has looked.
        with pytest.raises(DatabaseUnavailableError, match="runs `defervesce audit verify`"):
            nine.record(1)

    def test_the_head_removed_or_changed(self, nine):
        nine.sql("UPDATE audit_heads SET row_hash = :hash", hash="b" * 64)
        assert nine.verify() == (False, ["head: the chain's head does not have the hash of row 9"])
        nine.sql("DELETE FROM audit_heads")
        assert nine.verify() == (False, ["head: the chain's head was removed: rows may be missing at its end"])

    def test_more_changed_rows_than_are_told_apart(self, kept):
        kept.record(1)
        with writing(kept.database.engine) as connection:
            entry = kept.rows()[0].entry
            audit.append(connection, [replace(entry, id=f"{n:032x}") for n in range(250)])
        kept.sql("UPDATE audit SET caller = 'x'")
        whole, found = kept.verify()
        assert (whole, len(found)) == (False, 201)
        assert found[-1] == "changed: 51 more rows were changed or moved"

    def test_writing_goes_on_after_tampering_and_it_stays_found(self, nine):
        nine.sql("DELETE FROM audit WHERE position = 9")
        nine.record(2)
        assert nine.verify() == (False, ["removed: row 9 was removed"])


class TestTheEndWrittenAnew:
    """What a chain alone cannot show: somebody who writes it anew from some row on, head included."""

    def test_without_a_key_and_an_anchor_it_is_not_found(self, nine):
        nine.rewrite(lambda position, entry: None if position == 9 else entry)
        assert nine.verify() == (True, [])

    def test_an_anchor_finds_a_cut_end(self, nine):
        anchors = {"default": {9: nine.rows()[-1].row_hash}}
        nine.rewrite(lambda position, entry: None if position == 9 else entry)
        whole, found = nine.verify(anchors=anchors)
        assert (whole, found) == (False, ["anchor: the anchor saw 9 rows; the chain ends at 8"])

    def test_an_anchor_finds_a_change_before_it(self, nine):
        anchors = {"default": {9: nine.rows()[-1].row_hash}}
        nine.record(3)
        assert nine.verify(anchors=anchors) == (True, [])
        nine.rewrite(lambda position, entry: replace(entry, caller="x") if position == 2 else entry)
        whole, found = nine.verify(anchors=anchors)
        assert (whole, found) == (
            False,
            ["anchor: row 9 is not the one that the anchor saw: written anew up to it"],
        )

    def test_an_anchor_finds_a_tenant_that_is_gone(self, nine):
        anchors = {"default": {9: nine.rows()[-1].row_hash}}
        nine.sql("DELETE FROM audit")
        nine.sql("DELETE FROM audit_heads")
        assert not nine.verify(anchors=anchors)[0]
        assert nine.verify() == (True, [])

    def test_a_key_outside_the_database_finds_both(self, database_url):
        trusted = {Signer(KEY).key_id: Signer(KEY).public}
        with opened(database_url, KEY) as kept:
            kept.record(9)
            assert kept.verify(trusted) == (True, [])
            kept.rewrite(lambda position, entry: None if position == 9 else entry)
            assert kept.verify(trusted) == (False, [UNSIGNED])

    def test_a_signature_of_another_key_or_head(self, database_url):
        own, other = Signer(KEY), Signer(bytes(range(32)))
        with opened(database_url, KEY) as kept:
            kept.record(9)
            said = (False, ["signature: the chain's head is signed by no key that is trusted here"])
            assert kept.verify({other.key_id: other.public}) == said
            kept.sql("UPDATE audit_heads SET signature = :signature", signature=own.sign(b"something else"))
            assert kept.verify({own.key_id: own.public}) == said


def fail_after_recording(kept) -> None:
    with writing(kept.database.engine) as connection:
        kept.trail.of_transaction(connection, [Deed("cohort.delete", "study")])
        raise ZeroDivisionError


class TestInTransactions:
    def test_an_entry_is_kept_with_the_change_or_not_at_all(self, kept):
        asking = Asking("delete_cohort", "r-1", lambda: Caller("ward", "north", frozenset()))
        with on_behalf(asking):
            with pytest.raises(ZeroDivisionError):
                fail_after_recording(kept)
            assert kept.rows("north") == []
            with writing(kept.database.engine) as connection:
                kept.trail.of_transaction(connection, [Deed("cohort.delete", "study")])
        (row,) = kept.rows("north")
        assert (row.entry.caller, row.entry.operation, row.entry.request_id) == ("ward", "delete_cohort", "r-1")
        assert asking.is_recorded

    def test_what_is_done_to_another_tenant_stands_in_its_chain(self, kept):
        with writing(kept.database.engine) as connection:
            kept.trail.of_transaction(connection, [Deed("key.create", subject="k", tenant="north"), Deed("key.list")])
        assert [row.entry.event for row in kept.rows("north")] == ["key.create"]
        assert [row.entry.event for row in kept.rows()] == ["key.list"]

    def test_the_service_itself(self, kept):
        with writing(kept.database.engine) as connection:
            kept.trail.of_transaction(connection, [Deed("job.lost", "study", outcome="failed")])
        assert [(row.entry.caller, row.entry.operation) for row in kept.rows()] == [("service", "service")]

    def test_other_tenants_do_not_wait_for_a_chain_that_is_held(self, postgresql_url):
        with opened(postgresql_url) as kept:
            kept.record(1)
            with writing(kept.database.engine) as connection:
                kept.trail.of_transaction(connection, [Deed("cohort.create")])
                kept.record(1, tenant="north")
            assert kept.verify() == (True, [])

    def test_a_chain_that_is_held_is_waited_for(self, postgresql_url):
        with opened(postgresql_url) as kept:
            kept.record(1)
            waiting = threading.Thread(target=kept.record)
            with writing(kept.database.engine) as connection:
                kept.trail.of_transaction(connection, [Deed("cohort.create")])
                waiting.start()
                waiting.join(0.3)
                assert waiting.is_alive()
            waiting.join(10)
            assert [row.entry.event for row in kept.rows()] == ["read", "cohort.create", "read"]


def test_a_database_that_cannot_be_written_says_so(postgresql_url):
    with opened(postgresql_url) as kept:
        engine = make_engine(postgresql_url)
        with engine.connect() as connection:
            name = sa.engine.make_url(postgresql_url).database
            connection.execute(sa.text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
            connection.commit()
        engine.dispose()
        with pytest.raises(DatabaseUnavailableError, match="takes no writes"):
            kept.record(1)


class TestCommand:
    @pytest.fixture(autouse=True)
    def _url(self, database_url, monkeypatch):
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", database_url)

    def test_whole(self, nine, capsys):
        assert cli.main(["audit", "verify"]) == 0
        assert capsys.readouterr().out == f"default: 9 rows, whole; the last has hash {nine.rows()[-1].row_hash}\n"

    def test_empty(self, capsys):
        assert cli.main(["audit", "verify"]) == 0
        assert capsys.readouterr().out == "the audit trail is empty\n"

    def test_not_whole(self, nine, capsys):
        nine.sql("DELETE FROM audit WHERE position = 3")
        assert cli.main(["audit", "verify"]) == 1
        assert capsys.readouterr().out == "default: 8 rows, NOT whole\n  removed: row 3 was removed\n"

    def test_a_time_that_is_none(self, nine, capsys):
        """Whoever may write to the database cannot blind those who verify by a time that cannot be read."""
        bad = "infinity" if nine.url.startswith("postgresql") else "garbage"
        nine.sql("UPDATE audit SET at = 'bad' WHERE position = 4".replace("bad", bad))
        assert cli.main(["audit", "verify"]) == 1
        assert "changed: row 4 was changed" in capsys.readouterr().out
        with reading(nine.database.engine) as connection:
            shown = audit.newest(connection, "default", audit.Wanted(), None, 20)
        assert [row.position for row in shown] == list(range(9, 0, -1))

    def test_what_no_row_can_be_about(self, nine):
        with reading(nine.database.engine) as connection:
            assert audit.newest(connection, "default", audit.Wanted(cohort_id="a\0b"), None, 20) == []

    def test_one_tenant(self, nine, capsys):
        nine.record(2, tenant="north")
        nine.sql("DELETE FROM audit WHERE tenant = 'default' AND position = 3")
        assert cli.main(["audit", "verify", "--tenant", "north"]) == 0
        assert capsys.readouterr().out.startswith("north: 2 rows, whole")

    def test_it_cannot_be_told(self, monkeypatch, capsys, tmp_path):
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
        assert cli.main(["audit", "verify"]) == 2
        assert "not migrated" in capsys.readouterr().err

    def test_an_anchor(self, nine, capsys, tmp_path):
        path = tmp_path / "anchor.json"
        assert cli.main(["audit", "anchor", "--output", str(path)]) == 0
        nine.record(1)
        assert cli.main(["audit", "verify", "--anchor", str(path)]) == 0
        nine.rewrite(lambda position, entry: None if position > 5 else entry)
        assert cli.main(["audit", "verify"]) == 0
        assert cli.main(["audit", "verify", "--anchor", str(path)]) == 1
        assert "anchor: the anchor saw 9 rows; the chain ends at 5" in capsys.readouterr().out

    def test_an_anchor_that_cannot_be_made_leaves_the_one_before(self, nine, monkeypatch, capsys, tmp_path):
        path = tmp_path / "anchors" / "anchor.json"
        path.parent.mkdir()
        assert cli.main(["audit", "anchor", "--output", str(path)]) == 0
        before = path.read_text()

        def fail(*_):
            raise DatabaseUnavailableError("gone")

        with monkeypatch.context() as patched:
            patched.setattr("app.security.store.audit.heads", fail)
            assert cli.main(["audit", "anchor", "--output", str(path)]) == 2
        with monkeypatch.context() as patched:
            patched.setattr("app.recording_cli.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
            assert cli.main(["audit", "anchor", "--output", str(path)]) == 2
        assert "anchor.json cannot be written: No space left" in capsys.readouterr().err
        assert (path.read_text(), list(path.parent.iterdir())) == (before, [path])
        nine.record(1)
        link = tmp_path / "link"
        link.symlink_to(path)
        assert cli.main(["audit", "anchor", "--output", str(link)]) == 0
        assert link.is_symlink()
        assert path.read_text() != before

    @pytest.mark.usefixtures("nine")
    def test_an_anchor_onto_what_is_no_file(self, capsys, tmp_path):
        assert cli.main(["audit", "anchor", "--output", str(tmp_path)]) == 2
        assert cli.main(["audit", "anchor", "--output", str(tmp_path / "none" / "anchor.json")]) == 2
        assert capsys.readouterr().err.count("cannot be written") == 2
        assert cli.main(["audit", "anchor", "--output", "/dev/null"]) == 0
        assert not Path("/dev/null").is_file()

    @pytest.mark.parametrize("content", ["", "{}", '{"format": "x"}', None])
    def test_no_anchor(self, capsys, tmp_path, content):
        path = tmp_path / "anchor.json"
        if content is not None:
            path.write_text(content)
        assert cli.main(["audit", "verify", "--anchor", str(path)]) == 2
        assert "anchor" in capsys.readouterr().err

    def test_signed_heads(self, database_url, monkeypatch, capsys, tmp_path):
        with opened(database_url, KEY) as kept:
            kept.record(3)
            (tmp_path / "public").write_text(Signer(KEY).public)
            named = ["audit", "verify", "--public-key", str(tmp_path / "public")]
            assert cli.main(named) == 0
            kept.rewrite(lambda position, entry: None if position == 3 else entry)
            assert cli.main(named) == 1
            assert cli.main(["audit", "verify"]) == 0
            monkeypatch.setenv("DEFERVESCE_SIGNING_KEY", base64.b64encode(KEY).decode())
            assert cli.main(["audit", "verify"]) == 1
        assert "the chain's head is not signed" in capsys.readouterr().out

    def test_chains_that_nobody_wrote_to_since_there_is_a_key(self, database_url, monkeypatch, capsys, tmp_path):
        with opened(database_url) as kept:
            kept.record(2)
            kept.record(3, tenant="north")
        with opened(database_url, KEY) as kept:
            kept.record(1)
            assert cli.main(["audit", "sign"]) == 2
            assert "DEFERVESCE_SIGNING_KEY" in capsys.readouterr().err
            monkeypatch.setenv("DEFERVESCE_SIGNING_KEY", base64.b64encode(KEY).decode())
            assert cli.main(["audit", "verify"]) == 1
            assert "north: 3 rows, NOT whole\n  signature: the chain's head is not signed" in capsys.readouterr().out
            assert cli.main(["audit", "sign"]) == 0
            assert "north: 3 rows, whole; signed by an entry" in capsys.readouterr().out
            assert cli.main(["audit", "verify"]) == 0
            assert "north: 4 rows, whole" in capsys.readouterr().out
            # What was tampered with, or is signed by somebody else, is not signed.
            kept.sql("UPDATE audit_heads SET signature = NULL, key_id = NULL")
            kept.sql("UPDATE audit SET operation = 'another' WHERE tenant = 'north' AND position = 2")
            assert cli.main(["audit", "sign"]) == 1
            assert "north: 4 rows, NOT whole\n  changed: row 2 was changed" in capsys.readouterr().out
            (tmp_path / "key").write_bytes(b"")
            monkeypatch.setenv("DEFERVESCE_SIGNING_KEY", base64.b64encode(bytes(range(32))).decode())
            assert cli.main(["audit", "sign", "--tenant", "default"]) == 1
            assert "signed by no key that is trusted here" in capsys.readouterr().out

    @pytest.mark.parametrize("content", BAD_KEYS, ids=range(len(BAD_KEYS)))
    def test_a_bad_public_key(self, capsys, tmp_path, content):
        (tmp_path / "public").write_text(content)
        assert cli.main(["audit", "verify", "--public-key", str(tmp_path / "public")]) == 2
        assert "no Ed25519 public key" in capsys.readouterr().err


class TestWhatSqliteKeeps:
    """Anything in any column: whoever may write to it cannot blind those who verify or ask."""

    @pytest.mark.parametrize("column", ["id", "caller", "operation", "event", "details", "prev_hash", "row_hash"])
    @pytest.mark.parametrize("written", ["x'ff00'", "CAST(x'ff' AS TEXT)", "CAST({column} AS BLOB)"])
    def test_what_is_no_text(self, sqlite_nine, capsys, column, written):
        bad = written.format(column=column)
        sqlite_nine.sql(f"UPDATE audit SET {column} = {bad} WHERE position = 4")  # noqa: S608  # of this module
        self.finds(sqlite_nine, "changed: row 4 was changed", capsys)

    @pytest.mark.parametrize(
        "change",
        [
            "at = 5",
            "at = 1e300",
            "at = '0001-01-01 00:00:00+14:00'",
            "at = '9999-12-31 23:59:59-14:00'",
            "at = x'00'",
            "at = CAST(at AS BLOB)",
            "at = CAST(x'ff' AS TEXT)",
            "status = 'x'",
            "status = 9e999",
            "status = x'00'",
            "cohort_id = x'00'",
            "patient_id = x'00'",
            "subject = x'00'",
            "request_id = x'00'",
            "details = '{'",
            "details = '[]'",
        ],
    )
    def test_what_is_no_time_number_or_json(self, sqlite_nine, capsys, change):
        sqlite_nine.sql(f"UPDATE audit SET {change} WHERE position = 4")  # noqa: S608  # of this module
        self.finds(sqlite_nine, "changed: row 4 was changed", capsys)

    def test_an_algorithm_that_is_no_text(self, sqlite_nine, capsys):
        sqlite_nine.sql("UPDATE audit SET algorithm = CAST(algorithm AS BLOB) WHERE position = 4")
        self.finds(sqlite_nine, "algorithm: row 4", capsys)

    @pytest.mark.parametrize("column", ["position = 'x'", "position = 9.5", "position = x'09'"])
    @pytest.mark.parametrize("row", [4, 9])
    def test_a_position_that_is_no_number(self, sqlite_nine, capsys, column, row):
        sqlite_nine.sql(f"UPDATE audit SET {column} WHERE position = {row}")  # noqa: S608  # of this module
        self.finds(sqlite_nine, f"removed: row {row} was removed" if row == 4 else "changed: row 9", capsys, shown=8)

    @pytest.mark.parametrize("tenant", ["x'00'", "CAST(tenant AS BLOB)", "CAST(x'ff' AS TEXT)"])
    def test_a_tenant_that_is_no_text(self, sqlite_nine, capsys, tenant):
        sqlite_nine.sql(f"UPDATE audit SET tenant = {tenant} WHERE position = 4")  # noqa: S608  # of this module
        self.finds(sqlite_nine, "removed: row 4 was removed", capsys, shown=8)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ("position = 'x'", "added: rows after -1"),
            ("position = x'00'", "added: rows after -1"),
            ("row_hash = CAST(row_hash AS BLOB)", "head: the chain's head"),
            ("row_hash = CAST(x'ff' AS TEXT)", "head: the chain's head"),
            ("signature = x'00', key_id = x'00'", "signature: the chain's head is signed by no key"),
            ("tenant = CAST(tenant AS BLOB)", "head: the chain's head was removed"),
        ],
    )
    def test_a_head_that_is_none(self, sqlite_nine, capsys, monkeypatch, change, said):
        monkeypatch.setenv("DEFERVESCE_SIGNING_KEY", base64.b64encode(KEY).decode())
        sqlite_nine.sql(f"UPDATE audit_heads SET {change}")  # noqa: S608  # of this module
        assert cli.main(["audit", "verify"]) == 1
        assert said in capsys.readouterr().out

    @pytest.fixture
    def sqlite_nine(self, sqlite_url, monkeypatch):
        """Nine rows on SQLite, which keeps anything in any column."""
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", sqlite_url)
        with opened(sqlite_url) as kept:
            kept.record(9, cohort_id="study", status=200, request_id="r", details='{"patients":1}')
            yield kept

    @staticmethod
    def finds(kept, said: str, capsys, shown: int = 9) -> None:
        """Check that whoever verifies is told, whoever asks the service is shown, and the chain goes on."""
        assert cli.main(["audit", "verify"]) == 1
        assert said in capsys.readouterr().out
        api = Api(kept.url)
        answer = api.client.get("/v1/audit", params={"limit": 500})
        assert answer.status_code == 200
        assert len([row for row in answer.json()["items"] if row["operation"] != "list_audit"]) == shown
        api.close()


def test_a_snapshot_is_verified_while_others_write(kept):
    kept.record(5)
    with reading(kept.database.engine) as connection:
        heads = audit.heads(connection)
        kept.record(1)
        assert heads["default"].position == len(list(audit.chain(connection, "default"))) == 5


KILLED = """
import os, sys
import tests.conftest
from app.security.store import audit
from tests.cohort_api import Api, record
api = Api(sys.argv[1])
api.create(record(1))
written = audit.append
def append(*args):
    written(*args)
    os._exit(9)
audit.append = append
api.create(record(2))
"""


def test_a_process_that_ends_between_entry_and_commit_leaves_neither(database_url):
    done = subprocess.run([sys.executable, "-c", KILLED, database_url], cwd=ROOT, check=False, timeout=120)
    assert done.returncode == 9
    with opened(database_url) as kept:
        with kept.database.engine.connect() as connection:
            ids = connection.execute(sa.text("SELECT id FROM cohorts")).scalars().all()
        told = [(row.entry.event, row.entry.cohort_id) for row in kept.rows()]
        assert told == [("cohort.create", ids[0]), ("patients.add", ids[0])]
        assert len(ids) == 1
        assert kept.verify() == (True, [])


def test_an_import_holds_the_chain_only_at_its_end(postgresql_url):
    """Others record into the same chain while its rows are written."""
    with opened(postgresql_url) as kept:
        store = Store(kept.database.engine, trail=kept.trail.of_transaction)
        with store.write() as writer:
            writer.create("a", None, [])
            kept.record(3)
            assert len(kept.rows()) == 3
        assert [row.entry.event for row in kept.rows()] == ["read", "read", "read", "cohort.create"]
        assert kept.verify() == (True, [])
