"""The columns of a CSV: dotted names, each a way into the patient record's schema.

`treatment.ivig.dose_g_kg` names a member, `labs.0.analyte` one of the first item of a list. A column may also name a
whole list or object; its cells are JSON.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from app.cohorts.intake.rows import stream_refused
from app.cohorts.intake.schema import Node, branches

IDENTIFIER: Final = "patient_id"
TREATMENT: Final = "treatment"
MOST_COLUMNS: Final = 5_000
_MOST_ITEMS: Final = 1_000
_SUGGESTED: Final = 3


class Column(NamedTuple):
    """One column: its name, the steps of its path, the JSON types of its cells, and whether true is not among them."""

    name: str
    steps: tuple[str | int, ...]
    kinds: frozenset[str]
    has_no_true: bool = False


class Layout:
    """What columns there can be, by the JSON schema of the patient record."""

    def __init__(self, schema: Node) -> None:
        self._root = schema
        self.column = lru_cache(maxsize=MOST_COLUMNS)(self._column)
        self.columns = lru_cache(maxsize=MOST_COLUMNS)(self._columns)

    def header(self, names: Sequence[str]) -> tuple[Column, ...]:
        """Return the columns of a header, or refuse it and name the column that is wrong."""
        cleaned = [name.strip() for name in names]
        _refuse_separators(cleaned)
        if len(cleaned) > MOST_COLUMNS:
            raise stream_refused("too_many_columns", f"There are more than {MOST_COLUMNS} columns.", 1)
        found = tuple(self._known(name, place) for place, name in enumerate(cleaned, start=1))
        for place, name in enumerate(cleaned, start=1):
            if name in cleaned[: place - 1]:
                raise stream_refused("column_twice", f"Column {place} of the header occurs twice.", 1, (name,))
        if IDENTIFIER not in cleaned:
            message = f"The header has no column {IDENTIFIER}; the first line must name the columns."
            raise stream_refused("column_missing", message, 1, (IDENTIFIER,))
        return found

    def _known(self, name: str, place: int) -> Column:
        if not name:
            raise stream_refused("column_unnamed", f"Column {place} of the header has no name.", 1)
        column = self.column(name)
        if column is not None:
            return column
        near = tuple(difflib.get_close_matches(name[:100], self.names(), n=_SUGGESTED))
        hint = f" Did you mean {near[0]}?" if near else " Columns are named by the record's fields, joined by dots."
        raise stream_refused("unknown_column", f"Column {place} of the header is no field of a record.{hint}", 1, near)

    def names(self) -> tuple[str, ...]:
        """Return the names of all columns that need no number or analyte of their own; lists by their first item."""
        return tuple(_names(self._root, self._root, ""))

    def _columns(self, before: str, keys: tuple[str, ...]) -> tuple[Column, ...] | None:
        """Return the columns of an object's members, None unless each has one."""
        found = [None if "." in key else self.column(before + key) for key in keys]
        columns = tuple(column for column in found if column is not None)
        return columns if len(columns) == len(keys) else None

    def _column(self, name: str) -> Column | None:
        steps: list[str | int] = []
        here = list(branches(self._root, self._root))
        for part in name.split("."):
            step: str | int = part
            below = [inner for node in here for inner in _below(node, part, self._root)]
            if not below and part.isdecimal() and part.isascii() and int(part) < _MOST_ITEMS:
                step, below = int(part), [inner for node in here for inner in _items(node, self._root)]
            if not below:
                return None
            steps.append(step)
            here = below
        kinds = frozenset(kind for node in here for kind in _kinds(node))
        return Column(name, tuple(steps), kinds, any(node.get("const") is False for node in here))


def treatment_of(column: Column) -> str | None:
    """Return the treatment that a column tells of, such as "ivig"; None when it is a column of anything else."""
    steps = column.steps
    return str(steps[1]) if steps[0] == TREATMENT and len(steps) > 1 else None


def _refuse_separators(names: Sequence[str]) -> None:
    if len(names) != 1:
        return
    for sign, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if sign in names[0]:
            message = (
                f"The columns are divided by {word}; divide them by commas, and write numbers with a decimal point."
            )
            raise stream_refused("csv_separator", message, 1, (",",))


def _kinds(node: Node) -> Iterator[str]:
    found = node.get("type")
    if isinstance(found, str):
        yield found
    elif isinstance(found, list):
        yield from found
    elif "const" in node or "enum" in node:
        yield from {_kind_of(value) for value in node.get("enum", [node.get("const")])}


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "null" if value is None else "string"


def _below(node: Node, name: str, root: Node) -> Iterator[Node]:
    """Yield the schemas of one member of an object."""
    inner = node.get("properties", {}).get(name)
    if inner is None:
        inner = _free_member(node, name, root)
    if isinstance(inner, dict):
        yield from branches(inner, root)


def _free_member(node: Node, name: str, root: Node) -> Node | None:
    """Return the schema of a member of a map, where the map takes this name."""
    inner = node.get("additionalProperties")
    if not isinstance(inner, dict):
        return None
    names = [value for branch in branches(node.get("propertyNames", {}), root) for value in branch.get("enum", ())]
    return inner if not names or name in names else None


def _items(node: Node, root: Node) -> Iterator[Node]:
    inner = node.get("items")
    if isinstance(inner, dict):
        yield from branches(inner, root)


def _names(node: Node, root: Node, before: str) -> Iterator[str]:
    for branch in branches(node, root):
        for name, inner in branch.get("properties", {}).items():
            yield before + name
            yield from _names(inner, root, f"{before}{name}.")
        if isinstance(branch.get("items"), dict):
            yield from _names(branch["items"], root, f"{before}0.")
