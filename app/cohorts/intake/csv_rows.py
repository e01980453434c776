"""CSV: one record in each row, its fields in columns with dotted names (RFC 4180, commas, UTF-8, header line).

An empty cell is an absent field. Within `treatment` absent means "not given", and nobody can leave a column out of one
row alone: where the header names a treatment, and all its cells of a row are empty, it is null, unknown.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from app.clinical.refusal import InputError, RefusedInputError
from app.cohorts.intake.cells import NOT_LISTED, pointer_of, read_cell
from app.cohorts.intake.columns import TREATMENT, Column, Layout, treatment_of
from app.cohorts.intake.lines import decoded, raw_lines
from app.cohorts.intake.rows import LARGEST_RECORD, Chunks, Rows, SentRow, open_row_refused, stream_refused

csv.field_size_limit(LARGEST_RECORD)

Tree = dict[Any, Any]


def csv_rows(chunks: Chunks, layout: Layout) -> Rows:
    """Read CSV; blank rows do not count.

    Raises RefusedInputError when header or text cannot be read, and when the last row lacks cells and a line end.
    """
    lines = _Lines(chunks)
    reader = csv.reader(lines, strict=True)
    table = _cells(reader, lines)
    names = next((cells for cells, _ in table), None)
    if names is None:
        raise stream_refused("csv_empty", "The text is empty; the first line must name the columns.", 1)
    header = _Header.of(layout.header(names))
    for index, (cells, line) in enumerate(table):
        yield _row(index, line, cells, header, is_open=not lines.is_ended)


class _Header(NamedTuple):
    """The columns, and the places of those of each treatment that is named."""

    columns: Sequence[Column]
    treatments: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, columns: Sequence[Column]) -> _Header:
        places: dict[str, tuple[int, ...]] = {}
        for place, column in enumerate(columns):
            name = treatment_of(column)
            if name is not None:
                places[name] = (*places.get(name, ()), place)
        return cls(columns, tuple(places.items()))


class _Lines:
    """Hands lines to the reader, and watches that no row grows past what a record may be."""

    def __init__(self, chunks: Chunks) -> None:
        self._lines = raw_lines(chunks)
        self.number = 0
        self.taken = 0
        self.is_ended = True

    def __iter__(self) -> Iterator[str]:
        for line, is_ended in self._lines:
            self.number, self.is_ended = self.number + 1, is_ended
            self.taken += len(line) + 1
            if self.taken > LARGEST_RECORD:
                message = f"This row is larger than {LARGEST_RECORD} bytes; a quote may not be closed."
                raise stream_refused("line_too_long", message, self.number)
            yield decoded(line, self.number) + ("\n" if is_ended else "")


def _cells(reader: Iterator[list[str]], lines: _Lines) -> Iterator[tuple[list[str], int]]:
    """Yield each row's cells and the line it starts on."""
    while True:
        start, lines.taken = lines.number + 1, 0
        try:
            cells = next(reader, None)
        except csv.Error:
            message = "This row is not CSV: quotes must enclose a whole cell, and a quote inside is written twice."
            raise stream_refused("csv_malformed", message, start) from None
        if cells is None:
            return
        if any(cells):
            yield cells, start


def _row(index: int, line: int, cells: Sequence[str], header: _Header, *, is_open: bool) -> SentRow:
    columns = header.columns
    if is_open and len(cells) < len(columns):
        raise open_row_refused(line)
    if len(cells) != len(columns):
        return SentRow(index, line, "", b"", (_ragged(cells, columns),), None, is_open)
    try:
        tree = _tree(cells, header)
    except RefusedInputError as exc:
        return SentRow(index, line, "", b"", exc.errors, None, is_open)
    return SentRow(index, line, "", _written(tree).encode("utf-8"), (), partial(_explain, tree, columns), is_open)


def _ragged(cells: Sequence[str], columns: Sequence[Column]) -> InputError:
    hint = " A number with a decimal comma makes two cells of one." if len(cells) > len(columns) else ""
    message = f"This row has {len(cells)} cells, and the header has {len(columns)} columns.{hint}"
    return InputError("", "row_ragged", message)


def _tree(cells: Sequence[str], header: _Header) -> Tree:
    """Return a record as nested members, each leaf as JSON text; the items of a list by their number."""
    root: Tree = {}
    for cell, column in zip(cells, header.columns, strict=True):
        if not cell or (cell == NOT_LISTED and treatment_of(column) is not None):
            continue
        here = root
        for step in column.steps[:-1]:
            below = here.setdefault(step, {})
            if type(below) is not dict:
                raise _conflict(column)
            here = below
        if column.steps[-1] in here:
            raise _conflict(column)
        here[column.steps[-1]] = read_cell(cell, column)
    _complete(root, cells, header)
    return root


def _complete(root: Tree, cells: Sequence[str], header: _Header) -> None:
    """Write null for each treatment whose cells are all empty, in a row that says anything of treatments by columns."""
    said = {name: [place for place in places if cells[place]] for name, places in header.treatments}
    if not any(said.values()):
        return
    treatment = root.setdefault(TREATMENT, {})
    for name, filled in said.items():
        left_out = [place for place in filled if cells[place] == NOT_LISTED]
        if left_out and (type(treatment) is str or name in treatment):
            raise _conflict(header.columns[left_out[0]])
    treatment.update({name: "null" for name, filled in said.items() if not filled})


def _conflict(column: Column) -> RefusedInputError:
    message = f"Column {column.name} and the column of the object or list around it both have a value; leave one empty."
    return RefusedInputError(InputError(pointer_of(column), "column_conflict", message))


def _written(node: Tree) -> str:
    """Return a tree as JSON text; the items of a list close up, so that an empty one leaves no hole."""
    inner = {key: value if type(value) is str else _written(value) for key, value in node.items()}
    if _is_list(node):
        return "[" + ",".join(inner[key] for key in sorted(inner)) + "]"
    return "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in inner.items()) + "}"


def _is_list(node: Tree) -> bool:
    return type(next(iter(node), "")) is int


def _explain(tree: Tree, columns: Sequence[Column], error: InputError) -> InputError:
    """Name the column that a refused field came from."""
    names = {_place(tree, column.steps): column.name for column in columns}
    steps, name = error.pointer.split("/"), ""
    for length in range(len(steps), 0, -1):
        name = names.get("/".join(steps[:length]), "")
        if name:
            break
    return replace(error, message=f"Column {name or '.'.join(steps[1:])}: {error.message}")


def _place(tree: Tree, steps: Sequence[str | int]) -> str:
    """Return the pointer that a column's value has in the record as it was written, or a way to nowhere."""
    pointer, here = "", tree
    for step in steps:
        if type(here) is not dict or step not in here:
            return "nowhere"
        pointer += f"/{sorted(here).index(step)}" if _is_list(here) else f"/{step}"
        here = here[step]
    return pointer
