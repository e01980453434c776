"""The study itself over HTTP: the synthetic cohort goes in, Tables 1 to 4 and Figure 1 come out."""

from __future__ import annotations

from functools import cache

import pytest

from app.cohorts.analysis.answers import Analysis
from app.cohorts.analysis.selection import Question
from app.cohorts.study import study_cohort_bytes
from app.cohorts.study.printed import printed
from app.cohorts.study.reproduce import compared
from tests.cohort_api import Api
from tests.study_print import CONTRADICTED

EXAMPLE = "/v1/examples/study-cohort"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def api():
    api = Api("sqlite://")
    yield api
    api.close()


@pytest.fixture(scope="module")
def posted(api):
    """Post the cohort as it is served; return its path."""
    answer = api.client.post("/v1/cohorts", content=api.client.get(EXAMPLE).content, headers=JSON)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def asked(api: Api, path: str):
    """Return what answers the analysis' questions over HTTP."""

    @cache
    def ask(question: Question) -> Analysis:
        (section,) = question.sections
        where = [f"{axis}:{','.join(values)}" for axis, values in question.where]
        answer = api.client.get(f"{path}/analysis/{section}", params={"by": question.by, "where": where})
        assert answer.status_code == 200, answer.text
        return Analysis.model_validate_json(answer.content)

    return ask


def test_the_example_is_served_as_it_stands_in_the_package(api):
    answer = api.client.get(EXAMPLE)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.content == study_cohort_bytes()
    assert len(answer.json()["patients"]) == 46


@pytest.mark.parametrize("known", ["{etag}", '"other", {etag}', "*", "W/{etag}"])
def test_who_has_the_example_is_not_sent_it_again(api, known):
    etag = api.client.get(EXAMPLE).headers["ETag"]
    answer = api.client.get(EXAMPLE, headers={"If-None-Match": known.format(etag=etag)})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == etag


def test_another_etag_is_answered_in_full(api):
    assert api.client.get(EXAMPLE, headers={"If-None-Match": '"other"'}).status_code == 200


def test_all_46_are_derived_without_disagreement(api, posted):
    found = api.client.get(posted).json()
    assert found["n"] == 46
    patients = api.client.get(f"{posted}/patients", params={"limit": 100}).json()["items"]
    assert [one["patient_id"] for one in patients] == [f"SYN-{number:02d}" for number in range(1, 47)]


@pytest.fixture(scope="module")
def outcome(api, posted):
    return compared(asked(api, posted))


@pytest.mark.parametrize("place", sorted({row.place for row in printed().rows}))
def test_the_printed_numbers_come_out(outcome, place):
    mine = [one for one in outcome if one.row.place == place]
    assert mine
    wrong = {
        (one.row.place, one.row.label, one.what, one.column): (one.printed, one.ours) for one in mine if not one.agrees
    }
    assert wrong.keys() == {key for key in CONTRADICTED if key[0] == place}


def test_the_built_in_cohort_gives_the_same(api, outcome):
    assert [one.ours for one in compared(asked(api, "/v1/cohorts/study"))] == [one.ours for one in outcome]
