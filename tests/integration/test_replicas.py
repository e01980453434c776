"""Two services on one PostgreSQL: byte for byte the same answers, also while the other one writes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
import yaml

from tests.cohort_api import lines, record
from tests.listening import JSON, Serving, serving
from tests.serving import ROOT

NDJSON = {"content-type": "application/x-ndjson"}
# These tell of one process; the trail of each look at it, the configuration of where one asked.
OWN = {"/v1/audit", "/.well-known/smart-configuration", "/metrics", "/livez", "/readyz"}
VARYING = {"date", "x-request-id"}
DOCUMENT = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
SECTIONS = ("characteristics", "anakinra", "adverse_events", "cytokines", "labs", "defervescence", "cardiac", "missing")
FIGURES = ("defervescence", "lvef", "strain", "cytokines", "adverse_events", "missing")


@pytest.fixture
def replicas(postgresql_url, tmp_path) -> Iterator[tuple[Serving, Serving]]:
    with serving(tmp_path, database_url=postgresql_url) as one, serving(tmp_path, database_url=postgresql_url) as other:
        yield one, other


def answer(replica: Serving, method: str, path: str, body: object = None, headers: dict[str, str] | None = None):
    sent = body if body is None or isinstance(body, bytes) else json.dumps(body)
    named = {"x-request-id": "the-same"} | (JSON if body is not None else {}) | (headers or {})
    status, told, said = replica.ask(method, path, sent, named)
    return status, {name: value for name, value in told.items() if name not in VARYING}, said


def calculators() -> Iterator[tuple[str, object]]:
    """Yield every POST that keeps nothing, with its examples."""
    for path, item in DOCUMENT["paths"].items():
        operation = item.get("post")
        if operation is None or path.startswith(("/v1/cohorts", "/v1/jobs")):
            continue
        media = operation["requestBody"]["content"].get("application/json")
        if media is None:  # a form: of tokens, which differ
            continue
        examples = (
            [media["example"]] if "example" in media else [e["value"] for e in media.get("examples", {}).values()]
        )
        if not examples:
            schema = media["schema"]
            while "$ref" in schema:
                schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            examples = schema["examples"]
        yield from ((path, example) for example in examples)


def reads(cohort: str) -> Iterator[str]:
    """Yield every GET of the service, of a cohort too."""
    inside = f"/v1/cohorts/{cohort}"
    plain = [path for path, item in DOCUMENT["paths"].items() if "get" in item and "{" not in path and path not in OWN]
    yield from (path for path in plain if path != "/v1/ctcae/terms")
    yield from ("/v1/ctcae/terms?limit=20", "/v1/ctcae/terms/neutrophil_count_decreased", "/docs", "/openapi.json")
    yield from ("/v1/protocols/childrens-national-2020", "/problems/validation", "/v1/cohorts?limit=1")
    yield from (inside, f"{inside}/patients?limit=50", f"{inside}/export", f"{inside}/export?format=csv")
    yield from (f"{inside}/analysis", f"{inside}/analysis?by=sex&adjust=holm", f"{inside}/analysis?format=csv")
    yield from (f"{inside}/analysis/{section}" for section in SECTIONS)
    yield from (f"{inside}/figures/{name}.svg" for name in FIGURES)
    yield from (f"{inside}/figures/lvef.png?width=500", f"{inside}/report")


def compare(replicas: tuple[Serving, Serving], method: str, path: str, body: object = None) -> int:
    one, other = (answer(replica, method, path, body) for replica in replicas)
    assert one[0] == other[0], path
    assert one[1] == other[1], path
    assert one[2] == other[2], path
    return one[0]


def test_every_answer_is_the_same_byte_for_byte(replicas):
    one, other = replicas
    rows = [
        record(n) | {"labs": [{"analyte": "crp", "value": 20 + n / 10, "unit": "mg/L", "hour": 2}]} for n in range(60)
    ]
    status, _, said = answer(one, "POST", "/v1/cohorts", {"name": "both", "patients": rows[:30]})
    assert status == 201
    cohort = json.loads(said)["id"]
    added = answer(other, "POST", f"/v1/cohorts/{cohort}/patients", lines(*rows[30:]).encode(), NDJSON)
    assert (added[0], json.loads(added[2])["n"]) == (200, 60)
    statuses = {path: compare(replicas, "GET", path) for path in reads(cohort)}
    assert {path: status for path, status in statuses.items() if status not in {200, 404}} == {}
    assert len([status for status in statuses.values() if status == 200]) > 30
    patient = rows[0]["patient_id"]
    assert compare(replicas, "GET", f"/v1/cohorts/{cohort}/patients/{patient}") == 200
    tried = [compare(replicas, "POST", path, body) for path, body in calculators()]
    assert len(tried) > 12
    assert set(tried) == {200}
    for path, body in (("/v1/anakinra/dose", {"wieght_kg": 1}), ("/v1/phenotype", {}), ("/v1/statistics/summary", [])):
        assert compare(replicas, "POST", path, body) == 422


def test_an_answer_of_one_is_repeated_by_the_other(replicas):
    one, other = replicas
    keyed = {"idempotency-key": "the-same-key"}
    first = answer(one, "POST", "/v1/cohorts", {"name": "once", "patients": [record(1)]}, keyed)
    again = answer(other, "POST", "/v1/cohorts", {"name": "once", "patients": [record(1)]}, keyed)
    assert (first[0], again[0]) == (201, 201)
    assert again[1].pop("idempotency-replayed") == "true"
    assert again == first
    path = json.loads(first[2])["id"]
    stale = answer(other, "DELETE", f"/v1/cohorts/{path}", headers={"if-match": '"99"'})
    assert stale[0] == 412
    job = answer(
        one, "POST", f"/v1/cohorts/{path}/patients", lines(record(2)).encode(), NDJSON | {"prefer": "respond-async"}
    )
    while json.loads(answer(other, "GET", job[1]["location"])[2])["status"] in {"queued", "running"}:
        pass
    assert compare(replicas, "GET", job[1]["location"]) == 200
    assert compare(replicas, "GET", f"/v1/cohorts/{path}/analysis") == 200


def test_while_one_writes_both_read_whole_versions_and_the_same_of_each(replicas):
    one, other = replicas
    _, _, said = answer(one, "POST", "/v1/cohorts", {"name": "moving", "patients": [record(n) for n in range(10)]})
    path = f"/v1/cohorts/{json.loads(said)['id']}"
    seen: dict[tuple[str, str], set[bytes]] = {}
    ended = threading.Event()

    def read(replica: Serving) -> None:
        while not ended.is_set():
            for part in ("", "/analysis/characteristics?by=sex", "/export", "/patients?limit=100"):
                status, told, body = answer(replica, "GET", path + part)
                assert status == 200
                seen.setdefault((part, told["etag"]), set()).add(body)

    readers = [threading.Thread(target=read, args=(replica,)) for replica in replicas]
    for reader in readers:
        reader.start()
    for step in range(12):
        writer = replicas[step % 2]
        rows = lines(*(record(100 + 5 * step + n) for n in range(5))).encode()
        assert answer(writer, "POST", f"{path}/patients", rows, NDJSON)[0] == 200
    ended.set()
    for reader in readers:
        reader.join()
    assert {part_tag: len(bodies) for part_tag, bodies in seen.items() if len(bodies) > 1} == {}
    assert len({tag for part, tag in seen if not part}) > 1
    for (part, tag), bodies in seen.items():
        if part == "/export":
            assert {body.count(b"\n") for body in bodies} == {10 + 5 * (int(tag.strip('"')) - 1)}
    for part in ("", "/analysis", "/export", "/patients?limit=100"):
        assert compare((one, other), "GET", path + part) == 200
