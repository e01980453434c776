"""Backup and restore: made while the service writes, restored into nothing, and everything acknowledged is there."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from alembic import command
from app.database.backup import BackupError, back_up, restore
from app.database.engine import WRITES, make_engine
from app.database.probe import revision_of
from app.database.revision import HEAD
from app.database.schema import config, known_revisions, migrate
from app.database.tables import METADATA, UtcDateTime
from tests.audit_rows import opened
from tests.cohort_api import record
from tests.cohort_rows import DIGITS, RULES, counted, kept, row
from tests.serving import NDJSON, Service, recount, run


@pytest.fixture
def other_url(request, tmp_path):
    """Give an empty database of the same kind: a file that is not there yet, or a PostgreSQL database."""
    if "sqlite" in request.node.callspec.id:
        return f"sqlite:///{tmp_path / 'restored.db'}"
    return request.getfixturevalue("empty_postgresql")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "cohorts.backup"


def beside(file: Path) -> Path:
    return file.with_name(file.name + ".sha256")


def everything(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of all tables, but the cohorts' versions."""
    engine = make_engine(url)
    with engine.connect() as connection:
        found = {}
        for table in METADATA.sorted_tables:
            columns = [c for c in table.columns if (table.name, c.name) != ("cohorts", "version")]
            found[table.name] = [tuple(row) for row in connection.execute(sa.select(*columns).order_by(*columns))]
    engine.dispose()
    return found


def fill(store, name: str = "c", rows: int = 3) -> str:
    with store.write() as writer:
        cohort = writer.create(name, 'null, \\N and "quotes"\r\n\ttab é 𝄞', RULES)
        writer.add(cohort, [row(f"P{n}", age_years=n, male=n % 2) for n in range(rows)])
        writer.create_job("add_patients", cohort.id)
        writer.remember("POST /v1/cohorts", name, b"\x00\xff", status=201, body=b"\x00{}\xff", headers={"ETag": '"1"'})
    return cohort.id


def fill_the_rest(url: str) -> None:
    """Put a row into every table in which nothing stands: what is kept of callers, deeds and receipts."""
    now, text = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), 'null, \\N and "quotes"'
    engine = make_engine(url)
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        for table in METADATA.sorted_tables:
            if connection.execute(sa.select(table).limit(1)).first() is None:
                connection.execute(sa.insert(table).values(made_row(table, now, text)))
    engine.dispose()


def made_row(table: sa.Table, now: datetime, text: str) -> dict[str, object]:
    named = {"outcome": "success", "jwks_url": None, "key_id": "k", "client_id": "c", "hash": b"\x00" * 32}
    by_type = {bytes: b"\x00\xff" * 16, int: 1, str: text, bool: False}
    referred = {"api_keys": {"id": "k"}, "clients": {"id": "c"}}.get(table.name, {})
    return {
        column.name: now if isinstance(column.type, UtcDateTime) else named.get(column.name, by_type[kind_of(column)])
        for column in table.columns
        if column.autoincrement is not True
    } | referred


def kind_of(column: sa.Column) -> type:
    return bytes if isinstance(column.type, UtcDateTime) else column.type.python_type


