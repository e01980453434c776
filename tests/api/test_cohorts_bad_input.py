"""What is wrong with a cohort that is sent is said clearly, and changes nothing."""

from __future__ import annotations

import json

import pytest

from tests.cohort_api import CSV, JSON, Api, codes, lines, record


@pytest.fixture(scope="module")
def api():
    made = Api("sqlite://")
    yield made
    made.close()


@pytest.fixture
def path(api):
    """Give a cohort with two patients, which every test must leave as it was."""
    found = api.create(record(1), record(2))
    before = api.state(found)
    yield found
    assert api.state(found) == before


def csv(*rows: str, header: str = "patient_id,age_years,sex") -> str:
    return "\r\n".join((header, *rows, ""))


def lab(**more):
    return {"analyte": "crp", "unit": "mg/L", "hour": 1, **more}


class TestCreate:
    @pytest.mark.parametrize(
        ("body", "status", "expected"),
        [
            ({}, 422, {("/name", "field_missing")}),
            ({"name": None}, 422, {("/name", "field_missing")}),
            ({"name": ""}, 422, {("/name", "text_length")}),
            ({"name": "  "}, 422, {("/name", "text_length")}),
            ({"name": 5}, 422, {("/name", "not_a_string")}),
            ({"name": "x" * 201}, 422, {("/name", "text_length")}),
            ({"name": "a\x00b"}, 422, {("/name", "text_pattern")}),
            ({"name": "a", "description": "x" * 2001}, 422, {("/description", "text_length")}),
            ({"name": "a", "patients": {}}, 422, {("/patients", "not_a_list")}),
            ({"name": "a", "patients": [5]}, 422, {("/patients/0", "not_an_object")}),
            ({"name": "a", "patient": []}, 422, {("/patient", "unknown_field")}),
            ({"name": "a", "patients": [{}]}, 422, {("/patients/0/patient_id", "field_missing")}),
            ({"name": "a", "patients": [record(1, wieght_kg=20)]}, 422, {("/patients/0/wieght_kg", "unknown_field")}),
            (
                {"name": "a", "patients": [record(1, age_years=1.7e308)]},
                422,
                {("/patients/0/age_years", "out_of_range")},
            ),
            (
                {"name": "a", "patients": [record(1, weight_kg=1e30, age_years=None)]},
                422,
                {("/patients/0/weight_kg", "out_of_range")},
            ),
            (
                {"name": "a", "patients": [record(1, labs=[lab(value=1e300), lab(value=1e30, hour=1.7e308)])]},
                422,
                {
                    ("/patients/0/labs/0/value", "out_of_range"),
                    ("/patients/0/labs/1/value", "out_of_range"),
                    ("/patients/0/labs/1/hour", "out_of_range"),
                },
            ),
            ([], 422, {("", "not_an_object")}),
        ],
    )
    def test_a_refused_body(self, api, body, status, expected):
        before = api.client.get("/v1/cohorts?limit=500").json()
        answer = api.client.post("/v1/cohorts", json=body)
        assert answer.status_code == status, answer.text
        assert codes(answer) == expected
        assert api.client.get("/v1/cohorts?limit=500").json() == before

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"{", 400),
            (b'{"name": "a", "patients": [', 400),
            (b'{"name": "a", "patients": [{"patient_id": "P1"}', 400),
            (b'{"name": "a"} {}', 400),
            (b'\xef\xbb\xbf{"name": "a"}', 400),
            (b'{"name": "\xff"}', 400),
            (b'{"name": "a", "name": "b"}', 422),
            (b'{"name": NaN}', 422),
            (b'{"name": "a", "patients": [], "patients": []}', 422),
            (b'{"name": "a", "patients": [{"patient_id": "P1", "age_years": NaN}]}', 422),
            (b'{"name": "a", "patients": [{"patient_id": "P1", "patient_id": "P2"}]}', 422),
            (b'{"name": "a", "patients": [{"patient_id": "P1", "age_years": 1e999}]}', 422),
            (b'{"name": "a", "patients": [' + b"[" * 5000 + b"]" * 5000 + b"]}", 400),
        ],
    )
    def test_a_body_that_is_no_strict_json(self, api, body, status):
        answer = api.client.post("/v1/cohorts", content=body, headers={"content-type": JSON})
        assert answer.status_code == status, answer.text

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b'{"\\ud800": 1}', ("", "lone_surrogate")),
            (b'{"name": "a", "\\udc00": {}}', ("", "lone_surrogate")),
            (b'{"name": "\\ud800"}', ("/name", "value_refused")),
            (b'{"name": ' + b"9" * 5000 + b"}", ("/name", "value_refused")),
            (b'{"name": "a", "' + b"9" * 5000 + b'": 1}', ("/" + "9" * 100, "unknown_field")),
            (
                b'{"name": "a", "patients": [{"patient_id": "P1", "age_years": ' + b"9" * 5000 + b"}]}",
                ("/patients/0/age_years", "number_too_large"),
            ),
            (b'{"name": "a", "patients": [' + b"9" * 5000 + b"]}", ("/patients/0", "number_too_large")),
        ],
    )
    def test_what_python_itself_stumbles_over(self, api, body, expected):
        answer = api.client.post("/v1/cohorts", content=body, headers={"content-type": JSON})
        assert (answer.status_code, codes(answer)) == (422, {expected})

    def test_two_equal_ids(self, api):
        before = api.client.get("/v1/cohorts?limit=500").json()
        answer = api.client.post("/v1/cohorts", json={"name": "a", "patients": [record(1), record(2), record(1)]})
        assert answer.status_code == 409
        assert answer.json()["type"] == "/problems/duplicate-patients"
        assert codes(answer) == {("/patients/2/patient_id", "duplicate_patient")}
        assert "P01" in answer.json()["errors"][0]["message"]
        assert api.client.get("/v1/cohorts?limit=500").json() == before

    @pytest.mark.parametrize(
        "patient_id",
        ["John Smith", "JohnSmith", "2020-05-01", "555-123-4567", "a@b.org", "123-45-6789", "", "x" * 65, "é1"],
    )
    def test_an_id_that_is_no_pseudonym_is_not_repeated(self, api, patient_id):
        answer = api.client.post("/v1/cohorts", json={"name": "a", "patients": [{"patient_id": patient_id}]})
        assert answer.status_code == 422
        assert {error["pointer"] for error in answer.json()["errors"]} == {"/patients/0/patient_id"}
        assert not patient_id or patient_id not in answer.text

    def test_another_media_type(self, api):
        answer = api.client.post("/v1/cohorts", content=b"x", headers={"content-type": CSV})
        assert answer.status_code == 415
        assert JSON in answer.headers["accept"]

    def test_only_the_first_fifty_reasons(self, api):
        patients = [{"patient_id": f"P{n}", "age_years": -1} for n in range(80)]
        answer = api.client.post("/v1/cohorts", json={"name": "a", "patients": patients})
        assert answer.status_code == 422
        assert len(answer.json()["errors"]) == 50
        assert "rest was not looked at" in answer.json()["detail"]


