"""Analyses of stored cohorts: read, computed, kept while the cohort's version stands. Loads numpy and scipy."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final, Literal, NamedTuple

from app import __version__
from app.clinical.rulebook import Rulebook
from app.cohorts.analysis.analyse import analyse
from app.cohorts.analysis.answers import SECTIONS, Analysis
from app.cohorts.analysis.columns import Counts
from app.cohorts.analysis.heart import Normal
from app.cohorts.analysis.sections import variables_of
from app.cohorts.analysis.selection import Question
from app.cohorts.analysis.table import csv_of
from app.cohorts.store.model import Cohort
from app.cohorts.store.reader import Reader

Format = Literal["json", "csv"]
Opened = Callable[[str], AbstractContextManager[tuple[Reader, Cohort]]]
_KEPT_BYTES: Final = 32_000_000
_TAG: Final = 32


class Answered(NamedTuple):
    """An answer as it is sent. `body` None: what the caller has is still right."""

    etag: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Analyses:
    """Answers questions about stored cohorts. May be used on several threads at once.

    `opened` begins a snapshot of a cohort. Answers are kept by cohort, version and question: the version is read from
    the database every time, so that several processes agree.
    """

    opened: Opened
    normal: Normal
    kept: Kept

    @classmethod
    def over(cls, opened: Opened, rulebook: Rulebook) -> Analyses:
        """Make the service; the study's normal values come from its rule set."""
        return cls(opened, normal_of(rulebook), Kept(_KEPT_BYTES))

    def within(self, opened: Opened) -> Analyses:
        """Return the same over what another caller may open; an answer is kept by whose cohort it is of."""
        return replace(self, opened=opened)

    def analysis(self, cohort_id: str, question: Question) -> Analysis:
        """Analyse a cohort. CohortNotFoundError, DatabaseUnavailableError."""
        with self.opened(cohort_id) as (reader, cohort):
            counts = Counts.read(reader, cohort, variables_of(question))
        return analyse(cohort, counts, question, self.normal)

    def answer(self, cohort_id: str, question: Question, form: Format, known: Callable[[str], bool]) -> Answered:
        """Answer as bytes, unless the caller knows the answer's ETag. Errors as `analysis`."""
        with self.opened(cohort_id) as (reader, cohort):
            etag = etag_of(cohort, question, form)
            if known(etag):
                return Answered(etag, None)
            if (body := self.kept.get(etag)) is not None:
                return Answered(etag, body)
            counts = Counts.read(reader, cohort, variables_of(question))
        found = analyse(cohort, counts, question, self.normal)
        body = csv_of(found).encode() if form == "csv" else json_of(found)
        self.kept.put(etag, body)
        return Answered(etag, body)


class Kept:
    """The answers asked for last, up to a number of bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._size = 0
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> bytes | None:
        """Return an answer that is kept."""
        with self._lock:
            body = self._bodies.get(key)
            if body is not None:
                self._bodies.move_to_end(key)
            return body

    def put(self, key: str, body: bytes) -> None:
        """Keep an answer, and let go of those that were asked for longest ago."""
        with self._lock:
            self._size += len(body) - len(self._bodies.pop(key, b""))
            self._bodies[key] = body
            while self._size > self._most:
                _, dropped = self._bodies.popitem(last=False)
                self._size -= len(dropped)


def normal_of(rulebook: Rulebook) -> Normal:
    """Read what the study calls normal from its rule set."""
    rules = rulebook["misc-phenotype-2023"]
    return Normal(float(rules.threshold("lvef.normal").value), float(rules.number("strain.reference")))


def etag_of(cohort: Cohort, question: Question, form: str) -> str:
    """Name an answer by all it depends on: whose cohort, version, question, format and this release."""
    depends = (cohort.tenant, cohort.id, cohort.version, cohort.created_at.isoformat(), question, form, __version__)
    return f'"{cohort.version}-{hashlib.sha256(repr(depends).encode()).hexdigest()[:_TAG]}"'


def json_of(analysis: Analysis) -> bytes:
    """Write an analysis; the sections that were not asked for are left out."""
    absent = {name for name in (*SECTIONS, "section") if getattr(analysis, name) is None}
    return Analysis.__pydantic_serializer__.to_json(analysis, exclude=absent)
