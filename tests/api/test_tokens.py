"""Bearer tokens of an issuer that really serves its keys: what is believed, and everything that is not."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.database.tables import AUDIT
from app.security import jwks
from app.security.caller import LONGEST_ID
from app.security.errors import CallersUnavailableError, UnknownCallerError
from tests.callers import AUDIENCE, Issuer, Signer, bearer, hmac_signed, key_in, unsigned
from tests.cohort_api import Api

PATH = "/v1/cohorts/study"


@pytest.fixture(scope="module")
def signers():
    return {name: Signer(name) for name in ("RS256", "RS384", "ES256", "ES384")}


@pytest.fixture
def issuer(signers):
    made = Issuer(*signers.values())
    yield made
    made.close()


def configured(issuer: Issuer, **changed: object) -> str:
    fields = {
        "name": "idp",
        "iss": issuer.url,
        "audiences": [AUDIENCE],
        "jwks_url": issuer.jwks_url,
        "scopes": ["calculate", "cohort:read"],
        "tenant": "default",
    } | changed
    return "[[issuer]]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in fields.items() if v is not None)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


@pytest.fixture
def serve(sqlite_url, tmp_path):
    """Give a function that starts the service for some issuers."""
    started = []

    def start(*texts: str) -> Api:
        file = tmp_path / "issuers.toml"
        file.write_text("\n".join(texts))
        started.append(Api(sqlite_url, issuers=str(file)))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def service(serve, issuer):
    return serve(configured(issuer))


def status(service: Api, token: str, path: str = PATH) -> int:
    return service.client.get(path, headers=bearer(token)).status_code


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "ES256", "ES384"])
def test_a_sound_token_is_believed_as_often_as_it_comes(service, issuer, signers, algorithm):
    token = signers[algorithm].sign(issuer.claims())
    assert [status(service, token) for _ in range(3)] == [200, 200, 200]
    assert len(issuer.fetched) == 1


def test_without_a_token_nobody_is_let_in(service):
    answer = service.client.get(PATH)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="defervesce"'


def refused(issuer: Issuer, signers: dict[str, Signer]) -> dict[str, str]:
    """Return every token that must not be believed, by what is wrong with it."""
    now = int(time.time())
    good, claims = signers["RS256"], issuer.claims
    stranger = Signer("RS256", kid=good.kid)
    header = {"alg": "RS256", "kid": good.kid, "typ": "JWT"}
    head, body, mark = good.sign(claims()).split(".")
    changed = unsigned(header, claims(sub="someone-else")).split(".")[1]
    return {
        "expired": good.sign(claims(iat=now - 900, exp=now - 300)),
        "expired beyond the leeway": good.sign(claims(iat=now - 300, exp=now - 31)),
        "not valid yet": good.sign(claims(nbf=now + 120)),
        "issued in the future": good.sign(claims(iat=now + 120, exp=now + 300)),
        "lives too long": good.sign(claims(exp=now + 7200)),
        "without exp": good.sign(claims(exp=None)),
        "without iat": good.sign(claims(iat=None)),
        "without sub": good.sign(claims(sub=None)),
        "without aud": good.sign(claims(aud=None)),
        "without iss": good.sign(claims(iss=None)),
        "another audience": good.sign(claims(aud="https://other.example.org")),
        "audience with a slash": good.sign(claims(aud=AUDIENCE + "/")),
        "audience of other case": good.sign(claims(aud=AUDIENCE.upper())),
        "audience that begins so": good.sign(claims(aud=AUDIENCE + ".evil.example")),
        "no audience at all": good.sign(claims(aud=[])),
        "another issuer": good.sign(claims(iss="https://evil.example")),
        "issuer with a slash": good.sign(claims(iss=issuer.url + "/")),
        "issuer in a list": unsigned(header, claims(iss=[issuer.url]), b"x" * 256),
        "signed by a stranger": stranger.sign(claims()),
        "unknown kid": Signer("RS256").sign(claims()),
        "no kid": good.sign(claims(), kid=None),
        "kid that is no text": f"{unsigned(header | {'kid': 7}, claims())}{mark}",
        "kid that is a path": good.sign(claims(), kid="../../dev/null"),
        "alg none": unsigned({"alg": "none", "typ": "JWT"}, claims()),
        "alg none with a kid": unsigned(header | {"alg": "none"}, claims()),
        "alg None": unsigned(header | {"alg": "None"}, claims()),
        "alg nOnE with a signature": unsigned(header | {"alg": "nOnE"}, claims(), b"x" * 256),
        "no alg": unsigned({"kid": good.kid}, claims(), b"x" * 256),
        "alg in a list": unsigned(header | {"alg": ["RS256"]}, claims(), b"x" * 256),
        "HS256 with the public key as secret": hmac_signed(good.pem, header | {"alg": "HS256"}, claims()),
        "HS256 with the JWK as secret": hmac_signed(
            json.dumps(good.public).encode(), header | {"alg": "HS256"}, claims()
        ),
        "RS256 by its header, HMAC in truth": hmac_signed(good.pem, header, claims()),
        "PS256": unsigned(header | {"alg": "PS256"}, claims(), b"x" * 256),
        "EdDSA": unsigned(header | {"alg": "EdDSA"}, claims(), b"x" * 64),
        "ES256 by the RSA key's id": unsigned(header | {"alg": "ES256"}, claims(), b"x" * 64),
        "no signature": f"{head}.{body}.",
        "another's signature": f"{head}.{body}.{stranger.sign(claims()).rpartition('.')[2]}",
        "changed claims": f"{head}.{changed}.{mark}",
        "changed header": f"{unsigned(header | {'x': 1}, {}).split('.')[0]}.{body}.{mark}",
        "jku elsewhere": good.sign(claims(), jku="https://evil.example/jwks.json"),
        "jku on another path": good.sign(claims(), jku=f"{issuer.url}/other.json"),
        "jku that is no text": good.sign(claims(), jku=["x"]),
        "critical extension": good.sign(claims(), crit=["exp"], exp=1),
        "another kind of token": good.sign(claims(), typ="secevent+jwt"),
        "subject too long": good.sign(claims(sub="x" * 201)),
        "empty subject": good.sign(claims(sub="")),
        "subject of two lines": good.sign(claims(sub="a\nb")),
        "exp that is text": unsigned(header, claims(exp="soon"), b"x" * 256),
        "exp of four hundred digits": good.sign(claims(exp=10**400)),
        "two parts": f"{head}.{body}",
        "four parts": f"{head}.{body}.{mark}.x",
        "five parts": f"{head}.{body}.{mark}.x.y",
        "dots": "..",
        "not base64": "!!.??.##",
        "not JSON": "YWJj.YWJj.YWJj",
        "JSON that is no object": "W10.W10.W10",
        "nested without end": f"{'W' * 3000}.{body}.{mark}",
        "huge": good.sign(claims(note="x" * 20_000)),
        "huge garbage": "A" * 30_000 + ".B.C",
        "bytes": "\xff\xfe.\xff.\xff",
    }


def test_whatever_is_wrong_with_a_token_the_answer_is_the_same_bare_401(service, issuer, signers):
    answers, believed = set(), []
    for name, token in refused(issuer, signers).items():
        for path, method in ((PATH, "GET"), ("/v1/anakinra/dose", "POST")):
            sent = {"authorization": f"Bearer {token}".encode("latin-1")}
            answer = service.client.request(method, path, headers=sent)
            if answer.status_code != 401:
                believed.append((name, answer.status_code, answer.text[:200]))
            answers.add((answer.json()["detail"], answer.headers.get("www-authenticate")))
            assert token[:30] not in answer.text
    assert believed == []
    assert len(answers) == 1
    assert set(issuer.fetched) == {"/jwks.json"}, "no address that a token names is ever asked"
    assert len(issuer.fetched) <= 2
    assert status(service, signers["RS256"].sign(issuer.claims())) == 200
    assert "Traceback" not in service.logged()
    assert '"event": "fault"' not in service.logged()


def test_an_id_that_could_not_be_recorded_is_none(database_url, issuer, signers, tmp_path):
    """What a token says of its caller stands in the trail and in receipts behind the issuer's name."""
    assert AUDIT.c.caller.type.length == LONGEST_ID
    name = "a" * 32
    (tmp_path / "issuers.toml").write_text(configured(issuer, name=name))
    service = Api(database_url, issuers=str(tmp_path / "issuers.toml"))
    found = []
    for longer in (0, 1):
        subject = "x" * (LONGEST_ID - len(name) - 1 + longer)
        sent = bearer(signers["ES256"].sign(issuer.claims(sub=subject)))
        dose = {"weight_kg": 25, "critically_ill": True}
        asked = sent | {"prefer": "return=receipt"}
        given = service.client.post("/v1/anakinra/dose", json=dose, headers=asked)
        found.append((service.client.get(PATH, headers=sent).status_code, given.status_code))
    service.close()
    assert found == [(200, 200), (401, 401)]


