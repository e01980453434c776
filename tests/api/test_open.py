"""A service without callers answers its own machine alone, and stops doing so as soon as there is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from starlette.testclient import TestClient

from app.security import presence
from app.security.exposure import refusals
from app.settings import load_settings
from tests.callers import bearer, client_in, key_in
from tests.cohort_api import Api

ROOT = Path(__file__).parents[2]
HERE = ("127.0.0.1", 40_000)


@pytest.fixture
def service(sqlite_url):
    made = Api(sqlite_url)
    yield made
    made.close()


def get(service, *, host="127.0.0.1", client=HERE, path="/v1/cohorts", **headers: str) -> int:
    caller = TestClient(service.app, base_url=f"http://{host}", client=client)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return caller.get(path, headers=named).status_code


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "[::1]", "127.0.0.1:8000"])
def test_a_direct_call_of_this_machine_is_answered(service, host):
    assert get(service, host=host) == 200


@pytest.mark.parametrize("client", [("127.0.0.1", 1), ("::1", 1), ("::ffff:127.0.0.1", 1), None])
def test_a_direct_caller_of_this_machine_is_answered(service, client):
    assert get(service, client=client) == 200


@pytest.mark.parametrize(
    "client", [("10.0.0.7", 1), ("192.168.1.2", 1), ("2001:db8::1", 1), ("::ffff:10.0.0.7", 1), ("nowhere", 1), ("", 1)]
)
def test_another_machine_is_not(service, client):
    assert get(service, client=client) == 403
    assert get(service, client=client, path="/v1/protocols") == 403


@pytest.mark.parametrize("host", ["10.0.0.7", "0.0.0.0", "defervesce.example.org", "localhost.example.org"])  # noqa: S104  # not to listen on
def test_another_address_of_this_machine_is_not(service, host):
    """Neither a listener that others can reach, nor a page whose name was made to lead here (DNS rebinding)."""
    assert get(service, host=host) == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "[", "/", ""]
)
def test_a_name_that_only_leads_here_is_not(service, host):
    assert get(service, host="127.0.0.1", Host=host) == 403


@pytest.mark.parametrize(
    "name",
    ["X_Forwarded_For", "Forwarded", "X_Real_IP", "Via", "X_Forwarded_Host", "X_Forwarded_Proto", "CF_Connecting_IP"],
)
def test_what_comes_through_a_proxy_is_not(service, name):
    assert get(service, **{name: "127.0.0.1"}) == 403


@pytest.mark.parametrize("host", ["localhost:80@evil", "localhost:", "127.0.0.1:x", "localhost,evil"])
def test_a_host_that_is_written_oddly_is_not(service, host):
    caller = TestClient(service.app, base_url="http://127.0.0.1", client=HERE)
    assert caller.get("/v1/cohorts", headers={"host": host}).status_code == 403


def test_what_a_silent_proxy_speaks_is_not(service):
    """Proxies that add no header of their own ask in HTTP/1.0."""
    told = {"http_version": "1.0"}

    async def older(scope, receive, send):
        await service.app({**scope, **told} if scope["type"] == "http" else scope, receive, send)

    assert TestClient(older, base_url="http://127.0.0.1", client=HERE).get("/v1/cohorts").status_code == 403
    told["http_version"] = "1.1"
    assert TestClient(older, base_url="http://127.0.0.1", client=HERE).get("/v1/cohorts").status_code == 200


def test_what_is_for_everybody_is_for_everybody(service):
    for path in ("/livez", "/readyz", "/version", "/metrics", "/docs", "/openapi.json", "/", "/problems/validation"):
        assert get(service, host="example.org", client=("10.0.0.7", 1), path=path) == 200


def test_a_wrong_key_is_refused_even_there(service):
    assert get(service, **bearer("dfv_x")) == 401


@pytest.mark.parametrize("make", ["key", "client"])
def test_the_first_caller_closes_the_door_of_every_replica_while_it_runs(database_url, make):
    replicas = [Api(database_url), Api(database_url)]
    assert [get(one) for one in replicas] == [200, 200]
    if make == "key":
        key = key_in(database_url)
    else:
        client_in(database_url, "loader", "https://loader.example.org/jwks.json")
    for one in replicas:
        later = one.app.presence._clock() + presence.KEPT_SECONDS + 0.1
        one.app.presence._clock = lambda at=later: at
        assert get(one) == 401
        assert get(one, path="/v1/protocols") == 401
        if make == "key":
            assert get(one, **bearer(key)) == 200
        one.close()


def test_a_revoked_key_does_not_open_the_door_again(service, sqlite_url):
    from tests.callers import callers_of  # noqa: PLC0415  # needed here alone

    key = key_in(sqlite_url)
    with callers_of(sqlite_url) as store:
        store.revoke_key(key[4:16])
    assert get(service) == 401
    again = Api(sqlite_url)
    assert get(again) == 401
    again.close()


def test_while_it_cannot_be_told_only_what_keeps_nothing_is_answered(tmp_path):
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 1_000)
    for url in ("postgresql://nobody@127.0.0.1:1/none", f"sqlite:///{broken}"):
        service = Api(url)
        assert get(service, path="/v1/protocols") == 200
        answer = service.client.get("/v1/cohorts")
        assert answer.status_code == 503
        assert answer.json()["type"] == "/problems/database-unavailable"
        assert get(service, path="/v1/protocols", client=("10.0.0.7", 1)) == 403
        service.close()


def test_required_asks_everybody_from_the_start(sqlite_url):
    service = Api(sqlite_url, auth="required")
    assert get(service) == 401
    assert get(service, path="/v1/protocols") == 401
    assert get(service, path="/nowhere") == 401
    assert get(service, path="/livez") == 200
    assert get(service, **bearer(key_in(sqlite_url))) == 200
    service.close()


def test_a_preflight_carries_no_key(sqlite_url):
    service = Api(sqlite_url, auth="required", cors_origins="https://ehr.example.org")
    asked = {
        "origin": "https://ehr.example.org",
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization, x-api-key",
    }
    answer = service.client.options("/v1/cohorts", headers=asked)
    assert answer.status_code == 204
    assert "X-API-Key" in answer.headers["access-control-allow-headers"]
    assert service.client.options("/v1/cohorts").status_code == 401
    service.close()


class TestWhereItListens:
    """`defervesce serve` refuses an address that others can reach unless somebody must prove who they are."""

    def refused(self, host="0.0.0.0", *, demands=False, has=False, url="sqlite:///x.db"):  # noqa: S104  # what is refused
        return refusals(host, demands_callers=demands, has_callers=has, database_url=url)

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.5", "::1", "localhost"])
    def test_its_own_machine_always(self, host):
        assert self.refused(host) == []
        assert self.refused(host, has=None, url="postgresql://u:postgres@db/x") == []

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "example.org", "", "localhost.example.org"])  # noqa: S104  # as said
    def test_elsewhere_only_with_callers(self, host):
        assert "DEFERVESCE_AUTH=required" in self.refused(host)[0]
        assert "cannot be told" in self.refused(host, has=None)[0]
        assert self.refused(host, has=True) == []
        assert self.refused(host, demands=True) == []

    @pytest.mark.parametrize(
        "password", ["postgres", "changeme", "Password1", "defervesce", "short", "secret123", "xxxxxxxx", "change-it"]
    )
    def test_elsewhere_not_with_a_default_secret(self, password):
        found = self.refused(has=True, url=f"postgresql://u:{password}@db/x")
        assert len(found) == 1
        assert f":{password}" not in found[0]

    @pytest.mark.parametrize("url", ["postgresql://u:t5Kq0vWz8@db/x", "postgresql://u@/x", "sqlite:///x.db"])
    def test_a_good_secret_is_taken(self, url):
        assert self.refused(has=True, url=url) == []


def test_the_composed_service_asks_everybody():
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["defervesce"]
    assert composed["environment"]["DEFERVESCE_AUTH"] == "required"
    assert "DEFERVESCE_AUTH=required" in (ROOT / "Dockerfile").read_text()


def test_the_settings_of_callers(tmp_path):
    assert load_settings({}).auth == "auto"
    for name, value in {"AUTH": "open", "ISSUERS": "/nowhere.toml", "PUBLIC_URL": "http://example.org"}.items():
        with pytest.raises(Exception, match=re.escape(f"DEFERVESCE_{name} must be ")):
            load_settings({f"DEFERVESCE_{name}": value})
    file = tmp_path / "issuers.toml"
    file.write_text("")
    chosen = {"DEFERVESCE_ISSUERS": str(file), "DEFERVESCE_PUBLIC_URL": "https://defervesce.example.org"}
    assert load_settings(chosen).issuers == file
