"""What is recorded of each call, in which transaction, and how the trail is read."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from app import cli
from app.api import auditing, gate
from app.api.auditing import KEEPS_NOTHING, _ended, is_audited
from app.api.openapi import operations
from app.api.routes import CalculatorRoute
from app.database.errors import DatabaseUnavailableError
from app.main import create_app
from app.security.caller import LOCAL, Caller
from app.security.store.audit import append
from app.settings import load_settings
from tests.audit_rows import opened
from tests.cohort_api import Api, lines, record

NORTH = Caller("north-ward", "north", LOCAL.scopes)
READER = Caller("reader", "default", frozenset({"cohort:read"}))
WHO = ("caller", "operation", "event", "outcome", "status", "patient_id", "details")


@pytest.fixture
def api():
    made = Api("sqlite://")
    yield made
    made.close()


@pytest.fixture
def calling(monkeypatch):
    """Return what makes the next requests those of a caller, as authentication will."""

    def as_(caller: Caller) -> None:
        monkeypatch.setattr(gate, "LOCAL", caller)

    return as_


def trail(api, **asked) -> list[dict]:
    """Return the trail, oldest first."""
    answer = api.client.get("/v1/audit", params={"limit": 500} | asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"][::-1]


def told(rows, *names):
    return [tuple(row[name] for name in names or ("operation", "event", "outcome")) for row in rows]


def of(api, path, **asked):
    return trail(api, cohort=path.rpartition("/")[2], **asked)


class TestChanges:
    def test_the_life_of_a_cohort(self, api):
        path = api.create(record(1), record(2))
        assert api.add(path, lines(record(3))).status_code == 200
        body = record(1, age_years=9)
        assert api.client.put(f"{path}/patients/P01", json=body, headers={"if-match": "*"}).status_code == 200
        assert api.client.delete(f"{path}/patients/P02", headers={"if-match": "*"}).status_code == 204
        assert api.client.post(f"{path}/rederive", json={}).status_code == 200
        assert api.client.delete(path, headers={"if-match": "*"}).status_code == 204
        assert told(of(api, path), *WHO) == [
            ("local", "create_cohort", "cohort.create", "success", None, None, None),
            ("local", "create_cohort", "patients.add", "success", None, None, {"patients": 2}),
            ("local", "add_patients", "patients.add", "success", None, None, {"patients": 1}),
            ("local", "replace_patient", "patient.replace", "success", None, "P01", None),
            ("local", "delete_patient", "patient.delete", "success", None, "P02", None),
            ("local", "rederive_cohort", "cohort.rederive", "success", None, None, {"patients": 2}),
            ("local", "delete_cohort", "cohort.delete", "success", None, None, {"patients": 2}),
        ]

    def test_the_request_id_is_that_of_the_request(self, api):
        api.client.post("/v1/cohorts", json={"name": "a"}, headers={"x-request-id": "req-7"})
        assert trail(api)[0]["request_id"] == "req-7"

    def test_a_refused_change_is_recorded_once_and_changes_nothing(self, api):
        path = api.create(record(1))
        assert api.client.delete(path, headers={"if-match": '"9"'}).status_code == 412
        assert api.client.delete(path).status_code == 428
        assert api.add(path, lines(record(1))).status_code == 409
        assert told(of(api, path)[2:], "operation", "event", "outcome", "status", "details") == [
            ("delete_cohort", "request.failed", "failed", 412, {"problem": "precondition-failed"}),
            ("delete_cohort", "request.failed", "failed", 428, {"problem": "precondition-required"}),
            ("add_patients", "request.failed", "failed", 409, {"problem": "duplicate-patients"}),
        ]

    def test_a_repeated_request_changes_nothing_and_is_recorded_as_a_read(self, api):
        for _ in range(2):
            api.client.post("/v1/cohorts", json={"name": "a"}, headers={"idempotency-key": "k"})
        assert told(trail(api)) == [
            ("create_cohort", "cohort.create", "success"),
            ("create_cohort", "read", "success"),
        ]

    def test_a_job(self, api):
        path = api.create(record(1))
        answer = api.add(path, lines(record(2)), prefer="respond-async", x_request_id="req-9")
        job = answer.headers["location"].rpartition("/")[2]
        for _ in range(200):
            if api.client.get(f"/v1/jobs/{job}").json()["status"] == "succeeded":
                break
            time.sleep(0.02)
        rows = [row for row in of(api, path) if row["request_id"] == "req-9"]
        assert told(rows, "caller", "operation", "event", "outcome", "subject", "details") == [
            ("local", "add_patients", "job.create", "success", job, {"kind": "add_patients"}),
            ("local", "add_patients", "patients.add", "success", None, {"patients": 1}),
            ("local", "add_patients", "job.finish", "success", job, {"kind": "add_patients"}),
        ]
        assert {row["subject"] for row in trail(api) if row["operation"] == "get_job"} == {job}

    def test_a_job_that_fails(self, api):
        path = api.create(record(1))
        answer = api.add(path, lines(record(1)), prefer="respond-async", x_request_id="req-9")
        for _ in range(200):
            if api.client.get(answer.headers["location"]).json()["status"] == "failed":
                break
            time.sleep(0.02)
        rows = [row for row in of(api, path) if row["request_id"] == "req-9"]
        assert told(rows, "event", "outcome") == [("job.create", "success"), ("job.finish", "failed")]

    def test_what_the_service_does_by_itself_is_its_own(self, api):
        assert api.client.get("/v1/cohorts/example").status_code == 200
        rows = trail(api, cohort="example")
        assert told(rows, "caller", "operation", "event") == [
            ("service", "service", "cohort.create"),
            ("service", "service", "patients.add"),
            ("service", "service", "job.create"),
            ("service", "service", "job.finish"),
            ("local", "get_cohort", "read"),
        ]

    def test_a_change_whose_entry_cannot_be_written_is_not_made(self, api, monkeypatch):
        path = api.create(record(1))

        def fail(*_):
            raise DatabaseUnavailableError("full", "53100")

        monkeypatch.setattr("app.security.store.audit.append", fail)
        for answer in (
            api.client.delete(path, headers={"if-match": "*"}),
            api.add(path, lines(record(2))),
            api.client.post("/v1/cohorts", json={"name": "b"}),
        ):
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/database-unavailable")
        monkeypatch.setattr("app.security.store.audit.append", append)
        assert api.client.get(path).json()["n"] == 1
        assert [one["name"] for one in api.client.get("/v1/cohorts").json()["items"] if one["id"] != "study"] == [
            "Invented"
        ]


class TestReads:
    def test_who_read_which_patient(self, api):
        path = api.create(record(1), record(2))
        assert api.client.get(f"{path}/patients/P02").status_code == 200
        assert api.client.get(f"{path}/patients").status_code == 200
        assert api.client.get(f"{path}/patients", params={"limit": 1, "cursor": 1}).status_code == 200
        assert told(of(api, path)[2:], *WHO) == [
            ("local", "get_patient", "read", "success", 200, "P02", None),
            (
                "local",
                "list_patients",
                "read",
                "success",
                200,
                None,
                {"patients": 2, "first_position": 1, "last_position": 2},
            ),
            (
                "local",
                "list_patients",
                "read",
                "success",
                200,
                None,
                {"patients": 1, "first_position": 2, "last_position": 2},
            ),
        ]
        assert told(trail(api, patient="P02")) == [("get_patient", "read", "success")]

    @pytest.mark.parametrize(
        ("place", "operation"),
        [
            ("", "get_cohort"),
            ("/export", "export_cohort"),
            ("/analysis", "cohort_analysis"),
            ("/analysis/missing", "cohort_analysis_section"),
            ("/figures/missing.svg", "cohort_figure_svg"),
            ("/report", "cohort_report"),
        ],
    )
    def test_every_look_at_a_cohort(self, api, place, operation):
        path = api.create(record(1))
        assert api.client.get(path + place).status_code == 200
        assert told(of(api, path)[2:]) == [(operation, "read", "success")]

    def test_an_answer_that_says_nothing_is_new_is_a_look_too(self, api):
        path = api.create(record(1))
        assert api.client.get(path, headers={"if-none-match": '"1"'}).status_code == 304
        assert told(of(api, path)[2:], "operation", "status") == [("get_cohort", 304)]

    def test_an_export_is_recorded_with_its_format_before_it_begins(self, api):
        path = api.create(record(1))
        api.export(path, "csv")
        assert told(of(api, path)[2:], "event", "status", "details") == [("read", None, {"format": "csv"})]

    def test_a_dry_run_is_a_read(self, api):
        path = api.create(record(1))
        assert api.client.post(f"{path}/rederive", json={"dry_run": True}).status_code == 200
        assert told(of(api, path)[2:], "operation", "event", "details") == [
            ("rederive_cohort", "read", {"dry_run": True})
        ]

    def test_the_look_at_the_trail(self, api):
        trail(api)
        assert told(trail(api)) == [("list_audit", "read", "success")]

    def test_head_is_a_look(self, api):
        path = api.create(record(1))
        assert api.client.head(path).status_code == 200
        assert told(of(api, path)[2:]) == [("get_cohort", "read", "success")]

    def test_what_cannot_be_recorded_is_not_shown(self, api, monkeypatch):
        path = api.create(record(1))

        def fail(*_):
            raise DatabaseUnavailableError("full", "53100")

        monkeypatch.setattr("app.security.store.audit.append", fail)
        for place in (path, f"{path}/patients/P01", f"{path}/export", f"{path}/analysis", "/v1/cohorts", "/v1/audit"):
            answer = api.client.get(place)
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/database-unavailable"), place
            assert answer.headers["retry-after"]
            assert "P01" not in answer.text.replace(f"{path}/patients/P01", "")
        # What holds no entry is answered as it is: nothing was shown.
        assert api.client.get("/v1/cohorts/nope").status_code == 404
        assert api.client.post("/v1/anakinra/dose", json={"weight_kg": 25}).status_code == 200

    @pytest.mark.parametrize(
        ("place", "cohort", "patient", "status"),
        [
            ("/v1/cohorts/Jane Doe", None, None, 404),
            ("/v1/cohorts/0123456789abcdef", "0123456789abcdef", None, 404),
            ("/v1/cohorts/study/patients/Jane Doe", "study", None, 404),
            ("/v1/cohorts/study/patients/Doe77", "study", None, 404),
        ],
    )
    def test_what_was_not_found_is_named_only_if_it_is_made_as_ours(self, api, place, cohort, patient, status):
        assert api.client.get(quote(place)).status_code == status
        row = [row for row in trail(api) if row["event"] == "request.failed"][-1]
        assert (row["cohort_id"], row["patient_id"], row["status"]) == (cohort, patient, status)


class TestCalculators:
    def test_they_keep_nothing(self, api):
        assert api.client.post("/v1/anakinra/dose", json={"weight_kg": 25}).status_code == 200
        assert api.client.get("/v1/ctcae/terms").status_code == 200
        assert trail(api) == []

    def test_unless_they_are_asked_to(self):
        api = Api("sqlite://", audit="everything")
        assert api.client.post("/v1/anakinra/dose", json={"weight_kg": 25}).status_code == 200
        assert api.client.post("/v1/anakinra/dose", json={"weight_kg": -1}).status_code == 422
        assert api.client.get("/v1/ctcae/terms").status_code == 200
        assert api.client.get("/v1/cohorts/study").status_code == 200
        assert api.client.get("/livez").status_code == 200
        rows = [row for row in trail(api) if row["caller"] == "local"]
        assert told(rows, "operation", "event", "status") == [
            ("anakinra_dose", "read", 200),
            ("anakinra_dose", "request.failed", 422),
            ("ctcae_terms", "read", 200),
            ("get_cohort", "read", 200),
        ]
        api.close()


class TestWho:
    def test_the_trail_is_for_administrators(self, api, calling):
        calling(READER)
        answer = api.client.get("/v1/audit")
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/scope-missing")
        calling(LOCAL)
        assert told(trail(api), "caller", "operation", "event", "outcome", "status") == [
            ("reader", "list_audit", "access.refused", "denied", 403)
        ]

    def test_a_tenant_sees_its_own(self, api, calling):
        api.create(record(1))
        calling(NORTH)
        assert trail(api) == []
        path = api.create(record(1))
        assert told(of(api, path), "caller", "tenant", "position") == [
            ("north-ward", "north", 2),
            ("north-ward", "north", 3),
        ]
        calling(LOCAL)
        assert {row["tenant"] for row in trail(api)} == {"default"}
        assert of(api, path) == []

    def test_a_caller_who_could_not_say_who_it_is(self, api):
        """401s of any operation, the calculators' too, as authentication raises them."""
        from app.api.kinds import Kind  # noqa: PLC0415  # for this alone
        from app.api.problems import ProblemError  # noqa: PLC0415  # as above

        unauthorized = Kind("unauthorized", 401, "No", "No.", "No.")

        async def refuse(*_):
            raise ProblemError(unauthorized, "No.")

        stack = api.app.build_middleware_stack()
        stack._serve = refuse
        api.app.middleware_stack = stack
        assert TestClient(api.app).post("/v1/anakinra/dose", json={"weight_kg": 25}).status_code == 401
        api.app.middleware_stack = api.app.build_middleware_stack()
        assert told(trail(api), "caller", "event", "outcome", "status") == [
            ("anonymous", "access.refused", "denied", 401)
        ]


