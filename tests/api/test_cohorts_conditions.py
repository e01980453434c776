"""ETags, idempotency keys and jobs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from app.api.cohort_service import read_record
from app.clinical.rulebook import load_rulebook
from app.cohorts.derivation import Deriver
from app.cohorts.service import CohortService
from tests.cohort_api import CSV, JSON, Api, lines, record


@pytest.fixture(scope="module")
def api():
    made = Api("sqlite://")
    yield made
    made.close()


def finished(api, location: str):
    for _ in range(200):
        answer = api.client.get(location)
        if answer.json()["status"] in {"succeeded", "failed"}:
            return answer.json()
        assert answer.headers["retry-after"]
        time.sleep(0.05)
    raise AssertionError("the job does not end")


class TestEtags:
    @pytest.mark.parametrize("header", ['"1"', 'W/"1"', '"0", "1"', "*"])
    def test_what_is_known_already(self, api, header):
        path = api.create(record(1))
        for place in (path, f"{path}/patients/P01"):
            answer = api.client.get(place, headers={"if-none-match": header})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')
        assert api.client.get(path, headers={"if-none-match": '"2"'}).status_code == 200

    @pytest.mark.parametrize(
        ("header", "status"),
        [('"1"', 204), ("*", 204), ('"9", "1"', 204), ('"2"', 412), ('W/"1"', 412), ("1", 422), ('"1', 422), ("", 428)],
    )
    def test_a_deletion_names_what_it_deletes(self, api, header, status):
        path = api.create(record(1))
        assert api.client.delete(path, headers={"if-match": header}).status_code == status
        assert api.client.get(path).status_code == (404 if status == 204 else 200)

    def test_an_addition_may_name_what_it_is_made_for(self, api):
        path = api.create(record(1))
        assert api.add(path, lines(record(2)), if_match='"7"').status_code == 412
        assert api.add(path, lines(record(2)), if_match='"7"', prefer="respond-async").status_code == 412
        assert api.add(path, lines(record(2)), if_match='"1"').status_code == 200

    def test_head_carries_it_too(self, api):
        path = api.create(record(1))
        got, head = api.client.get(path), api.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == got.headers["etag"]
        assert head.headers["content-length"] == got.headers["content-length"]
        assert api.client.head(path, headers={"if-none-match": head.headers["etag"]}).status_code == 304


class TestIdempotency:
    @pytest.mark.parametrize("key", ["abc", '"abd"', "8e03978e-40d5-43dd-bc93-6894a57f9324"])
    def test_the_same_again_is_answered_alike_and_done_once(self, api, key):
        n = len(api.client.get("/v1/cohorts?limit=500").json()["items"])
        first = api.client.post("/v1/cohorts", json={"name": "a"}, headers={"idempotency-key": key})
        assert len(api.client.get("/v1/cohorts?limit=500").json()["items"]) == n + 1
        second = api.client.post("/v1/cohorts", json={"name": "a"}, headers={"idempotency-key": key})
        assert (first.status_code, first.content) == (second.status_code, second.content)
        assert second.headers["location"] == first.headers["location"]
        assert "idempotency-replayed" not in first.headers
        assert second.headers["idempotency-replayed"] == "true"
        assert len(api.client.get("/v1/cohorts?limit=500").json()["items"]) == n + 1

    def test_another_body_under_the_same_key(self, api):
        path = api.create()
        assert api.add(path, lines(record(1)), idempotency_key="k1").status_code == 200
        before = api.state(path)
        for answer in (
            api.add(path, lines(record(2)), idempotency_key="k1"),
            api.add(path, lines(record(1)), idempotency_key="k1", query="?on_error=skip"),
            api.add(path, "patient_id\nP1\n", CSV, idempotency_key="k1"),
        ):
            assert answer.status_code == 422
            assert answer.json()["type"] == "/problems/idempotency-key-reused"
        assert api.state(path) == before
        assert api.add(path, lines(record(1)), idempotency_key="k1").headers["idempotency-replayed"] == "true"

    def test_a_refused_request_may_be_mended_under_its_key(self, api):
        path = api.create()
        assert api.add(path, lines(record(1, age_years=-1)), idempotency_key="k1").status_code == 422
        assert api.add(path, lines(record(1)), idempotency_key="k1").status_code == 200

    def test_keys_of_different_paths_are_different_keys(self, api):
        one, other = api.create(), api.create()
        assert api.add(one, lines(record(1)), idempotency_key="k1").status_code == 200
        assert api.add(other, lines(record(1)), idempotency_key="k1").status_code == 200

    @pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, '"'])
    def test_what_is_no_key(self, api, key):
        headers = {"idempotency-key": key.encode("latin-1")}
        answer = api.client.post("/v1/cohorts", json={"name": "a"}, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["location"] == "header"

    def test_while_the_first_is_being_answered(self, api, monkeypatch):
        entered, leave = Event(), Event()
        original = CohortService.create

        def slow(self, *arguments, **named):
            entered.set()
            leave.wait(20)
            return original(self, *arguments, **named)

        monkeypatch.setattr(CohortService, "create", slow)
        with ThreadPoolExecutor(1) as threads:
            headers = {"idempotency-key": "k1"}
            first = threads.submit(api.client.post, "/v1/cohorts", json={"name": "a"}, headers=headers)
            assert entered.wait(20)
            second = api.client.post("/v1/cohorts", json={"name": "a"}, headers=headers)
            leave.set()
            assert first.result(20).status_code == 201
        assert second.status_code == 409
        assert second.json()["type"] == "/problems/request-in-progress"
        assert second.headers["retry-after"] == "1"


class TestJobs:
    @pytest.mark.parametrize("prefer", ["respond-async", "respond-async, wait=10", "handling=lenient, Respond-Async"])
    def test_an_addition_that_goes_on_after_its_answer(self, api, prefer):
        path = api.create(record(1))
        answer = api.add(path, lines(record(2), record(3)), prefer=prefer)
        assert answer.status_code == 202, answer.text
        assert answer.headers["preference-applied"] == "respond-async"
        job = finished(api, answer.headers["location"])
        assert job["status"] == "succeeded"
        assert job["progress"]["percent"] == 100
        assert job["result"]["report"]["added"] == 2
        assert api.client.get(path).json()["n"] == 3

    def test_one_that_is_refused_changes_nothing(self, api):
        path = api.create(record(1))
        before = api.state(path)
        for body, status in ((lines(record(2), record(3, age_years=-1)), 422), (lines(record(1)), 409), (b"{", 422)):
            job = finished(api, api.add(path, body, prefer="respond-async").headers["location"])
            assert (job["status"], job["error"]["status"]) == ("failed", status)
            assert job["error"]["errors"][0]["line"]
            assert job["error"]["instance"] == f"{path}/patients"
        assert api.state(path) == before

    def test_asked_for_twice_under_one_key(self, api):
        path = api.create()
        first, second = (
            api.add(path, lines(record(1)), prefer="respond-async", idempotency_key="k1") for _ in range(2)
        )
        assert first.headers["location"] == second.headers["location"]
        assert second.headers["idempotency-replayed"] == "true"
        finished(api, first.headers["location"])
        assert api.client.get(path).json()["n"] == 1

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b'{"\\ud800": 1}', ("", "lone_surrogate")),
            (b'[{"patient_id": "P1", "age_years": ' + b"9" * 5000 + b"}]", ("/0/age_years", "number_too_large")),
        ],
    )
    def test_one_that_python_itself_stumbles_over_has_failed(self, api, body, expected):
        job = finished(api, api.add(api.create(), body, JSON, prefer="respond-async").headers["location"])
        assert (job["status"], job["error"]["status"]) == ("failed", 422)
        assert [(error["pointer"], error["code"]) for error in job["error"]["errors"]] == [expected]

    def test_one_that_failed_is_mended_under_its_key(self, api):
        path = api.create()
        asked = {"prefer": "respond-async", "idempotency_key": "k1"}
        bad, mended = lines(record(1, age_years=-1)), lines(record(1))
        first, again = (finished(api, api.add(path, bad, **asked).headers["location"]) for _ in range(2))
        assert (first["status"], again["status"], first["id"] == again["id"]) == ("failed", "failed", False)
        now = api.add(path, mended, **asked)
        assert (now.status_code, "idempotency-replayed" in now.headers) == (202, False)
        assert finished(api, now.headers["location"])["status"] == "succeeded"
        assert api.add(path, bad, **asked).status_code == 422
        assert api.add(path, mended, **asked).headers["location"] == now.headers["location"]
        assert api.client.get(path).json()["n"] == 1

    def test_it_goes_with_its_cohort(self, api):
        path = api.create(record(1))
        asked = {"prefer": "respond-async", "idempotency_key": "k1"}
        place = api.add(path, lines(record(2)), **asked).headers["location"]
        finished(api, place)
        assert api.client.delete(path, headers={"if-match": "*"}).status_code == 204
        gone = api.client.get(place)
        assert (gone.status_code, "deleted with their cohort" in gone.json()["detail"]) == (404, True)
        assert api.add(path, lines(record(2)), **asked).status_code == 404

    def test_what_cannot_begin_is_refused_at_once(self, api):
        answer = api.add("/v1/cohorts/nowhere", lines(record(1)), prefer="respond-async")
        assert answer.status_code == 404

    def test_a_cohort_derived_anew(self, api):
        path = api.create(record(1))
        answer = api.client.post(
            f"{path}/rederive", json={"ctcae_version": "4.03"}, headers={"prefer": "respond-async"}
        )
        job = finished(api, answer.headers["location"])
        assert (job["kind"], job["result"]["n"]) == ("rederive", 1)
        assert api.client.get(path).json()["version"] == 2
        bare = api.client.post(f"{path}/rederive", json={"ctcae_version": "9"}, headers={"prefer": "respond-async"})
        error = finished(api, bare.headers["location"])["error"]
        assert (error["status"], error["instance"]) == (422, f"{path}/rederive")
        assert error["request_id"] == bare.headers["x-request-id"]

    def test_the_order_of_members_does_not_matter(self, api):
        answer = api.client.post(
            "/v1/cohorts",
            content='{"patients": [{"patient_id": "P1"}], "description": " d ", "name": "late"}',
            headers={"content-type": JSON},
        )
        assert (answer.json()["name"], answer.json()["description"], answer.json()["version"]) == ("late", "d", 1)


def test_the_built_in_cohort_follows_the_rules(sqlite_url):
    before = Api(sqlite_url)
    export = before.export("/v1/cohorts/study")
    current = before.client.get("/v1/cohorts/study").json()["rules"]
    with before.app.database.store.write() as writer:
        cohort = writer.lock("study", even_read_only=True)
        old = tuple(dict(rule) | {"version": "0.0.1"} for rule in cohort.rules)
        deriver = Deriver(load_rulebook())
        writer.rederive(cohort, lambda kept: deriver.derive(read_record(kept.record_json.encode()).record), old)
    before.close()
    after = Api(sqlite_url)
    shown = after.client.get("/v1/cohorts/study").json()
    assert (shown["version"], shown["rules"], shown["n"]) == (3, current, 46)
    assert after.export("/v1/cohorts/study") == export
    after.close()
