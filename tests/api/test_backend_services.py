"""SMART Backend Services: discovery, a token against a signed assertion, and everything that gets none."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.cli import main
from app.database.engine import make_engine
from app.database.errors import DatabaseUnavailableError
from app.database.tables import ACCESS_TOKENS, AUDIT, CLIENT_ASSERTIONS
from app.security import authenticator
from app.security.threads import Threads
from tests.callers import (
    TOKEN_URL,
    Issuer,
    Signer,
    assertion_claims,
    bearer,
    callers_of,
    client_in,
    hmac_signed,
    token_form,
    unsigned,
)
from tests.cohort_api import Api

READER = frozenset({"calculate", "cohort:read"})


@pytest.fixture(scope="module")
def signers():
    return {name: Signer(name) for name in ("RS384", "ES384", "RS256", "ES256")}


def with_loader(url, signers):
    """Yield a service that knows the client `loader` by the keys of all signers."""
    keys = {"keys": [signer.public for signer in signers.values()]}
    client_in(url, "loader", keys, tenant="a", scopes=READER)
    made = Api(url, public_url="https://defervesce.example.org")
    yield made
    made.close()


@pytest.fixture
def service(sqlite_url, signers):
    yield from with_loader(sqlite_url, signers)


def ask(service, assertion: str, **fields):
    return service.client.post("/token", data=token_form(assertion, **fields))


def test_discovery_says_where_and_how(service):
    found = service.client.get("/.well-known/smart-configuration").json()
    assert found["token_endpoint"] == TOKEN_URL
    assert found["grant_types_supported"] == ["client_credentials"]
    assert found["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert found["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert "cohort:read" in found["scopes_supported"]


def test_without_a_public_url_no_header_chooses_the_address(sqlite_url):
    api = Api(sqlite_url)
    told = {"host": "localhost:1", "x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
    answer = api.client.get("/.well-known/smart-configuration", headers=told)
    assert answer.json()["token_endpoint"] == "http://127.0.0.1:80/token"  # noqa: S105  # an address
    api.close()


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_client_gets_a_token_and_is_let_in_with_it(service, signers, algorithm):
    answer = ask(service, signers[algorithm].sign(assertion_claims("loader")))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()
    assert token | {"access_token": ""} == {
        "access_token": "",
        "token_type": "bearer",
        "expires_in": 300,
        "scope": "calculate cohort:read",
    }
    headers = bearer(token["access_token"])
    assert service.client.get("/v1/cohorts/study", headers=headers).status_code == 200
    assert service.client.get("/v1/protocols", headers=headers).status_code == 200
    refused = service.client.post("/v1/cohorts", json={"name": "x"}, headers=headers)
    assert refused.status_code == 403
    assert service.client.get("/v1/cohorts").status_code == 401, "a client is a caller: the service is not open"


def test_it_may_ask_for_less(service, signers):
    answer = ask(service, signers["ES384"].sign(assertion_claims("loader")), scope="calculate cohort:delete")
    assert answer.json()["scope"] == "calculate"
    assert service.client.get("/v1/cohorts", headers=bearer(answer.json()["access_token"])).status_code == 403


def test_a_token_belongs_to_its_clients_tenant(service, sqlite_url, signers):
    client_in(sqlite_url, "writer", {"keys": [signers["ES384"].public]}, tenant="b", scopes=frozenset({"cohort:write"}))
    token = ask(service, signers["ES384"].sign(assertion_claims("writer"))).json()["access_token"]
    made = service.client.post("/v1/cohorts", json={"name": "x"}, headers=bearer(token))
    assert made.status_code == 201
    reader = ask(service, signers["ES384"].sign(assertion_claims("loader"))).json()["access_token"]
    assert service.client.get(made.headers["location"], headers=bearer(reader)).status_code == 404


def refused(signers: dict[str, Signer]) -> dict[str, str]:
    now, good = int(time.time()), signers["ES384"]
    claims = lambda **changed: assertion_claims("loader", **changed)  # noqa: E731  # short
    head = {"alg": "ES384", "kid": good.kid, "typ": "JWT"}
    return {
        "expired": good.sign(claims(exp=now - 31)),
        "lives six minutes": good.sign(claims(exp=now + 360)),
        "lives six minutes, without iat": good.sign(claims(exp=now + 360, iat=None)),
        "issued long ago": good.sign(claims(iat=now - 900)),
        "issued in the future": good.sign(claims(iat=now + 60)),
        "not valid yet": good.sign(claims(nbf=now + 60)),
        "without exp": good.sign(claims(exp=None)),
        "without jti": good.sign(claims(jti=None)),
        "empty jti": good.sign(claims(jti="")),
        "long jti": good.sign(claims(jti="x" * 256)),
        "jti that is no text": unsigned(head, claims(jti=7), b"x" * 96),
        "audience with a slash": good.sign(claims(aud=TOKEN_URL + "/")),
        "the service as audience": good.sign(claims(aud="https://defervesce.example.org")),
        "audience by http": good.sign(claims(aud=TOKEN_URL.replace("https", "http"))),
        "without audience": good.sign(claims(aud=None)),
        "sub of another": good.sign(claims(sub="other")),
        "iss of another": good.sign(claims(iss="other")),
        "no such client": good.sign(assertion_claims("nobody")),
        "no client at all": good.sign(claims(iss=None, sub=None)),
        "RS256": signers["RS256"].sign(claims()),
        "ES256": signers["ES256"].sign(claims()),
        "none": unsigned(head | {"alg": "none"}, claims()),
        "HS384 with the public key": hmac_signed(good.pem, head | {"alg": "HS384"}, claims()),
        "HS256 with the public key": hmac_signed(good.pem, head | {"alg": "HS256"}, claims()),
        "a stranger's key": Signer("ES384", kid=good.kid).sign(claims()),
        "unknown kid": Signer("ES384").sign(claims()),
        "no kid": good.sign(claims(), kid=None),
        "jku": good.sign(claims(), jku="https://evil.example/jwks.json"),
        "garbage": "x",
        "dots": "..",
        "huge": "A" * 9_000 + ".B.C",
        "exp of four hundred digits": good.sign(claims(exp=10**400)),
        "half a surrogate for a name": unsigned(head, assertion_claims("\ud800")),
        "NUL in the name": unsigned(head, assertion_claims("loader\0")),
        "NUL in the jti": good.sign(claims(jti="a\0b")),
        "half a surrogate for a jti": unsigned(head, claims(jti="\ud800"), b"x" * 96),
    }


@pytest.fixture
def on_either(database_url, signers):
    yield from with_loader(database_url, signers)


def test_whoever_does_not_prove_to_be_a_client_gets_the_same_refusal(on_either, signers):
    service = on_either
    answers, let_in = set(), []
    for name, assertion in refused(signers).items():
        answer = ask(service, assertion)
        if answer.status_code != 401:
            let_in.append((name, answer.status_code, answer.text))
        answers.add(answer.text)
        assert answer.headers["cache-control"] == "no-store"
    assert let_in == []
    assert [json.loads(text)["error"] for text in answers] == ["invalid_client"]
    assert '"event": "fault"' not in service.logged()


def test_an_assertion_is_good_for_one_token(service, signers):
    assertion = signers["ES384"].sign(assertion_claims("loader"))
    assert [ask(service, assertion).status_code for _ in range(3)] == [200, 401, 401]


def test_a_jti_is_its_clients(service, sqlite_url, signers):
    client_in(sqlite_url, "other", {"keys": [signers["ES384"].public]})
    for client_id in ("loader", "other"):
        assert ask(service, signers["ES384"].sign(assertion_claims(client_id, jti="same"))).status_code == 200


def test_of_two_replicas_that_are_shown_one_assertion_at_once_one_gives_a_token(database_url, signers):
    client_in(database_url, "loader", {"keys": [signers["ES384"].public]}, scopes=READER)
    replicas = [Api(database_url, public_url="https://defervesce.example.org") for _ in range(2)]
    # A server builds its application once, before the first request.
    assert [one.client.get("/livez").status_code for one in replicas] == [200, 200]
    for _ in range(3):
        assertion = signers["ES384"].sign(assertion_claims("loader"))
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda one: ask(one, assertion), [*replicas, *replicas]))  # noqa: B023  # used at once
        assert sorted(one.status_code for one in found) == [200, 401, 401, 401]
        token = next(one for one in found if one.status_code == 200).json()["access_token"]
        for one in replicas:
            assert one.client.get("/v1/protocols", headers=bearer(token)).status_code == 200
    for one in replicas:
        one.close()


def test_a_token_ends_after_five_minutes_and_its_row_is_swept(service, sqlite_url, signers):
    token = ask(service, signers["ES384"].sign(assertion_claims("loader"))).json()["access_token"]
    assert service.client.get("/v1/protocols", headers=bearer(token)).status_code == 200
    store, now = service.app.authenticator.store, service.app.authenticator._clock
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        ends = connection.execute(sa.select(ACCESS_TOKENS.c.expires_at)).scalar_one()
        assert token not in repr(connection.execute(sa.select(ACCESS_TOKENS)).all())
    assert timedelta(seconds=295) < ends - datetime.now(UTC) <= timedelta(seconds=300)
    store._clock = lambda: datetime.now(UTC) + timedelta(seconds=301)
    service.app.authenticator._clock = lambda: now() + 301
    assert service.client.get("/v1/protocols", headers=bearer(token)).status_code == 401
    store._clock = lambda: datetime.now(UTC) + timedelta(hours=1)
    assert ask(service, signers["ES384"].sign(assertion_claims("loader"))).status_code == 200
    with engine.connect() as connection:
        assert len(connection.execute(sa.select(ACCESS_TOKENS)).all()) == 1
        assert len(connection.execute(sa.select(CLIENT_ASSERTIONS)).all()) == 1
    engine.dispose()


def test_a_revoked_client_and_its_tokens_end(service, sqlite_url, signers):
    token = ask(service, signers["ES384"].sign(assertion_claims("loader"))).json()["access_token"]
    assert service.client.get("/v1/protocols", headers=bearer(token)).status_code == 200
    with callers_of(sqlite_url) as store:
        store.revoke_client("loader")
    before = service.app.authenticator._clock
    service.app.authenticator._clock = lambda: before() + 10.1
    assert service.client.get("/v1/protocols", headers=bearer(token)).status_code == 401
    assert ask(service, signers["ES384"].sign(assertion_claims("loader"))).status_code == 401
    assert service.client.get("/v1/protocols").status_code == 401, "nor is the service open again"


def test_tokens_that_are_given_and_refused_are_recorded(service, sqlite_url, signers):
    answer = ask(service, signers["ES384"].sign(assertion_claims("loader")), scope="calculate")
    assert answer.status_code == 200
    with callers_of(sqlite_url) as store:
        store.revoke_client("loader")
    held = bearer(answer.json()["access_token"])
    assert service.client.get("/v1/cohorts", headers=held).status_code == 401
    assert ask(service, "no.assertion.here").status_code == 401
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        columns = (AUDIT.c.event, AUDIT.c.caller, AUDIT.c.subject, AUDIT.c.details, AUDIT.c.request_id)
        rows = connection.execute(sa.select(*columns).where(AUDIT.c.operation != "service").order_by(AUDIT.c.at)).all()
    engine.dispose()
    given, ended, refused = (row for row in rows if row.event in {"token.grant", "access.refused"})
    assert given[:4] == ("token.grant", "client:loader", "loader", '{"scopes":"calculate"}')
    assert given.request_id == answer.headers["x-request-id"]
    assert ended[:2] == ("access.refused", "client:loader")
    assert refused[:2] == ("access.refused", "anonymous")


def test_a_client_may_keep_its_keys_where_it_likes(sqlite_url, signers):
    issuer = Issuer(signers["ES384"])
    client_in(sqlite_url, "hosted", issuer.jwks_url)
    service = Api(sqlite_url, public_url="https://defervesce.example.org")
    assertion = lambda **header: signers["ES384"].sign(assertion_claims("hosted"), **header)  # noqa: E731  # short
    assert [ask(service, assertion()).status_code for _ in range(3)] == [200, 200, 200]
    assert ask(service, assertion(jku=issuer.jwks_url)).status_code == 200
    assert ask(service, assertion(jku=f"{issuer.url}/other.json")).status_code == 401
    assert issuer.fetched == ["/jwks.json"]
    issuer.close()
    service.close()


FORMS = {
    "no grant": ({"grant_type": None}, "invalid_request"),
    "another grant": ({"grant_type": "password"}, "unsupported_grant_type"),
    "no type": ({"client_assertion_type": None}, "invalid_request"),
    "another type": ({"client_assertion_type": "urn:x"}, "invalid_request"),
    "no assertion": ({"client_assertion": None}, "invalid_request"),
    "empty assertion": ({"client_assertion": ""}, "invalid_request"),
    "a secret": ({"client_secret": "x"}, "invalid_request"),
    "unknown scope": ({"scope": "calculate everything"}, "invalid_scope"),
    "no scope that it may have": ({"scope": "admin"}, "invalid_scope"),
    "empty scope": ({"scope": ""}, "invalid_scope"),
    "another client": ({"client_id": "other"}, "invalid_client"),
}


@pytest.mark.parametrize(("fields", "error"), FORMS.values(), ids=FORMS)
def test_a_form_that_is_none_is_refused_in_oauths_words(service, signers, fields, error):
    answer = ask(service, signers["ES384"].sign(assertion_claims("loader")), **fields)
    assert answer.status_code == (401 if error == "invalid_client" else 400)
    assert answer.json()["error"] == error
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "body", [b"", b"x", b"\xff=\xff", b"grant_type=a&grant_type=b", b"&".join([b"a=b"] * 30), b"=&="]
)
def test_a_body_that_is_no_form(service, body):
    answer = service.client.post("/token", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"


def test_what_http_refuses_is_a_problem_as_everywhere(service):
    assert service.client.post("/token", json={}).status_code == 415
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert service.client.post("/token", content=b"a=" + b"x" * 30_000, headers=form).status_code == 413
    in_url = service.client.post("/token?client_assertion=a.b.c", data=token_form("x"))
    assert in_url.json()["type"] == "/problems/credential-in-url"


class TestCommands:
    @pytest.fixture(autouse=True)
    def _url(self, sqlite_url, monkeypatch):
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", sqlite_url)

    def create(self, *arguments: object) -> int:
        return main(["clients", "create", "--name", "Loader", "--scopes", "cohort:read", *map(str, arguments)])

    def test_a_client_is_registered_listed_and_ended(self, tmp_path, capsys, signers, sqlite_url):
        keys = tmp_path / "jwks.json"
        keys.write_text(json.dumps({"keys": [signers["ES384"].public]}))
        assert self.create("--jwks", keys, "--tenant", "a") == 0
        client_id = capsys.readouterr().out.strip()
        api = Api(sqlite_url, public_url="https://defervesce.example.org")
        assert ask(api, signers["ES384"].sign(assertion_claims(client_id))).status_code == 200
        assert main(["clients", "list"]) == 0
        assert client_id in (listed := capsys.readouterr().out)
        assert "valid" in listed
        assert main(["clients", "revoke", client_id]) == 0
        assert ask(api, signers["ES384"].sign(assertion_claims(client_id))).status_code == 401
        assert main(["clients", "revoke", client_id]) == 2
        api.close()

    def test_keys_at_an_address(self, capsys):
        assert self.create("--jwks-url", "https://loader.example.org/jwks.json", "--id", "loader") == 0
        assert capsys.readouterr().out == "loader\n"
        assert self.create("--jwks-url", "https://loader.example.org/jwks.json", "--id", "loader") == 2

    @pytest.mark.parametrize(
        "url",
        ["http://loader.example.org/jwks.json", "file:///etc/passwd", "https://u:p@x/", "ftp://x", "x", "https://"],
    )
    def test_an_address_that_is_not_safe(self, url, capsys):
        assert self.create("--jwks-url", url) == 2
        assert capsys.readouterr().err.startswith("defervesce: --jwks-url ")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{}",
            '{"keys": []}',
            '{"keys": [{"kty": "oct", "kid": "x", "k": "AA"}]}',
            '{"keys": [{"kty": [], "kid": "x"}]}',
            '{"keys": [{"kty": {}, "kid": []}]}',
            '{"keys": ' + "[" * 90_000,
        ],
        ids=range(7),
    )
    def test_a_file_without_keys(self, tmp_path, text):
        keys = tmp_path / "jwks.json"
        keys.write_text(text)
        assert self.create("--jwks", keys) == 2
        assert self.create("--jwks", tmp_path / "none.json") == 2

    def test_a_private_key_is_sent_back(self, tmp_path, capsys, signers):
        keys = tmp_path / "jwks.json"
        keys.write_text(json.dumps({"keys": [signers["ES384"].public | {"d": "c2VjcmV0"}]}))
        assert self.create("--jwks", keys) == 2
        assert "private key" in capsys.readouterr().err

    def test_an_id_that_is_none(self):
        assert self.create("--jwks-url", "https://x.example/j", "--id", "a b") == 2


class TestWhileOthersWait:
    """The token endpoint has threads of its own, bounded in number and time."""

    @pytest.fixture
    def held(self, service):
        """Give what keeps a grant from ending, and what counts those that have begun."""
        go, begun, backend = threading.Event(), [], service.app.authenticator._backend

        class Held:
            def grant(self, *args):
                begun.append(args)
                go.wait(30)
                return backend.grant(*args)

        service.app.authenticator._backend = Held()
        yield go, begun
        go.set()

    def test_tokens_of_issuers_hold_up_no_grant(self, service, signers):
        go = threading.Event()
        for _ in range(8):
            service.app.authenticator._signatures.submit(lambda: go.wait(30))
        answer = ask(service, signers["ES384"].sign(assertion_claims("loader")))
        go.set()
        assert answer.status_code == 200

    @pytest.mark.usefixtures("held")
    def test_a_late_one_is_answered_in_time(self, service, signers, monkeypatch):
        monkeypatch.setattr(authenticator, "_GRANT_SECONDS", 0.2)
        answer = ask(service, signers["ES384"].sign(assertion_claims("loader")))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["type"] == "/problems/callers-unavailable"

    def test_no_more_wait_than_there_is_room_for(self, service, signers, held):
        go, begun = held
        service.app.authenticator._grants = Threads(1, "grants", 1)
        assertions = [signers["ES384"].sign(assertion_claims("loader")) for _ in range(2)]
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(ask, service, assertions[0])
            while not begun:
                time.sleep(0.005)
            answer = ask(service, assertions[1])
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            go.set()
            assert first.result(10).status_code == 200
        assert ask(service, assertions[1]).status_code == 200

    def test_a_database_that_did_not_answer_is_let_be(self, service, signers):
        asked = []

        class Gone:
            def grant(self, *args):
                asked.append(args)
                raise DatabaseUnavailableError("gone")

        service.app.authenticator._backend = Gone()
        answers = [ask(service, signers["ES384"].sign(assertion_claims("loader"))) for _ in range(3)]
        assert {answer.status_code for answer in answers} == {503}
        assert len(asked) == 1