def test_no_token_reaches_a_log(service, issuer, signers):
    token = signers["RS256"].sign(issuer.claims())
    status(service, token)
    status(service, token + "x")
    assert not any(part[:40] in service.logged() for part in token.split("."))
    assert "nurse-7" not in service.logged()


def test_what_a_token_may_look_like(service, issuer, signers):
    good, now = signers["ES384"], int(time.time())
    sound = {
        "among audiences": good.sign(issuer.claims(aud=["https://other.example.org", AUDIENCE])),
        "the configured jku": good.sign(issuer.claims(), jku=issuer.jwks_url),
        "an access token's type": good.sign(issuer.claims(), typ="at+jwt"),
        "clocks that differ a little": good.sign(issuer.claims(iat=now + 20, nbf=now + 20)),
        "just expired": good.sign(issuer.claims(iat=now - 100, exp=now - 5)),
        "scopes in a list": good.sign(issuer.claims(scope=["cohort:read"])),
    }
    assert {name: status(service, token) for name, token in sound.items()} == dict.fromkeys(sound, 200)


class TestKeyRotation:
    def test_a_new_key_is_fetched_when_it_is_first_seen(self, service, issuer, signers):
        assert status(service, signers["RS256"].sign(issuer.claims())) == 200
        fresh = Signer("ES256")
        issuer.signers = [fresh]
        token = fresh.sign(issuer.claims())
        assert status(service, token) == 401, "asked half a minute ago at most"
        self.pass_time(service, issuer, jwks.REFETCH_SECONDS)
        assert status(service, token) == 200
        assert len(issuer.fetched) == 2
        old = signers["RS256"].sign(issuer.claims(sub="another"))
        assert status(service, old) == 401, "the key that was taken back is not believed any more"

    def test_strangers_cannot_make_the_service_fetch(self, service, issuer, signers):
        assert status(service, signers["RS256"].sign(issuer.claims())) == 200
        for _ in range(20):
            assert status(service, Signer("ES256").sign(issuer.claims())) == 401
        assert len(issuer.fetched) == 1

    def test_many_who_come_at_once_share_one_fetch(self, service, issuer, signers):
        issuer.slow = 0.3
        tokens = [signers["ES256"].sign(issuer.claims(sub=f"n{number}")) for number in range(8)]
        found: list[int] = []
        threads = [threading.Thread(target=lambda t=token: found.append(status(service, t))) for token in tokens]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert found == [200] * 8
        assert len(issuer.fetched) == 1

    def test_an_issuer_that_is_away_is_borne_for_a_day(self, service, issuer, signers):
        assert status(service, signers["RS256"].sign(issuer.claims())) == 200
        issuer.broken = b"no JWKS"
        self.pass_time(service, issuer, 3_600)
        assert status(service, signers["RS256"].sign(issuer.claims(sub="b"))) == 200
        self.pass_time(service, issuer, 90_000)
        answer = service.client.get(PATH, headers=bearer(signers["RS256"].sign(issuer.claims(sub="c"))))
        assert answer.status_code == 503
        assert answer.json()["type"] == "/problems/callers-unavailable"
        assert int(answer.headers["retry-after"]) > 0

    @pytest.mark.parametrize(
        "broken",
        [
            b"",
            b"[]",
            b"{}",
            b'{"keys": 7}',
            b'{"keys": [7, {}]}',
            b'{"keys": [{"kid": "a", "kty": []}]}',
            b'{"keys": [{"kid": "a", "kty": {}, "use": [], "key_ops": [[], {}]}]}',
            b"[" * 100_000,
            b" " * 300_000 + b"{}",
        ],
    )
    def test_an_issuer_that_serves_nonsense_is_no_fault_of_ours(self, service, issuer, signers, broken):
        issuer.broken = broken
        answer = service.client.get(PATH, headers=bearer(signers["RS256"].sign(issuer.claims())))
        assert answer.status_code in {401, 503}
        assert '"event": "fault"' not in service.logged()

    @pytest.mark.parametrize("changed", [{"kty": []}, {"n": []}, {"e": {}}, {"n": "!"}, {"key_ops": [[]]}, {"use": []}])
    def test_a_key_that_is_none_verifies_nothing(self, service, issuer, signers, changed):
        good = signers["RS256"]
        issuer.broken = json.dumps({"keys": [good.public | changed]}).encode()
        assert service.client.get(PATH, headers=bearer(good.sign(issuer.claims()))).status_code == 401
        assert '"event": "fault"' not in service.logged()

    @staticmethod
    def pass_time(service, issuer, seconds: float) -> None:
        _, keys = service.app.authenticator._bearers._issuers[issuer.url]
        before = keys._clock
        keys._clock = lambda: before() + seconds