class TestImpossibleHistories:
    """Each record contradicts itself; the field at fault is named."""

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"echocardiograms": [{"day": 5, "lvef_percent": 50}, {"day": 1, "lvef_percent": 60}]}, "/echocardiograms"),
            (
                {"treatment": {"ivig": True, "anakinra": {"started_hour": 30, "stopped_hour": 10}}},
                "/treatment/anakinra",
            ),
            ({"age_years": -1}, "/age_years"),
            ({"labs": [{"analyte": "crp", "value": 10, "unit": "bananas"}]}, "/labs/0/unit"),
        ],
    )
    def test_it_is_refused_with_its_line(self, api, path, fields, pointer):
        answer = api.add(path, lines(record(3), record(4, **fields)))
        assert answer.status_code == 422, answer.text
        assert all(error["pointer"].startswith(pointer) for error in answer.json()["errors"])
        assert {error["line"] for error in answer.json()["errors"]} == {2}

    def test_temperatures_without_site_are_taken_and_warned_of(self, api):
        answer = api.client.post(
            "/v1/cohorts", json={"name": "a", "patients": [record(1, temperatures=[{"hour": 1, "celsius": 39}])]}
        )
        assert answer.status_code == 201, answer.text


class TestNdjson:
    def test_a_stream_that_is_cut_in_mid_line(self, api, path):
        whole = lines(record(3), record(4)).encode()
        for query in ("", "?on_error=skip"):
            answer = api.add(path, whole[:-20], query=query)
            assert answer.status_code == 422
            assert [(e["code"], e["line"]) for e in answer.json()["errors"]] == [("stream_cut", 2)]

    def test_the_reason_speaks_of_the_line(self, api, path):
        (error,) = api.add(path, lines(record(3)) + "[]\n").json()["errors"]
        assert error["message"].startswith("The line must be an object")
        (error,) = api.add(path, '{"patients": [3]}', JSON).json()["errors"]
        assert error["message"].startswith("The record must be an object")

    @pytest.mark.parametrize(
        ("line", "pointer", "code"),
        [
            ("[]", "", "not_an_object"),
            ("{", "", "malformed_json"),
            ('{"patient_id": "P9", "age_years": "8"}', "/age_years", "not_a_number"),
            ('{"patient_id": "P9", "sex": "boy"}', "/sex", "value_not_allowed"),
            ('{"patient_id": "P9", "age_years": 8, "age_years": 9}', "/age_years", "duplicate_key"),
            ('{"patient_id": "P9", "age_years": Infinity}', "/age_years", "not_finite"),
            ('{"patient_id": "P9", "phenotype": ' + '{"a":' * 70 + "1" + "}" * 71, "", "malformed_json"),
        ],
    )
    def test_a_bad_line(self, api, path, line, pointer, code):
        answer = api.add(path, lines(record(3)) + "\n" + line + "\n" + lines(record(4)))
        assert answer.status_code == 422, answer.text
        assert [(e["pointer"], e["code"], e["line"]) for e in answer.json()["errors"]] == [(pointer, code, 3)]
        assert "on_error=skip" in answer.json()["detail"]

    @pytest.mark.parametrize("mark", ["\ufeff".encode(), "\ufeff".encode("utf-16-le")])
    def test_a_byte_order_mark(self, api, path, mark):
        assert api.add(path, mark + lines(record(3)).encode()).status_code == 422

    def test_utf_16(self, api, path):
        assert codes(api.add(path, lines(record(3)).encode("utf-16-le"))) == {("", "not_utf_8")}

    def test_a_line_without_end(self, api, path):
        answer = api.add(path, b'{"patient_id": "P9", "x": "' + b"x" * 1_000_001)
        assert codes(answer) == {("", "line_too_long")}

    def test_an_id_that_is_there(self, api, path):
        answer = api.add(path, lines(record(3), record(2)))
        assert answer.status_code == 409
        assert [(e["pointer"], e["line"]) for e in answer.json()["errors"]] == [("/patient_id", 2)]


