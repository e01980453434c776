"""`defervesce import` and `defervesce export`, and what the API answers while the database takes no writes."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys

import pytest

from app.cli import main
from app.cohorts.commands import Progress
from tests.cohort_api import Api, lines, record
from tests.serving import ROOT


@pytest.fixture
def settings(sqlite_url, monkeypatch):
    monkeypatch.setenv("DEFERVESCE_DATABASE_URL", sqlite_url)
    return sqlite_url


def imported(capsys, *arguments: object) -> str:
    assert main(["import", *map(str, arguments)]) == 0
    return capsys.readouterr().out.split()[1]


@pytest.mark.parametrize("suffix", ["json", "ndjson", "csv"])
@pytest.mark.usefixtures("settings")
def test_in_and_out_again(tmp_path, capsys, suffix):
    records = [record(1), record(2)]
    text = {
        "json": json.dumps({"name": "Its own", "patients": records}),
        "ndjson": lines(*records),
        "csv": "patient_id,age_years\nP01,6\nP02,7\n",
    }[suffix]
    file = tmp_path / f"cohort.{suffix}"
    file.write_text(text)
    cohort = imported(capsys, file, *(() if suffix == "json" else ("--name", "Named")))
    assert main(["export", cohort, "--output", str(tmp_path / "out.ndjson")]) == 0
    assert main(["export", cohort, "--format", "csv", "--output", str(tmp_path / "out.csv")]) == 0
    for out in ("out.ndjson", "out.csv"):
        again = imported(capsys, tmp_path / out, "--name", "Again")
        assert main(["export", again, "--output", str(tmp_path / "again")]) == 0
        assert (tmp_path / "again").read_text() == (tmp_path / "out.ndjson").read_text()


@pytest.mark.usefixtures("settings")
def test_what_is_exported_is_its_owners_alone(tmp_path):
    out, open_to_all = tmp_path / "out.csv", tmp_path / "shared.csv"
    open_to_all.touch(mode=0o644)
    for file in (out, open_to_all):
        assert main(["export", "study", "--format", "csv", "--output", str(file)]) == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert open_to_all.stat().st_mode & 0o777 == 0o644, "whose file it is decided that already"
    assert out.read_bytes() == open_to_all.read_bytes()


def test_nobody_reads_on(tmp_path):
    """`defervesce openapi | head -1` ends quietly, as other programs do."""
    with (tmp_path / "said").open("wb") as said:
        command = [sys.executable, "-m", "app.cli", "openapi"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=said)
        process.stdout.close()
        assert process.wait(60) == 141
    assert (tmp_path / "said").read_text() == ""


def test_what_is_refused_is_said_with_its_line_and_leaves_nothing(settings, tmp_path, capsys):
    file = tmp_path / "cohort.csv"
    file.write_text("patient_id,age_years\nP1,8\nP2,-1\nP1,9\n")
    assert main(["import", str(file), "--name", "a"]) == 2
    told = capsys.readouterr().err
    assert "line 3, /age_years" in told
    assert "nothing was kept" in told
    cohort = imported(capsys, file, "--name", "a", "--skip-errors")
    assert main(["import", str(file), "--cohort", cohort]) == 2
    assert main(["import", str(file), "--cohort", "nowhere"]) == 2
    assert main(["import", str(tmp_path / "none.csv"), "--name", "a"]) == 2
    assert main(["import", str(file)]) == 2
    assert main(["export", "nowhere"]) == 2
    assert main(["import", str(tmp_path), "--name", "a"]) == 2
    capsys.readouterr()
    api = Api(settings)
    assert [one["n"] for one in api.client.get("/v1/cohorts").json()["items"] if one["id"] != "study"] == [1]
    api.close()


@pytest.mark.parametrize("body", [b'{"\\ud800": 1}', b'{"name": "a", "patients": [' + b"9" * 5000 + b"]}"])
@pytest.mark.usefixtures("settings")
def test_what_python_itself_stumbles_over_is_said(tmp_path, capsys, body):
    file = tmp_path / "cohort.json"
    file.write_bytes(body)
    assert main(["import", str(file), "--name", "a"]) == 2
    assert "nothing was kept" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_and_lines_elsewhere():
    bar, plain = Terminal(), io.StringIO()
    for output in (bar, plain):
        progress = Progress(output, 1000)
        for done in (0, 100, 150, 500, 1000):
            progress.told(done)
        progress.end()
    assert bar.getvalue().endswith("] 100% of 0.0 MB in 0 s\n")
    assert "\r[" in bar.getvalue()
    assert [line.split()[0] for line in plain.getvalue().splitlines()] == ["10%", "50%", "100%"]


class TestDatabaseFaults:
    """Locked, read-only: 503 with Retry-After, nothing changed, and what can still be read is read."""

    @pytest.fixture
    def api(self, sqlite_url):
        made = Api(sqlite_url, database_timeout_seconds="0.2")
        yield made
        made.close()

    def changes(self, api, path):
        star = {"if-match": "*"}
        yield api.client.post("/v1/cohorts", json={"name": "a"})
        yield api.add(path, lines(record(2)))
        yield api.add(path, lines(record(2)), prefer="respond-async")
        yield api.client.put(f"{path}/patients/P01", json=record(1, age_years=2), headers=star)
        yield api.client.delete(f"{path}/patients/P01", headers=star)
        yield api.client.delete(path, headers=star)
        yield api.client.post(f"{path}/rederive", json={})

    def refused(self, api, path):
        before = api.state(path)
        for answer in self.changes(api, path):
            assert answer.status_code == 503, answer.text
            assert answer.json()["type"] == "/problems/database-unavailable"
            assert int(answer.headers["retry-after"]) > 0
        assert api.state(path) == before
        assert api.client.get("/v1/cohorts").status_code == 200

    def test_locked_by_another(self, api, sqlite_url):
        path = api.create(record(1))
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        self.refused(api, path)
        other.execute("ROLLBACK")
        other.close()
        assert api.add(path, lines(record(2))).status_code == 200

    def test_not_migrated(self, tmp_path):
        api = Api(f"sqlite:///{tmp_path / 'none.db'}")
        for answer in (api.client.get("/v1/cohorts/study"), api.client.post("/v1/cohorts", json={"name": "a"})):
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
        api.close()
