"""What the fuzzers aim at: each target takes any bytes and does with them what a request or a file would have done.

A target returns when the bytes were read or refused as they should be. Whatever else it raises was found.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from app.api import etag, idempotency, media
from app.api.cohort_intake import prefers_async
from app.api.cohort_service import read_record
from app.api.problems import ProblemError
from app.api.strict_json import check_json
from app.clinical.measurement import LabMeasurement
from app.clinical.quantities import Quantities
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import Rulebook, RulebookError, load_rulebook
from app.clinical.rulebook.loader import BUILT_IN, LoadedRuleSet, load_rule_file
from app.cohorts.analysis.selection import parse_by, parse_where
from app.cohorts.database import CohortDatabase
from app.cohorts.derivers import Derivers
from app.cohorts.intake.cells import read_cell, write_cell
from app.cohorts.intake.columns import Column, Layout
from app.cohorts.intake.csv_rows import csv_rows
from app.cohorts.intake.csv_write import CsvWriter, columns_in_use, in_order
from app.cohorts.intake.json_stream import JsonBody
from app.cohorts.intake.ndjson import ndjson_rows
from app.cohorts.intake.rows import MalformedError, Rows, SentRow
from app.cohorts.intake.taking import Intake
from app.cohorts.records import PatientRecord
from app.main import service_of
from app.settings import Settings

SCHEMA = PatientRecord.model_json_schema()
LAYOUT = Layout(SCHEMA)
_EXAMPLE = SCHEMA["examples"][0]
_TEXT_COLUMN = Column("x", ("x",), frozenset({"string", "null"}))
_ANY_COLUMN = Column("x", ("x",), frozenset({"string", "number", "boolean", "array", "object", "null"}))
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class Target(NamedTuple):
    """What to run, what to start from, and which part of a campaign's inputs goes here."""

    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    share: float


@cache
def rulebook() -> Rulebook:
    """Return the built-in rules, loaded once."""
    return load_rulebook()


@cache
def quantities() -> Quantities:
    """Return the analytes, compiled once."""
    return Quantities(rulebook())


@cache
def derivers() -> Derivers:
    """Return what derives records, compiled once."""
    return Derivers(rulebook())


def strict_json(data: bytes) -> None:
    """Check that a body is refused or is JSON to everybody: no key twice, nothing that others read otherwise."""
    try:
        check_json(data)
    except ProblemError:
        return

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), "a key that occurs twice passed"
        return dict(pairs)

    def never(_: str) -> None:
        raise AssertionError("NaN or Infinity passed")

    json.dumps(json.loads(data, object_pairs_hook=unique, parse_constant=never), ensure_ascii=False).encode()


def record(data: bytes) -> None:
    """Check that a record is refused with a reason, or is kept as a text that reads as itself and derives."""
    try:
        kept = read_record(data)
        patient = Intake(read_record, derivers().default).of(kept)
    except RefusedInputError:
        return
    again = read_record(patient.record_json.encode())
    assert again.text == patient.record_json
    derived = Intake(read_record, derivers().default).again(patient.record_json.encode())
    assert (derived.values, derived.stratum) == (patient.derived.values, patient.derived.stratum)


def csv(data: bytes) -> None:
    """Rows of a CSV are the same whatever pieces it comes in; each is refused with a reason or is a record."""
    _rows(data, lambda chunks: csv_rows(chunks, LAYOUT))


def csv_back(data: bytes) -> None:
    """Check that what was taken from a CSV goes out as CSV and comes back unchanged."""
    with suppress(RefusedInputError, MalformedError):
        kept = [json.loads(read_record(row.raw).text) for row in csv_rows([data], LAYOUT) if not row.errors]
        writer = CsvWriter(LAYOUT, in_order(columns_in_use(kept, LAYOUT), LAYOUT))
        text = writer.header() + writer.rows(kept)
        assert [json.loads(row.raw) for row in csv_rows([text], LAYOUT)] == kept


def ndjson(data: bytes) -> None:
    """Lines are the same whatever pieces they come in; each is refused with a reason or is a record."""
    _rows(data, ndjson_rows)


def json_stream(data: bytes) -> None:
    """Check that a body read piece by piece holds the records that it holds read whole, or is refused both ways.

    Of several faults, one way may meet another first: what is not UTF-8 is found with the piece that it stands in.
    """
    names = () if data[:1] == b"[" else ("name", "description")
    _rows(data, lambda chunks: JsonBody(chunks, names).rows(), ordered=False)


def cell(data: bytes) -> None:
    """Check that a text goes into a cell and comes out as itself, and that any cell is read or refused."""
    text = data.decode("utf-8", "ignore")
    for column in (_TEXT_COLUMN, _ANY_COLUMN):
        written = write_cell(text, column)
        assert json.loads(read_cell(written, column)) == text
        assert not written.startswith(_FORMULA)
        if text:
            with suppress(RefusedInputError):
                json.loads(read_cell(text, column))


def units(data: bytes) -> None:
    """Check that a laboratory result is converted or refused, and never into what is no number."""
    words = data.decode("utf-8", "ignore").split("\n")
    analyte, unit, *numbers = [*words, "", ""]
    try:
        sent = [float(number) if number else None for number in (*numbers, "", "", "")[:3]]
        lab = LabMeasurement.model_validate(
            {"analyte": analyte, "unit": unit, "value": sent[0], "lower_limit": sent[1], "upper_limit": sent[2]}
        )
    except (ValueError, ValidationError):
        return
    for override in (False, True):
        with suppress(RefusedInputError):
            found = quantities().measure(lab, "", override_plausibility=override)
            assert abs(found.value) < float("inf")


def rule_file(data: bytes) -> None:
    """Check that a rule file is loaded, or refused with its name and a reason."""
    _loaded(data)


