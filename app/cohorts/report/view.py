"""What stands in a report: texts, tables and figures, every number already in words. The templates only place them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

NOBODY: Final = "No patient is selected, so the table has no rows."


@dataclass(frozen=True, slots=True)
class Column:
    """A column of groups; `tested` False is marked in the head."""

    label: str
    n: str
    tested: bool = True


@dataclass(frozen=True, slots=True)
class Cell:
    """A value, and under it what is small: how many are missing."""

    main: str
    small: str = ""


@dataclass(frozen=True, slots=True)
class Marked:
    """A p-value, and the letter of its footnote."""

    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table."""

    label: str
    small: str
    cells: tuple[Cell, ...]
    tests: tuple[Marked, ...] = ()


@dataclass(frozen=True, slots=True)
class Footnote:
    """What a letter stands for."""

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption, columns, rows and footnotes, and where to get it as CSV."""

    anchor: str
    name: str
    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    tests: tuple[str, ...] = ()
    footnotes: tuple[Footnote, ...] = ()
    sentences: tuple[str, ...] = ()
    csv: str = ""
    head: str = "Variable"
    empty: str = NOBODY


@dataclass(frozen=True, slots=True)
class Plate:
    """A figure: its SVG, which is our own drawing and stands unescaped, and where to get it."""

    anchor: str
    name: str
    title: str
    svg: Markup
    svg_link: str
    png_link: str


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A fact that was stated and derived differently, and of how many patients."""

    field: str
    message: str
    n: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A rule set by which the cohort was derived."""

    id: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything on the page."""

    name: str
    description: str | None
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    methods: tuple[str, ...]
    tables: tuple[Table, ...]
    plates: tuple[Plate, ...]
    missing: Table
    missing_plates: tuple[Plate, ...]
    disagreements: tuple[Disagreement, ...]
    disagreements_told: str
    rules: tuple[RuleSet, ...]
    software: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, str], ...]
    analysis_link: str