class TestReading:
    @pytest.fixture
    def long(self, api):
        for number in range(7):
            api.create(record(1), name=f"c{number}")
        return api

    def test_pages_newest_first(self, long):
        found, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            asked = {"limit": 5} | ({} if cursor is None else {"cursor": cursor})
            answer = long.client.get("/v1/audit", params=asked)
            body = answer.json()
            found += [row["position"] for row in body["items"] if row["operation"] == "create_cohort"]
            cursor, pages = body["next"], pages + 1
            assert (f"cursor={cursor}" in answer.headers.get("link", "")) == (cursor is not None)
        assert found == list(range(14, 0, -1))

    def test_the_link_keeps_what_was_asked(self, long):
        asked = {"limit": 2, "outcome": "success", "caller": "local", "from": "2020-01-01T00:00:00Z"}
        answer = long.client.get("/v1/audit", params=asked)
        link = answer.headers["link"]
        assert link.endswith('>; rel="next"')
        following = long.client.get(link[1:].partition(">")[0])
        assert [row["position"] for row in following.json()["items"]] == [12, 11]

    def test_filters(self, long):
        assert long.client.get("/v1/cohorts/nope").status_code == 404
        assert told(trail(long, outcome="failed")) == [("get_cohort", "request.failed", "failed")]
        assert trail(long, outcome="denied") == []
        assert trail(long, caller="nobody") == []
        assert {row["caller"] for row in trail(long, caller="local")} == {"local"}

    def test_times(self, long):
        now = datetime.now(UTC)
        before, after = ((now + timedelta(hours=hours)).isoformat() for hours in (-1, 1))
        assert len(trail(long, **{"from": before, "to": after})) >= 14
        assert trail(long, **{"from": after}) == []
        assert trail(long, to=before) == []

    @pytest.mark.parametrize(
        ("asked", "pointer"),
        [
            ({"from": "2020-01-01"}, "/from"),
            ({"from": "2020-01-01T00:00:00"}, "/from"),
            ({"to": "yesterday"}, "/to"),
            ({"outcome": "fine"}, "/outcome"),
            ({"cursor": "x"}, "/cursor"),
            ({"limit": 0}, "/limit"),
            ({"limit": 501}, "/limit"),
            ({"tenant": "north"}, "/tenant"),
        ],
    )
    def test_what_is_refused(self, api, asked, pointer):
        answer = api.client.get("/v1/audit", params=asked)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert answer.json()["errors"][0]["location"] == "query"

    def test_only_json(self, api):
        assert api.client.get("/v1/audit", headers={"accept": "text/csv"}).status_code == 406


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def _url(self, sqlite_url, monkeypatch):
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", sqlite_url)

    def test_import_export_and_rebuild(self, sqlite_url, tmp_path, capsys):
        path = tmp_path / "a.ndjson"
        path.write_text(lines(record(1)))
        assert cli.main(["import", str(path), "--name", "a"]) == 0
        with opened(sqlite_url) as kept:
            cohort = kept.rows()[-1].entry.cohort_id
            assert cli.main(["export", cohort, "--output", str(tmp_path / "b")]) == 0
            assert cli.main(["tallies", "rebuild"]) == 0
            rows = [row.entry for row in kept.rows() if row.entry.cohort_id == cohort]
            assert [(row.operation, row.event) for row in rows] == [
                ("import", "cohort.create"),
                ("import", "patients.add"),
                ("export", "read"),
            ]
            assert all(row.caller.startswith("command-line:") for row in rows)
            assert kept.verify() == (True, [])
        capsys.readouterr()

    def test_what_failed(self, sqlite_url, tmp_path, capsys):
        path = tmp_path / "a.ndjson"
        path.write_text('{"patient_id": "Jane Doe"}\n')
        assert cli.main(["import", str(path), "--name", "a"]) == 2
        assert cli.main(["export", "nope"]) == 2
        with opened(sqlite_url) as kept:
            told_ = [(row.entry.operation, row.entry.event, row.entry.outcome) for row in kept.rows()]
        assert told_ == [("import", "request.failed", "failed"), ("export", "request.failed", "failed")]
        capsys.readouterr()