def hospital(data: bytes) -> None:
    """Check that a service is built upon a hospital's rule file, or that its start stops with a reason."""
    loaded = _loaded(data)
    if loaded is None:
        return
    together = Rulebook([*(one for one in rulebook().all() if one.id != loaded.id), loaded])
    with suppress(RulebookError):
        service_of(Settings.model_construct(), together, CohortDatabase("sqlite://"))
        _ = Derivers(together).default


def headers(data: bytes) -> None:
    """Check that a header or a parameter is read or refused."""
    text = data.decode("latin-1")
    for read in (
        etag.required_match,
        etag.known_to,
        idempotency.key_of,
        prefers_async,
        parse_by,
        lambda value: parse_where(value.split("&")),
        lambda value: etag.is_current(value, 1),
        lambda value: media.negotiated({b"accept": value.encode("latin-1")}, (media.JSON_TYPE, "text/csv")),
        lambda value: media.require_media_type({b"content-type": value.encode("latin-1")}, (media.JSON_TYPE,)),
    ):
        with suppress(ProblemError, RefusedInputError):
            read(text)


def _rows(data: bytes, read: Callable[[Iterable[bytes]], Rows], *, ordered: bool = True) -> None:
    size = 1 + len(data) % 7
    whole, refusal = _outcome(read([data]))
    by_piece, other = _outcome(read(data[at : at + size] for at in range(0, len(data), size)))
    if refusal is None or ordered:
        assert (by_piece, other) == (whole, refusal)
    else:
        assert other is not None


def _outcome(rows: Rows) -> tuple[list[object], object]:
    """Return what the rows are, and why the stream was refused, if it was."""
    found: list[object] = []
    try:
        found.extend(map(_told, rows))
    except RefusedInputError as exc:
        return found, [(error.pointer, error.code) for error in exc.errors]
    except MalformedError:
        return found, "malformed"
    return found, None


def _told(row: SentRow) -> object:
    if row.errors:
        return row.index, row.line, [(error.pointer, error.code) for error in row.blame(row.errors)]
    try:
        return row.index, row.line, read_record(row.raw).text
    except RefusedInputError as exc:
        return row.index, row.line, [(error.pointer, error.code) for error in row.blame(exc.errors)]


@cache
def _scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="defervesce-fuzz-")) / "hospital.toml"


def _loaded(data: bytes) -> LoadedRuleSet | None:
    path = _scratch()
    path.write_bytes(data)
    try:
        return load_rule_file(path, "hospital")
    except RulebookError as exc:
        if not str(exc).startswith("hospital.toml: "):
            raise AssertionError("the refusal names no file") from exc
        return None


def _csv_seeds() -> Iterator[bytes]:
    writer = CsvWriter(LAYOUT, in_order(columns_in_use([_EXAMPLE], LAYOUT), LAYOUT))
    yield writer.header() + writer.rows([_EXAMPLE])
    yield b"patient_id,age_years,treatment.ivig,treatment.corticosteroids\r\nP1,8,true,[]\r\nP2,,false,not_listed\r\n"
    yield b'patient_id,labs\nP1,"[{""analyte"":""crp"",""value"":3,""unit"":""mg/L""}]"\n'
    yield b"patient_id,temperatures.0.hour,temperatures.0.celsius,temperatures.1.hour\nP1,0,39.4,\n"


def _record_seeds() -> Iterator[bytes]:
    yield json.dumps(_EXAMPLE).encode()
    for name in _EXAMPLE:
        yield json.dumps({"patient_id": "P1", name: _EXAMPLE[name]}).encode()
    yield b'{"patient_id":"P1","treatment":{"ivig":true,"anakinra":false,"corticosteroids":[]}}'


def _lines(records: Iterable[bytes]) -> bytes:
    return b"\n".join(records) + b"\n"


_RECORDS = tuple(_record_seeds())
_FILES = tuple(path.read_bytes() for path in sorted(BUILT_IN.glob("*.toml")))
_SMALL = tuple(raw for raw in _FILES if len(raw) < 12_000)
_LABS = tuple(
    f"{analyte}\n{unit}\n{value}\n1\n9".encode()
    for analyte, unit, value in (
        ("crp", "mg/L", 3),
        ("loinc:1988-5", "mg/dL", 1),
        ("bnp", "pg/mL", 1e3),
        ("x", "K/uL", 0),
    )
)

TARGETS: dict[str, Target] = {
    "strict_json": Target(strict_json, (*_RECORDS, b'{"a":1,"a":2}', b"[1e400]", b'"\\ud800"', b"[NaN]"), 0.2),
    "record": Target(record, _RECORDS, 0.1),
    "csv": Target(csv, tuple(_csv_seeds()), 0.15),
    "csv_back": Target(csv_back, tuple(_csv_seeds()), 0.05),
    "ndjson": Target(ndjson, (_lines(_RECORDS[:3]), _lines(_RECORDS[3:6])[:-5]), 0.1),
    "json_stream": Target(
        json_stream, (b'{"name":"a","patients":[' + b",".join(_RECORDS[1:3]) + b"]}", b"[" + _RECORDS[1] + b"]"), 0.1
    ),
    "cell": Target(cell, (b"=1+1", b"null", b'"a"', b"[1]", b"\xef\xbc\x9d1", b" x", b"+1,2"), 0.1),
    "units": Target(units, _LABS, 0.1),
    "rule_file": Target(rule_file, _SMALL, 0.049),
    "hospital": Target(hospital, _SMALL, 0.001),
    "headers": Target(
        headers, (b'W/"1", "2"', b"application/json;q=0.5, */*", b"treatment:other,unknown", b'"key-1"'), 0.05
    ),
}