def test_a_slow_issuer_holds_up_no_light_call(service, issuer, signers):
    """The event loop goes on answering while keys are fetched."""
    issuer.slow = 1.5
    token, found = signers["RS256"].sign(issuer.claims()), []
    with service.client:
        waiting = threading.Thread(target=lambda: found.append(status(service, token)))
        waiting.start()
        while not issuer.fetched:
            time.sleep(0.01)
        assert service.client.get("/livez").status_code == 200
        assert service.client.get(PATH).status_code == 401
        assert found == [], "those were answered while the other still waited"
        waiting.join()
    assert found == [200]


class Dripping:
    """A server that sends what it is told, a byte at a time and without end."""

    def __init__(self, start: bytes) -> None:
        self._start = start
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/jwks.json"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with self._socket:
            line, _ = self._socket.accept()
        with line, contextlib.suppress(OSError):
            line.sendall(self._start)
            while True:
                line.sendall(b" ")
                time.sleep(0.02)


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX-Long:", b'HTTP/1.1 200 OK\r\n\r\n{"keys": []}'],
    ids=["status", "head", "body"],
)
def test_an_exchange_has_a_deadline_whatever_drips(monkeypatch, start):
    monkeypatch.setattr(jwks, "_WHOLE_SECONDS", 0.5)
    begun = time.monotonic()
    with pytest.raises((OSError, http.client.HTTPException, ValueError)):
        jwks.fetched(Dripping(start).url)
    assert time.monotonic() - begun < 5


