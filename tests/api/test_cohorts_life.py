"""A cohort's life over HTTP, on SQLite and on PostgreSQL: created, filled, shown, changed, exported, deleted."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cohort_api import CSV, JSON, NDJSON, Api, lines, record


@pytest.fixture
def api(database_url):
    made = Api(database_url)
    yield made
    made.close()


def test_from_creation_to_deletion(api):
    created = api.client.post("/v1/cohorts", json={"name": " First ", "patients": [record(1), record(2)]})
    assert created.status_code == 201
    path, body = created.headers["location"], created.json()
    assert (body["name"], body["n"], body["version"], body["read_only"]) == ("First", 2, 1, False)
    assert created.headers["etag"] == '"1"'
    assert body["counts"]["phenotype"]["cv_shock"] == 1
    assert body["counts"]["sex"] == {"male": 1, "female": 1, "unknown": 0}
    assert body["report"]["received"] == body["report"]["added"] == 2
    shown = api.client.get(path)
    assert shown.json() == {k: v for k, v in body.items() if k != "report"}

    assert api.add(path, lines(record(3), record(4))).json()["n"] == 4
    assert api.add(path, json.dumps({"patients": [record(5)]}), JSON).json()["version"] == 3
    assert api.add(path, json.dumps([record(6)]), JSON).json()["n"] == 6
    table = "patient_id,age_years,labs.0.analyte,labs.0.value,labs.0.unit\nP07,8,crp,12,mg/L\n"
    assert api.add(path, table, CSV).json()["n"] == 7

    patients = api.client.get(f"{path}/patients").json()
    assert [one["patient_id"] for one in patients["items"]] == [f"P0{n}" for n in range(1, 8)]
    one = api.client.get(f"{path}/patients/P02")
    assert one.json()["record"] == record(2) | {"treatment": one.json()["record"]["treatment"]}
    assert one.json()["derived"]["phenotype"] == "cv_shock"
    assert "phenotype" in one.json()["findings"]

    match = {"if-match": one.headers["etag"]}
    put = api.client.put(f"{path}/patients/P02", json=record(2, age_years=3.14159), headers=match)
    assert put.status_code == 200, put.text
    assert put.json()["record"]["age_years"] == 3.14
    assert put.json()["rounded"] == [{"field": "/age_years", "kept": 3.14}]
    again = api.client.put(f"{path}/patients/P02", json=record(2), headers={"if-match": one.headers["etag"]})
    assert again.status_code == 412
    assert again.headers["etag"] == put.headers["etag"]
    renamed = api.client.put(f"{path}/patients/P02", json=record(9), headers={"if-match": "*"})
    assert renamed.json()["errors"][0]["code"] == "patient_id_differs"

    assert api.client.delete(f"{path}/patients/P07").status_code == 428
    assert api.client.delete(f"{path}/patients/P07", headers={"if-match": "*"}).status_code == 204
    assert api.client.get(path).json()["n"] == 6
    stale = api.client.delete(path, headers={"if-match": '"1"'})
    assert stale.status_code == 412
    current = api.client.get(path).headers["etag"]
    assert api.client.delete(path, headers={"if-match": f'"1", {current}'}).status_code == 204
    assert api.client.get(path).status_code == 404


@pytest.mark.parametrize("kind", ["ndjson", "csv"])
def test_an_export_goes_back_in_unchanged(api, kind):
    path = api.create(
        record(1, age_years=None, treatment={}, labs=[], temperatures=[{"hour": -3, "celsius": 39.5, "site": None}]),
        record(2, treatment={"corticosteroids": [{"agent": "hydrocortisone"}], "anakinra": None}),
        record(3, cytokines={"sil_2r": {"value": 4100, "unit": "U/mL", "upper_limit": 1000}}, treatment={"ivig": True}),
        record(4, echocardiograms=[{"day": 1, "lvef_percent": 48, "ap4_strain_percent": -13.2}]),
        record(5, treatment={"ivig": False, "aspirin": None, "anakinra": {"started_hour": 5}}),
        record(6, treatment=None),
    )
    text, media_type = api.export(path, kind), {"ndjson": NDJSON, "csv": CSV}[kind]
    other = api.create()
    assert api.add(other, text, media_type).status_code == 200
    assert api.export(other, kind) == text
    assert api.export(other) == api.export(path)
    derived = [
        [{k: v for k, v in one.items() if k != "version"} for one in api.client.get(f"{p}/patients").json()["items"]]
        for p in (path, other)
    ]
    assert derived[0] == derived[1]


def test_an_empty_cell_of_anakinra_makes_no_group(api):
    path = api.create()
    header = "patient_id,treatment.ivig.dose_g_kg,treatment.anakinra,treatment.aspirin"
    assert api.add(path, f"{header}\nP9,2,,\n", CSV).status_code == 200
    derived = api.client.get(f"{path}/patients/P9").json()["derived"]
    # No column names corticosteroids: not listed, as in JSON.
    assert (derived["treatment_group"], derived["corticosteroids"]) == ("unknown", "none")


def test_agents_by_their_generic_names(api):
    agents = ("hydrocortisone", "Prednisone", "PREDNISONE", "methylprednisolone sodium succinate")
    api.create(record(1, treatment={"corticosteroids": [{"agent": agent} for agent in agents]}))


def test_bad_rows_are_skipped_when_asked(api):
    path = api.create(record(1))
    body = lines(record(2), record(3, age_years=-1), record(1), record(4), record(4)) + "{\n"
    answer = api.add(path, body, query="?on_error=skip")
    assert answer.status_code == 200, answer.text
    report = answer.json()["report"]
    assert (report["received"], report["added"], report["skipped"]) == (6, 2, 4)
    assert [(e["line"], e["pointer"], e["code"]) for e in report["errors"]] == [
        (2, "/age_years", "out_of_range"),
        (3, "/patient_id", "duplicate_patient"),
        (5, "/patient_id", "duplicate_patient"),
        (6, "", "malformed_json"),
    ]
    assert "line 6, column" in report["errors"][-1]["message"]
    assert answer.json()["n"] == 3


def test_what_was_left_out_is_not_told_of(api):
    """One record three times is one patient who was rounded, warned of and contradicted."""
    odd = {
        "weight_kg": 20.123456789,
        "temperatures": [{"hour": 1, "celsius": 39.5}],
        "phenotype": {"cv_shock": False},
        "presentation": {
            "hemodynamics": {
                "systolic_bp_mmhg": 60,
                "hypotension": True,
                "fluid_refractory": True,
                "vasoactive_support": True,
            }
        },
    }
    once = api.add(api.create(), lines(record(1, **odd))).json()["report"]
    path = api.create(record(2, **odd))
    report = api.add(path, lines(*(record(n, **odd) for n in (1, 1, 2, 1))), query="?on_error=skip").json()["report"]
    assert (report["added"], report["skipped"]) == (1, 3)
    for told in ("rounded", "warnings", "disagreements"):
        assert report[told] == once[told], told
        assert {(one["n_patients"], *one["patient_ids"]) for one in report[told]} == {(1, "P01")}, told


def test_pages_are_linked(api):
    path = api.create(*(record(n) for n in range(1, 8)))
    found, place = [], f"{path}/patients?limit=3"
    while place:
        answer = api.client.get(place)
        found += [one["patient_id"] for one in answer.json()["items"]]
        link = answer.headers.get("link")
        place = link.removeprefix("<").partition(">")[0] if link else None
        assert (link is None) == (answer.json()["next"] is None)
    assert found == [f"P0{n}" for n in range(1, 8)]
    first = api.client.get("/v1/cohorts?limit=1")
    rest = api.client.get(first.headers["link"].removeprefix("<").partition(">")[0])
    names = [one["id"] for one in first.json()["items"] + rest.json()["items"]]
    assert {"study", path.rpartition("/")[2]} <= set(names)


def test_an_empty_cohort_and_one_of_whom_nothing_is_known(api):
    empty = api.client.post("/v1/cohorts", json={"name": "Nobody"})
    assert empty.status_code == 201
    assert empty.json()["n"] == 0
    assert api.export(empty.headers["location"]) == b""
    assert api.export(empty.headers["location"], "csv") == b"patient_id\r\n"
    assert api.add(empty.headers["location"], '{"patients": []}', JSON).json()["report"]["received"] == 0
    unknown = api.client.post("/v1/cohorts", json={"name": "One", "patients": [{"patient_id": "P1"}]})
    assert unknown.json()["counts"]["phenotype"]["indeterminate"] == 1
    assert unknown.json()["counts"]["treatment"]["unknown"] == 1


@pytest.mark.parametrize("body", ["", "\n\n", " \r\n"])
def test_nothing_sent_as_ndjson_adds_nobody(api, body):
    path = api.create(record(1))
    answer = api.add(path, body)
    assert (answer.status_code, answer.json()["n"], answer.json()["report"]["added"]) == (200, 1, 0)
    empty = api.create()
    assert api.add(path, api.export(empty)).status_code == 200


class TestTheExample:
    def test_it_is_made_when_it_is_named(self, api):
        listed = [one["id"] for one in api.client.get("/v1/cohorts").json()["items"]]
        assert "example" not in listed
        made = api.client.get("/v1/cohorts/example").json()
        assert (made["n"], made["version"], made["read_only"]) == (2, 1, False)
        assert "invented" in made["description"]
        assert "example" in [one["id"] for one in api.client.get("/v1/cohorts").json()["items"]]

    def test_it_is_an_ordinary_cohort_and_made_anew_once_deleted(self, api):
        place, star = "/v1/cohorts/example", {"if-match": "*"}
        assert api.add(place, lines(record(7))).json()["n"] == 3
        assert api.add(place, lines(record(7))).status_code == 409
        assert api.client.delete(f"{place}/patients/P01", headers=star).status_code == 204
        assert api.client.get(place).json()["n"] == 2
        assert api.client.delete(place, headers=star).status_code == 204
        assert "example" not in [one["id"] for one in api.client.get("/v1/cohorts").json()["items"]]
        assert api.client.delete(f"{place}/patients/P01", headers=star).status_code == 204
        assert api.client.get(place).json()["n"] == 1

    def test_its_job(self, api):
        job = api.client.get("/v1/jobs/example").json()
        assert (job["status"], job["kind"], job["cohort_id"]) == ("succeeded", "add_patients", "example")
        assert (job["progress"]["percent"], job["result"]["report"]["added"]) == (100, 2)
        assert api.client.delete("/v1/cohorts/example", headers={"if-match": "*"}).status_code == 204
        assert api.client.get("/v1/jobs/example").json() == job
        assert api.client.get("/v1/cohorts/example").json()["n"] == 2

    def test_named_by_many_at_once(self, api):
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: api.client.get("/v1/cohorts/example"), range(8)))
        assert {(answer.status_code, answer.json()["n"]) for answer in answers} == {(200, 2)}


def test_the_built_in_cohort_can_be_tried_under_another_version(api):
    before = api.client.get("/v1/cohorts/study").json()
    for headers in ({}, {"prefer": "respond-async"}):
        tried = api.client.post(
            "/v1/cohorts/study/rederive", json={"ctcae_version": "4.03", "dry_run": True}, headers=headers
        )
        assert (tried.status_code, tried.json()["dry_run"]) == (200, True)
    assert api.client.get("/v1/cohorts/study").json() == before


def test_two_writers_of_one_cohort_lose_nothing(api):
    path = api.create()

    def add(start: int) -> int:
        return api.add(path, lines(*(record(n) for n in range(start, start + 20)))).status_code

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(add, range(100, 180, 20))) == [200] * 4
    found = api.client.get(path).json()
    assert (found["n"], found["version"], sum(found["counts"]["sex"].values())) == (80, 5, 80)


def test_derived_anew_under_another_version(api):
    neutrophils = [
        {"analyte": "neutrophils", "value": value, "unit": "10*3/uL", "hour": hour, "lower_limit": 1.5}
        for hour, value in ((1, 4.0), (60, 0.7))
    ]
    path = api.create(record(1, labs=neutrophils), record(2))
    before = api.state(path)
    trial = api.client.post(f"{path}/rederive", json={"ctcae_version": "4.03", "dry_run": True})
    assert trial.status_code == 200, trial.text
    assert api.state(path) == before
    done = api.client.post(f"{path}/rederive", json={"ctcae_version": "4.03"}, headers={"if-match": '"1"'})
    assert done.status_code == 200, done.text
    assert {k: v for k, v in done.json().items() if k not in {"version", "dry_run"}} == {
        k: v for k, v in trial.json().items() if k not in {"version", "dry_run"}
    }
    assert (done.json()["n"], done.json()["version"]) == (2, 2)
    now = api.client.get(path).json()
    assert "ctcae-4.03" in {rule["id"] for rule in now["rules"]}
    assert api.export(path) == before[1]
    # Whoever is added later is derived under the same version.
    assert api.add(path, lines(record(3))).status_code == 200
    assert "ctcae-4.03" in {rule["id"] for rule in api.client.get(path).json()["rules"]}
    assert api.client.post(f"{path}/rederive", json={}, headers={"if-match": '"1"'}).status_code == 412
