"""Deriving all patients of a cohort anew, and counting all of them anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa

from app.cohorts.store import bulk
from app.cohorts.store.board import Board
from app.cohorts.store.change import Change, put, put_strata
from app.cohorts.store.counting import Counting
from app.cohorts.store.doing import DoingWriter
from app.cohorts.store.model import Cohort, Patient
from app.database.tables import PATIENTS, STRATA, TALLIES

if TYPE_CHECKING:
    from app.cohorts.derivation import Derived

_PAGE: Final = 1_000
_UPDATE: Final = (
    sa.update(PATIENTS)
    .where(PATIENTS.c.cohort_number == sa.bindparam("of_cohort"), PATIENTS.c.position == sa.bindparam("at_position"))
    .values({name: sa.bindparam(name) for name in ("version", "stratum", "measures", "facts")})
)


class RecountWriter(DoingWriter):
    """The part of a writer that goes through whole cohorts, and keeps the pending changes."""

    def __init__(
        self, connection: sa.Connection, board: Board, now: datetime, tenant: str, digits: Mapping[str, int]
    ) -> None:
        super().__init__(connection, board, now, tenant)
        self._digits = digits
        self._changes: dict[int, Change] = {}

    def _settle(self) -> None:
        for change in self._changes.values():
            change.merge(self._connection, self.now)

    def settle(self) -> None:
        """Merge what is pending into the kept counts. The store does so before it commits."""
        self._settle()

    def _change(self, cohort: Cohort) -> Change:
        change = self._changes.get(cohort.number)
        if change is None:
            raise RuntimeError("a cohort is changed only after `create` or `lock` in the same transaction")
        return change

    def rederive(self, cohort: Cohort, derive: Callable[[Patient], Derived], rules: Sequence[Mapping[str, Any]]) -> int:
        """Derive every patient anew by `derive`, which is shown the stored patient; returns how many were derived.

        Rows, tallies, strata, version and the cohort's rules change together. A patient of whom nothing changes keeps
        its version.
        """
        change, derived = self._change(cohort), 0
        change.columns["rules"] = msgspec.json.encode(rules).decode()
        change.changed = True
        for page in self.stream(cohort, _PAGE):
            rows = [row for patient in page if (row := _rederived(change, patient, derive(patient))) is not None]
            if rows:
                self._connection.execute(_UPDATE, rows)
            derived += len(page)
        self._did("cohort.rederive", cohort.id, details={"patients": derived})
        return derived

    def rebuild(self, cohort: Cohort) -> bool:
        """Count strata and tallies anew from the rows; returns whether the kept ones differed (then version grows)."""
        change = self._change(cohort)
        self._settle()
        counted = self._count(cohort)
        n = counted.strata.total()
        if n == self.cohort(cohort.id).n and counted.strata == self.strata(cohort) and self._agree(cohort, counted):
            return False
        for table in (STRATA, TALLIES):
            self._connection.execute(sa.delete(table).where(table.c.cohort_number == cohort.number))
        put_strata(self._connection, cohort.number, counted.strata)
        put(self._connection, cohort.number, counted.kept().items())
        change.n, change.changed = n, True
        self._settle()
        self._did("tallies.rebuild", cohort.id, details={"patients": n})
        return True

    def _count(self, cohort: Cohort) -> Counting:
        counted = Counting(self._digits)
        decode = msgspec.json.Decoder(dict[str, int]).decode
        for stratum, measures in self._measures(cohort):
            counted.add(stratum, decode(measures))
        return counted

    def _measures(self, cohort: Cohort) -> Iterator[tuple[str, str]]:
        """Yield stratum and values of every patient, in pages."""
        after = 0
        columns = sa.select(PATIENTS.c.position, PATIENTS.c.stratum, PATIENTS.c.measures)
        columns = columns.where(PATIENTS.c.cohort_number == cohort.number, PATIENTS.c.position > sa.bindparam("after"))
        columns = columns.order_by(PATIENTS.c.position).limit(_PAGE)
        while page := self._connection.execute(columns, {"after": after}).all():
            yield from ((stratum, measures) for _, stratum, measures in page)
            after = page[-1].position

    def _agree(self, cohort: Cohort, counted: Counting) -> bool:
        found = counted.tallies()
        kept = self.tallies(cohort)
        same = sum(found.get((variable, stratum)) == tally for variable, stratum, tally in islice(kept, len(found)))
        return same == len(found) and next(kept, None) is None


def _rederived(change: Change, old: Patient, new: Derived) -> dict[str, Any] | None:
    """Count a patient out and in, if need be, and return what to write; None when nothing is different."""
    stratum, measures, facts = new.stratum.key(), bulk.measures_of(new), bulk.facts_of(new)
    if (stratum, measures, facts) == (old.stratum, old.values_json, old.facts_json):
        return None
    if (stratum, new.values) != (old.stratum, old.values):
        change.remove(old.stratum, old.values)
        change.add(stratum, new.values)
    return {
        "of_cohort": change.cohort.number,
        "at_position": old.position,
        "version": change.version,
        "stratum": stratum,
        "measures": measures,
        "facts": facts,
    }