def test_a_host_of_many_addresses_has_the_same_deadline(monkeypatch):
    """None of them answers: a queue of connections that is full takes no more."""
    monkeypatch.setattr(jwks, "_WHOLE_SECONDS", 0.5)
    monkeypatch.setattr(jwks, "_CONNECT_SECONDS", 0.2)
    with contextlib.ExitStack() as open_:
        full = open_.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = full.getsockname()
        for _ in range(4):
            line = open_.enter_context(socket.socket())
            line.setblocking(False)
            line.connect_ex(address)
        time.sleep(0.1)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)] * 50
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        begun = time.monotonic()
        with pytest.raises(OSError, match="timed out"):
            jwks.fetched("http://keys.example/jwks.json")
        assert time.monotonic() - begun < 2


class TestWhileKeysAreFetched:
    @pytest.fixture
    def slow(self, monkeypatch):
        """Give a set of keys that is being fetched, the clock's steps and what ends the fetch."""
        monkeypatch.setattr(jwks, "_WAIT_SECONDS", 0.2)
        go, passed = threading.Event(), [0.0]
        keys = jwks.KeySet("x", lambda _: go.wait(30) and b'{"keys": [{"kid": "a", "kty": "EC"}]}', lambda: passed[0])
        go.set()
        assert keys.key("a") is not None
        go.clear()
        passed[0] = 3_600
        with ThreadPoolExecutor(8) as pool:
            fetching = pool.submit(keys.key, "b")
            while not keys._lock.locked():
                time.sleep(0.005)
            yield keys, pool
            go.set()
            assert fetching.result(10) is None

    def test_a_key_that_was_had_is_used_meanwhile(self, slow):
        keys, _ = slow
        assert keys.is_at_hand("a")
        assert keys.key("a") is not None

    def test_few_wait_for_another_and_not_for_long(self, slow):
        keys, pool = slow
        assert not keys.is_at_hand("c")
        begun = time.monotonic()
        asked = [pool.submit(keys.key, "c") for _ in range(6)]
        assert all(isinstance(one.exception(10), CallersUnavailableError) for one in asked)
        assert time.monotonic() - begun < 5


