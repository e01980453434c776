"""The analysis over HTTP: what is asked, refused, remembered, and fetched."""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import islice

import pytest
from sqlalchemy import Engine, event
from starlette.testclient import TestClient

from app.cohorts.analysis.answers import SECTIONS
from app.cohorts.analysis.axes import AXES
from app.main import create_app
from app.settings import load_settings
from bench.generate import records

PATIENTS = list(islice(records(60), 60))


@pytest.fixture(scope="module")
def client():
    app = create_app(load_settings({"DEFERVESCE_LOG_LEVEL": "error", "DEFERVESCE_DATABASE_URL": "sqlite://"}))
    return TestClient(app)


def created(client, patients, name="Analysed"):
    answer = client.post("/v1/cohorts", json={"name": name, "patients": patients})
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


@pytest.fixture(scope="module")
def cohort(client):
    return created(client, PATIENTS)


def test_the_whole_analysis_has_every_section(client, cohort):
    answer = client.get(f"{cohort}/analysis")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert set(SECTIONS) <= set(found)
    assert "section" not in found
    assert (found["n"], found["by"], found["version"]) == (60, "treatment", 1)
    assert found["rules"]
    assert any("scipy" in sentence for sentence in found["methods"])
    assert found["anakinra"]["by"] == "cv_shock"
    assert found["adverse_events"]["by"] == found["cardiac"]["by"] == "treatment_corticosteroids"
    assert found["defervescence"]["from_admission"]["by"] == "treatment"
    assert found["defervescence"]["from_anakinra_start"]["by"] == "treatment_corticosteroids"
    assert found["cardiac"]["lvef"]["normal_above"] == 55
    assert found["cardiac"]["strain"]["normal"] == -21.4


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("by", AXES)
def test_a_section_is_the_same_alone(client, cohort, section, by):
    whole = client.get(f"{cohort}/analysis", params={"by": by}).json()
    alone = client.get(f"{cohort}/analysis/{section}", params={"by": by}).json()
    assert alone["section"] == section
    assert {name for name in SECTIONS if name in alone} == {section}
    assert alone[section] == whole[section]


def test_p_values_come_with_a_method_or_a_reason(client, cohort):
    def walk(node):
        if isinstance(node, dict):
            if "p_value" in node:
                assert node["method"]
                assert node["p_value"] is not None or node["reason"]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    for by in AXES:
        walk(client.get(f"{cohort}/analysis", params={"by": by, "sustained": True}).json())


def test_where_narrows(client, cohort):
    answer = client.get(f"{cohort}/analysis/characteristics?where=treatment:ivig_anakinra&where=sex:male,female")
    found = answer.json()
    assert found["where"] == {"treatment": ["ivig_anakinra"], "sex": ["male", "female"]}
    assert [group["group"] for group in found["groups"]] == ["ivig_anakinra"]
    whole = client.get(f"{cohort}/analysis/characteristics").json()
    expected = next(group["n"] for group in whole["groups"] if group["group"] == "ivig_anakinra")
    unsexed = sum(1 for p in PATIENTS if "sex" not in p)
    assert expected - unsexed <= found["n"] <= expected
    assert found["characteristics"]["rows"][0]["test"] is None
    assert "nothing_to_compare" in {w["code"] for w in found["warnings"]}


@pytest.mark.parametrize(
    ("query", "pointer", "code", "allowed"),
    [
        ({"by": "treatmant"}, "/by", "axis_unknown", "treatment"),
        ({"by": ""}, "/by", "axis_unknown", "treatment"),
        ({"where": "treatment"}, "/where", "where_malformed", "treatment"),
        ({"where": "tretment:other"}, "/where", "axis_unknown", "treatment"),
        ({"where": "treatment:ivig"}, "/where", "value_unknown", "ivig_monotherapy"),
        ({"where": "treatment:"}, "/where", "value_unknown", "ivig_monotherapy"),
        ({"where": "treatment:other,,other"}, "/where", "value_unknown", "ivig_monotherapy"),
        ({"where": "treatment:other' OR '1'='1"}, "/where", "value_unknown", "ivig_monotherapy"),
        ({"where": "sex:male; DROP TABLE cohorts; --"}, "/where", "value_unknown", "male"),
        ({"where": ["sex:male", "sex:female"]}, "/where", "axis_repeated", None),
        ({"where": "x" * 600}, "/where", "too_long", None),
    ],
)
def test_what_is_no_axis_or_value_is_refused_with_what_is_allowed(  # noqa: PLR0917  # pytest passes them by name
    client, cohort, query, pointer, code, allowed
):
    answer = client.get(f"{cohort}/analysis", params=query)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"], error["location"]) == (pointer, code, "query")
    assert allowed is None or allowed in error["allowed"]
    assert "DROP" not in answer.text
    assert "'1'" not in answer.text