class TestBackAgain:
    def test_every_row_of_every_table(self, database_url, other_url, open_store, file):
        store = open_store(database_url, digits=DIGITS)
        for name in ("a", "b"):
            fill(store, name)
        fill_the_rest(database_url)
        contents = back_up(database_url, file)
        assert contents.revision == HEAD
        assert contents.rows == {name: len(rows) for name, rows in everything(database_url).items()}
        assert all(contents.rows.values()), "a table that nothing stands in tests nothing"
        assert restore(other_url, file) == contents
        assert everything(other_url) == everything(database_url)

    def test_no_table_is_left_out(self, database_url, file):
        assert set(back_up(database_url, file).rows) == set(METADATA.tables)

    def test_every_revision_comes_back_as_this_releases(self, empty_url, tmp_path):
        """A backup of an older release is restored into nothing, and migrated."""
        for revision in sorted(known_revisions()):
            migrate(empty_url, revision)
            file = tmp_path / f"{revision}.backup"
            assert back_up(empty_url, file).revision == revision
            command.downgrade(config(empty_url), "base")
            engine = make_engine(empty_url)
            with engine.begin() as connection:
                connection.execute(sa.text("DROP TABLE alembic_version"))
            engine.dispose()
            restore(empty_url, file)
            assert revision_of(empty_url, 5) == HEAD
            command.downgrade(config(empty_url), "base")

    def test_numbers_go_on(self, database_url, other_url, open_store, file):
        """A cohort's number is never used twice, not even that of one which was deleted before the backup."""
        store = open_store(database_url, digits=DIGITS)
        fill(store, "a")
        last = fill(store, "b")
        with store.write() as writer:
            number = writer.lock(last).number
            writer.delete(writer.lock(last))
        back_up(database_url, file)
        restore(other_url, file)
        restored = open_store(other_url, digits=DIGITS)
        added = fill(restored, "c")
        with restored.read() as reader:
            assert reader.cohort(added).number == number + 1

    def test_no_version_is_used_twice(self, database_url, open_store, file):
        """Whoever holds the ETag of a change that is lost must not match what came in its place."""
        store = open_store(database_url, digits=DIGITS)
        cohort_id = fill(store)

        def add(number: int) -> int:
            with store.write() as writer:
                writer.add(writer.lock(cohort_id), [row(f"Q{number}", age_years=1)])
            with store.read() as reader:
                return reader.cohort(cohort_id).version

        back_up(database_url, file)
        seen = [add(number) for number in range(3)]
        for _ in range(2):
            restore(database_url, file, force=True)
            with store.read() as reader:
                seen.append(reader.cohort(cohort_id).version)
            seen += [add(number) for number in range(3)]
        assert len(set(seen)) == len(seen), seen

    def test_tallies_are_those_of_the_patients(self, database_url, other_url, open_store, file):
        cohort_id = fill(open_store(database_url, digits=DIGITS), rows=200)
        back_up(database_url, file)
        restore(other_url, file)
        with open_store(other_url, digits=DIGITS).read() as reader:
            cohort = reader.cohort(cohort_id)
            assert kept(reader, cohort) == counted({f"P{n}": row(f"P{n}", age_years=n, male=n % 2) for n in range(200)})