@pytest.fixture
def stuck(serve, issuer):
    """Give a service of two issuers, the first of which is being asked for its keys and does not answer."""
    signer, go = Signer("ES256"), threading.Event()
    other = Issuer(signer)
    service = serve(configured(issuer), configured(other, name="other"))
    _, keys = service.app.authenticator._bearers._issuers[issuer.url]
    keys._fetch = lambda url: go.wait(30) and jwks.fetched(url)
    garbage = [unsigned({"alg": "RS256", "kid": "none"}, {"iss": issuer.url, "n": n}).encode() for n in range(200)]
    yield service.app.authenticator, garbage, signer.sign(other.claims()).encode(), go
    go.set()
    other.close()


async def ended(asked: list[asyncio.Task]) -> list[BaseException | None]:
    return [type(found) for found in await asyncio.gather(*asked, return_exceptions=True)]


class TestASlowIssuer:
    """It holds up the tokens of its own whose keys are not known yet, and nobody else."""

    def test_tokens_of_another_issuer_are_verified(self, stuck):
        authenticator, garbage, token, go = stuck

        async def run():
            asked = [asyncio.ensure_future(authenticator.verified(one)) for one in garbage[:20]]
            found = await authenticator.verified(token)
            assert not any(one.done() for one in asked)
            go.set()
            return found, set(await ended(asked))

        found, others = asyncio.run(run())
        assert (found.id, others) == ("other:nurse-7", {UnknownCallerError})

    def test_keys_are_looked_up_whatever_number_of_tokens_waits(self, stuck, sqlite_url):
        authenticator, garbage, token, go = stuck
        key = key_in(sqlite_url).encode()

        async def run():
            asked = [asyncio.ensure_future(authenticator.verified(one)) for one in garbage]
            await asyncio.sleep(0)
            found = await authenticator.verified(key)
            other = await authenticator.verified(token)
            with pytest.raises(CallersUnavailableError):
                await authenticator.verified(garbage[0] + b"x")
            assert not any(one.done() for one in asked)
            go.set()
            await ended(asked)
            return found, other

        found, other = asyncio.run(run())
        assert found.id.startswith("key:")
        assert other.id == "other:nurse-7"


@pytest.mark.parametrize(("breaks", "has"), [(0, True), (1, True), (2, False)])
def test_a_line_that_breaks_at_once_is_tried_once_more(breaks, has):
    """One connection that is reset would keep everybody out until keys may be asked for again."""
    tried = []

    def fetch(url: str) -> bytes:
        tried.append(url)
        if len(tried) <= breaks:
            raise ConnectionResetError
        return b'{"keys": [{"kid": "a", "kty": "EC"}]}'

    keys = jwks.KeySet("x", fetch)
    if has:
        assert keys.key("a") == {"kid": "a", "kty": "EC"}
    else:
        with pytest.raises(CallersUnavailableError):
            keys.key("a")
    assert len(tried) == min(breaks + 1, 2)


def test_redirects_are_not_followed(serve, issuer, signers):
    service = serve(configured(issuer, jwks_url=f"{issuer.url}/elsewhere"))
    assert status(service, signers["RS256"].sign(issuer.claims())) == 503


class TestKeysOfTheIssuer:
    def test_a_short_rsa_key_is_none(self, serve):
        short = Signer("RS256", bits=1024)
        issuer = Issuer(short)
        service = serve(configured(issuer))
        with pytest.warns(match="below the minimum"):
            token = short.sign(issuer.claims())
        assert status(service, token) == 401
        issuer.close()

    @pytest.mark.parametrize("change", [{"use": "enc"}, {"alg": "ES256"}, {"key_ops": ["encrypt"]}, {"kty": "oct"}])
    def test_a_key_for_something_else_is_none(self, serve, signers, change):
        class Odd(Issuer):
            @property
            def jwks(self):
                return {"keys": [key | change for key in super().jwks["keys"]]}

        issuer = Odd(signers["RS256"])
        assert status(serve(configured(issuer)), signers["RS256"].sign(issuer.claims())) == 401
        issuer.close()

    def test_two_keys_of_one_id_are_none(self, serve, signers):
        issuer = Issuer(signers["RS256"], Signer("RS256", kid=signers["RS256"].kid))
        assert status(serve(configured(issuer)), signers["RS256"].sign(issuer.claims())) == 401
        issuer.close()


