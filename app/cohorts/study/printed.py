"""The study's printed numbers, read from printed.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
HALF: Final = 0.5


class Shown(NamedTuple):
    """A number as printed: its text, and how many decimals it has."""

    text: str

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text)

    @property
    def digits(self) -> int:
        """Decimal places."""
        return len(self.text.partition(".")[2])

    @property
    def half(self) -> float:
        """Half a unit of the last printed digit: what rounding can hide."""
        return HALF / float(10**self.digits)


@dataclass(frozen=True, slots=True)
class Row:
    """One printed row: what it is, what it prints for each column, and its p."""

    place: str
    label: str
    variable: str
    kind: str
    cells: Mapping[str, str]
    by: tuple[str, ...] = ()
    test: str | None = None
    p: str | None = None
    p_needs: str | None = None
    reading: str | None = None
    why: Mapping[str, str] | None = None
    percent_of: str | None = None

    def reason(self, what: str, column: str | None) -> str | None:
        """Return why a number cannot be met: by the column where the row says it, else by what it is."""
        reasons = self.why or {}
        return reasons.get(what) if column is None else reasons.get(column, reasons.get(what))

    def shown(self, column: str) -> tuple[Shown, ...]:
        """Return the numbers printed for a column, in their order: median, Q1, Q3; count, percent; before, after."""
        return tuple(Shown(text) for text in NUMBER.findall(self.cells[column]))


class Column(NamedTuple):
    """A column of patients: what it is called, how many there are, and which group of the analysis they are."""

    label: str
    n: int
    by: str
    group: str
    where: str | None = None


class Printed(NamedTuple):
    """Everything printed."""

    citation: str
    doi: str
    columns: Mapping[str, Column]
    rows: tuple[Row, ...]

    def of(self, variable: str, kind: str | None = None) -> Iterator[Row]:
        """Yield the rows of a variable."""
        return (row for row in self.rows if row.variable == variable and kind in {None, row.kind})


@cache
def printed() -> Printed:
    """Read the printed numbers, once."""
    found: dict[str, Any] = tomllib.loads(files(__package__).joinpath("printed.toml").read_text(encoding="utf-8"))
    rows = tuple(Row(**{**row, "by": tuple(row.get("by", ()))}) for row in found["row"])
    columns = {name: Column(**column) for name, column in found["columns"].items()}
    return Printed(found["source"]["citation"], found["source"]["doi"], columns, rows)
