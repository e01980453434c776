"""Reading rows: the same whatever pieces the text comes in, with bounded memory, and every fault in its place."""

from __future__ import annotations

import gc
import json

import pytest

from app.clinical.refusal import RefusedInputError
from app.cohorts.collector import calm_collector
from app.cohorts.intake.columns import Layout
from app.cohorts.intake.csv_rows import csv_rows
from app.cohorts.intake.json_stream import JsonBody
from app.cohorts.intake.ndjson import ndjson_rows
from app.cohorts.intake.rows import LARGEST_RECORD, MalformedError
from app.cohorts.records import PatientRecord

LAYOUT = Layout(PatientRecord.model_json_schema())
PATIENTS = [{"patient_id": "P1", "x": ['é"]}', {"b": [1, -2.5e3]}]}, 5, {"patient_id": "P2"}, [], "a", None, True, 12]
BODY = json.dumps({"name": "ö", "patients": PATIENTS, "description": None}, ensure_ascii=False, indent=1).encode()


def pieces(text: bytes, size: int) -> list[bytes]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_json_in_pieces(size):
    body = JsonBody(pieces(BODY, size), ("name", "description"))
    rows = list(body.rows())
    assert [json.loads(row.raw) for row in rows] == PATIENTS
    assert [row.pointer for row in rows] == [f"/patients/{n}" for n in range(len(PATIENTS))]
    assert body.members == {"name": "ö", "description": None}


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_a_bare_list(size):
    body = JsonBody(pieces(b' [ {"patient_id":"P1"} , {} ] ', size), ())
    assert [(row.pointer, row.raw) for row in body.rows()] == [("/0", b'{"patient_id":"P1"}'), ("/1", b"{}")]


@pytest.mark.parametrize(
    "text", [b"[1 2]", b"[1,]", b"[,1]", b"[1", b"[1]]", b"[1] x", b"[tru]", b'["a', b"", b" ", b"[\xff]"]
)
@pytest.mark.parametrize("size", [1, 100])
def test_what_is_no_json(text, size):
    with pytest.raises(MalformedError):
        list(JsonBody(pieces(text, size), ()).rows())


def test_one_record_past_the_limit():
    with pytest.raises(RefusedInputError, match="record_too_large"):
        list(JsonBody([b'["' + b"x" * (LARGEST_RECORD + 1) + b'"]'], ()).rows())


def test_a_stream_is_read_no_further_than_its_rows_are_drawn():
    drawn = 0

    def endless():
        nonlocal drawn
        while True:
            drawn += 1
            yield b'{"patient_id": "P1"}\n'

    rows = ndjson_rows(endless())
    for _ in range(5):
        next(rows)
    assert drawn <= 7


@pytest.mark.parametrize("size", [1, 2, 3, 50, 10_000])
def test_ndjson_in_pieces(size):
    text = b'\r\n{"a": 1}\r\n\n  {"b": "\xc3\xa9"}\n{"c": 2}'
    rows = list(ndjson_rows(pieces(text, size)))
    assert [(row.index, row.line, json.loads(row.raw)) for row in rows] == [
        (0, 2, {"a": 1}),
        (1, 4, {"b": "é"}),
        (2, 5, {"c": 2}),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 50, 10_000])
def test_csv_in_pieces(size):
    text = (
        b"patient_id, age_years ,treatment.ivig,treatment.corticosteroids.0.agent,labs\r\n"
        b"\r\n"
        b'P1,8,TRUE,"a, ""b""\r\nc","[{""analyte"":""crp""}]"\n'
        b",,,,\n"
        b'"""P2""",null,,,\n'
        b"P3,1.50e1,false,null,[]"
    )
    rows = list(csv_rows(pieces(text, size), LAYOUT))
    assert [(row.line, json.loads(row.raw)) for row in rows] == [
        (
            3,
            {
                "patient_id": "P1",
                "age_years": 8,
                "treatment": {"ivig": True, "corticosteroids": [{"agent": 'a, "b"\r\nc'}]},
                "labs": [{"analyte": "crp"}],
            },
        ),
        (6, {"patient_id": "P2", "age_years": None}),
        (
            7,
            {
                "patient_id": "P3",
                "age_years": 15.0,
                "treatment": {"ivig": False, "corticosteroids": [{"agent": None}]},
                "labs": [],
            },
        ),
    ]


def test_numbered_columns_close_up():
    text = b"patient_id,labs.2.analyte,labs.0.analyte,labs.7.analyte\nP1,c,,h\nP2,c,a,\n"
    rows = list(csv_rows([text], LAYOUT))
    assert [[lab["analyte"] for lab in json.loads(row.raw)["labs"]] for row in rows] == [["c", "h"], ["a", "c"]]


def treatments(header, row):
    (found,) = csv_rows([f"patient_id,{header}\nP1,{row}\n".encode()], LAYOUT)
    assert not found.errors
    return json.loads(found.raw).get("treatment", "absent")


