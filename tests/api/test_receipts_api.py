"""Receipts of clinical answers: given, shown, and held against input, answer, rules and code."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app import cli
from app.api import gate
from app.api.openapi import operations
from app.clinical.rulebook.loader import load_rulebook
from app.database.errors import DatabaseUnavailableError
from app.main import create_app
from app.security.caller import LOCAL, Caller
from app.security.canonical_json import canonical
from app.security.receipts.comparing import differences
from app.security.receipts.signing import Signer, is_signed
from app.settings import load_settings
from tests.audit_rows import KEY, opened
from tests.cohort_api import Api

ROOT = Path(__file__).parents[2]
ASKED = {"prefer": "return=receipt"}
DOCUMENT = create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://"})).openapi()
DOSE = {"weight_kg": 25.5, "critically_ill": True}
# The calculators that give receipts, each with the example that its documentation shows.
GIVING = {
    operation["operationId"]: path
    for path, method, operation in operations(DOCUMENT)
    if any(p.get("name") == "Prefer" and "receipt" in p["description"] for p in operation.get("parameters", ()))
}
HASH = "0" * 64


def example_of(path: str) -> dict:
    media = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    schema = media["schema"]
    if "examples" in media:
        return next(iter(media["examples"].values()))["value"]
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema["examples"][0]


@pytest.fixture(scope="module")
def api():
    made = Api("sqlite://")
    yield made
    made.close()


def given(api, body=None, path="/v1/anakinra/dose", prefer="return=receipt"):
    """Return the input, the answer and its receipt."""
    sent = DOSE if body is None else body
    answer = api.client.post(path, json=sent, headers={"prefer": prefer})
    assert answer.status_code == 200, answer.text
    receipt = api.client.get(f"/v1/receipts/{answer.headers['defervesce-receipt']}")
    assert receipt.status_code == 200, receipt.text
    return sent, answer.json(), receipt.json()


def replayed(api, **body):
    answer = api.client.post("/v1/replay", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def signed_by(api, receipt):
    return {key["kid"]: key["x"] for key in api.client.get("/v1/receipts/keys").json()["keys"]}[receipt["key_id"]]


class TestGiving:
    def test_the_clinical_operations_give_receipts(self):
        assert GIVING == {
            "phenotype": "/v1/phenotype",
            "anakinra_indication": "/v1/treatment/indication",
            "ivig_dose": "/v1/treatment/ivig",
            "aspirin_dose": "/v1/treatment/aspirin",
            "anakinra_dose": "/v1/anakinra/dose",
            "anakinra_titration": "/v1/anakinra/titration",
            "anakinra_wean": "/v1/anakinra/wean",
            "anakinra_wean_next": "/v1/anakinra/wean/next",
            "ctcae_grade": "/v1/ctcae/grade",
        }

    @pytest.mark.parametrize(("operation", "path"), GIVING.items())
    def test_every_clinical_answer(self, api, operation, path):
        body = example_of(path)
        plain = api.client.post(path, json=body)
        answer = api.client.post(path, json=body, headers=ASKED)
        assert answer.content == plain.content
        assert answer.headers["preference-applied"] == "return=receipt"
        receipt_id = answer.headers["defervesce-receipt"]
        assert answer.headers["link"] == f'</v1/receipts/{receipt_id}>; rel="describedby"'
        receipt = api.client.get(f"/v1/receipts/{receipt_id}").json()
        assert (receipt["operation"], receipt["tenant"], receipt["caller"]) == (operation, "default", "local")
        assert receipt["answer_sha256"] == sha256(canonical(answer.json())).hexdigest()
        loaded = load_rulebook()
        assert receipt["rules"]
        assert all(loaded[rule["id"]].ref.model_dump() == rule for rule in receipt["rules"])
        assert answer.json()["rules"]["id"] in {rule["id"] for rule in receipt["rules"]}
        found = replayed(api, receipt_id=receipt_id, input=body, answer=answer.json())
        assert (found["verdict"], found["differences"], found["reasons"]) == ("same", [], [])

    @pytest.mark.parametrize(
        "header", ["return=receipt", 'return="receipt"', "RETURN=receipt", "wait=5, return=receipt", "return=receipt;x"]
    )
    def test_ways_to_ask(self, api, header):
        assert (
            "defervesce-receipt" in api.client.post("/v1/anakinra/dose", json=DOSE, headers={"prefer": header}).headers
        )

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "return=minimal",
            "receipt",
            "return=receipts",
            "respond-async",
            "=;,",
            "\xff",
            "return=minimal, return=receipt2",
        ],
    )
    def test_what_asks_for_none(self, api, header):
        answer = api.client.post("/v1/anakinra/dose", json=DOSE, headers={"prefer": header.encode("latin-1")})
        assert answer.status_code == 200
        assert not {"defervesce-receipt", "preference-applied", "link"} & answer.headers.keys()

    def test_refusals_have_no_receipt(self, api):
        answer = api.client.post("/v1/anakinra/dose", json={"weight_kg": -1}, headers=ASKED)
        assert (answer.status_code, "defervesce-receipt" in answer.headers) == (422, False)

    def test_a_calendar_has_no_receipt(self, api):
        answer = api.client.post(
            "/v1/anakinra/wean",
            json={
                "weight_kg": 25,
                "current_mg_kg_day": 10,
                "clinically_stable": True,
                "interval_hours": 24,
                "starts_at": "2026-06-01T08:00:00-04:00",
            },
            headers=ASKED | {"accept": "text/calendar"},
        )
        assert (answer.status_code, "defervesce-receipt" in answer.headers) == (200, False)

    def test_nothing_of_the_patient_is_kept(self, sqlite_url):
        api = Api(sqlite_url)
        _, _, receipt = given(api, {"weight_kg": 25.7391})
        api.close()
        content = b"".join(path.read_bytes() for path in Path(sqlite_url.removeprefix("sqlite:///")).parent.iterdir())
        assert receipt["id"].encode() in content
        assert b"25.7391" not in content

    def test_unless_the_caller_asks(self, api):
        sent, answer, receipt = given(api, prefer="return=receipt; keep=input")
        assert "25.5" not in json.dumps(receipt)
        assert replayed(api, receipt_id=receipt["id"])["verdict"] == "same"
        assert replayed(api, receipt_id=receipt["id"], input=sent, answer=answer)["verdict"] == "same"

    def test_without_the_database_there_is_no_answer_without_its_receipt(self, api, monkeypatch):
        def fail(*_):
            raise DatabaseUnavailableError("gone")

        with monkeypatch.context() as patched:
            patched.setattr("app.security.store.receipts.add", fail)
            answer = api.client.post("/v1/anakinra/dose", json=DOSE, headers=ASKED)
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/database-unavailable")
            assert api.client.post("/v1/anakinra/dose", json=DOSE).status_code == 200

    def test_it_stands_in_the_trail(self, api):
        _, _, receipt = given(api)
        rows = api.client.get("/v1/audit", params={"limit": 500}).json()["items"]
        (row,) = [row for row in rows if row["subject"] == receipt["id"] and row["event"] == "receipt.keep"]
        assert (row["operation"], row["caller"], row["outcome"]) == ("anakinra_dose", "local", "success")


class TestHashes:
    @pytest.mark.parametrize(
        "body",
        [
            {"critically_ill": True, "weight_kg": 25.5},
            {"weight_kg": 25.50, "critically_ill": True, "target_mg_kg_day": None, "age_years": None},
            {"weight_kg": 25.5, "critically_ill": True, "protocol": "childrens-national-2020"},
        ],
    )
    def test_the_same_input_written_otherwise(self, api, body):
        assert given(api, body)[2]["input_sha256"] == given(api)[2]["input_sha256"]

    @pytest.mark.parametrize("body", [{"weight_kg": 25.5}, {"weight_kg": 25.5, "critically_ill": False}])
    def test_another_input(self, api, body):
        assert given(api, body)[2]["input_sha256"] != given(api)[2]["input_sha256"]

    def test_anybody_can_check_the_signature(self, api):
        _, _, receipt = given(api)
        signature = receipt.pop("signature")
        assert is_signed(canonical(receipt), signature, signed_by(api, receipt))


class TestReplay:
    def test_by_its_id_and_whole(self, api):
        sent, _, receipt = given(api)
        assert replayed(api, receipt_id=receipt["id"], input=sent)["verdict"] == "same"
        assert replayed(api, receipt=receipt, input=sent) == {
            "receipt_id": receipt["id"],
            "operation": "anakinra_dose",
            "verdict": "same",
            "differences": [],
            "reasons": [],
        }

    def test_another_input(self, api):
        sent, _, receipt = given(api)
        found = replayed(api, receipt=receipt, input=sent | {"weight_kg": 25.6})
        assert found["verdict"] == "other_input"
        assert "25" not in json.dumps(found).replace(receipt["id"], "")

    def test_an_answer_that_was_changed(self, api):
        sent, answer, receipt = given(api)
        answer["options"][0]["daily_mg"] += 1
        answer["warnings"].append({"code": "x"})
        del answer["missing"]
        found = replayed(api, receipt=receipt, input=sent, answer=answer)
        assert found["verdict"] == "other_answer"
        assert found["differences"] == ["/missing", "/options/0/daily_mg", f"/warnings/{len(answer['warnings']) - 1}"]

    @pytest.mark.parametrize(
        "change",
        [
            {"created_at": "2020-01-01T00:00:00.000000Z"},
            {"tenant": "north"},
            {"caller": "other"},
            {"operation": "ivig_dose"},
            {"input_sha256": HASH},
            {"answer_sha256": HASH},
            {"rules": []},
            {"rulebook_sha256": HASH},
            {"code": {"version": "9", "git_sha": None}},
            {"id": "other"},
            {"signature": "AAAA"},
            {"key_id": "unknown"},
        ],
    )
    def test_a_receipt_that_was_changed(self, api, change):
        sent, _, receipt = given(api)
        assert replayed(api, receipt=receipt | change, input=sent)["verdict"] == "not_authentic"

    def test_a_receipt_signed_by_somebody_else(self, api):
        sent, _, receipt = given(api)
        other = Signer(KEY)
        receipt |= {"key_id": other.key_id, "answer_sha256": HASH}
        receipt["signature"] = other.sign(canonical({n: v for n, v in receipt.items() if n != "signature"}))
        assert replayed(api, receipt=receipt, input=sent)["verdict"] == "not_authentic"

    def test_an_operation_that_is_not_here(self):
        api = Api("sqlite://", signing_key=base64.b64encode(KEY).decode())
        sent, _, receipt = given(api)
        found = replayed(api, receipt=resigned(receipt, operation="gone"), input=sent)
        assert (found["verdict"], [one["code"] for one in found["reasons"]]) == (
            "cannot_be_replayed",
            ["operation_unknown"],
        )
        api.close()

    def test_an_answer_that_the_same_rules_and_code_do_not_give(self):
        api = Api("sqlite://", signing_key=base64.b64encode(KEY).decode())
        sent, answer, receipt = given(api)
        answer["options"][0]["daily_mg"] += 1
        receipt = resigned(receipt, answer_sha256=sha256(canonical(answer)).hexdigest())
        assert replayed(api, receipt=receipt, input=sent)["verdict"] == "differs"
        found = replayed(api, receipt=receipt, input=sent, answer=answer)
        assert (found["verdict"], found["differences"]) == ("differs", ["/options/0/daily_mg"])
        api.close()

    def test_another_version_of_the_code(self):
        api = Api("sqlite://", signing_key=base64.b64encode(KEY).decode(), git_sha="abcdef1")
        sent, _, receipt = given(api)
        assert receipt["code"]["git_sha"] == "abcdef1"
        api.close()
        newer = Api("sqlite://", signing_key=base64.b64encode(KEY).decode(), git_sha="abcdef2")
        found = replayed(newer, receipt=receipt, input=sent)
        assert (found["verdict"], [one["code"] for one in found["reasons"]]) == ("same", ["code_differs"])
        assert "abcdef1" in found["reasons"][0]["message"]
        assert "abcdef2" in found["reasons"][0]["message"]
        found = replayed(newer, receipt=resigned(receipt, answer_sha256=HASH), input=sent)
        assert (found["verdict"], [one["code"] for one in found["reasons"]]) == ("cannot_be_replayed", ["code_differs"])
        newer.close()

    @pytest.mark.parametrize(
        ("body", "pointer", "code"),
        [
            ({"receipt_id": "example"}, "/input", "field_missing"),
            ({"receipt_id": "example", "input": {"weight_kg": "25"}}, "/input/weight_kg", "not_a_number"),
            ({"receipt_id": "example", "input": {"wieght_kg": 25}}, "/input/weight_kg", "field_missing"),
            ({"input": {}}, "", "value_refused"),
            ({"receipt_id": "example", "receipt": None, "input": {}, "x": 1}, "/x", "unknown_field"),
            ({"receipt": {"id": "a"}, "input": {}}, "/receipt/format", "field_missing"),
        ],
    )
    def test_what_is_refused(self, api, body, pointer, code):
        answer = api.client.post("/v1/replay", json=body)
        assert answer.status_code == 422
        assert (pointer, code) in {(error["pointer"], error["code"]) for error in answer.json()["errors"]}

    def test_what_is_not_there(self, api):
        assert api.client.post("/v1/replay", json={"receipt_id": "nope", "input": {}}).status_code == 404
        assert api.client.get("/v1/receipts/nope").status_code == 404

    def test_another_tenant_does_not_find_it(self, api, monkeypatch):
        sent, _, receipt = given(api)
        monkeypatch.setattr(gate, "LOCAL", Caller("ward", "north", LOCAL.scopes))
        assert api.client.get(f"/v1/receipts/{receipt['id']}").status_code == 404
        assert api.client.post("/v1/replay", json={"receipt_id": receipt["id"], "input": sent}).status_code == 404


def resigned(receipt, **change):
    """Return a receipt as the service itself would have given it."""
    own = Signer(KEY)
    made = {name: value for name, value in (receipt | change).items() if name != "signature"}
    return made | {"signature": own.sign(canonical(made))}


class TestOtherRules:
    """A hospital changes a rule file: receipts say so instead of giving another answer."""

    @pytest.fixture
    def changed(self, tmp_path):
        source = load_rulebook()["childrens-national-2020"]
        text = (ROOT / "app/clinical/rulebook" / source.file).read_text(encoding="utf-8")
        assert text.count("1.0.0") >= 1
        (tmp_path / "own.toml").write_text(text.replace('version = "1.0.0"', 'version = "1.0.1"', 1), encoding="utf-8")
        return tmp_path

    def test_rules_that_took_part(self, changed):
        key = base64.b64encode(KEY).decode()
        before, after = Api("sqlite://", signing_key=key), Api("sqlite://", signing_key=key, rules_dir=str(changed))
        sent, answer, receipt = given(before)
        found = replayed(after, receipt=receipt, input=sent, answer=answer)
        assert (found["verdict"], found["differences"]) == ("cannot_be_replayed", [])
        (reason,) = found["reasons"]
        assert reason["code"] == "rules_differ"
        assert "childrens-national-2020" in reason["message"]
        assert "1.0.0" in reason["message"]
        assert "1.0.1" in reason["message"]
        sent, _, receipt = given(before, {"term": "rash_maculo_papular", "body_surface_percent": 20}, "/v1/ctcae/grade")
        found = replayed(after, receipt=receipt, input=sent)
        assert (found["verdict"], [one["code"] for one in found["reasons"]]) == ("same", ["rulebook_differs"])
        before.close()
        after.close()

    def test_rules_that_are_gone(self, changed):
        own = (changed / "own.toml").read_text()
        (changed / "own.toml").write_text(own.replace('"childrens-national-2020"', '"our-protocol"', 1))
        key = base64.b64encode(KEY).decode()
        ours = Api("sqlite://", signing_key=key, rules_dir=str(changed))
        sent, _, receipt = given(ours, DOSE | {"protocol": "our-protocol"})
        there = Api("sqlite://", signing_key=key)
        answer = there.client.post("/v1/replay", json={"receipt": receipt, "input": sent})
        assert answer.status_code == 200, answer.text
        assert answer.json()["verdict"] == "cannot_be_replayed"
        assert [one["code"] for one in answer.json()["reasons"]] == ["rules_missing"]
        ours.close()
        there.close()


class TestKeys:
    def test_a_drawn_key_is_kept_and_its_private_half_is_not_shown(self, sqlite_url):
        one, other = Api(sqlite_url), Api(sqlite_url)
        shown = one.client.get("/v1/receipts/keys")
        assert shown.json() == other.client.get("/v1/receipts/keys").json()
        (key,) = shown.json()["keys"]
        assert set(key) == {"kty", "crv", "use", "kid", "x"}
        sent, _, receipt = given(one)
        assert replayed(other, receipt=receipt, input=sent)["verdict"] == "same"
        one.close()
        other.close()

    def test_two_replicas_draw_one_key(self, postgresql_url):
        code = (
            "import sys; from tests.cohort_api import Api; "
            "print(Api(sys.argv[1]).client.get('/v1/receipts/keys').json()['keys'][0]['kid'])"
        )
        command = [sys.executable, "-c", code, postgresql_url]
        running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        assert len({process.communicate(timeout=120)[0] for process in running}) == 1

    def test_rotation_keeps_old_receipts_authentic(self, sqlite_url, monkeypatch, capsys):
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", sqlite_url)
        api = Api(sqlite_url)
        sent, _, old = given(api)
        assert cli.main(["receipt", "rotate-key"]) == 0
        _, _, new = given(api)
        assert new["key_id"] in capsys.readouterr().out
        assert old["key_id"] != new["key_id"]
        assert len(api.client.get("/v1/receipts/keys").json()["keys"]) == 2
        for receipt in (old, new):
            assert replayed(api, receipt=receipt, input=sent)["verdict"] == "same"
        with opened(sqlite_url) as kept, kept.database.engine.connect() as connection:
            private = (
                connection.execute(sa.text("SELECT private_key FROM signing_keys ORDER BY number")).scalars().all()
            )
        assert (private[0], private[1] is not None) == (None, True)
        api.close()

    def test_a_key_of_the_settings_takes_over_and_stays_out_of_the_database(self, sqlite_url, monkeypatch, capsys):
        api = Api(sqlite_url)
        sent, _, old = given(api)
        api.close()
        api = Api(sqlite_url, signing_key=base64.b64encode(KEY).decode())
        _, _, new = given(api)
        assert new["key_id"] == Signer(KEY).key_id
        assert {key["kid"] for key in api.client.get("/v1/receipts/keys").json()["keys"]} == {
            old["key_id"],
            new["key_id"],
        }
        assert all(replayed(api, receipt=one, input=sent)["verdict"] == "same" for one in (old, new))
        api.close()
        content = b"".join(path.read_bytes() for path in Path(sqlite_url.removeprefix("sqlite:///")).parent.iterdir())
        assert base64.urlsafe_b64encode(KEY).rstrip(b"=") not in content
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", sqlite_url)
        monkeypatch.setenv("DEFERVESCE_SIGNING_KEY", base64.b64encode(KEY).decode())
        assert cli.main(["receipt", "rotate-key"]) == 2
        assert "DEFERVESCE_SIGNING_KEY" in capsys.readouterr().err


class TestCommand:
    @pytest.fixture
    def files(self, sqlite_url, tmp_path, monkeypatch):
        """Give a receipt, its input, its answer and the public keys as files; the database is named, too."""
        api = Api(sqlite_url)
        sent, answer, receipt = given(api)
        found = {
            "receipt": receipt,
            "input": sent,
            "answer": answer,
            "keys": api.client.get("/v1/receipts/keys").json(),
        }
        api.close()
        for name, content in found.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", sqlite_url)
        return tmp_path

    def run(self, files, *named):
        offline = ["--public-key", str(files / "keys.json")]
        return cli.main(["receipt", "verify", str(files / "receipt.json"), *offline, *named])

    def test_the_signature_alone(self, files, capsys):
        assert self.run(files) == 0
        assert "authentic" in capsys.readouterr().out

    def test_with_the_keys_of_the_database(self, files, capsys):
        assert cli.main(["receipt", "verify", str(files / "receipt.json")]) == 0
        capsys.readouterr()

    def test_made_again_without_any_database(self, files, monkeypatch, capsys):
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        named = ["--input", str(files / "input.json"), "--answer", str(files / "answer.json")]
        assert self.run(files, *named) == 0
        assert capsys.readouterr().out.endswith(": anakinra_dose: same\n")

    def test_without_keys_it_cannot_be_told(self, files, monkeypatch, capsys):
        monkeypatch.setenv("DEFERVESCE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        assert cli.main(["receipt", "verify", str(files / "receipt.json")]) == 2
        capsys.readouterr()

    def test_another_input(self, files, capsys):
        (files / "input.json").write_text(json.dumps(DOSE | {"weight_kg": 26}))
        assert self.run(files, "--input", str(files / "input.json")) == 1
        assert "other input" in capsys.readouterr().out

    def test_a_changed_answer(self, files, capsys):
        answer = json.loads((files / "answer.json").read_text())
        answer["options"][0]["daily_mg"] = 1
        (files / "answer.json").write_text(json.dumps(answer))
        named = ["--input", str(files / "input.json"), "--answer", str(files / "answer.json")]
        assert self.run(files, *named) == 1
        said = capsys.readouterr().out
        assert "other answer" in said
        assert "differs at /options/0/daily_mg" in said

    def test_a_changed_receipt(self, files, capsys):
        receipt = json.loads((files / "receipt.json").read_text())
        (files / "receipt.json").write_text(json.dumps(receipt | {"caller": "other"}))
        assert self.run(files, "--input", str(files / "input.json")) == 1
        assert "not authentic" in capsys.readouterr().err

    def test_the_wrong_key(self, files, capsys):
        (files / "keys.json").write_text(Signer(KEY).public)
        assert self.run(files) == 1
        assert "not authentic" in capsys.readouterr().err

    def test_other_rules(self, files, tmp_path_factory, monkeypatch, capsys):
        rules = tmp_path_factory.mktemp("rules")
        source = load_rulebook()["kineret-label"]
        text = (ROOT / "app/clinical/rulebook" / source.file).read_text(encoding="utf-8")
        (rules / "own.toml").write_text(text + "\n# reviewed\n", encoding="utf-8")
        monkeypatch.setenv("DEFERVESCE_RULES_DIR", str(rules))
        assert self.run(files, "--input", str(files / "input.json")) == 1
        said = capsys.readouterr().out
        assert "cannot be replayed" in said
        assert "rules_differ: kineret-label" in said

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("receipt", "{}"),
            ("receipt", ""),
            ("receipt", "[" * 100_000),
            ("input", "{"),
            ("input", '{"weight_kg": NaN}'),
            ("input", "[" * 100_000),
            ("answer", "{"),
            ("answer", '{"a": NaN}'),
            ("answer", "[-Infinity]"),
            ("answer", '{"\\ud800": 1}'),
            ("answer", "9" * 5_000),
            ("answer", "[" * 100_000),
            ("keys", '{"keys": [1]}'),
            ("keys", '{"keys": null}'),
        ],
        ids=range(14),
    )
    def test_files_that_are_none(self, files, capsys, name, content):
        (files / f"{name}.json").write_text(content)
        named = ["--input", str(files / "input.json"), "--answer", str(files / "answer.json")]
        assert self.run(files, *named) == 2
        assert capsys.readouterr().err.startswith("defervesce: ")

    def test_an_input_that_is_refused_is_not_repeated(self, files, capsys):
        (files / "input.json").write_text('{"weight_kg": "canary"}')
        assert self.run(files, "--input", str(files / "input.json")) == 2
        said = capsys.readouterr().err
        assert "/weight_kg not_a_number" in said
        assert "canary" not in said

    def test_a_file_that_is_not_there(self, files, capsys):
        assert cli.main(["receipt", "verify", str(files / "none.json")]) == 2
        assert "none.json cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("one", "other", "where"),
    [
        ({}, {}, ()),
        ({"a": 1}, {"a": 1.0}, ()),
        ({"a": 1}, {"a": True}, ("/a",)),
        ({"a": None}, {}, ("/a",)),
        ({"a/b": {"~": 1}}, {"a/b": {"~": 2}}, ("/a~1b/~0",)),
        ([1, 2], [1], ("/1",)),
        ([1], {"0": 1}, ("",)),
        ({"a": [{"b": 1}, 2]}, {"a": [{"b": 2}, 3]}, ("/a/0/b", "/a/1")),
    ],
)
def test_where_two_answers_differ(one, other, where):
    assert differences(one, other) == where


def test_at_most_fifty_places_are_named():
    assert len(differences(list(range(100)), list(range(1, 101)))) == 50


def test_an_answer_without_a_receipt_costs_no_look_at_the_database():
    code = (
        "import sys; from starlette.testclient import TestClient; from app.main import create_app; "
        "from app.settings import load_settings; "
        "app = create_app(load_settings({'DEFERVESCE_DATABASE_URL': 'sqlite://', 'DEFERVESCE_LOG_LEVEL': 'error'})); "
        "client = TestClient(app, 'http://127.0.0.1', client=('127.0.0.1', 1)); "
        "print(client.post('/v1/anakinra/dose', json={'weight_kg': 25}).status_code,"
        " *sorted({'sqlalchemy', 'cryptography'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout == "200\n"


def test_the_client_of_the_documentation():
    """`example` is a receipt for everybody to try, and makes no row."""
    client = TestClient(create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://"})))
    assert client.get("/v1/receipts/example").json()["id"] == "example"
    body = {"receipt_id": "example", "input": {"weight_kg": 25, "critically_ill": True}}
    assert client.post("/v1/replay", json=body).json()["verdict"] == "same"


class TestBesideALongImport:
    """Whoever writes an SQLite file holds receipts up, and nobody but them."""

    @pytest.fixture
    def held(self, sqlite_url):
        """Give a service, and the other writer of its database."""
        made = Api(sqlite_url)
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
        with made.client:
            given(made)
            assert made.client.get("/v1/cohorts/example").status_code == 200, "it is made when it is first asked for"
            other.execute("BEGIN IMMEDIATE")
            yield made, other
        other.close()
        made.close()

    def ask(self, api):
        return api.client.post("/v1/anakinra/dose", json=DOSE, headers=ASKED)

    def waiting(self, api, number):
        while api.app._receipts.places.taken < number:
            time.sleep(0.005)

    def test_reads_do_not_wait_with_receipts(self, held):
        api, other = held
        number = 2 * (min(32, (os.cpu_count() or 1) + 4))
        with ThreadPoolExecutor(number) as pool:
            asked = [pool.submit(self.ask, api) for _ in range(number)]
            self.waiting(api, number)
            assert api.client.get("/v1/cohorts/example").status_code == 200
            assert not any(one.done() for one in asked), "they waited meanwhile"
            other.execute("ROLLBACK")
            assert {one.result(30).status_code for one in asked} == {200}

    def test_no_more_wait_than_there_is_room_for(self, held):
        api, other = held
        api.app._receipts.places.most = 1
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(self.ask, api)
            self.waiting(api, 1)
            for answer in (self.ask(api), api.client.get("/v1/receipts/keys"), api.client.get("/v1/receipts/example")):
                assert (answer.status_code, answer.json()["type"]) == (503, "/problems/overloaded")
                assert answer.headers["retry-after"]
            other.execute("ROLLBACK")
            assert first.result(30).status_code == 200
        assert self.ask(api).status_code == 200