class TestNoOperationIsForgotten:
    DOCUMENT = create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://"})).openapi()

    def test_every_operation_is_recorded_or_keeps_nothing(self):
        """A new path is recorded by itself; whoever puts one into KEEPS_NOTHING changes this list, too."""
        silent = {path for path, _, _ in operations(self.DOCUMENT) if path.startswith("/v1/") and not is_audited(path)}
        assert {path.split("/")[2] for path in silent} == {
            "anakinra",
            "ctcae",
            "examples",
            "phenotype",
            "protocols",
            "receipts",
            "rules",
            "safety-case",
            "statistics",
            "treatment",
        }
        assert [path for path in silent if "receipts" in path] == ["/v1/receipts/keys"]

    def test_what_keeps_nothing_is_there(self):
        paths = {path for path, _, _ in operations(self.DOCUMENT)}
        assert all(any(path.startswith(kept) for path in paths) for kept in KEEPS_NOTHING)

    def test_every_route_that_is_recorded_goes_the_way_that_records(self):
        app = create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://"}))
        from fastapi.routing import iter_route_contexts  # noqa: PLC0415  # for this alone

        found = [one for one in iter_route_contexts(app.routes) if one.path and is_audited(one.path)]
        assert len(found) > 15
        assert all(isinstance(one.original_route, CalculatorRoute) for one in found)


