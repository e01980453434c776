"""`/v1/rules`: the list and its pages, one rule set in full, source attributes; and a hospital's folder in effect."""

import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.clinical.rulebook import RulebookError, load_rulebook
from app.clinical.rulebook.loader import BUILT_IN
from app.main import create_app
from app.settings import Settings

RULEBOOK = load_rulebook()
IDS = [r.id for r in RULEBOOK.all()]
DOCUMENT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL).group(1)


def items(client, query=""):
    answer = client.get(f"/v1/rules{query}")
    assert answer.status_code == 200
    return answer.json()["items"]


def test_the_list_holds_every_rule_set_with_version_and_hash(client):
    listed = items(client)
    assert [i["id"] for i in listed] == IDS
    for item in listed:
        rules = RULEBOOK[item["id"]]
        assert item == {
            "id": rules.id,
            "version": rules.content.rule_set.version,
            "sha256": rules.sha256,
            "title": rules.content.rule_set.title,
            "topic": rules.topic,
            "effective": rules.content.rule_set.effective.isoformat(),
            "origin": "built_in",
        }


@pytest.mark.parametrize("limit", [1, 4, 100])
def test_following_the_links_gives_every_rule_set_once(client, limit):
    path, found = f"/v1/rules?limit={limit}", []
    while path:
        answer = client.get(path)
        page = answer.json()
        found += [i["id"] for i in page["items"]]
        assert len(page["items"]) <= limit
        link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("link", ""))
        assert (link is None) == (page["next"] is None)
        path = link and link[1]
    assert found == IDS


def test_a_page_keeps_its_topic(client):
    assert [i["id"] for i in items(client, "?topic=ctcae")] == ["ctcae-4.03", "ctcae-5.0", "ctcae-6.0"]
    answer = client.get("/v1/rules?topic=ctcae&limit=2")
    assert answer.json()["next"] == "ctcae-5.0"
    following = client.get(answer.headers["link"][1:].split(">")[0])
    assert [i["id"] for i in following.json()["items"]] == ["ctcae-6.0"]
    assert following.json()["next"] is None
    assert "link" not in following.headers


