"""Migrations from empty to head, on SQLite and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from alembic import command
from app import cli
from app.api import server
from app.clinical.rulebook import RulebookError
from app.cohorts.database import CohortDatabase
from app.cohorts.errors import DatabaseUnavailableError
from app.database import revision, schema
from app.database.engine import make_engine
from app.database.probe import revision_of
from app.database.tables import METADATA

ROOT = Path(__file__).parents[2]
TABLES = {"cohorts", "patients", "strata", "tallies", "idempotency", "jobs"} | {
    "access_tokens",
    "api_key_secrets",
    "api_keys",
    "audit",
    "audit_heads",
    "client_assertions",
    "clients",
    "receipts",
    "signing_keys",
}


def tables(url: str) -> set[str]:
    engine = make_engine(url)
    try:
        return set(sa.inspect(engine).get_table_names()) - {"sqlite_sequence"}
    finally:
        engine.dispose()


def test_from_nothing_to_head_and_back(empty_url):
    schema.migrate(empty_url)
    assert tables(empty_url) == TABLES | {"alembic_version"}
    assert revision_of(empty_url, 5) == revision.HEAD
    command.downgrade(schema.config(empty_url), "base")
    assert tables(empty_url) == {"alembic_version"}
    assert revision_of(empty_url, 5) is None
    schema.migrate(empty_url)
    assert tables(empty_url) == TABLES | {"alembic_version"}


def test_the_migrations_make_what_the_tables_say(database_url):
    """Raises if Alembic would change anything."""
    command.check(schema.config(database_url))


def test_alembic_notices_a_table_that_no_migration_makes(sqlite_url):
    extra = sa.Table("forgotten", METADATA, sa.Column("id", sa.Integer, primary_key=True))
    try:
        with pytest.raises(Exception, match="New upgrade operations detected"):
            command.check(schema.config(sqlite_url))
    finally:
        METADATA.remove(extra)


def test_the_revision_that_the_service_needs_is_the_last_one():
    assert ScriptDirectory(str(schema.migrations())).get_heads() == [revision.HEAD]


def test_migrating_twice_changes_nothing(database_url):
    schema.migrate(database_url)
    assert revision_of(database_url, 5) == revision.HEAD


def test_two_migrations_at_once(empty_url):
    """Replicas start together: one waits for the other, and finds nothing left to do."""
    code = "import sys; from app.database.schema import migrate; migrate(sys.argv[1])"

    def run(_: int) -> int:
        return subprocess.run([sys.executable, "-c", code, empty_url], cwd=ROOT, check=False, timeout=60).returncode

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, range(2))) == [0, 0]
    assert revision_of(empty_url, 5) == revision.HEAD


def test_the_constraints_have_the_names_of_the_convention(database_url):
    engine = make_engine(database_url)
    inspector = sa.inspect(engine)
    for table in METADATA.sorted_tables:
        assert {c["name"] for c in inspector.get_check_constraints(table.name)} == {
            c.name for c in table.constraints if isinstance(c, sa.CheckConstraint)
        }
        # SQLite writes the key that it numbers itself into the column, without a name.
        inline = {None} if table.name in {"cohorts", "signing_keys"} and database_url.startswith("sqlite") else set()
        assert inspector.get_pk_constraint(table.name)["name"] in {f"pk_{table.name}"} | inline
        assert all(key["name"].startswith("fk_") for key in inspector.get_foreign_keys(table.name))
    engine.dispose()


def test_the_statements_can_be_looked_at(sqlite_url, capsys):
    command.upgrade(schema.config(sqlite_url), "head", sql=True)
    assert "CREATE TABLE cohorts" in capsys.readouterr().out


def test_a_database_in_memory_is_made_whole_by_itself():
    database = CohortDatabase("sqlite://")
    assert database.status().state == "ready"
    engine = make_engine("sqlite://")
    with engine.connect() as connection:
        assert set(sa.inspect(connection).get_table_names()) - {"sqlite_sequence"} == TABLES | {"alembic_version"}
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == revision.HEAD
    engine.dispose()


class TestCommand:
    @pytest.fixture(autouse=True)
    def _url(self, empty_url, monkeypatch):
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", empty_url)

    def test_migrate(self, empty_url, capsys):
        assert cli.main(["migrate"]) == 0
        assert capsys.readouterr().out == f"the database is at revision {revision.HEAD}\n"
        assert revision_of(empty_url, 5) == revision.HEAD

    def test_the_built_in_cohort_is_there_after_it(self, empty_url):
        """A database that nobody may write to from then on answers for it, too."""
        assert cli.main(["migrate"]) == 0
        database = CohortDatabase(empty_url)
        with database.store.read() as reader:
            assert reader.cohort("study").n > 0
        database.dispose()

    def test_it_succeeds_where_the_built_in_cohort_cannot_be_made(self, empty_url, monkeypatch, capsys):
        def fail(_):
            raise RulebookError("a rule file is not valid")

        monkeypatch.setattr(cli, "load_rulebook", fail)
        assert cli.main(["migrate"]) == 0
        assert "when it is asked for: a rule file is not valid" in capsys.readouterr().err
        assert revision_of(empty_url, 5) == revision.HEAD

    def test_rebuild_before_migrating_says_what_to_do(self, capsys):
        assert cli.main(["tallies", "rebuild"]) == 2
        assert "run" in (said := capsys.readouterr().err)
        assert "defervesce migrate" in said


def test_a_database_that_cannot_be_made_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DEFERVESCE_DATABASE_URL", f"sqlite:///{tmp_path}/no/such/folder.db")
    assert cli.main(["migrate"]) == 2
    assert capsys.readouterr().err == "defervesce: The database cannot be reached.\n"


def test_the_alembic_command_migrates_the_database_of_the_settings(empty_url):
    """It makes the schema, and nothing else."""
    alembic = Path(sys.executable).with_name("alembic")
    environment = {"PATH": "/usr/bin:/bin", "DEFERVESCE_DATABASE_URL": empty_url}
    subprocess.run([alembic, "upgrade", "head"], cwd=ROOT, env=environment, check=True, timeout=60)
    assert revision_of(empty_url, 5) == revision.HEAD


class TestStatus:
    def test_ready(self, database_url):
        assert CohortDatabase(database_url).status()[:2] == ("ready", revision.HEAD)

    def test_without_a_schema(self, empty_url):
        status = CohortDatabase(empty_url).status()
        assert status[:2] == ("schema", None)
        assert "defervesce migrate" in status.detail

    def test_asking_makes_no_file(self, tmp_path):
        path = tmp_path / "none.db"
        database = CohortDatabase(f"sqlite:///{path}")
        assert database.status().state == "schema"
        with pytest.raises(DatabaseUnavailableError), database.store.read() as reader:
            reader.cohorts()
        assert not path.exists()

    def test_at_another_revision(self, database_url):
        engine = make_engine(database_url)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
        engine.dispose()
        status = CohortDatabase(database_url).status()
        assert status[:2] == ("schema", "0000")
        assert f"at revision 0000; this release needs {revision.HEAD}" in status.detail

    def test_downgraded(self, database_url):
        command.downgrade(schema.config(database_url), "base")
        assert CohortDatabase(database_url).status()[:2] == ("schema", None)

    @pytest.mark.parametrize(
        "url", ["postgresql://nobody:canary@127.0.0.1:1/none", "postgresql:///none?host=/nowhere", "sqlite:////tmp"]
    )
    def test_unreachable(self, url):
        status = CohortDatabase(url, timeout_seconds=1).status()
        assert status.state == "unreachable"
        assert "canary" not in status.detail


class TestFolder:
    def test_an_installed_service_has_the_migrations_beside_it(self, monkeypatch, tmp_path):
        installed = tmp_path / "share"
        installed.mkdir()
        (installed / "env.py").touch()
        monkeypatch.setattr(schema, "_CHECKOUT", tmp_path / "nowhere")
        monkeypatch.setattr(schema, "_INSTALLED", installed)
        assert schema.migrations() == installed

    def test_without_migrations_the_command_says_where_they_belong(self, monkeypatch, tmp_path, capsys):
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", f"sqlite:///{tmp_path}/x.db")
        for name in ("_CHECKOUT", "_INSTALLED"):
            monkeypatch.setattr(schema, name, tmp_path / "nowhere")
        assert cli.main(["migrate"]) == 2
        assert "the migrations are missing" in capsys.readouterr().err


class TestServe:
    @pytest.fixture
    def served(self, monkeypatch):
        found: dict[str, object] = {}

        def run(app: str, **options: object) -> bool:
            found.update(options, app=app)
            return True

        monkeypatch.setattr(server, "run", run)
        return found

    def test_it_migrates_first_when_asked(self, tmp_path, monkeypatch, served):
        url = f"sqlite:///{tmp_path}/x.db"
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", url)
        assert cli.main(["serve", "--migrate"]) == 0
        assert revision_of(url, 5) == revision.HEAD
        assert served["app"] == "app.main:app"

    def test_it_does_not_start_when_that_fails(self, tmp_path, monkeypatch, served):
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", f"sqlite:///{tmp_path}/no/folder/x.db")
        assert cli.main(["serve", "--migrate"]) == 2
        assert served == {}
