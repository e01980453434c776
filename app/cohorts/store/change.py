"""What one transaction does to one cohort: gathered while rows are written, merged into the kept counts at its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa

from app.cohorts.store import bulk
from app.cohorts.store.counting import Cell, Counting, Kept, summed
from app.cohorts.store.model import Cohort
from app.database.tables import COHORTS, STRATA, TALLIES
from app.statistics.tally import Tally

# So many tallies are read at once to be merged: of large cohorts each may take some ten thousand bytes.
_CELLS: Final = 500

_PUT_TALLY: Final = sa.text(
    "INSERT INTO tallies (cohort_number, variable, stratum, digits, counts)"
    " VALUES (:cohort_number, :variable, :stratum, :digits, :counts)"
    " ON CONFLICT (cohort_number, variable, stratum) DO UPDATE SET digits = excluded.digits, counts = excluded.counts"
)
_DROP_TALLY: Final = sa.text(
    "DELETE FROM tallies WHERE cohort_number = :cohort_number AND variable = :variable AND stratum = :stratum"
)
_PUT_STRATUM: Final = sa.text(
    "INSERT INTO strata (cohort_number, stratum, n) VALUES (:cohort_number, :stratum, :n)"
    " ON CONFLICT (cohort_number, stratum) DO UPDATE SET n = excluded.n"
)
_DROP_STRATUM: Final = sa.text("DELETE FROM strata WHERE cohort_number = :cohort_number AND stratum = :stratum")

Tallies = Mapping[Cell, Kept]


class Change:
    """The pending change of one cohort. `version` is the cohort's once the change is merged."""

    def __init__(self, cohort: Cohort, next_position: int, digits: Mapping[str, int], *, created: bool) -> None:
        self.cohort = cohort
        self.version = cohort.version if created else cohort.version + 1
        self.n = cohort.n
        self.next_position = next_position
        self.changed = False
        self.columns: dict[str, Any] = {}
        self._digits = digits
        self._added, self._removed = Counting(digits), Counting(digits)

    def place(self) -> int:
        """Return the position of the next patient."""
        position = self.next_position
        self.next_position += 1
        return position

    def add(self, stratum: str, values: Mapping[str, int]) -> None:
        """Count a patient in."""
        self.n += 1
        self.changed = True
        self._added.add(stratum, values)

    def remove(self, stratum: str, values: Mapping[str, int]) -> None:
        """Count a patient out."""
        self.n -= 1
        self.changed = True
        self._removed.add(stratum, values)

    def merge(self, connection: sa.Connection, now: Any) -> None:  # noqa: ANN401  # a datetime, for the column's type
        """Write counts, version and n of what is pending; it is then pending no more."""
        if not self.changed:
            return
        _merge_strata(connection, self.cohort.number, self._added, self._removed)
        _merge_tallies(connection, self.cohort.number, self._added, self._removed)
        # A clock that was set back does not make a cohort changed before it was made.
        changed_at = max(now, self.cohort.updated_at)
        kept = {"version": self.version, "n": self.n, "next_position": self.next_position, "updated_at": changed_at}
        row = sa.update(COHORTS).where(COHORTS.c.number == self.cohort.number)
        connection.execute(row.values(**kept, **self.columns))
        self._added, self._removed = Counting(self._digits), Counting(self._digits)
        self.changed, self.columns = False, {}


def _merge_strata(connection: sa.Connection, number: int, added: Counting, removed: Counting) -> None:
    touched = sorted(added.strata.keys() | removed.strata.keys())
    counted = sa.select(STRATA.c.stratum, STRATA.c.n)
    counted = counted.where(STRATA.c.cohort_number == number, STRATA.c.stratum.in_(touched))
    known = {row.stratum: row.n for row in connection.execute(counted)}
    left = {key: known.get(key, 0) + added.strata[key] - removed.strata[key] for key in touched}
    rows = [{"cohort_number": number, "stratum": key, "n": n} for key, n in left.items()]
    _execute(connection, _PUT_STRATUM, [row for row in rows if row["n"] != 0])
    _execute(connection, _DROP_STRATUM, [row for row in rows if row["n"] == 0])


