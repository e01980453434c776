"""Laboratory rows out of raw records, as columns. What is not exactly such a row is left to the one-record way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from app.clinical.ctcae.bulk.truth import UNKNOWN
from app.clinical.ctcae.conditions import NUMBERS

_FACT: Final = {True: 1, False: 0, None: UNKNOWN, UNSET: UNKNOWN}
_NOTHING: Final[frozenset[str]] = frozenset()


class Rows(NamedTuple):
    """Decoded rows as columns, with each row's position among the records."""

    positions: Sequence[int]
    columns: Mapping[str, Sequence[Any]]

    def part(self, chosen: Sequence[int]) -> Rows:
        """Return some of the rows."""
        columns = {name: [column[i] for i in chosen] for name, column in self.columns.items()}
        return Rows([self.positions[i] for i in chosen], columns)


class RowDecoder:
    """Decodes raw records into laboratory rows, with or without the facts that laboratory terms ask for."""

    def __init__(self, facts: Sequence[str]) -> None:
        text, number, fact = (t | None | UnsetType for t in (str, float, bool))
        names: list[Any] = [("term", str), ("unit", text, UNSET), ("version", text, UNSET)]
        names += [(name, number, UNSET) for name in NUMBERS]
        self._slim = _Decoder(names)
        self._full = _Decoder([*names, *((name, fact, UNSET) for name in facts)])

    def __call__(self, items: Sequence[bytes]) -> Rows:
        """Decode raw records; a record that is no laboratory row, or might hold a key twice, is left out."""
        joined = b"[" + b",".join(items) + b"]"
        for decoder in (self._slim, self._full):
            columns = decoder.together(joined, len(items))
            if columns is not None:
                return Rows(range(len(items)), columns)
        return self._full.one_by_one(items)


class _Decoder:
    """Decodes rows of one set of fields."""

    def __init__(self, fields: Sequence[Any]) -> None:
        row: Any = msgspec.defstruct("LaboratoryRow", fields, forbid_unknown_fields=True, gc=False)
        self._fields = {name: attrgetter(name) for name in row.__struct_fields__}
        self._all = msgspec.json.Decoder(list[row]).decode
        self._one = msgspec.json.Decoder(row).decode

    def together(self, joined: bytes, count: int) -> Mapping[str, Sequence[Any]] | None:
        """Decode a list of rows; None when one is no such row, or might hold a key twice."""
        try:
            rows = self._all(joined)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        columns = self._columns(rows)
        kept = sum(len(c) - c.count(UNSET) for c in columns.values())
        # As many colons as members that were kept: none was sent twice. As many rows as records: none holds two.
        return columns if len(rows) == count and joined.count(b":") == kept else None

    def one_by_one(self, items: Sequence[bytes]) -> Rows:
        """Decode those items that are such rows."""
        found = {position: row for position, item in enumerate(items) if (row := self._row(item)) is not None}
        return Rows(list(found), self._columns(list(found.values())))

    def _columns(self, rows: Sequence[Any]) -> Mapping[str, Sequence[Any]]:
        return {name: list(map(get, rows)) for name, get in self._fields.items()}

    def _row(self, item: bytes) -> Any:  # noqa: ANN401  # a struct made at start
        try:
            row = self._one(item)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        fields = msgspec.structs.astuple(row)
        return row if item.count(b":") == len(fields) - fields.count(UNSET) else None


def numbers(column: Sequence[Any]) -> NDArray[np.float64] | None:
    """Return a column of numbers; None when no row has one."""
    absent = column.count(UNSET)
    if absent == len(column):
        return None
    return np.array([None if v is UNSET else v for v in column] if absent else column, np.float64)


def stated_facts(rows: Rows) -> dict[str, NDArray[np.int8]]:
    """Return the columns of the facts that some row states."""
    names = [n for n in rows.columns if n not in {"term", "unit", "version", *NUMBERS}]
    sent = {n: c for n in names if (c := rows.columns[n]).count(UNSET) != len(c)}
    return {n: np.fromiter(map(_FACT.__getitem__, c), np.int8, len(c)) for n, c in sent.items()}


def stated_names(facts: dict[str, NDArray[np.int8]], size: int) -> tuple[NDArray[np.int64], list[frozenset[str]]]:
    """Return for each row the number of the set of facts that it states, and the sets."""
    code = np.zeros(size, np.int64)
    for place, column in enumerate(facts.values()):
        code |= (column != UNKNOWN).astype(np.int64) << place
    distinct, which = np.unique(code, return_inverse=True)
    sets = [frozenset(n for place, n in enumerate(facts) if d >> place & 1) for d in distinct.tolist()]
    return which.astype(np.int64), sets or [_NOTHING]
