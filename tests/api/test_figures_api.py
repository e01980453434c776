"""Figures and the report over HTTP: what comes, under which headers, and what is refused."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import Engine, event
from starlette.testclient import TestClient

from app.cohorts.analysis.axes import AXES
from app.cohorts.figures import NAMES
from app.main import create_app
from app.settings import load_settings
from bench.generate import records

PATIENTS = list(islice(records(40), 40))
HOSTILE = "<script>alert('x')</script> & \"quoted\" $x$"


@pytest.fixture(scope="module")
def client():
    return TestClient(
        create_app(load_settings({"DEFERVESCE_LOG_LEVEL": "error", "DEFERVESCE_DATABASE_URL": "sqlite://"}))
    )


def created(client, patients, **more):
    answer = client.post("/v1/cohorts", json={"name": "Pictured", "patients": patients} | more)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


@pytest.fixture(scope="module")
def cohort(client):
    return created(client, PATIENTS)


@pytest.fixture(scope="module")
def empty(client):
    return created(client, [])


@pytest.mark.parametrize("name", NAMES)
def test_each_figure_comes_as_svg_and_png(client, cohort, name):
    svg = client.get(f"{cohort}/figures/{name}.svg")
    assert (svg.status_code, svg.headers["content-type"]) == (200, "image/svg+xml")
    root = ET.fromstring(svg.content)  # noqa: S314  # our own drawing
    assert root[0].text
    assert root[1].text
    png = client.get(f"{cohort}/figures/{name}.png", params={"width": 640})
    assert (png.status_code, png.headers["content-type"]) == (200, "image/png")
    assert struct.unpack(">I", png.content[16:20]) == (640,)
    for answer in (svg, png):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("by", AXES)
@pytest.mark.parametrize("name", ["strain", "adverse_events"])
def test_every_axis_can_be_drawn(client, cohort, name, by):
    answer = client.get(f"{cohort}/figures/{name}.svg", params={"by": by, "where": "sex:male"})
    assert answer.status_code == 200, answer.text
    assert f"by {AXES[by].title} (Male)" in answer.text


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_cohort_is_a_figure_that_says_so(client, empty, name):
    answer = client.get(f"{empty}/figures/{name}.svg")
    assert answer.status_code == 200
    assert re.search(r"<desc[^>]*>[^<]*(No patient|no patient|nothing)", answer.text)


def test_the_clock_of_the_curves_can_be_chosen(client, cohort):
    def title(**params: str) -> str:
        return client.get(f"{cohort}/figures/defervescence.svg", params=params).text.partition("<title")[2][:120]

    assert "Defervescence from admission by treatment" in title()
    assert "Defervescence from the start of anakinra" in title(time_zero="anakinra_start")
    assert "Sustained defervescence from admission" in title(sustained="true")


def test_a_known_figure_is_not_sent_again_until_the_cohort_changes(client):
    cohort = created(client, PATIENTS[:5])
    for path in ("figures/lvef.svg", "figures/lvef.png", "report"):
        first = client.get(f"{cohort}/{path}")
        again = client.get(f"{cohort}/{path}", headers={"If-None-Match": f'W/"other", {first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert client.get(f"{cohort}/{path}").content == first.content
    known = first.headers["etag"]
    client.post(f"{cohort}/patients", json={"patients": PATIENTS[5:6]})
    assert client.get(f"{cohort}/report", headers={"If-None-Match": known}).status_code == 200


def test_other_questions_have_other_tags(client, cohort):
    paths = ["lvef.svg", "strain.svg", "lvef.png", "lvef.png?width=800", "lvef.svg?by=sex", "lvef.svg?where=sex:male"]
    tags = [client.get(f"{cohort}/figures/{path}").headers["etag"] for path in paths]
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize("form", ["svg", "png"])
def test_an_unknown_figure_is_told_what_there_is(client, cohort, form):
    answer = client.get(f"{cohort}/figures/survival.{form}")
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["allowed"] == list(NAMES)


@pytest.mark.parametrize("path", ["figures/lvef.svg", "figures/lvef.png", "report"])
def test_an_unknown_cohort_is_not_found(client, path):
    answer = client.get(f"/v1/cohorts/nobody/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("figures/lvef.svg?by=nothing", "/by"),
        ("figures/lvef.svg?where=treatment:'%20OR%201=1", "/where"),
        ("figures/lvef.svg?time_zero=admission", "/time_zero"),
        ("figures/cytokines.png?sustained=true", "/sustained"),
        ("figures/lvef.png?width=100000", "/width"),
        ("figures/lvef.png?width=1", "/width"),
        ("figures/lvef.svg?width=800", "/width"),
        ("report?colour=red", "/colour"),
    ],
)
def test_what_cannot_be_asked_is_refused(client, cohort, path, pointer):
    answer = client.get(f"{cohort}/{path}")
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_a_caller_who_takes_none_of_it_is_told(client, cohort):
    assert client.get(f"{cohort}/figures/lvef.svg", headers={"Accept": "image/png"}).status_code == 406
    assert client.get(f"{cohort}/report", headers={"Accept": "text/html,*/*;q=0.1"}).status_code == 200


def test_the_report_is_one_page_whose_links_lead_somewhere(client, cohort):
    page = f"{cohort}/report?by=treatment"
    answer = client.get(page)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    links = set(re.findall(r'<a href="([^"#][^"]*)"', answer.text))
    assert len(links) > 15
    for link in links:
        found = client.get(urljoin(page, link.replace("&amp;", "&")))
        assert found.status_code == 200, link
        assert ("format=csv" in link) == found.headers["content-type"].startswith("text/csv"), link


def test_names_of_callers_stay_texts(client):
    cohort = created(client, PATIENTS[:3], name=HOSTILE, description=HOSTILE)
    answer = client.get(f"{cohort}/report")
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert "&lt;script&gt;alert(&#39;x&#39;)" in answer.text


def test_no_patient_is_named(client, cohort):
    ids = [patient["patient_id"] for patient in PATIENTS]
    for path in ("report", *(f"figures/{name}.svg" for name in NAMES)):
        text = client.get(f"{cohort}/{path}").text
        assert not [found for found in ids if re.search(rf"\b{re.escape(found)}\b", text)], path


def test_a_stated_fact_that_the_data_contradict_is_counted(client):
    contradicting = {
        "patient_id": "C01",
        "age_years": 8,
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
    cohort = created(client, [contradicting, *PATIENTS[:2]])
    expected = client.get(f"{cohort}/patients/C01").json()
    assert "disagreements" in str(expected)
    text = client.get(f"{cohort}/report").text
    assert "cv_shock" in text.partition('id="disagreements"')[2].partition('id="rules"')[0]


def test_a_figure_reads_tallies_and_no_patients(client, cohort):
    asked: list[str] = []

    def watch(_connection, _cursor, statement, *_):
        asked.append(statement.lower())

    event.listen(Engine, "before_cursor_execute", watch)
    try:
        assert client.get(f"{cohort}/figures/cytokines.svg?quantile_method=linear").status_code == 200
    finally:
        event.remove(Engine, "before_cursor_execute", watch)
    assert any("tallies" in statement for statement in asked)
    assert not any("from patients" in statement for statement in asked)


def test_many_at_once_are_drawn_in_turn(client, cohort):
    paths = [f"{cohort}/figures/{name}.svg?confidence=0.{level}" for name in NAMES for level in (80, 90)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(client.get, paths))
    assert {answer.status_code for answer in answers} == {200}
    assert [client.get(path).content for path in paths] == [answer.content for answer in answers]


def test_the_service_starts_without_what_draws():
    code = "import sys, app.main as m; m.create_app(); print({'matplotlib', 'jinja2', 'numpy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