def _merge_tallies(connection: sa.Connection, number: int, added: Counting, removed: Counting) -> None:
    plus, minus = added.kept(), removed.kept()
    for cells in _blocks(plus.keys() | minus.keys()):
        known = _known(connection, number, cells)
        left = _left(cells, known, plus, minus)
        bulk.insert(connection, _rows(number, left, known), TALLIES)
        put(connection, number, ((cell, left[cell]) for cell in known if left[cell].counts))
        _execute(connection, _DROP_TALLY, [_key(number, cell) for cell in known if not left[cell].counts])


def _left(cells: Iterable[Cell], known: Tallies, plus: Tallies, minus: Tallies) -> dict[Cell, Kept]:
    """Return what is left of some tallies. Those that only grow are the many, and are added all at once."""
    left: dict[Cell, Kept] = {}
    growing: list[Cell] = []
    for cell in cells:
        kept, more = known.get(cell), plus.get(cell)
        if cell in minus or more is None or (kept is not None and kept.digits != more.digits):
            left[cell] = _sum(kept, more, minus.get(cell))
        elif kept is None:
            left[cell] = more
        else:
            growing.append(cell)
    sums = summed([(known[cell].counts, plus[cell].counts) for cell in growing])
    return left | {cell: Kept(plus[cell].digits, counts) for cell, counts in zip(growing, sums, strict=True)}


def _rows(number: int, left: Tallies, known: Tallies) -> list[tuple[Any, ...]]:
    """Return the rows of tallies that there were none of."""
    found = ((cell, kept) for cell, kept in left.items() if cell not in known and kept.counts)
    return [(number, *cell, kept.digits, kept.counts) for cell, kept in found]


def put(connection: sa.Connection, number: int, tallies: Iterable[tuple[Cell, Kept]]) -> None:
    """Store tallies in the place of those of the same variable and stratum."""
    rows = (_key(number, cell) | {"digits": kept.digits, "counts": kept.counts} for cell, kept in tallies)
    while block := list(islice(rows, _CELLS)):
        _execute(connection, _PUT_TALLY, block)


def put_strata(connection: sa.Connection, number: int, strata: Mapping[str, int]) -> None:
    """Store the sizes of strata."""
    rows = [{"cohort_number": number, "stratum": stratum, "n": n} for stratum, n in strata.items()]
    _execute(connection, _PUT_STRATUM, rows)


def _blocks(cells: Iterable[Cell]) -> Iterator[list[Cell]]:
    """Cut cells into blocks of whole variables, so that a block can be asked for by its variables and strata."""
    block: list[Cell] = []
    for cell in sorted(cells):
        if len(block) >= _CELLS and cell[0] != block[-1][0]:
            yield block
            block = []
        block.append(cell)
    if block:
        yield block


def _known(connection: sa.Connection, number: int, cells: list[Cell]) -> dict[Cell, Kept]:
    """Return the kept tallies of these cells."""
    variables, strata = ({cell[axis] for cell in cells} for axis in (0, 1))
    kept = sa.select(TALLIES.c.variable, TALLIES.c.stratum, TALLIES.c.digits, TALLIES.c.counts).where(
        TALLIES.c.cohort_number == number, TALLIES.c.variable.in_(variables), TALLIES.c.stratum.in_(strata)
    )
    asked = set(cells)
    rows = connection.execute(kept)
    return {(row.variable, row.stratum): Kept(row.digits, row.counts) for row in rows if (row[0], row[1]) in asked}


def _sum(known: Kept | None, plus: Kept | None, minus: Kept | None) -> Kept:
    """Add and take away. ValueError when something would be counted less than never."""
    total = Tally.merge(*[kept.tally() for kept in (known, plus) if kept is not None])
    left = total if minus is None else total.minus(minus.tally())
    return Kept(left.digits, left.to_bytes())


def _key(number: int, cell: Cell) -> dict[str, Any]:
    return {"cohort_number": number, "variable": cell[0], "stratum": cell[1]}


def _execute(connection: sa.Connection, statement: sa.TextClause, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)
