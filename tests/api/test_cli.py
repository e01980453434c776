"""The command line beside `serve`, which tests/api/test_server.py starts for real."""

from __future__ import annotations

import pytest

from app import cli
from app.api import server
from app.clinical.rulebook import load_rulebook
from app.clinical.rulebook.loader import BUILT_IN
from app.settings import load_settings

ORIGINAL = (BUILT_IN / "childrens-national-2020.toml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("RULES_DIR", "PORT", "HOST", "WORKERS"):
        # Set first, so that what `serve` puts there is taken away, too.
        monkeypatch.setenv(f"DEFERVESCE_{name}", "")
        monkeypatch.delenv(f"DEFERVESCE_{name}")


def test_rules_check_tells_what_a_folder_overrides_and_adds(tmp_path, capsys):
    ours = load_rulebook()["childrens-national-2020"].ref.version
    (tmp_path / "override.toml").write_text(ORIGINAL + "\n# ours\n", encoding="utf-8")
    added = ORIGINAL.replace('id = "childrens-national-2020"', 'id = "our-hospital"', 1)
    (tmp_path / "added.toml").write_text(added, encoding="utf-8")
    assert cli.main(["rules", "check", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"override.toml: overrides {ours} of childrens-national-2020 {ours}" in said
    assert f"added.toml: adds our-hospital {ours}" in said


def test_rules_check_takes_the_folder_of_the_settings(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DEFERVESCE_RULES_DIR", str(tmp_path))
    assert cli.main(["rules", "check"]) == 0
    assert "holds no rule files" in capsys.readouterr().out


def test_rules_check_refuses_with_file_and_reason(tmp_path, capsys):
    (tmp_path / "ours.toml").write_text("format = 2\n")
    assert cli.main(["rules", "check", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("defervesce: ours.toml: ")


def test_rules_check_refuses_a_set_that_a_topic_cannot_use(tmp_path, capsys):
    """A file may be well-formed and still lack a number that its topic needs: that is found here, not by a request."""
    section = ORIGINAL.index("[[parameter]]")
    (tmp_path / "ours.toml").write_text(ORIGINAL[:section], encoding="utf-8")
    assert cli.main(["rules", "check", str(tmp_path)]) == 2
    assert "ours.toml" in capsys.readouterr().err


def test_rules_check_needs_a_folder(tmp_path, capsys):
    assert cli.main(["rules", "check"]) == 2
    assert cli.main(["rules", "check", str(tmp_path / "nowhere")]) == 2
    assert "is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["rules"], ["nonsense"], ["serve", "--port", "x"]])
def test_a_command_that_is_none_is_refused_with_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: defervesce" in capsys.readouterr().err


@pytest.fixture
def served(monkeypatch, tmp_path):
    """Keep what the server is asked to serve."""
    found = {}
    monkeypatch.setenv("DEFERVESCE_DATABASE_URL", f"sqlite:///{tmp_path}/cohorts.db")
    monkeypatch.setattr(server, "run", lambda app, **options: found.update(options, app=app) or True)
    return found


def test_serve_listens_on_this_machine_alone_by_default(served):
    assert cli.main(["serve"]) == 0
    assert (served["app"], served["host"], served["port"]) == ("app.main:app", "127.0.0.1", 8000)
    assert served["access_log"] is False
    assert served["log_config"]["root"]["level"] == "INFO"


def test_serve_takes_the_environment_and_the_command_line_before_it(served, monkeypatch):
    monkeypatch.setenv("DEFERVESCE_PORT", "9000")
    monkeypatch.setenv("DEFERVESCE_HOST", "127.0.0.2")
    assert cli.main(["serve"]) == 0
    assert (served["host"], served["port"]) == ("127.0.0.2", 9000)
    assert cli.main(["serve", "--host", "127.0.0.3", "--port", "9001", "--workers", "2"]) == 0
    assert (served["host"], served["port"], served["workers"]) == ("127.0.0.3", 9001, 2)


@pytest.mark.parametrize("before", ["DEFERVESCE_HOST", "defervesce_host"])
def test_the_application_learns_where_serve_was_told_to_listen(served, monkeypatch, before):
    """It reads its settings itself, from the environment; off loopback it counts requests."""
    monkeypatch.setenv(before, "127.0.0.1")
    monkeypatch.setenv("DEFERVESCE_AUTH", "required")
    assert cli.main(["serve", "--host", "0.0.0.0", "--port", "9001"]) == 0  # noqa: S104  # what is told
    settings = load_settings()
    assert (settings.host, settings.port, settings.requests_per_minute) == (served["host"], 9001, 6000)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--port", "0"], "DEFERVESCE_PORT must be at least 1"),
        (["--port", "65536"], "DEFERVESCE_PORT must be at most 65535"),
        (["--workers", "0"], "DEFERVESCE_WORKERS must be at least 1"),
        (["--workers", "65"], "DEFERVESCE_WORKERS must be at most 64"),
        (["--workers", "3"], "DEFERVESCE_WORKERS above 1 with an in-memory SQLite database"),
    ],
)
def test_what_serve_is_told_is_checked_as_the_environment_is(served, monkeypatch, capsys, arguments, reason):
    monkeypatch.setenv("DEFERVESCE_DATABASE_URL", "sqlite://")
    assert cli.main(["serve", *arguments]) == 2
    assert served == {}
    assert reason in capsys.readouterr().err


def test_many_workers_are_not_started_on_bad_rules(served, monkeypatch, tmp_path, capsys):
    (tmp_path / "ours.toml").write_text("format = 2\n")
    monkeypatch.setenv("DEFERVESCE_RULES_DIR", str(tmp_path))
    assert cli.main(["serve", "--workers", "2"]) == 2
    assert served == {}
    assert "ours.toml" in capsys.readouterr().err