def test_a_near_miss_is_named(client, cohort):
    (error,) = client.get(f"{cohort}/analysis?by=treatmant").json()["errors"]
    assert "Did you mean treatment?" in error["message"]


@pytest.mark.parametrize(
    "query",
    [
        "quantile_method=type9",
        "adjust=bonferroni",
        "confidence=1",
        "confidence=NaN",
        "interval=logit",
        "time_zero=birth",
        "sustained=perhaps",
        "format=xlsx",
        "bye=treatment",
        "by=sex&by=treatment",
    ],
)
def test_other_parameters_are_strict(client, cohort, query):
    assert client.get(f"{cohort}/analysis?{query}").status_code == 422


def test_unknown_names_are_not_found(client, cohort):
    answer = client.get(f"{cohort}/analysis/characteristic")
    assert answer.status_code == 404
    assert "characteristics" in answer.json()["errors"][0]["allowed"]
    assert client.get("/v1/cohorts/nowhere/analysis").status_code == 404


def test_an_etag_stands_for_version_question_and_format(client):
    path = created(client, PATIENTS[:20], "Tagged")
    first = client.get(f"{path}/analysis/characteristics?where=sex:male&where=cv_shock:yes")
    tag = first.headers["etag"]
    same = client.get(
        f"{path}/analysis/characteristics?where=cv_shock:yes&where=sex:male", headers={"if-none-match": tag}
    )
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    weakly = client.get(
        f"{path}/analysis/characteristics?where=cv_shock:yes&where=sex:male", headers={"if-none-match": f'"x", W/{tag}'}
    )
    assert weakly.status_code == 304
    others = ("?where=sex:male", "?where=sex:male&where=cv_shock:yes&format=csv", "?where=sex:male&where=cv_shock:no")
    for other in others:
        answer = client.get(f"{path}/analysis/characteristics{other}", headers={"if-none-match": tag})
        assert answer.status_code == 200
        assert answer.headers["etag"] != tag
    assert client.post(f"{path}/patients", json={"patients": PATIENTS[20:25]}).status_code in {200, 201}
    changed = client.get(
        f"{path}/analysis/characteristics?where=sex:male&where=cv_shock:yes", headers={"if-none-match": tag}
    )
    assert changed.status_code == 200
    assert changed.json()["version"] == first.json()["version"] + 1


def test_an_answer_that_is_kept_is_the_same(client, cohort):
    asked = f"{cohort}/analysis?by=phenotype"
    assert client.get(asked).content == client.get(asked).content


