"""The options of a PostgreSQL URL reach the driver, whoever opens the connection."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import sqlalchemy as sa

from app.cohorts.database import CohortDatabase
from app.database.engine import make_engine

URL = "postgresql://u:p@db/x?sslmode=verify-full&sslrootcert=/etc/ca.pem&connect_timeout=3&target_session_attrs=primary"


class StopError(Exception):
    """Raised where the driver would connect."""


def connect_arguments(url: str) -> dict[str, object]:
    engine, found = make_engine(url), {}

    def stop(_, __, ___, parameters):
        found.update(parameters)
        raise StopError

    sa.event.listen(engine, "do_connect", stop)
    with suppress(StopError):
        engine.connect()
    return found


def test_they_reach_the_engines_driver():
    found = connect_arguments(URL)
    assert found["sslmode"] == "verify-full"
    assert found["sslrootcert"] == "/etc/ca.pem"
    assert found["target_session_attrs"] == "primary"
    assert found["connect_timeout"] == "3"
    assert found["application_name"] == "defervesce"


def test_they_reach_the_driver_that_readiness_asks(monkeypatch):
    asked: list[str] = []

    def connect(address, **_):
        asked.append(address)
        raise psycopg.OperationalError

    monkeypatch.setattr(psycopg, "connect", connect)
    assert CohortDatabase(URL).status().state == "unreachable"
    assert psycopg.conninfo.conninfo_to_dict(asked[0])["sslmode"] == "verify-full"


def test_the_operators_options_come_on_top_of_ours(postgresql_url):
    mark = "&" if "?" in postgresql_url else "?"
    engine = make_engine(f"{postgresql_url}{mark}options=-cwork_mem%3D5MB&application_name=ours", timeout_seconds=2)
    with engine.connect() as connection:
        show = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            for name in ("work_mem", "lock_timeout", "application_name")
        }
    engine.dispose()
    assert show == {"work_mem": "5MB", "lock_timeout": "2s", "application_name": "ours"}
