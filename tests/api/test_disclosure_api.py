"""Disclosure profiles over HTTP: every section, format, figure and the report agree, and say why a number is hidden."""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import islice, product

import pytest

from app.cohorts.analysis.answers import SECTIONS
from app.cohorts.analysis.axes import AXES
from app.cohorts.figures import NAMES
from bench.generate import records
from tests.cohort_api import Api

PATIENTS = list(islice(records(150), 150))
MANY = list(islice(records(500), 500))
PROFILES = ("opensafely", "nhs-hes", "cms", "pcornet")
LEAST = {"opensafely": 8, "nhs-hes": 8, "cms": 11, "pcornet": 11}
COUNTS = ("n", "n_missing", "n_excluded", "count", "events", "n_first", "n_pairs", "at_risk", "censored")


@pytest.fixture(scope="module")
def api():
    found = Api("sqlite://", log_level="error")
    yield found
    found.close()


@pytest.fixture(scope="module")
def cohort(api):
    return api.create(*PATIENTS)


@pytest.fixture(scope="module")
def strict():
    found = Api("sqlite://", log_level="error", disclosure_tenants="default=cms")
    yield found
    found.close()


def walk(node, path=()):
    if isinstance(node, dict):
        yield path, node
        for name, value in node.items():
            yield from walk(value, (*path, name))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from walk(value, (*path, place))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("by", [*AXES, None])
def test_no_count_below_the_threshold_is_anywhere_and_every_null_says_why(api, cohort, profile, by):
    query = {"disclosure": profile, "sustained": "true"} | ({"by": by} if by else {})
    found = api.client.get(f"{cohort}/analysis", params=query).json()
    step = 5 if profile in {"opensafely", "nhs-hes"} else 1
    assert found["disclosure"]["profile"] == profile
    assert found["disclosure"]["rounded_to"] == step
    for path, node in walk({name: found[name] for name in (*SECTIONS, "groups")}):
        for name in COUNTS:
            if name in node and node[name] is not None:
                assert node[name] == 0 or node[name] >= LEAST[profile], (path, name)
                assert node[name] % step == 0
                assert node[name] or profile != "opensafely" or "time" in node, (path, name)
            elif name in node and (name != "count" or "hidden" in node or node["median"] is None):
                if name == "count" and node["n"] == node["n_missing"]:
                    continue  # a continuous row of which nothing is known
                assert node["hidden"]["reason"] in {"small_numbers", "derived", "not_released"}, (path, name)
                assert node["hidden"]["profile"] == profile
        if "counts" in node:
            assert all(n is None or n == 0 or n >= LEAST[profile] for n in node["counts"])
        if "pairs" in node:
            assert node["pairs"] == []
        if "p_value" in node and step == 5:
            assert node["p_value"] is None
            assert node["reason"]


@pytest.mark.parametrize("profile", PROFILES)
def test_percentages_are_those_of_the_numbers_beside_them(api, cohort, profile):
    found = api.client.get(f"{cohort}/analysis", params={"disclosure": profile}).json()
    seen = 0
    for _, node in walk(found):
        if node.get("percent") is not None and "count" in node:
            seen += 1
            known = node["n"] - node["n_missing"]
            assert node["percent"] == pytest.approx(100 * node["count"] / known, abs=100 * 5 / known)
            assert "hidden" not in node
    assert seen or profile == "opensafely"


def test_what_is_shown_under_cms_is_what_is_shown_under_none(api, cohort):
    """Nothing is changed but what is withheld, and a stricter profile never shows more."""
    kept = 0
    for by in AXES:
        plain, told = (
            api.client.get(f"{cohort}/analysis", params={"by": by, "disclosure": profile}).json()
            for profile in ("none", "cms")
        )
        assert "disclosure" not in plain
        for section in ("characteristics", "anakinra", "adverse_events", "cytokines"):
            rows = {row["variable"]: row for row in plain[section]["rows"]}
            for row in told[section]["rows"]:
                groups = {cell["group"]: cell for cell in (*rows[row["variable"]]["groups"],)}
                for cell in row["groups"]:
                    if cell["group"] not in groups:  # nobody is in it: it is listed so that this is not told
                        assert all(cell[name] in {None, 0} for name in COUNTS if name in cell)
                        continue
                    same = groups[cell["group"]]
                    kept += sum(cell[name] is not None for name in ("n", "count", "median"))
                    assert all(cell[name] in {None, same[name]} for name in same)
    assert kept > 50