class TestRefused:
    def test_a_database_that_holds_cohorts_is_not_replaced_unasked(self, database_url, open_store, file):
        store = open_store(database_url, digits=DIGITS)
        fill(store)
        back_up(database_url, file)
        later = fill(store, "later")
        before = everything(database_url)
        with pytest.raises(BackupError, match="--force"):
            restore(database_url, file)
        assert everything(database_url) == before
        restore(database_url, file, force=True)
        assert later not in [line[1] for line in everything(database_url)["cohorts"]]

    def test_a_migrated_database_with_the_built_in_cohort_alone_holds_nothing(self, database_url, file):
        assert run(database_url, "migrate").returncode == 0
        back_up(database_url, file)
        restore(database_url, file)

    def test_a_file_is_not_replaced_unasked(self, database_url, file):
        file.write_bytes(b"mine")
        with pytest.raises(BackupError, match="there already"):
            back_up(database_url, file)
        assert file.read_bytes() == b"mine"
        back_up(database_url, file, force=True)

    @pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.99])
    @pytest.mark.parametrize("hashed", [True, False])
    def test_a_file_that_was_cut(self, database_url, open_store, file, share, hashed):
        fill(open_store(database_url, digits=DIGITS))
        back_up(database_url, file)
        whole, before = file.read_bytes(), everything(database_url)
        file.write_bytes(whole[: int(len(whole) * share)])
        if not hashed:
            beside(file).unlink()
        with pytest.raises(BackupError):
            restore(database_url, file, force=True)
        assert everything(database_url) == before

    def test_a_file_in_which_a_byte_changed(self, database_url, open_store, file):
        """SQLite itself would not notice: the hash beside the file does."""
        fill(open_store(database_url, digits=DIGITS), rows=500)
        back_up(database_url, file)
        whole, before = file.read_bytes(), everything(database_url)
        for at in (whole.find(b"P499"), len(whole) // 2, 20):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x01]) + whole[at + 1 :])
            with pytest.raises(BackupError, match="is not the file"):
                restore(database_url, file, force=True)
            assert everything(database_url) == before
        file.write_bytes(whole)
        restore(database_url, file, force=True)

    def test_a_table_in_which_a_byte_changed(self, postgresql_url, open_store, file):
        fill(open_store(postgresql_url, digits=DIGITS), rows=500)
        back_up(postgresql_url, file)
        beside(file).unlink()
        with zipfile.ZipFile(file) as archive:
            inside = archive.getinfo("patients.csv")
        whole = file.read_bytes()
        at = inside.header_offset + 30 + len(inside.filename) + inside.compress_size // 2
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x01]) + whole[at + 1 :])
        with pytest.raises(BackupError):
            restore(postgresql_url, file, force=True)

    def test_the_hash_is_written_as_others_read_it(self, sqlite_url, file):
        back_up(sqlite_url, file)
        digest, name = beside(file).read_text().split()
        assert (name, digest) == (file.name, hashlib.sha256(file.read_bytes()).hexdigest())

    def test_a_backup_of_a_later_release(self, database_url, other_url, file):
        engine = make_engine(database_url)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        engine.dispose()
        assert back_up(database_url, file).revision == "9999"
        with pytest.raises(BackupError, match="9999, which this release does not know"):
            restore(other_url, file)

    def test_a_backup_of_the_other_database(self, sqlite_url, postgresql_url, tmp_path):
        back_up(sqlite_url, tmp_path / "a")
        back_up(postgresql_url, tmp_path / "b")
        with pytest.raises(BackupError):
            restore(postgresql_url, tmp_path / "a", force=True)
        with pytest.raises(BackupError):
            restore(sqlite_url, tmp_path / "b", force=True)

    def test_rows_that_do_not_come_back(self, postgresql_url, empty_postgresql, open_store, file):
        """The manifest is the last word: an archive with fewer rows than it says leaves nothing."""
        fill(open_store(postgresql_url, digits=DIGITS))
        back_up(postgresql_url, file)
        changed = file.with_name("changed.zip")
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(changed, "w") as new:
            manifest = json.loads(old.read("manifest.json"))
            for table in manifest["tables"]:
                table["rows"] += table["name"] == "patients"
                new.writestr(f"{table['name']}.csv", old.read(f"{table['name']}.csv"))
            new.writestr("manifest.json", json.dumps(manifest))
        with pytest.raises(BackupError, match="patients: 3 rows came back of 4"):
            restore(empty_postgresql, changed)
        assert not any(everything(empty_postgresql).values())

    @pytest.mark.parametrize("command", ["backup", "restore"])
    def test_a_database_in_memory(self, command, tmp_path):
        told = run("sqlite://", command, str(tmp_path / "x"))
        assert (told.returncode, "memory" in told.stderr) == (2, True)

    def test_a_database_that_is_not_there(self, tmp_path):
        told = run(f"sqlite:///{tmp_path}/none.db", "backup", str(tmp_path / "x"))
        assert told.returncode == 2
        assert "Traceback" not in told.stderr
        assert not (tmp_path / "x").exists()

    def test_a_damaged_database_is_not_written_over(self, sqlite_url, tmp_path, file):
        back_up(sqlite_url, file)
        damaged = tmp_path / "damaged.db"
        damaged.write_bytes(b"no database at all " * 1000)
        with pytest.raises(BackupError, match="move it away"):
            restore(f"sqlite:///{damaged}", file, force=True)
        assert damaged.read_bytes().startswith(b"no database")

    def test_nobody_else_may_read_it(self, database_url, file):
        back_up(database_url, file)
        assert file.stat().st_mode & 0o077 == 0

    def test_nothing_is_left_beside_it(self, sqlite_url, file):
        back_up(sqlite_url, file)
        restore(sqlite_url, file, force=True)
        assert {path.name.removesuffix("-wal").removesuffix("-shm") for path in file.parent.iterdir()} == {
            "cohorts.db",
            "cohorts.backup",
            "cohorts.backup.sha256",
        }


def test_an_archive_can_be_read_without_us(postgresql_url, empty_postgresql, open_store, file):
    """What the operations page says: unzip it, and psql brings a table in."""
    fill(open_store(postgresql_url, digits=DIGITS))
    back_up(postgresql_url, file)
    with zipfile.ZipFile(file) as archive, psycopg.connect(empty_postgresql) as connection:
        header, _, _ = archive.read("patients.csv").partition(b"\n")
        columns = ", ".join(f"{name} text" for name in header.decode().split(","))
        connection.execute(f"CREATE TABLE patients ({columns})")
        with connection.cursor() as cursor, cursor.copy("COPY patients FROM STDIN WITH (FORMAT csv, HEADER)") as copy:
            copy.write(archive.read("patients.csv"))
        assert connection.execute("SELECT count(*) FROM patients").fetchone() == (3,)


def test_a_backup_of_sqlite_is_a_database_of_its_own(sqlite_url, open_store, file):
    fill(open_store(sqlite_url, digits=DIGITS))
    back_up(sqlite_url, file)
    before = file.read_bytes()
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        assert connection.execute("SELECT count(*) FROM patients").fetchone() == (3,)
    connection.close()
    assert before[18:20] == b"\x01\x01", "it asks for a log beside it"
    assert file.read_bytes() == before