@pytest.mark.parametrize("section", [None, *SECTIONS])
def test_every_section_is_a_table_too(client, cohort, section):
    path = f"{cohort}/analysis" + (f"/{section}" if section else "")
    answer = client.get(path, headers={"accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text == client.get(path, params={"format": "csv"}).text
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert {line["section"] for line in lines} == ({section} if section else set(SECTIONS))
    assert not any(
        "nan" in cell.lower() for line in lines for name, cell in line.items() if name not in {"label", "reason"}
    )
    assert not any(cell[:1] in {"=", "+", "@", "\t"} for line in lines for cell in line.values())


def test_the_table_says_what_the_answer_says(client, cohort):
    found = client.get(f"{cohort}/analysis/characteristics").json()["characteristics"]
    text = client.get(f"{cohort}/analysis/characteristics?format=csv").text
    lines = list(csv.DictReader(io.StringIO(text)))
    cells = {(x["variable"], x["group"]): x for x in lines if x["record"] == "group"}
    tests = {x["variable"]: x for x in lines if x["record"] == "test"}
    for row in found["rows"]:
        for cell in row["groups"]:
            written = cells[row["variable"], cell["group"]]
            for name in ("n", "n_missing", "count", "percent", "median", "q1", "q3"):
                assert written[name] == ("" if cell[name] is None else str(cell[name]))
        if row["test"] is not None and row["test"]["p_value"] is not None:
            assert float(tests[row["variable"]]["p_value"]) == row["test"]["p_value"]


def test_adjustment_is_beside_the_unadjusted_p(client, cohort):
    plain = client.get(f"{cohort}/analysis/characteristics").json()
    holm = client.get(f"{cohort}/analysis/characteristics?adjust=holm").json()
    pairs = [
        (a["test"], b["test"])
        for a, b in zip(plain["characteristics"]["rows"], holm["characteristics"]["rows"], strict=True)
        if a["test"]
    ]
    assert pairs
    for before, after in pairs:
        assert before["p_value_adjusted"] is None
        assert after["p_value"] == before["p_value"]
        if after["p_value"] is not None:
            assert after["p_value"] <= after["p_value_adjusted"] <= 1
    lowest = min(after["p_value"] for _, after in pairs if after["p_value"] is not None)
    counted = sum(after["p_value"] is not None for _, after in pairs)
    assert min(after["p_value_adjusted"] for _, after in pairs if after["p_value"] is not None) == min(
        1, lowest * counted
    )


def test_options_of_the_curves(client, cohort):
    found = client.get(f"{cohort}/analysis/defervescence?time_zero=admission&sustained=true&confidence=0.9").json()
    fever = found["defervescence"]
    assert fever["from_anakinra_start"] is fever["sustained_from_anakinra_start"] is None
    assert fever["sustained_from_admission"]["sustained"] is True
    assert found["confidence"] == 0.9
    narrow, wide = (
        client.get(f"{cohort}/analysis/defervescence?confidence={level}").json()["defervescence"]["from_admission"]
        for level in (0.8, 0.99)
    )
    point, other = (next(p for p in c["curves"][1]["curve"] if p["survival"] < 1) for c in (narrow, wide))
    assert other["low"] < point["low"] < point["high"] < other["high"]


def test_quartiles_by_the_method_asked_for(client, cohort):
    weibull, linear = (
        client.get(f"{cohort}/analysis/characteristics?quantile_method={method}").json()["characteristics"]["rows"][0]
        for method in ("weibull", "linear")
    )
    assert weibull["overall"]["q1"] <= linear["overall"]["q1"] <= linear["overall"]["q3"] <= weibull["overall"]["q3"]
    assert weibull["groups"] != linear["groups"]


@pytest.mark.parametrize(
    "patients", [[], PATIENTS[:1], [{"patient_id": "P1"}, {"patient_id": "P2"}]], ids=["0", "1", "?"]
)
def test_cohorts_of_next_to_nothing_have_answers(client, patients):
    path = created(client, patients, "Small")
    for by in AXES:
        answer = client.get(f"{path}/analysis", params={"by": by})
        assert answer.status_code == 200
        assert answer.json()["n"] == len(patients)
    assert ("no_patients" in {w["code"] for w in answer.json()["warnings"]}) == (not patients)
    for section in SECTIONS:
        assert client.get(f"{path}/analysis/{section}?format=csv").status_code == 200


@pytest.fixture
def statements():
    """Every SQL statement that is executed meanwhile, in any database, with its parameters."""
    found = []

    def watch(_connection, _cursor, statement, parameters, *_):
        found.append((statement, str(parameters)))

    event.listen(Engine, "before_cursor_execute", watch)
    yield found
    event.remove(Engine, "before_cursor_execute", watch)


def reads_patients(statements):
    return [statement for statement, _ in statements if re.search(r"\bpatients\b", statement)]


def test_no_patient_row_is_fetched(client, cohort, statements):
    for by in AXES:
        assert client.get(f"{cohort}/analysis?by={by}&where=sex:male&confidence=0.91&format=csv").status_code == 200
    assert any("tallies" in statement for statement, _ in statements)
    assert not reads_patients(statements)
    assert client.get(f"{cohort}/patients?limit=1").status_code == 200
    assert reads_patients(statements), "the watch sees what it must"


def test_only_the_tallies_of_a_section_are_fetched(client, cohort, statements):
    assert client.get(f"{cohort}/analysis/cytokines?confidence=0.92").status_code == 200
    assert any("cytokine.il_6" in parameters for _, parameters in statements)
    assert not any("age_years" in parameters for _, parameters in statements)


def test_an_answer_that_is_known_or_kept_costs_no_tallies(client, cohort, statements):
    first = client.get(f"{cohort}/analysis?confidence=0.93")
    statements.clear()
    assert client.get(f"{cohort}/analysis?confidence=0.93").content == first.content
    assert client.get(f"{cohort}/analysis?confidence=0.93", headers={"if-none-match": "*"}).status_code == 304
    assert statements
    assert not any("tallies" in statement for statement, _ in statements)


def test_the_built_in_cohort_is_analysed(client):
    answer = client.get("/v1/cohorts/study/analysis?by=treatment")
    assert answer.status_code == 200
    json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} in an answer"))