@pytest.mark.parametrize(
    ("exc", "ended"),
    [
        (ClientDisconnect(), (499, "client-gone")),
        (DatabaseUnavailableError("gone"), (503, "database-unavailable")),
        (ValueError("x"), (500, "internal-error")),
    ],
)
def test_how_a_request_ended(exc, ended):
    assert _ended(exc) == ended


@pytest.mark.parametrize("status", [401, 403])
def test_strangers_do_not_fill_the_disk(api, status):
    async def knock() -> None:
        for _ in range(130):
            await api.app.auditor.refused({"headers": [], "path": "/v1/cohorts"}, "/v1/cohorts", status)

    asyncio.run(knock())
    rows = trail(api)
    assert len(rows) == 100
    assert {(row["caller"], row["outcome"]) for row in rows} == {("anonymous", "denied")}


FOREIGN = {"origin": "https://other.example.org", "access-control-request-method": "POST"}


def test_preflights_of_strangers_do_not_fill_the_disk_either():
    api = Api("sqlite://", cors_origins="https://ehr.example.org")
    for _ in range(130):
        assert api.client.options("/v1/cohorts", headers=FOREIGN).status_code == 403
    assert told(trail(api), "caller", "status") == [("anonymous", 403)] * 100
    api.close()


def test_refused_preflights_are_counted_as_requests():
    api = Api("sqlite://", cors_origins="https://ehr.example.org", rate_limit="10")
    known = FOREIGN | {"origin": "https://ehr.example.org"}
    answers = [api.client.options("/v1/cohorts", headers=FOREIGN).status_code for _ in range(20)]
    assert (answers[:10], answers[-1]) == ([403] * 10, 429)
    assert api.client.options("/v1/cohorts", headers=known).status_code == 204
    api.close()