def numbers_of(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.,#-])\d+(?![\w.])", text))


@pytest.mark.parametrize("section", SECTIONS)
def test_csv_withholds_what_json_withholds(api, cohort, section):
    query = {"disclosure": "cms", "format": "csv"}
    lines = list(csv.DictReader(io.StringIO(api.client.get(f"{cohort}/analysis/{section}", params=query).text)))
    assert lines
    for line in lines:
        for name in ("n", "n_missing", "count", "n_excluded", "events", "at_risk", "censored"):
            assert line[name] in {"", "0"} or int(line[name]) > 10, line
        if line["record"] in {"group", "overall", "missing", "grade"} and line["n"] == "":
            assert line["hidden"]


def alike(place: int) -> dict:
    """Return one of 32 children; 23 of them became afebrile, had echocardiograms, and have their events told."""
    told = place < 23
    until = 5 if place < 12 else 9
    hot = [{"hour": 12.0 * step, "celsius": 39.0, "site": "oral"} for step in range(until)]
    cool = [{"hour": 12.0 * (until + step), "celsius": 36.8, "site": "oral"} for step in range(4)]
    one = {name: PATIENTS[0][name] for name in ("age_years", "sex", "weight_kg", "phenotype", "treatment", "outcome")}
    one |= {"patient_id": f"alike-{place}", "temperatures": hot + (cool if told else [])}
    if told:
        hearts = [{"day": day, "lvef_percent": 50.0 + day, "ap4_strain_percent": -15.0 - day} for day in (1, 9)]
        one |= {"echocardiograms": hearts, "adverse_events": [{"term": "neutrophil_count_decreased", "grade": 2}]}
    return one


def test_rounded_counts_are_not_subtracted(api):
    """32 are told as 30 and 23 as 25: their difference, 9, is told as 10 or not at all, and never as 5."""
    path = api.create(*map(alike, range(32)))
    query = {"disclosure": "nhs-hes", "by": "treatment"}
    answer = api.client.get(f"{path}/analysis", params=query).json()
    curve = next(one for one in answer["defervescence"]["from_admission"]["curves"] if one["n"])
    heart = answer["cardiac"]["lvef"]["overall"]
    assert (curve["n"], curve["events"], heart["n"], heart["n_first"]) == (30, 25, 30, 25)
    text = api.client.get(f"{path}/analysis/cardiac", params=query | {"format": "csv"}).text
    lines = [
        line for line in csv.DictReader(io.StringIO(text)) if line["variable"] == "lvef.first" and line["n"] == "30"
    ]
    assert lines
    assert {line["n_missing"] for line in lines} == {""}
    assert not [line for line in csv.DictReader(io.StringIO(text)) if line["n_missing"] == "5"]
    drawn = api.client.get(f"{path}/figures/defervescence.svg", params=query).text
    assert "25 afebrile, median" in drawn
    events = api.client.get(f"{path}/figures/adverse_events.svg", params=query).text
    neutropenia = next(row for row in answer["adverse_events"]["rows"] if row["variable"] == "ae.neutropenia")[
        "overall"
    ]
    assert (neutropenia["n"], neutropenia["n_missing"], neutropenia["count"]) == (30, 10, 25)
    assert "25 (100%)" in events
    assert "25 of 20" not in events
    report = api.client.get(f"{path}/report", params=query).text
    fever = report.partition('id="table-defervescence-1"')[2].partition("</table>")[0]
    assert "<td>25" in fever
    assert not re.search(r"<td>\s*5\b", fever)
    exact = api.client.get(f"{path}/analysis/cardiac", params={"disclosure": "none", "format": "csv"}).text
    assert "9" in {line["n_missing"] for line in csv.DictReader(io.StringIO(exact)) if line["variable"] == "lvef.first"}


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_draws_nothing_of_a_single_patient(api, cohort, name):
    plain, told = (
        api.client.get(f"{cohort}/figures/{name}.svg", params={"disclosure": profile}) for profile in ("none", "cms")
    )
    assert plain.status_code == told.status_code == 200
    assert plain.headers["etag"] != told.headers["etag"]
    assert "Disclosure profile cms" in told.text or "Withheld under" in told.text
    counted = re.findall(r"(\d+) (?:of \d+|pairs|afebrile|censored|grade|unknown|left out|missing)", told.text)
    counted += re.findall(r"n = (\d+)", told.text)
    assert all(int(found) == 0 or int(found) > 10 for found in counted), counted
    assert len(told.content) <= len(plain.content) or name in {"missing", "adverse_events"}


def test_the_report_withholds_what_the_analysis_withholds(api, cohort):
    told = api.client.get(f"{cohort}/report", params={"disclosure": "cms"})
    assert told.status_code == 200
    text = told.text
    assert "withheld" in text
    assert "Disclosure profile cms" in text
    cells = re.findall(r"<td>(\d+) \(", text) + re.findall(r"n = (\d+)", text) + re.findall(r"(\d+) of \d+ \(", text)
    assert cells
    assert all(int(found) == 0 or int(found) > 10 for found in cells)
    assert "contradict is withheld" in text
    assert "one child each" not in text
    assert "disclosure=cms" in text  # the links ask for the same


def test_the_description_of_a_cohort_agrees_with_its_analysis(api, cohort):
    detail = api.client.get(cohort, params={"disclosure": "cms"}).json()
    assert (detail["disclosure"], detail["n"]) == ("cms", 150)
    for axis in ("treatment", "sex", "cv_shock"):
        found = api.client.get(f"{cohort}/analysis", params={"by": axis, "disclosure": "cms"}).json()
        for head in found["groups"]:
            assert detail["counts"][axis][head["group"]] == head["n"]
    assert None in detail["counts"]["treatment"].values()


def test_a_caller_may_ask_more_strictly_and_never_more_loosely(strict):
    path = strict.create(*PATIENTS[:60])
    names = {
        asked: strict.client.get(f"{path}/analysis/characteristics", params={"disclosure": asked}).json()["disclosure"]
        for asked in ("none", "pcornet", "cms", "opensafely")
    }
    assert [names[asked]["profile"] for asked in names] == ["cms", "cms", "cms", "cms+opensafely"]
    assert names["opensafely"]["threshold"] == 10
    assert names["opensafely"]["zero_shown"] is False
    refused = strict.client.get(f"{path}/analysis", params={"disclosure": "loose"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/disclosure"


def test_rows_are_not_shown_to_a_tenant_under_a_profile(strict):
    path = strict.create(*PATIENTS[:12])
    patient = PATIENTS[0]["patient_id"]
    for answer in (
        strict.client.get(f"{path}/patients"),
        strict.client.get(f"{path}/patients/{patient}"),
        strict.client.get(f"{path}/export"),
        strict.client.post(f"{path}/rederive", json={"dry_run": True}),
    ):
        assert answer.status_code == 403, answer.text
        assert answer.json()["type"] == "/problems/aggregates-only"
        assert "record" not in answer.json()


def test_creating_and_adding_tell_no_small_number(strict):
    answer = strict.client.post("/v1/cohorts", json={"name": "Few", "patients": PATIENTS[:8]})
    assert answer.status_code == 201
    assert answer.json()["n"] is None
    assert {n for axis in answer.json()["counts"].values() for n in axis.values()} <= {None, 0}
    path = answer.headers["location"]
    added = strict.add(path, "\n".join(json.dumps(one) for one in PATIENTS[8:10]))
    assert (added.json()["n"], added.json()["report"]["added"]) == (None, 2)
    listed = strict.client.get("/v1/cohorts").json()["items"]
    assert {item["id"]: item["n"] for item in listed}[path.rpartition("/")[2]] is None


def test_answers_are_kept_apart_by_profile(api, cohort):
    tags = {
        profile: api.client.get(f"{cohort}/analysis/labs", params={"disclosure": profile}).headers["etag"]
        for profile in (*PROFILES, "none")
    }
    assert len(set(tags.values())) == 5
    again = {"if-none-match": tags["none"]}
    assert api.client.get(f"{cohort}/analysis/labs", params={"disclosure": "cms"}, headers=again).status_code == 200
    assert api.client.get(f"{cohort}/analysis/labs", headers=again).status_code == 304


def test_a_cohort_that_was_fetched_without_a_profile_is_not_confirmed_under_one(api, strict):
    path = api.create(*PATIENTS[:12])
    tags = {
        profile: api.client.get(path, params={"disclosure": profile}).headers["etag"] for profile in (*PROFILES, "none")
    }
    assert tags["none"] == '"1"'
    assert tags["cms"] == '"1-cms"'
    assert len(set(tags.values())) == 5
    for (asked, own), (known, tag) in product(tags.items(), repeat=2):
        answer = api.client.get(path, params={"disclosure": asked}, headers={"if-none-match": tag})
        assert answer.status_code == (304 if asked == known else 200)
        assert answer.headers["etag"] == own
    strictly = strict.create(*PATIENTS[:12])
    assert strict.client.get(strictly, headers={"if-none-match": '"1"'}).status_code == 200
    both = strict.client.get(strictly, params={"disclosure": "opensafely"}).headers["etag"]
    assert both == '"1-cms-cms+opensafely"'


@pytest.mark.parametrize("asked", ["none", "opensafely"])
def test_the_etag_of_a_cohort_under_a_profile_is_a_version_for_if_match(strict, asked):
    path = strict.create(*PATIENTS[:12])
    before = strict.client.get(path, params={"disclosure": asked}).headers["etag"]
    strict.add(path, json.dumps(PATIENTS[12]))
    after = strict.client.get(path, params={"disclosure": asked}).headers["etag"]
    for stale in (before, '"2-other"', '"2-"', f"W/{after}", '"1"'):
        assert strict.client.delete(path, headers={"if-match": stale}).status_code == 412, stale
    assert strict.client.delete(path, headers={"if-match": after}).status_code == 204


def test_adjusted_p_values_count_only_the_tests_that_are_shown(api):
    query = {"disclosure": "cms", "adjust": "holm", "by": "treatment"}
    section = api.client.get(f"{api.create(*MANY)}/analysis/labs", params=query).json()["labs"]
    shown = sorted(row["test"]["p_value"] for row in section["rows"] if row["test"]["p_value"] is not None)
    adjusted = sorted(row["test"]["p_value_adjusted"] for row in section["rows"] if row["test"]["p_value"] is not None)
    assert shown
    assert adjusted[0] == pytest.approx(min(1, len(shown) * shown[0]))