@pytest.mark.parametrize(
    ("header", "row", "treatment"),
    [
        (
            "treatment.ivig.dose_g_kg,treatment.anakinra,treatment.aspirin",
            "2,,",
            {"ivig": {"dose_g_kg": 2}, "anakinra": None, "aspirin": None},
        ),
        ("treatment.ivig,treatment.corticosteroids.0.purpose", "true,", {"ivig": True, "corticosteroids": None}),
        ("treatment.ivig,treatment.corticosteroids", "true,[]", {"ivig": True, "corticosteroids": []}),
        # One treatment in several columns: what one of them says stands for it.
        (
            "treatment.anakinra,treatment.anakinra.started_hour,treatment.anakinra.role",
            ",5,",
            {"anakinra": {"started_hour": 5}},
        ),
        (
            "treatment.anakinra,treatment.anakinra.started_hour,treatment.aspirin",
            "false,,",
            {"anakinra": False, "aspirin": None},
        ),
        # The word of exports, in whatever column of the treatment.
        ("treatment.ivig,treatment.anakinra.started_hour", "true,not_listed", {"ivig": True}),
        ("treatment.ivig,treatment.aspirin", "not_listed,not_listed", {}),
        ("treatment.ivig,treatment.aspirin", "not_listed,", {"aspirin": None}),
        # No treatment's cell at all, or the whole in one cell.
        ("treatment.ivig,treatment.aspirin", ",", "absent"),
        ("treatment,treatment.ivig,treatment.aspirin", "{},,", {}),
        ("treatment,treatment.ivig,treatment.aspirin", "null,,", None),
    ],
)
def test_an_empty_cell_of_a_treatment_is_unknown(header, row, treatment):
    assert treatments(header, row) == treatment


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("treatment.anakinra,treatment.anakinra.started_hour", "not_listed,5"),
        ("treatment,treatment.ivig,treatment.aspirin", "{},,not_listed"),
        ("treatment,treatment.ivig", "null,not_listed"),
    ],
)
def test_a_treatment_left_out_beside_a_value_of_it(header, row):
    (found,) = csv_rows([f"patient_id,{header}\nP1,{row}\n".encode()], LAYOUT)
    assert [error.code for error in found.errors] == ["column_conflict"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("treatment.anakinra", "must be false, an object in { }, or empty for unknown (not_listed: "),
        ("treatment.aspirin", "must be true or false, or empty for unknown (not_listed: "),
        ("icu_level_of_care", "must be true or false, or empty for unknown."),
    ],
)
def test_what_a_cell_of_truth_may_hold(name, words):
    (found,) = csv_rows([f"patient_id,{name}\nP1,yes\n".encode()], LAYOUT)
    (error,) = found.errors
    assert error.code == "not_a_boolean"
    assert f"Column {name} {words}" in error.message


def test_a_quote_that_is_never_closed_is_not_read_to_the_end():
    drawn = 0

    def endless():
        nonlocal drawn
        yield b"patient_id\n"
        while True:
            drawn += 1
            yield b'"' + b"x" * 99_998 + b"\n" if drawn == 1 else b"x" * 99_999 + b"\n"

    with pytest.raises(RefusedInputError):
        list(csv_rows(endless(), LAYOUT))
    assert drawn < 30


def test_every_field_of_a_record_has_a_column():
    names = LAYOUT.names()
    assert {"patient_id", "treatment.anakinra.started_hour", "labs.0.upper_limit", "cytokines.il_6.fold"} <= set(names)
    assert all(LAYOUT.column(name) is not None for name in names)
    assert LAYOUT.column("labs.1000.value") is None
    assert LAYOUT.column("labs.x.value") is None
    assert LAYOUT.column("patient_id.x") is None


def test_the_collector_is_calm_while_any_import_runs_and_as_before_after_the_last():
    before = gc.get_threshold()
    with calm_collector():
        calm = gc.get_threshold()
        with calm_collector():
            assert gc.get_threshold() == calm != before
        assert gc.get_threshold() == calm
    assert gc.get_threshold() == before


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
@pytest.mark.parametrize("text", [b"{}\x00\x00{}", b"\xef\xbb\xbf{}\n", b"\xff\xfe{\x00", b"abc\x00"])
def test_the_first_bytes_are_looked_at_in_whatever_pieces_they_come(text, size):
    with pytest.raises(RefusedInputError) as caught:
        list(ndjson_rows(pieces(text, size)))
    assert caught.value.errors[0].code in {"not_utf_8", "byte_order_mark"}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_short_texts_have_lines_too(size):
    assert [(row.line, row.raw) for row in ndjson_rows(pieces(b"1\n2", size))] == [(1, b"1"), (2, b"2")]


@pytest.mark.parametrize("size", range(1, 9))
def test_a_number_in_pieces_is_one_number(size):
    rows = JsonBody(pieces(b"[1.5,-2e+3, 12 ,0]", size), ()).rows()
    assert [row.raw for row in rows] == [b"1.5", b"-2e+3", b"12", b"0"]