def test_a_cursor_need_not_exist_any_more(client):
    assert [i["id"] for i in items(client, "?cursor=who-2019")] == [i for i in IDS if i > "who-2019"]
    assert items(client, "?cursor=zzz") == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "cursor=%20", "cursor=", "page=2", "limit=1&limit=2"]
)
def test_a_bad_query_is_refused(client, query):
    answer = client.get(f"/v1/rules?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == "/" + query.split("=", maxsplit=1)[0]


@pytest.mark.parametrize("path", ["/v1/rules/nope", "/v1/rules/nope/source-attributes"])
def test_an_unknown_id_is_not_found_and_says_what_exists(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["allowed"] == IDS


def numbers(value):
    """Yield what stands under the names of numbers."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in {"value", "low", "high", "from", "to", "points", "slope", "intercept", "multiply", "divide"}:
                yield key, inner
            yield from numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner)


@pytest.mark.parametrize("rule_set_id", IDS)
def test_a_rule_set_in_full(client, rule_set_id):
    answer = client.get(f"/v1/rules/{rule_set_id}")
    assert answer.status_code == 200
    full, content = answer.json(), RULEBOOK[rule_set_id].content
    assert full["source_attributes"] == client.get(f"/v1/rules/{rule_set_id}/source-attributes").json()
    kinds = {"thresholds": content.threshold, "parameters": content.parameter, "ranges": content.range}
    kinds |= {"tables": content.table, "texts": content.text}
    for name, rows in kinds.items():
        assert [r["id"] for r in full[name]] == [r.id for r in rows]
        for shown in full[name]:
            assert shown["citation"]
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", shown["in_force_since"])
    for shown, row in zip(full["thresholds"], content.threshold, strict=True):
        assert shown["bound"] == ("inclusive" if "=" in row.operator else "exclusive")
        assert shown["value"] == float(row.value)
        assert shown["unit"] == row.unit
    for rows, name in ((content.analyte, "analytes"), (content.term, "terms")):
        assert [r["slug"] for r in full[name]] == [r.slug for r in rows]
    assert [(k, v) for k, v in numbers(full) if isinstance(v, str) and re.fullmatch(r"[-+0-9.eE]+", v)] == []


def test_a_table_is_shown_with_from_and_to(client):
    table = next(t for t in client.get("/v1/rules/hscore-2014").json()["tables"] if t["id"] == "temperature")
    assert [(b["from"], b["to"], b["points"]) for b in table["band"]] == [
        (None, 38.4, 0),
        (38.4, 39.4, 33),
        (39.4, None, 49),
    ]


def test_source_attributes_name_what_hti_1_asks_for(client):
    shown = client.get("/v1/rules/who-anaemia-2024/source-attributes").json()
    assert set(shown["uses"]) >= {
        "age",
        "date_of_birth",
        "sex",
        "race",
        "ethnicity",
        "language",
        "gender_identity",
        "sexual_orientation",
    }
    assert set(shown["uses"]) >= {"social_determinants", "health_status"}
    assert shown["uses"]["race"] == "not used"
    assert shown["uses"]["sex"] != "not used"
    for name in ("citation", "developer", "funding", "released", "revised"):
        assert shown[name]


# A hospital's folder


@pytest.fixture
def hospital(tmp_path):
    """Give a client of a service that was started with the folder's files."""

    def start(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
        return TestClient(create_app(Settings.model_construct(rules_dir=tmp_path)))

    return start


def overridden(name, old, new):
    text = (BUILT_IN / f"{name}.toml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    return text.replace(old, new)


CHILD = {
    "age_years": 8,
    "hospitalized": True,
    "alternative_diagnosis": False,
    "fever": {"maximum_celsius": 38.2, "duration_hours": 48, "subjective": False},
    "organ_involvement": {"cardiac": True, "renal": True},
    "sars_cov_2": {"pcr_positive": True},
    "labs": [{"analyte": "crp", "value": 54, "unit": "mg/L", "upper_limit": 10}],
}


def cdc(client):
    answer = client.post("/v1/phenotype", json=CHILD).json()
    rules = {r["id"]: r for r in (answer["rules"], *answer["rules"]["includes"])}
    return answer["case_definitions"]["cdc_2020"]["status"], rules["cdc-han-2020"]


def test_an_override_changes_the_answer_and_its_provenance(client, hospital):
    text = overridden("cdc-han-2020", "value = 38.0", "value = 38.5").replace('version = "1.0.0"', 'version = "1.1.0"')
    ours = hospital(local=text)
    (before, built_in), (after, local) = cdc(client), cdc(ours)
    assert (before, after) == ("met", "not_met")
    assert (built_in["version"], local["version"]) == ("1.0.0", "1.1.0")
    assert built_in["sha256"] != local["sha256"]
    shown = ours.get("/v1/rules/cdc-han-2020").json()
    assert (shown["origin"], shown["sha256"]) == ("hospital", local["sha256"])
    assert [i["origin"] for i in items(ours)].count("hospital") == 1


def test_the_documents_example_protocol_doses_a_child(hospital):
    ours = hospital(example=EXAMPLE)
    request = {"weight_kg": 20, "critically_ill": True, "protocol": "example-hospital-2026"}
    answer = ours.post("/v1/anakinra/dose", json=request).json()
    assert [(o["per_dose_mg"], o["interval_hours"]) for o in answer["options"]] == [(60, 12), (80, 12)]
    assert answer["rules"]["id"] == "example-hospital-2026"
    assert "example-hospital-2026" in json.dumps(ours.get("/v1/protocols").json())


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        (
            "childrens-national-2020",
            'id = "per_dose_cap"',
            'id = "cap_per_dose"',
            "parameter 'per_dose_cap' is missing",
        ),
        ("cdc-han-2020", 'id = "fever.duration"', 'id = "fever.hours"', "threshold 'fever.duration' is missing"),
        ("hscore-2014", "value = 169", 'value = "169"', "must be a number"),
        ("childrens-national-2020", "low = 8\n", "low = 7\n", "overlaps range 'start.not_critically_ill'"),
    ],
)
def test_an_incomplete_or_wrong_override_stops_the_start(hospital, name, old, new, reason):
    with pytest.raises(RulebookError, match=rf"^local\.toml: .*{reason}"):
        hospital(local=overridden(name, old, new))