class TestCsv:
    @pytest.mark.parametrize(
        ("body", "code", "part"),
        [
            ("", "csv_empty", ""),
            (csv("P9,8", header="patient_id,age_yaers"), "unknown_column", "Column 2"),
            (csv("8", header="age_years"), "column_missing", "patient_id"),
            (csv("P9,8,9", header="patient_id,age_years,age_years"), "column_twice", "Column 3"),
            (csv("P9,8", header="patient_id,"), "column_unnamed", "Column 2"),
            ("\ufeff" + csv("P9,8,male"), "byte_order_mark", "byte order mark"),
            (csv("P9;8;male", header="patient_id;age_years;sex"), "csv_separator", "semicolons"),
            (csv("P9\t8\tmale", header="patient_id\tage_years\tsex"), "csv_separator", "tabs"),
            (csv("P9,39,4,male"), "row_ragged", "decimal comma"),
            (csv('P9,"8,5",male'), "decimal_comma", "decimal point"),
            (csv("P9,8"), "row_ragged", "2 cells"),
            (csv("P9,eight,male"), "not_a_number", "age_years"),
            (csv("P9,08,male"), "not_a_number", "age_years"),
            (csv("P9,NaN,male"), "not_a_number", "age_years"),
            (csv("P9,8,boy"), "value_not_allowed", "Column sex"),
            (csv('P9,8,"male'), "csv_malformed", "quote"),
            (csv('P9,8,"ma"le'), "csv_malformed", "quote"),
            (csv("P9,maybe", header="patient_id,treatment.aspirin"), "not_a_boolean", "true or false"),
            (csv("P9,[1", header="patient_id,labs"), "cell_not_json", "Column labs"),
            (csv('P9,"[{""analyte"":""crp"",""analyte"":1}]"', header="patient_id,labs"), "duplicate_key", "labs"),
            (csv('P9,"[],""sex"":""male"""', header="patient_id,labs"), "cell_not_json", "labs"),
            (csv("P9,{},2", header="patient_id,treatment,treatment.ivig.dose_g_kg"), "column_conflict", "treatment"),
            (csv("P9,true,2", header="patient_id,treatment.ivig,treatment.ivig.dose_g_kg"), "column_conflict", "ivig"),
            (csv("P9,99999", header="patient_id,labs.0.value"), "field_missing", "labs.0.analyte"),
            (csv(",8,male"), "field_missing", "patient_id"),
        ],
    )
    def test_a_refused_table(self, api, path, body, code, part):
        answer = api.add(path, body.encode(), CSV)
        assert answer.status_code == 422, answer.text
        error = answer.json()["errors"][0]
        assert error["code"] == code
        assert part in error["message"]
        assert error["line"] == (
            1
            if code.startswith(("csv_e", "csv_s", "byte", "column_m", "column_t", "column_u"))
            or code == "unknown_column"
            else 2
        )

    @pytest.mark.parametrize("query", ["", "?on_error=skip"])
    @pytest.mark.parametrize("last", ["P9", "P9,", "P9,8", '"P9","8"', "P8,7,male\nP9,"])
    def test_a_stream_that_is_cut_in_mid_row(self, api, path, last, query):
        answer = api.add(path, csv("P7,8,male", last).rstrip("\n"), CSV, query)
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert (error["code"], error["line"]) == ("stream_cut", 3 + last.count("\n"))

    @pytest.mark.parametrize(
        ("last", "code"),
        [("P9,8,fem", "value_not_allowed"), ("P9,3.,male", "not_a_number"), ("P9,8,5,male", "row_ragged")],
    )
    def test_a_last_row_that_may_be_cut_is_not_skipped(self, api, path, last, code):
        body = csv("P7,8,male", last)
        answer = api.add(path, body.rstrip("\n"), CSV, "?on_error=skip")
        assert [(e["code"], e["line"]) for e in answer.json()["errors"]] == [("stream_cut", 3)]
        assert [(e["code"], e["line"]) for e in api.add(path, body.rstrip("\n"), CSV).json()["errors"]] == [(code, 3)]
        taken = api.add(api.create(), body, CSV, "?on_error=skip").json()["report"]
        assert (taken["added"], taken["skipped"]) == (1, 1)

    @pytest.mark.parametrize("last", ["P9,8,male", "P9,8,", "P01,8,male"])
    def test_a_table_without_a_last_line_end(self, api, last):
        report = api.add(api.create(record(1)), csv("P7,8,male", last).rstrip("\n"), CSV, "?on_error=skip").json()[
            "report"
        ]
        assert report["received"] == 2
        assert report["added"] == (1 if last.startswith("P01") else 2)

    def test_a_near_name_is_suggested(self, api, path):
        (error,) = api.add(path, csv("P9,8", header="patient_id,wieght_kg"), CSV).json()["errors"]
        assert "weight_kg" in error["allowed"]

    def test_utf_16(self, api, path):
        assert codes(api.add(path, csv("P9,8,male").encode("utf-16"), CSV)) == {("", "not_utf_8")}

    def test_lines_are_counted_through_quoted_line_ends(self, api, path):
        body = csv('P9,"[\r\n]",8', "P10,,y", header="patient_id,labs,age_years")
        (error,) = api.add(path, body, CSV).json()["errors"]
        assert (error["line"], error["pointer"]) == (4, "/age_years")