class TestKeysThatHaveEnded:
    """Whoever uses a key that was revoked is seen by those whose key it was, however many others knock."""

    @staticmethod
    def knock(api, *callers: Caller | None) -> None:
        """Turn callers away as the gate does; None: one who could not say who it is."""

        async def all_of_them() -> None:
            for caller in callers:
                scope = {"headers": [], "path": "/v1/cohorts"}
                if caller is not None:
                    auditing.context_of(scope).caller = caller
                await api.app.auditor.refused(scope, "/v1/cohorts", 401)

        asyncio.run(all_of_them())

    @staticmethod
    def rows(api, calling, tenant: str) -> list[dict]:
        calling(Caller("auditor", tenant, LOCAL.scopes))
        return [row for row in trail(api) if row["event"] == "access.refused"]

    def test_a_flood_of_strangers_hides_none(self, api, calling):
        ended = Caller("key:0123456789ab", "north", frozenset())
        self.knock(api, *[None] * 130, ended)
        assert told(self.rows(api, calling, "north"), "caller", "details") == [("key:0123456789ab", None)]

    def test_each_fills_its_own_measure_and_is_told_its_own_count(self, api, calling, monkeypatch):
        first, second = Caller("key:a", "north", frozenset()), Caller("key:b", "south", frozenset())
        now = time.monotonic()
        monkeypatch.setattr("app.api.auditing._clock", lambda: now)
        self.knock(api, *[first] * 130, second)
        monkeypatch.setattr("app.api.auditing._clock", lambda: now + 61)
        self.knock(api, second, first, None)
        north = self.rows(api, calling, "north")
        assert len(north) == 101
        assert north[-1]["details"] == {"refused_besides": 30}
        assert told(self.rows(api, calling, "south"), "caller", "details") == [("key:b", None)] * 2
        assert told(self.rows(api, calling, "default"), "caller", "details") == [("anonymous", None)]