class TestWhatClaimsMean:
    """The server says what a token may do; a token says less, never more."""

    def may(self, service, token):
        return {
            "calculate": status(service, token, "/v1/protocols"),
            "cohort:read": status(service, token, PATH),
            "cohort:delete": service.client.delete(PATH, headers=bearer(token) | {"if-match": "*"}).status_code,
        }

    def test_a_token_cannot_name_more_than_its_issuer_may_give(self, service, issuer, signers):
        token = signers["ES256"].sign(issuer.claims(scope="calculate cohort:read cohort:delete admin"))
        assert self.may(service, token) == {"calculate": 200, "cohort:read": 200, "cohort:delete": 403}

    def test_a_token_may_name_less(self, service, issuer, signers):
        token = signers["ES256"].sign(issuer.claims(scope="calculate"))
        assert self.may(service, token) == {"calculate": 200, "cohort:read": 403, "cohort:delete": 403}

    @pytest.mark.parametrize("scope", [None, "", "system/*.rs", 7, {"calculate": True}, ["nothing"]])
    def test_a_token_that_names_nothing_may_do_nothing(self, service, issuer, signers, scope):
        assert set(self.may(service, signers["ES256"].sign(issuer.claims(scope=scope))).values()) == {403}

    def test_an_issuer_may_have_words_of_its_own(self, serve, issuer, signers):
        service = serve(configured(issuer, scope_claim="roles", scope_names={"mis-c-reader": "cohort:read"}))
        token = signers["ES256"].sign(issuer.claims(roles=["mis-c-reader", "other"], scope="calculate"))
        assert self.may(service, token) == {"calculate": 403, "cohort:read": 200, "cohort:delete": 403}

    def test_the_server_may_give_all_it_lets_an_issuer_give(self, serve, issuer, signers):
        service = serve(configured(issuer).replace('tenant = "default"', 'tenant = "default"\nscope_claim = ""'))
        token = signers["ES256"].sign(issuer.claims(scope=None))
        assert self.may(service, token)["cohort:read"] == 200

    def test_the_tenant_is_the_servers_to_say(self, serve, issuer, signers):
        service = serve(configured(issuer, tenant="a", scopes=["cohort:read", "cohort:write"]))
        token = signers["ES256"].sign(issuer.claims(tenant="b", scope="cohort:read cohort:write"))
        assert self.tenant_of(service, token) == "a"

    def tenant_of(self, service, token):
        made = service.client.post("/v1/cohorts", json={"name": "x"}, headers=bearer(token))
        assert made.status_code == 201, made.text
        store = service.app.database.store
        return next(tenant for tenant, cohort in store._all() if cohort == made.json()["id"])

    def test_a_claim_chooses_among_the_tenants_that_the_server_lists(self, serve, issuer, signers):
        text = configured(issuer, tenant=None, tenant_claim="org", tenants={"Org A": "a"}, scopes=["cohort:write"])
        service = serve(text)
        sign = lambda org: signers["ES256"].sign(issuer.claims(org=org, scope="cohort:write"))  # noqa: E731  # short
        assert self.tenant_of(service, sign("Org A")) == "a"
        for org in ("a", "Org B", None, 7, ["Org A"]):
            assert status(service, sign(org)) == 401

    def test_a_trusted_issuer_names_the_tenant_itself(self, serve, issuer, signers):
        text = configured(issuer, tenant=None, tenant_claim="org", scopes=["cohort:write"])
        service = serve(text + "trust_tenant_claim = true\n")
        sign = lambda org: signers["ES256"].sign(issuer.claims(org=org, scope="cohort:write"))  # noqa: E731  # short
        assert self.tenant_of(service, sign("hospital-7")) == "hospital-7"
        for org in ("*", "", "A", "a b", "../x", "x" * 65):
            assert status(service, sign(org)) == 401

    def test_one_issuers_key_says_nothing_of_another(self, serve, issuer, signers):
        other_signer = Signer("ES256")
        other = Issuer(other_signer)
        service = serve(configured(issuer), configured(other, name="other", tenant="b"))
        assert status(service, signers["ES256"].sign(issuer.claims())) == 200
        assert status(service, other_signer.sign(other.claims())) == 200
        assert status(service, other_signer.sign(issuer.claims())) == 401
        assert status(service, signers["ES256"].sign(other.claims())) == 401
        other.close()