class TestTreatment:
    @pytest.mark.parametrize(
        ("agent", "code"),
        [
            ("Jane Doe 555-123-4567", "text_pattern"),
            ("Jane Doe", "text_pattern"),
            ("jane@hospital.example", "text_pattern"),
            ("2020-05-01", "text_pattern"),
            ("=HYPERLINK(1)", "text_pattern"),
            ("", "text_pattern"),
            ("a" * 41, "text_length"),
            ("Jane", "agent_unknown"),
            ("jane doe", "agent_unknown"),
            ("hydrocortisone jane", "agent_unknown"),
            ("Solu-medrol", "agent_unknown"),
        ],
    )
    def test_an_agent_is_no_place_for_a_person(self, api, path, agent, code):
        answer = api.add(path, lines(record(9, treatment={"corticosteroids": [{"agent": agent}]})))
        assert codes(answer) == {("/treatment/corticosteroids/0/agent", code)}
        (error,) = answer.json()["errors"]
        assert "generic name" in error["message"]
        assert not agent or agent not in answer.text

    @pytest.mark.parametrize("sent", [True, "yes"])
    def test_anakinra_is_false_null_or_an_object(self, api, path, sent):
        (error,) = api.add(path, lines(record(9, treatment={"anakinra": sent}))).json()["errors"]
        assert error["pointer"] == "/treatment/anakinra"
        assert sorted(error["allowed"]) == ["an object", "false", "null"]