class TestRefusalsAreRecordedFirst:
    @staticmethod
    def refused(api) -> list[str]:
        """Send a request from another machine, and return what happened in which order."""
        happened: list[str] = []
        record_ = api.app.auditor.trail.record

        def recording(entry):
            record_(entry)
            happened.append(f"recorded {entry.status}")

        async def send(message):
            if message["type"] == "http.response.start":
                happened.append(f"answered {message['status']}")

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/v1/cohorts", "query_string": b""}
        api.app.auditor.trail.record = recording
        asyncio.run(
            api.app(scope | {"headers": [], "client": ("192.0.2.7", 5), "server": ("192.0.2.1", 80)}, receive, send)
        )
        return happened

    def test_before_they_leave(self, api):
        assert self.refused(api) == ["recorded 403", "answered 403"]

    def test_a_slow_database_holds_none_back_for_long(self, api, monkeypatch):
        monkeypatch.setattr(auditing, "_REFUSAL_SECONDS", 0.05)
        goes_on = threading.Event()
        written = api.app.auditor.trail.record
        monkeypatch.setattr(api.app.auditor.trail, "record", lambda entry: (goes_on.wait(20), written(entry)))
        answer = TestClient(api.app, client=("192.0.2.7", 5)).get("/v1/cohorts")
        assert answer.status_code == 403
        goes_on.set()
        api.app.auditor._threads.shutdown()
        monkeypatch.undo()
        with api.app.database.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT caller, status FROM audit").all() == [("anonymous", 403)]

    @pytest.mark.parametrize("fault", [DatabaseUnavailableError("full"), ZeroDivisionError("secret")])
    def test_one_that_cannot_be_recorded_is_answered(self, api, monkeypatch, fault):
        def fail(_):
            raise fault

        monkeypatch.setattr(api.app.auditor.trail, "record", fail)
        answer = TestClient(api.app, client=("192.0.2.7", 5)).get("/v1/cohorts")
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/local-only")
        assert "secret" not in api.logged()
