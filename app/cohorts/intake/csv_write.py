"""Records as CSV that reads back as the same records: the columns that are in use, in the order of the schema.

A treatment that a record does not list has a word of its own in a file that has columns of it: there an empty cell is
null.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.cohorts.intake.cells import NOT_LISTED, write_cell
from app.cohorts.intake.columns import IDENTIFIER, TREATMENT, Column, Layout, treatment_of

Record = Mapping[str, Any]


class CsvWriter:
    """Writes records with these columns; every record's columns must be among them."""

    def __init__(self, layout: Layout, columns: Sequence[str]) -> None:
        self._layout = layout
        self._places = {name: place for place, name in enumerate(columns)}
        self._columns = columns
        self._treatments: dict[str, int] = {}
        for name, place in self._places.items():
            column = layout.column(name)
            treatment = None if column is None else treatment_of(column)
            if treatment is not None:
                self._treatments.setdefault(treatment, place)

    def header(self) -> bytes:
        """Return the first line."""
        return _lines([self._columns])

    def rows(self, records: Iterable[Record]) -> bytes:
        """Return the lines of some records."""
        return _lines(map(self._row, records))

    def _row(self, record: Record) -> list[str]:
        row = [""] * len(self._columns)
        for column, value in fields(record, self._layout):
            row[self._places[column.name]] = write_cell(value, column)
        treatment = record.get(TREATMENT)
        if treatment:
            for name, place in self._treatments.items():
                if name not in treatment:
                    row[place] = NOT_LISTED
        return row


def columns_in_use(records: Iterable[Record], layout: Layout) -> set[str]:
    """Return the columns that some record fills."""
    return {column.name for record in records for column, _ in fields(record, layout)}


def in_order(used: Collection[str], layout: Layout) -> list[str]:
    """Return columns in the order of the schema, the patient's id first; it is always there."""
    order = {name: place for place, name in enumerate(layout.names())}
    return sorted({*used, IDENTIFIER}, key=lambda name: (name != IDENTIFIER, order.get(name, len(order)), name))


def fields(record: Record, layout: Layout, before: str = "") -> Iterator[tuple[Column, Any]]:
    """Yield a record's columns with their values: objects by their members, lists whole.

    An empty object stands in the column of the object, since absent and empty are not the same.
    """
    columns = layout.columns(before, tuple(record))
    if columns is None:
        raise ValueError(f"a member of {before or 'the record'} is no column")
    for column, value in zip(columns, record.values(), strict=True):
        inner = f"{column.name}."
        # One with a dot in a member's name stays whole.
        if value and isinstance(value, dict) and layout.columns(inner, tuple(value)) is not None:
            yield from fields(value, layout, inner)
        else:
            yield column, value


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
