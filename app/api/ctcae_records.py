"""Records in, records out: laboratory rows are judged in columns and written from templates, all others one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from app.api.ctcae_columns import fact_names
from app.api.ctcae_rows import RowDecoder, Rows, numbers, stated_facts, stated_names
from app.api.ctcae_templates import Pattern, Template, batch_form, template_of, written
from app.api.exceptions import problem_of_item
from app.api.messages import of_body
from app.api.problems import ProblemError, document, refused
from app.api.strict_json import check_json
from app.clinical.ctcae.bulk.columns import NOT_JUDGED, Columns, Judgements, Memory, judge_columns
from app.clinical.ctcae.bulk.names import Placed, numbered, place_names
from app.clinical.ctcae.bulk.truth import UNKNOWN
from app.clinical.ctcae.conditions import NUMBERS
from app.clinical.ctcae.grading import Grader
from app.clinical.ctcae.laboratory_terms import LaboratoryTerm
from app.clinical.ctcae.models import GradeRecord
from app.clinical.ctcae.terms import Version
from app.clinical.refusal import RefusedInputError


class Batch(NamedTuple):
    """What holds for every record of a batch; `is_strict`: no record may name another version."""

    version: Version
    override: bool
    is_strict: bool
    instance: str
    request_id: str


class Records:
    """Grades lists of raw records. Built once; one instance serves every request."""

    def __init__(self, grader: Grader, model: type[GradeRecord]) -> None:
        self._grader = grader
        self._adapter: TypeAdapter[GradeRecord] = TypeAdapter(model)
        self._decode = RowDecoder(sorted(fact_names(grader)))

    def grade(self, items: Sequence[bytes], first: int, batch: Batch, memory: Memory) -> list[bytes]:
        """Grade raw records, the first of which has the index `first`; return each one's answer as JSON."""
        answers: list[bytes] = [b""] * len(items)
        for version, rows in self._by_version(self._decode(items), batch):
            positions, done = self._rows(version, rows, first, batch, memory)
            if len(done) == len(items):
                return done
            for position, answer in zip(positions, done, strict=True):
                answers[position] = answer
        for position, answer in enumerate(answers):
            if not answer:
                answers[position] = self._one(items[position], first + position, batch)
        return answers

    def _by_version(self, rows: Rows, batch: Batch) -> Iterator[tuple[Version, Rows]]:
        """Part rows by version; those under a wrong version are left to the one-record way."""
        column = rows.columns["version"]
        names = set(column)
        for name in names:
            version = self._version_of(name, batch)
            if version is not None:
                yield version, rows if len(names) == 1 else rows.part([i for i, v in enumerate(column) if v == name])

    def _version_of(self, name: Any, batch: Batch) -> Version | None:  # noqa: ANN401  # a name, None or UNSET
        if name is UNSET or name is None or name == batch.version.version:
            return batch.version
        return None if batch.is_strict else self._grader.versions.all.get(name)

    def _rows(
        self, version: Version, rows: Rows, first: int, batch: Batch, memory: Memory
    ) -> tuple[Sequence[int], list[bytes]]:
        """Return positions and answers of the rows that are judged in columns without refusal or special warning."""
        size = len(rows.positions)
        units = [None if u is UNSET else u for u in rows.columns["unit"]]
        placed = place_names(self._grader, version, numbered(rows.columns["term"]), numbered(units))
        facts = stated_facts(rows)
        foreign = [facts.pop(name) for name in facts.keys() - version.laboratory_facts]
        table = Columns(placed.place, placed.placements, [numbers(rows.columns[n]) for n in NUMBERS], facts)
        judged = judge_columns(table, override=batch.override, memory=memory)
        plain, values = _plain(placed, judged, table, foreign)
        if not len(plain):
            return (), []
        which, templates = _templates(version, placed, judged, facts, plain)
        positions = rows.positions if len(plain) == size else [rows.positions[i] for i in plain.tolist()]
        indices = np.asarray(positions, np.int64) + first
        return positions, written(templates, which.tolist(), indices.tolist(), values)

    def _one(self, item: bytes, index: int, batch: Batch) -> bytes:
        """Grade one record by itself."""
        try:
            record = self._record(item, batch)
            made = self._grader.grade(record, version=self._version(record, batch))
        except ProblemError as problem:
            return _problem(problem, index, batch)
        except RefusedInputError as refusal:
            return _problem(refused(refusal.errors), index, batch)
        return msgspec.json.encode({"index": index, "status": 200, "result": batch_form(made)})

    def _record(self, item: bytes, batch: Batch) -> GradeRecord:
        check_json(item)
        try:
            record: GradeRecord = self._adapter.validator.validate_json(item, strict=True)
        except ValidationError as exc:
            raise refused(of_body(exc, self._adapter, json.loads(item))) from None
        return record.model_copy(update={"override_plausibility": True}) if batch.override else record

    @staticmethod
    def _version(record: GradeRecord, batch: Batch) -> Version | None:
        return batch.version if batch.is_strict or record.version is None else None


def _plain(
    placed: Placed, judged: Judgements, table: Columns, foreign: Sequence[NDArray[np.int8]]
) -> tuple[NDArray[np.intp], list[float]]:
    """Return the rows with a placement, a value and nothing that needs a sentence of its own, and their values.

    A row that states a `foreign` fact, one that its version does not ask for, is left out: it is refused.
    """
    value = table.numbers[0]
    if value is None:
        return np.zeros(0, np.intp), []
    plain = (placed.place != NOT_JUDGED) & ~np.isnan(value)
    plain[[*judged.refused, *judged.cautions]] = False
    for column in foreign:
        plain &= column == UNKNOWN
    rows = np.flatnonzero(plain)
    return rows, value[rows].tolist()


def _templates(
    version: Version, placed: Placed, judged: Judgements, facts: dict[str, NDArray[np.int8]], rows: NDArray[np.intp]
) -> tuple[NDArray[np.intp], list[Template]]:
    """Return each row's template by number, and the templates: rows that differ in numbers only share one."""
    stated, sets = stated_names(facts, len(placed.place))
    whole, wholes = _numbered_wholes(judged, len(placed.place))
    key = placed.kind.astype(np.int64)
    for column, width in (
        (judged.possible, 256),
        (judged.band + 1, 256),
        (judged.assumption + 1, 16),
        (judged.unusual, 2),
        (stated, len(sets)),
        (whole, len(wholes) + 1),
    ):
        key = key * width + column
    _, example, which = np.unique(key[rows], return_index=True, return_inverse=True)
    patterns = (_pattern(version, placed, judged, row, sets[stated[row]]) for row in rows[example].tolist())
    return which, [template_of(pattern) for pattern in patterns]


def _numbered_wholes(judged: Judgements, size: int) -> tuple[NDArray[np.int64], dict[Any, int]]:
    numbered_: dict[Any, int] = {}
    found = np.zeros(size, np.int64)
    for row, whole in judged.whole.items():
        found[row] = numbered_.setdefault(whole, len(numbered_) + 1)
    return found, numbered_


def _pattern(version: Version, placed: Placed, judged: Judgements, row: int, stated: frozenset[str]) -> Pattern:
    kind = placed.kinds[int(placed.kind[row])]
    placement, term = placed.placements[int(placed.place[row])], cast("LaboratoryTerm", kind.term)
    return Pattern(version, placement, term, kind, judged.judged(row), stated, bool(judged.unusual[row]))


def _problem(problem: ProblemError, index: int, batch: Batch) -> bytes:
    told: dict[str, Any] = document(problem_of_item(problem), batch.instance, batch.request_id)
    return msgspec.json.encode({"index": index, "status": 422, "problem": told})
