"""Settings: read from the environment, refused with the variable's name and never its value."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.settings import Settings, SettingsError, load_settings

CANARY = "canary7391"


def test_the_defaults_are_safe(monkeypatch):
    monkeypatch.delenv("DEFERVESCE_DATABASE_URL", raising=False)
    settings = load_settings({})
    assert settings.host == "127.0.0.1"
    assert settings.cors_origins == ()
    assert settings.body_bytes == 80_000_000
    assert settings.record_bytes == 1_000_000
    assert settings.max_batch_items == 1_000_000
    assert settings.database_url.get_secret_value() == "sqlite:///defervesce.db"


def test_everything_can_be_set(tmp_path):
    settings = load_settings(
        {
            "DEFERVESCE_HOST": "0.0.0.0",  # noqa: S104  # a container listens everywhere
            "DEFERVESCE_PORT": "9000",
            "DEFERVESCE_WORKERS": "4",
            "DEFERVESCE_RULES_DIR": str(tmp_path),
            "DEFERVESCE_DATABASE_URL": f"postgresql+psycopg://user:{CANARY}@db/defervesce",
            "DEFERVESCE_MAX_BODY_MB": "2.5",
            "defervesce_max_batch_items": "10",
            "DEFERVESCE_RECEIVE_TIMEOUT_SECONDS": "5",
            "DEFERVESCE_CORS_ORIGINS": "https://a.example.org , http://localhost:3000,,http://127.0.0.1:8080",
            "DEFERVESCE_LOG_LEVEL": "warning",
            "DEFERVESCE_LOG_FORMAT": "text",
            "DEFERVESCE_GIT_SHA": "0123abc",
            "PATH": "/bin",
        }
    )
    assert settings.cors_origins == ("https://a.example.org", "http://localhost:3000", "http://127.0.0.1:8080")
    assert settings.body_bytes == 2_500_000
    assert settings.max_batch_items == 10
    assert settings.rules_dir == tmp_path
    assert CANARY not in repr(settings) + str(settings) + settings.model_dump_json()


def test_an_empty_variable_is_as_good_as_none():
    assert load_settings({"DEFERVESCE_DATABASE_URL": "", "DEFERVESCE_PORT": ""}).port == 8000


def test_the_environment_of_the_process_is_read(monkeypatch):
    monkeypatch.setenv("DEFERVESCE_PORT", "9001")
    monkeypatch.setenv("DEFERVESCE_CORS_ORIGINS", "https://a.example.org,https://b.example.org")
    settings = load_settings()
    assert settings.port == 9001
    assert len(settings.cors_origins) == 2
    monkeypatch.setenv("DEFERVESCE_PROT", "1")
    with pytest.raises(SettingsError, match=r"DEFERVESCE_PROT is not a setting\. Did you mean DEFERVESCE_PORT"):
        load_settings()


BAD = {
    "PORT": ["0", "65536", CANARY, "80.5"],
    "WORKERS": ["0", "65", CANARY],
    "MAX_BODY_MB": ["0.5", "1001", "nan", CANARY],
    "MAX_BATCH_ITEMS": ["0", "10000001", "1.5"],
    "RECEIVE_TIMEOUT_SECONDS": ["0", "601", "inf"],
    "DATABASE_POOL_SIZE": ["0", "101", CANARY],
    "DATABASE_TIMEOUT_SECONDS": ["0", "61", "nan"],
    "KEEP_ALIVE_SECONDS": ["0", "601"],
    "LOG_LEVEL": [CANARY, "INFO"],
    "LOG_FORMAT": [CANARY],
    "GIT_SHA": [CANARY, "0123ABC"],
    "RULES_DIR": [f"/{CANARY}/nowhere"],
    "DATABASE_URL": [
        f"mysql://user:{CANARY}@db/x",
        CANARY,
        f"file:///{CANARY}",
        f"postgresqlx://{CANARY}@x",
        f"sqlite+aiosqlite:///{CANARY}",
        "sqlite",
        f"postgresql://u:{CANARY}@db:port/x",
    ],
    "CORS_ORIGINS": [
        "*",
        "null",
        "https://*.example.org",
        "https://a.example.org/path",
        "https://a.example.org/",
        "https://a.example.org?x",
        f"https://user:{CANARY}@a.example.org",
        "http://a.example.org",
        "a.example.org",
        "ftp://a.example.org",
        "HTTPS://a.example.org",
        "https://[",
        "https://",
    ],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_is_refused_by_name_and_not_repeated(name, value):
    with pytest.raises(SettingsError) as caught:
        load_settings({f"DEFERVESCE_{name}": value})
    message = str(caught.value)
    assert message.startswith(f"DEFERVESCE_{name} must be ") or "is not written as expected" in message
    assert CANARY not in message
    assert caught.value.__cause__ is None, "no traceback that could repeat it"
    assert caught.value.__suppress_context__


def test_the_reason_tells_what_is_allowed():
    with pytest.raises(SettingsError, match=r"DEFERVESCE_PORT must be at most 65535 \(Port"):
        load_settings({"DEFERVESCE_PORT": "70000"})
    with pytest.raises(SettingsError, match="'json' or 'text'"):
        load_settings({"DEFERVESCE_LOG_FORMAT": "xml"})
    with pytest.raises(SettingsError, match="sqlite:// or postgresql://"):
        load_settings({"DEFERVESCE_DATABASE_URL": "mysql://db"})


def test_an_unknown_variable_stops_the_start_and_is_told_its_neighbours():
    with pytest.raises(
        SettingsError, match=r"DEFERVESCE_MAX_BODY is not a setting\. Did you mean DEFERVESCE_MAX_BODY_MB"
    ):
        load_settings({"DEFERVESCE_MAX_BODY": CANARY})
    with pytest.raises(
        SettingsError, match=r"DEFERVESCE_ZZZ is not a setting\. Known are DEFERVESCE_AUDIT, DEFERVESCE_AUTH, "
    ):
        load_settings({"DEFERVESCE_ZZZ": "1"})


def test_all_reasons_are_told_at_once():
    with pytest.raises(SettingsError) as caught:
        load_settings({"DEFERVESCE_PROT": "1", "DEFERVESCE_PORT": "x", "DEFERVESCE_WORKERS": "0"})
    assert len(str(caught.value).splitlines()) == 3


def test_the_test_suites_own_variables_are_let_be():
    load_settings({"DEFERVESCE_TEST_DATABASE_URL": "postgresql://x"})


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite+pysqlite:///:memory:", "sqlite+pysqlite://"]
)
def test_many_processes_and_a_database_in_memory_do_not_go_together(url):
    load_settings({"DEFERVESCE_DATABASE_URL": url})
    with pytest.raises(SettingsError, match="DEFERVESCE_WORKERS above 1 with an in-memory SQLite"):
        load_settings({"DEFERVESCE_DATABASE_URL": url, "DEFERVESCE_WORKERS": "2"})


def test_a_database_file_may_be_shared():
    load_settings({"DEFERVESCE_DATABASE_URL": "sqlite:///cohorts.db", "DEFERVESCE_WORKERS": "2"})


def test_settings_do_not_change():
    settings = load_settings({})
    with pytest.raises(ValidationError):
        settings.port = 1


def test_every_setting_is_described():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


class TestDatabaseOptions:
    @pytest.mark.parametrize(
        "url",
        [
            f"sqlite:////data/{CANARY}.db?mode=ro",
            f"sqlite:///file:/data/{CANARY}.db?mode=ro&uri=true",
            f"sqlite:///{CANARY}.db?timeout",
            "sqlite:///:memory:?cache=shared",
        ],
    )
    def test_of_sqlite_there_are_none(self, url):
        with pytest.raises(
            SettingsError, match=r"^DEFERVESCE_DATABASE_URL must be without options .* SQLite"
        ) as caught:
            load_settings({"DEFERVESCE_DATABASE_URL": url})
        assert CANARY not in str(caught.value)
        assert "mode" not in str(caught.value)

    @pytest.mark.parametrize(
        "options",
        ["mode=ro", f"sslmod={CANARY}", "sslmode=require&sslmode=disable", "user=x", f"password={CANARY}", "x"],
    )
    def test_of_postgresql_others_than_those_passed_on_are_refused(self, options):
        with pytest.raises(SettingsError) as caught:
            load_settings({"DEFERVESCE_DATABASE_URL": f"postgresql://u:{CANARY}@db/x?{options}"})
        message = str(caught.value)
        assert message.startswith("DEFERVESCE_DATABASE_URL must have no options")
        assert "application_name, " in message
        assert " sslmode, " in message
        assert CANARY not in message

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://u:p@db/x?sslmode=verify-full&sslrootcert=/etc/ca.pem&connect_timeout=3&application_name=a",
            "postgresql://u@/x?host=/var/run/postgresql&options=-csearch_path%3Dours&target_session_attrs=read-write",
            "sqlite:////data/a%3Fmode=ro.db",
        ],
    )
    def test_what_is_passed_on_is_taken(self, url):
        assert load_settings({"DEFERVESCE_DATABASE_URL": url}).database_url.get_secret_value() == url


def test_a_rate_limit_is_off_on_loopback_and_on_elsewhere_unless_said():
    assert load_settings({}).requests_per_minute == 0
    assert load_settings({"DEFERVESCE_HOST": "::1"}).requests_per_minute == 0
    assert load_settings({"DEFERVESCE_HOST": "0.0.0.0"}).requests_per_minute == 6_000  # noqa: S104  # nothing is bound
    assert load_settings({"DEFERVESCE_HOST": "10.0.0.1", "DEFERVESCE_RATE_LIMIT": "0"}).requests_per_minute == 0
    assert load_settings({"DEFERVESCE_RATE_LIMIT": "50"}).requests_per_minute == 50