class TestElsewhere:
    @pytest.mark.parametrize("place", ["", "/patients", "/patients/P01", "/export", "/analysis?by=treatment"])
    def test_no_such_cohort(self, api, place):
        assert api.client.get(f"/v1/cohorts/nowhere{place}").status_code == 404

    def test_no_such_patient(self, api, path):
        assert api.client.get(f"{path}/patients/P99").status_code == 404
        assert api.client.delete(f"{path}/patients/P99", headers={"if-match": "*"}).status_code == 404
        put = api.client.put(f"{path}/patients/P99", json=record(99), headers={"if-match": "*"})
        assert put.status_code == 404

    @pytest.mark.parametrize("patient_id", ["Jane%20Doe", "Jane-Doe", "2014-03-02", "1234567"])
    def test_an_id_that_may_be_a_persons_is_not_repeated(self, api, path, patient_id):
        place = f"{path}/patients/{patient_id}"
        body = {"patient_id": patient_id.replace("%20", " ")}
        answers = [
            api.client.put(place, json=body, headers={"if-match": "*"}),
            api.client.put(place, json=record(1), headers={"if-match": "*"}),
            api.client.get(place),
            api.client.delete(place),
            api.client.patch(place),
        ]
        assert [answer.status_code for answer in answers] == [422, 422, 404, 428, 405]
        assert {a.json()["instance"] for a in answers} == {"/v1/cohorts/{cohort_id}/patients/{patient_id}"}
        for said in (*(answer.text for answer in answers), api.logged()):
            assert "Doe" not in said
        assert api.client.delete(f"{path}/patients/P01").json()["instance"] == f"{path}/patients/P01"

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("A\u202eB", "direction of writing"),
            ("A\u2066B", "direction of writing"),
            ("A\nB", "one line"),
            ("A\tB", "one line"),
            ("A\x07B", "control characters"),
            ("A\x85B", "control characters"),
        ],
    )
    def test_a_name_with_characters_that_nobody_sees(self, api, name, words):
        (error,) = api.client.post("/v1/cohorts", json={"name": name}).json()["errors"]
        assert (error["pointer"], error["code"]) == ("/name", "text_pattern")
        assert words in error["message"]
        assert api.client.post("/v1/cohorts", json={"name": "Größe \u05d0 ✓"}).status_code == 201

    @pytest.mark.parametrize("member", ["name", "description"])
    @pytest.mark.parametrize(
        "trace",
        ["jane.doe@hospital.example", "078-05-1120", "555-123-4567", "(555) 123-4567", "MRN 1234567", "DOB: 2014"],
    )
    def test_a_text_that_holds_a_trace_of_a_person_is_not_repeated(self, api, member, trace):
        answer = api.client.post("/v1/cohorts", json={"name": "Cohort", member: f"Asked by {trace}, ward 3"})
        assert codes(answer) == {(f"/{member}", "text_personal")}
        for said in (answer.text, api.logged()):
            assert trace not in said

    @pytest.mark.parametrize(
        "text",
        [
            "Spring 2020, 46 children",
            "Wards 3-4, 2020-03-15 to 2020-07-31",
            "IVIG 2 g/kg, n = 1000000",
            "Hotel 4, LVEF@day 1",
        ],
    )
    def test_an_ordinary_text_is_taken(self, api, text):
        assert api.client.post("/v1/cohorts", json={"name": text, "description": text}).status_code == 201

    def test_no_such_job(self, api):
        assert api.client.get("/v1/jobs/nowhere").status_code == 404

    @pytest.mark.parametrize(
        ("query", "pointer"),
        [
            ("?limit=0", "/limit"),
            ("?limit=501", "/limit"),
            ("?cursor=x", "/cursor"),
            ("?page=2", "/page"),
            ("?cursor=" + "9" * 19, "/cursor"),
        ],
    )
    def test_paging(self, api, path, query, pointer):
        for place in ("/v1/cohorts", f"{path}/patients"):
            answer = api.client.get(place + query)
            assert answer.status_code == 422
            assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}

    def test_the_built_in_cohort_is_never_changed(self, api):
        before = api.state("/v1/cohorts/study")
        star = {"if-match": "*"}
        patient = json.loads(before[1].splitlines()[0])["patient_id"]
        for answer in (
            api.add("/v1/cohorts/study", lines(record(3))),
            api.add("/v1/cohorts/study", lines(record(3)), prefer="respond-async"),
            api.client.delete("/v1/cohorts/study", headers=star),
            api.client.delete(f"/v1/cohorts/study/patients/{patient}", headers=star),
            api.client.put(f"/v1/cohorts/study/patients/{patient}", json={"patient_id": patient}, headers=star),
            api.client.post("/v1/cohorts/study/rederive", json={}),
        ):
            assert answer.status_code == 409
            assert answer.json()["type"] == "/problems/cohort-read-only"
        assert api.state("/v1/cohorts/study") == before

    def test_a_body_past_the_limit(self):
        small = Api("sqlite://", max_import_mb="1")
        path = small.create(record(1))
        before = small.state(path)
        answer = small.add(path, lines(*(record(n) for n in range(2, 6000))))
        assert answer.status_code == 413
        assert small.state(path) == before
        small.close()

    def test_no_value_is_logged_or_repeated(self, api, path):
        canary = "canary7391x"
        bad = record(3, sex=canary, race_ethnicity=[canary], labs=[{"analyte": canary, "value": 1, "unit": canary}])
        for answer in (
            api.add(path, lines(bad)),
            api.add(path, csv(f"{canary},8,{canary}"), CSV),
            api.add(path, f"patient_id,{canary}\nP9,1\n", CSV),
            api.client.post("/v1/cohorts", json={"name": canary, "patients": [bad]}),
            api.client.put(f"{path}/patients/P01", json=bad | {"patient_id": "P01"}, headers={"if-match": "*"}),
        ):
            assert answer.status_code == 422
            assert canary not in answer.text
        assert canary not in api.logged()
        assert "P01" not in api.logged()
