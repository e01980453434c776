"""API keys: made, listed, renewed and ended from the command line, and what a request with one is answered."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.cli import main
from app.database.engine import make_engine
from app.database.errors import DatabaseUnavailableError
from app.database.tables import API_KEY_SECRETS, API_KEYS, AUDIT
from app.security import authenticator
from app.security.keys import new_key
from tests.callers import bearer, callers_of, key_in
from tests.cohort_api import Api

KEY = r"dfv_[0-9a-z]{12}_[0-9A-Za-z]{49}"
DOSE = ("/v1/anakinra/dose", {"weight_kg": 25, "critically_ill": True})


@pytest.fixture
def service(sqlite_url, monkeypatch):
    monkeypatch.setenv("DEFERVESCE_DATABASE_URL", sqlite_url)
    made = Api(sqlite_url)
    made.clock = 1_000.0
    made.app.authenticator._clock = lambda: made.clock
    yield made
    made.close()


def status(service, key: str, path: str = "/v1/cohorts") -> int:
    return service.client.get(path, headers=bearer(key)).status_code


def made(capsys, *arguments: str) -> str:
    options = ("--name", "Ward 3", "--scopes", "calculate,cohort:read", *arguments)
    assert main(["keys", "create", *options]) == 0
    said = capsys.readouterr()
    assert re.fullmatch(KEY + "\n", said.out), "the key and nothing else, so that a script can take it"
    assert said.out.strip() not in said.err
    return said.out.strip()


def test_a_key_is_made_used_listed_renewed_and_ended(service, capsys):
    key = made(capsys, "--tenant", "ward-3")
    assert status(service, key) == 200
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert key[:16] in listed
    assert key not in listed
    assert "ward-3" in listed
    assert main(["keys", "rotate", key[:16], "--overlap", "1h"]) == 0
    fresh = capsys.readouterr().out.strip()
    assert fresh != key
    assert fresh[:16] == key[:16], "it is the same key to whoever reads the audit trail"
    assert [status(service, one) for one in (key, fresh)] == [200, 200]
    assert main(["keys", "revoke", key[:16]]) == 0
    service.clock += authenticator.FRESH_SECONDS + 0.1
    assert [status(service, one) for one in (key, fresh)] == [401, 401]
    assert main(["keys", "list"]) == 0
    assert "revoked" in capsys.readouterr().out
    for command in ("rotate", "revoke"):
        assert main(["keys", command, key[:16]]) == 2


def test_whose_key_it_was_can_be_seen_once_it_has_ended(service, capsys, sqlite_url):
    """Whoever goes on with a revoked key is named in the trail of those whose key it was, and by no guess of an id."""
    key = made(capsys, "--tenant", "ward-3")
    assert main(["keys", "revoke", key[:16]]) == 0
    guess = new_key(key[4:16]).text
    assert [status(service, one) for one in (key, guess)] == [401, 401]
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        columns = (AUDIT.c.tenant, AUDIT.c.caller, AUDIT.c.outcome)
        found = connection.execute(sa.select(*columns).where(AUDIT.c.event == "access.refused")).all()
    engine.dispose()
    assert sorted(map(tuple, found)) == [
        ("default", "anonymous", "denied"),
        ("ward-3", f"key:{key[4:16]}", "denied"),
    ]


@pytest.mark.usefixtures("service")
def test_nothing_that_is_kept_lets_anybody_in(sqlite_url, capsys):
    key = made(capsys)
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        rows = [*connection.execute(sa.select(API_KEYS)), *connection.execute(sa.select(API_KEY_SECRETS))]
    engine.dispose()
    assert key not in repr(rows)
    assert key.rsplit("_", 1)[1][:20] not in repr(rows)
    assert len(rows[-1].hash) == 32


def test_both_headers_carry_a_key_and_one_request_carries_one(service, capsys):
    key = made(capsys)
    client = service.client
    assert client.get("/v1/cohorts", headers={"X-API-Key": key}).status_code == 200
    assert client.get("/v1/cohorts", headers={"authorization": f"bearer  {key} "}).status_code == 200
    assert client.get("/v1/cohorts", headers=bearer(key) | {"X-API-Key": key}).status_code == 400
    twice = [("authorization", f"Bearer {key}")] * 2
    assert client.get("/v1/cohorts", headers=twice).status_code == 400
    assert client.get("/v1/cohorts", headers=[("x-api-key", key)] * 2).status_code == 400


def test_the_secret_before_ends_with_its_overlap(service, capsys):
    key = made(capsys)
    assert status(service, key) == 200
    assert main(["keys", "rotate", key, "--overlap", "0"]) == 0
    fresh = capsys.readouterr().out.strip()
    service.clock += authenticator.FRESH_SECONDS + 0.1
    assert [status(service, one) for one in (key, fresh)] == [401, 200]


def test_a_rotation_never_lengthens_an_overlap_that_runs(sqlite_url):
    with callers_of(sqlite_url) as store:
        first = new_key()
        store.create_key(first, "x", "default", frozenset({"calculate"}), None)
        store.rotate_key(new_key(first.id), timedelta(seconds=0))
        store.rotate_key(new_key(first.id), timedelta(days=1))
        with pytest.raises(Exception, match="not known"):
            store.by_key(first.id, first.hash)


def test_an_expired_key_is_refused_even_while_it_is_remembered(service, sqlite_url):
    with callers_of(sqlite_url) as store:
        key = new_key()
        kept = store.create_key(key, "x", "default", frozenset({"cohort:read"}), None)
        assert kept.expires_at is None
        soon = store._clock() + timedelta(seconds=3)
        with store._write() as connection:
            connection.execute(sa.update(API_KEYS).values(expires_at=soon))
    assert status(service, key.text) == 200
    service.clock += 4
    engine = make_engine(sqlite_url)
    with engine.execution_options(defervesce_writes=True).begin() as connection:
        connection.execute(sa.update(API_KEYS).values(expires_at=soon - timedelta(days=1)))
    engine.dispose()
    assert status(service, key.text) == 401


def wrong(key: str) -> dict[str, str]:
    other = new_key()
    return {
        "another secret": key[:17] + other.text[17:],
        "another id": other.text[:17] + key[17:],
        "never made": other.text,
        "one character": key[:-1] + ("A" if key[-1] != "A" else "B"),
        "without its end": key[:-1],
        "longer": key + "A",
        "upper case": key.upper(),
        "empty": "",
        "prefix": "dfv_",
        "a hash": "0" * 64,
        "garbage": '\x01\x7f!"#$%&/()=?',
        "spaces": f"{key} {key}",
        "huge": "dfv_" + "A" * 20_000,
        "a token that never was": "dft_" + key[17:],
        "sql": "dfv_' OR '1'='1",
        "a comma": f"{key},{key}",
    }


def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(service, capsys):
    key = made(capsys)
    answers = set()
    for name, text in wrong(key).items():
        for headers in (bearer(text), {"x-api-key": text}):
            answer = service.client.get("/v1/cohorts", headers=headers)
            assert answer.status_code == 401, name
            assert answer.headers["www-authenticate"].startswith('Bearer realm="defervesce"')
            answers.add((answer.json()["title"], answer.json()["detail"]))
            assert not text or text not in answer.text
    assert len(answers) == 1
    assert status(service, key) == 200


@pytest.mark.parametrize("scheme", ["Basic", "Digest", "Negotiate", "Token", "ApiKey", ""])
def test_another_scheme_is_none(service, capsys, scheme):
    key = made(capsys)
    answer = service.client.get("/v1/cohorts", headers={"authorization": f"{scheme} {key}".strip()})
    assert answer.status_code == 401


IN_A_URL = [
    "/v1/cohorts?api_key={key}",
    "/v1/cohorts?access_token={key}",
    "/v1/cohorts?limit=1&X-API-Key={key}",
    "/v1/cohorts?q={key}",
    "/v1/anakinra/dose?token={key}",
    "/livez?apikey={key}",
    "/readyz?limit={key}",
    "/v1/cohorts/{key}",
    "/v1/cohorts/study/patients/{key}",
    "/{key}",
    "/docs/{key}?x=1",
    "/v1/cohorts?api%5Fkey=x",
    "/v1/cohorts?client_secret=x",
    "/v1/cohorts?q=%64fv_{rest}",
    "/v1/cohorts?q=eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.",
    "/v1/cohorts/eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.abc",
]


@pytest.mark.parametrize("template", IN_A_URL)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_key_in_the_url_is_refused_and_never_repeated(service, capsys, template, method):
    key = made(capsys)
    url = template.format(key=key, rest=key[4:])
    for headers in ({}, bearer(key)):
        answer = service.client.request(method, url, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["type"] == "/problems/credential-in-url"
        assert key[4:20] not in answer.text + str(answer.headers)
        assert "eyJ" not in answer.text
    assert key[4:20] not in service.logged()
    assert "eyJ" not in service.logged()


@pytest.mark.parametrize("query", ["", "?limit=2", "?cursor=1"])
def test_an_honest_query_is_no_key(service, capsys, query):
    assert service.client.get(f"/v1/cohorts{query}", headers=bearer(made(capsys))).status_code == 200


def test_no_key_reaches_a_log(service, capsys):
    key = made(capsys)
    for headers in (bearer(key), {"x-api-key": key}, bearer(key[:-1]), bearer(key) | {"x-request-id": "r"}):
        service.client.get("/v1/cohorts", headers=headers)
        service.client.get("/nowhere", headers=headers)
    assert key[:20] not in service.logged()
    assert '"route":"/v1/cohorts","status":401' in service.logged()


def test_a_key_is_looked_up_once_and_then_remembered_for_seconds(service, capsys, monkeypatch):
    key, asked = made(capsys), []
    original = service.app.authenticator.store.by_key
    monkeypatch.setattr(service.app.authenticator.store, "by_key", lambda *a: asked.append(a) or original(*a))
    for _ in range(5):
        assert service.client.post(DOSE[0], json=DOSE[1], headers=bearer(key)).status_code == 200
    assert len(asked) == 1
    service.clock += authenticator.FRESH_SECONDS + 0.1
    assert service.client.post(DOSE[0], json=DOSE[1], headers=bearer(key)).status_code == 200
    assert len(asked) == 2


def test_garbage_never_reaches_the_database(service, capsys, monkeypatch):
    key, asked = made(capsys), []
    for name in ("by_key", "by_token"):
        monkeypatch.setattr(service.app.authenticator.store, name, lambda *a: asked.append(a))
    for name, text in wrong(key).items():
        if name not in {"another secret", "another id", "never made"}:
            assert status(service, text) == 401
    assert asked == []


def gone(*_: object) -> None:
    raise DatabaseUnavailableError("gone")


def test_while_the_database_is_away_a_caller_of_a_minute_ago_is_believed_and_nobody_else(service, capsys, monkeypatch):
    key, other = made(capsys), made(capsys)
    send = lambda k: service.client.post(DOSE[0], json=DOSE[1], headers=bearer(k))  # noqa: E731  # one call
    assert send(key).status_code == 200
    monkeypatch.setattr(service.app.authenticator.store, "by_key", gone)
    service.clock += authenticator.FRESH_SECONDS + 0.1
    assert send(key).status_code == 200
    refused = send(other)
    assert refused.status_code == 503
    assert refused.json()["type"] == "/problems/database-unavailable"
    assert int(refused.headers["retry-after"]) > 0
    service.clock += authenticator.USABLE_SECONDS
    assert send(key).status_code == 503
    monkeypatch.undo()
    service.clock += 5
    assert [send(one).status_code for one in (key, other)] == [200, 200]


def test_a_database_that_is_away_is_not_asked_for_every_request(service, capsys, monkeypatch):
    keys, asked = [made(capsys) for _ in range(5)], []

    def away(*a: object) -> None:
        asked.append(a)
        gone()

    monkeypatch.setattr(service.app.authenticator.store, "by_key", away)
    assert [status(service, key) for key in keys] == [503] * 5
    assert len(asked) == 1


def test_the_last_use_is_noted_to_the_hour(service, sqlite_url, capsys):
    key = made(capsys)
    status(service, key)
    with callers_of(sqlite_url) as store:
        first = store.keys()[0].last_used_at
        assert first is not None
        service.clock += 11
        status(service, key)
        assert store.keys()[0].last_used_at == first


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scopes", "everything"],
        ["--scopes", ""],
        ["--scopes", "calculate", "--tenant", "*"],
        ["--scopes", "calculate", "--tenant", "A B"],
        ["--scopes", "calculate", "--tenant", ""],
        ["--scopes", "calculate", "--expires", "soon"],
        ["--scopes", "calculate", "--expires", "2020-01-01"],
        ["--scopes", "calculate", "--expires", "0"],
        ["--scopes", "calculate", "--name", " "],
        ["--scopes", "calculate", "--name", "a\nb"],
    ],
)
@pytest.mark.usefixtures("service")
def test_a_key_that_makes_no_sense_is_not_made(arguments, capsys, sqlite_url):
    assert main(["keys", "create", "--name", "x", *arguments]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("defervesce: ")
    assert said.out == ""
    with callers_of(sqlite_url) as store:
        assert store.keys() == []


@pytest.mark.usefixtures("service")
def test_expiry_is_a_span_a_day_or_never(capsys, sqlite_url):
    for text in ("90d", "12h", "2099-06-30", "2099-06-30T08:00:00+02:00", "never"):
        made(capsys, "--expires", text)
    with callers_of(sqlite_url) as store:
        found = store.keys()
    ends = [key.expires_at for key in found]
    assert sum(end is None for end in ends) == 1
    assert {end.year for end in ends if end is not None} >= {2099}


def test_a_key_cannot_be_made_in_a_database_that_is_forgotten(monkeypatch, capsys):
    monkeypatch.setenv("DEFERVESCE_DATABASE_URL", "sqlite://")
    assert main(["keys", "create", "--name", "x", "--scopes", "calculate"]) == 2
    assert "in memory" in capsys.readouterr().err


def test_two_replicas_agree(database_url):
    """A key made, and one revoked, through the database is known to both."""
    replicas = [Api(database_url), Api(database_url)]
    key = key_in(database_url)
    assert [status(one, key) for one in replicas] == [200, 200]
    with callers_of(database_url) as store:
        store.revoke_key(key[4:16])
    for one in replicas:
        one.app.authenticator._clock = lambda: 10.0**9
        assert status(one, key) == 401
        one.close()