class Load(threading.Thread):
    """Creates cohorts and fills them further, and takes down what was acknowledged, and when."""

    def __init__(self, service: Service, number: int) -> None:
        super().__init__()
        self._service, self._number = service, number
        self.ended = threading.Event()
        self.acknowledged: dict[str, list[tuple[float, int]]] = {}

    def run(self) -> None:
        turn = 0
        while not self.ended.is_set():
            turn += 1
            made = self._service.create([record(n) for n in range(5)], name=f"{self._number}-{turn}")
            if made.status != 201:
                continue
            path = made.headers["location"]
            self._note(path, 5)
            more = "".join(json.dumps(record(n)) + "\n" for n in range(50, 55))
            if self._service.ask("POST", f"{path}/patients", more, content_type=NDJSON).status == 200:
                self._note(path, 10)

    def _note(self, path: str, n: int) -> None:
        self.acknowledged.setdefault(path.rpartition("/")[2], []).append((time.monotonic(), n))


def test_under_write_load(database_url, other_url, tmp_path):
    service = Service(database_url, tmp_path / "log").start()
    writers = [Load(service, number) for number in range(3)]
    try:
        for writer in writers:
            writer.start()
        while sum(len(writer.acknowledged) for writer in writers) < 10:
            time.sleep(0.05)
        started = time.monotonic()
        told = run(database_url, "backup", str(tmp_path / "backup"))
        assert told.returncode == 0, told.stderr
    finally:
        for writer in writers:
            writer.ended.set()
        for writer in writers:
            writer.join()
        service.stop()
    service.assert_sound()
    told = run(other_url, "restore", str(tmp_path / "backup"))
    assert told.returncode == 0, told.stderr + told.stdout
    assert set(recount(other_url).values()) == {True}
    restored = Service(other_url, tmp_path / "log2").start()
    try:
        found = {cohort["id"]: cohort["n"] for cohort in restored.cohorts()}
    finally:
        restored.stop()
    due = {
        cohort_id: max(n for at, n in notes if at < started)
        for writer in writers
        for cohort_id, notes in writer.acknowledged.items()
        if notes[0][0] < started
    }
    assert len(due) >= 10
    assert {cohort_id: found.get(cohort_id, 0) >= n for cohort_id, n in due.items()} == dict.fromkeys(due, True)
    # Nothing half: a cohort is as it was after one of its two changes.
    assert {n for cohort_id, n in found.items() if cohort_id != "study"} <= {5, 10}


def test_a_restore_is_seen_by_a_service_that_runs(database_url, tmp_path):
    """What it had worked out of the lost state is not taken for an answer about the restored one."""
    service = Service(database_url, tmp_path / "log").start()
    try:
        path = service.create([record(n) for n in range(4)]).headers["location"]
        file = Path(tmp_path / "backup")
        assert run(database_url, "backup", str(file)).returncode == 0

        def age_n() -> tuple[int, str]:
            answer = service.ask("GET", f"{path}/analysis/characteristics")
            return answer.json["n"], answer.headers["etag"]

        def add(number: int) -> int:
            sent = json.dumps(record(number)) + "\n"
            return service.ask("POST", f"{path}/patients", sent, content_type=NDJSON).status

        assert add(60) == 200
        lost = age_n()
        assert run(database_url, "restore", "--force", str(file)).returncode == 0
        assert age_n()[0] == 4
        assert (add(61), add(62)) == (200, 200)
        assert age_n()[0] == 6
        assert service.ask("GET", f"{path}/analysis/characteristics", if_none_match=lost[1]).status == 200
    finally:
        service.stop()
    service.assert_sound()


def test_a_restore_says_that_revoked_keys_are_back(database_url, tmp_path):
    file = str(tmp_path / "backup")
    made = run(database_url, "keys", "create", "--name", "Ward", "--scopes", "calculate")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip().splitlines()[0].partition(".")[0]
    assert run(database_url, "backup", file).returncode == 0
    assert run(database_url, "keys", "revoke", key[:16]).returncode == 0
    told = run(database_url, "restore", "--force", file)
    assert told.returncode == 0, told.stderr
    assert "1 keys and clients are as they were at the backup: what was revoked since is valid again" in told.stderr
    assert "valid" in run(database_url, "keys", "list").stdout
    with opened(database_url) as kept:
        told = [row.entry.event for row in kept.rows() if row.entry.caller.startswith("command-line")]
    assert told == ["key.create", "database.backup", "database.restore", "tallies.rebuild"]
