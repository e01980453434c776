"""docs/reproduction.md: every printed number of the study beside ours, and why one does not agree."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

from app.cohorts.study.counts import Counted, audited_table_3, counted
from app.cohorts.study.printed import Printed, Row, printed
from app.cohorts.study.reproduce import Ask, Compared, compared, p_value, p_values_of_three, stored
from app.statistics.table_audit_models import AuditedRow

PLACES: Final = {
    "Table 1": "IVIG monotherapy against IVIG + anakinra",
    "Table 2": "IVIG + anakinra, without and with CV shock",
    "Table 3": "Adverse events by CTCAE",
    "Table 4": "Cytokines, fold difference to the upper limit of normal",
    "Figure 1": "Fever and heart",
    "Text": "Text and supplement",
}
YES: Final = "yes"
NO: Final = "**no**"
METHODS: Final = {
    "fisher": "Fisher",
    "mann_whitney": "Mann-Whitney",
    "three_groups": "Freeman-Halton",
    "log_rank": "log-rank",
    "signed_rank": "signed rank",
}
AFTER_TABLE_3: Final = """
The cohort keeps the counts of Table 3 and the study's real groups of 14, 23 and 9; its p-values for three groups are
those of the exact test. They differ from print, as they must."""
HEAD: Final = """# The study's numbers, and ours

<!-- Written by `defervesce reproduction --output docs/reproduction.md`; a test compares it. Do not edit. -->

{citation} (doi [{doi}](https://doi.org/{doi}))
prints {total} numbers in its tables, its figure and the text beside them (what the text repeats is counted once). Its
patients are not published. Defervesce carries a synthetic cohort of 46 patients instead
([how it was made](decisions/0036-study-cohort.md)): invented records, whose temperatures, echocardiograms, laboratory
values, doses and cytokines go through the service's whole way: record, derivation, store, tallies, analysis. Beside
each printed number stands what came out.

**{agreeing} of {total} numbers agree** at the printed digits. The other {others} contradict other printed numbers: no
cohort that meets those can meet these, and [each has its reason](#what-does-not-agree-and-why). What this shows is that
the analysis gives the study's results when patients like the study's come in; it says nothing of whether the study is
right.
"""


def document() -> str:
    """Write the page; the same text every time."""
    ask = stored()
    found = compared(ask)
    return "\n".join(_lines(printed(), ask, found)).rstrip() + "\n"


def _lines(of: Printed, ask: Ask, found: Sequence[Compared]) -> Iterator[str]:
    others = [one for one in found if not one.agrees]
    yield HEAD.format(
        citation=of.citation, doi=of.doi, total=len(found), agreeing=len(found) - len(others), others=len(others)
    )
    yield from _summary(found)
    yield from _what_differs(others)
    yield from _from_counts(counted())
    yield from _table_3(ask)
    for place, title in PLACES.items():
        yield from _place(place, title, [one for one in found if _place_of(one) == place], ask)


def _place_of(one: Compared) -> str:
    return next(
        (place for place in PLACES if one.row.place.startswith(place) and "beside" not in one.row.place), "Text"
    )


def _summary(found: Sequence[Compared]) -> Iterator[str]:
    rows = []
    for place, title in PLACES.items():
        mine = [one for one in found if _place_of(one) == place]
        p = [one for one in mine if one.what == "p"]
        rows.append(
            (place, title, len(mine), sum(one.agrees for one in mine), f"{sum(one.agrees for one in p)} of {len(p)}")
        )
    yield from table(("where", "what", "numbers", "agree", "p-values that agree"), rows)


def _what_differs(others: Sequence[Compared]) -> Iterator[str]:
    yield "\n## What does not agree, and why\n"
    rows = [
        (one.row.place, one.row.label, _named(one), one.printed, one.ours, one.row.reason(one.what, one.column) or "")
        for one in others
    ]
    yield from table(("where", "row", "number", "printed", "ours", "why"), rows)


def _named(one: Compared) -> str:
    if one.column is None:
        return f"p ({METHODS[one.row.test or '']})"
    return f"{one.what}, {printed().columns[one.column].label}"


def _from_counts(found: Sequence[Counted]) -> Iterator[str]:
    yield "\n## The p-values of Tables 1 and 2 from the printed counts alone\n"
    agreeing = sum(one.agrees for one in found)
    yield (
        f"No patient is needed for these: Fisher's exact test, two-sided, of the printed counts. "
        f"{agreeing} of {len(found)} agree.\n"
    )
    rows = [(one.place, one.label, one.counts, one.printed, f"{one.p:.4f}", YES if one.agrees else NO) for one in found]
    yield from table(("where", "row", "counts", "printed p", "exact p", "agrees"), rows)


def _table_3(ask: Ask) -> Iterator[str]:
    audit = audited_table_3()
    yield "\n## Table 3 does not follow from its own counts\n"
    yield "The table audit (`POST /v1/statistics/table-audit`), given Table 3 as printed and 46 patients, finds:\n"
    for finding in audit.findings:
        yield f"* {finding.message}"
    yield ""
    yield from table(
        (
            "row",
            "printed p",
            "exact, 14/25/9 as printed",
            "exact, 14/23/9",
            "Pearson chi-square, 14/23/9",
            "what would give the printed p",
        ),
        [_audited(row, ask) for row in audit.rows],
    )
    yield AFTER_TABLE_3


def _audited(row: AuditedRow, ask: Ask) -> tuple[str, ...]:
    ours = next(one for one in printed().rows if one.place == "Table 3" and one.label == row.label)
    exact, chi_square = p_values_of_three(ask, ours)
    explained = " ".join(one.message for one in row.explained_by[:1])
    return (
        row.label,
        row.printed_p_value or "",
        *(f"{p:.4f}" for p in (row.p_value, exact, chi_square) if p),
        explained,
    )


def _place(place: str, title: str, found: Sequence[Compared], ask: Ask) -> Iterator[str]:
    yield f"\n## {place}: {title}\n"
    rows = []
    for (_, label), ones in groupby(found, lambda one: (one.row.place, one.row.label)):
        rows += _rows(label, list(ones), partial(p_value, ask))
    yield from table(("row", "group", "printed", "ours", "agrees"), rows)
    readings = dict.fromkeys(f"* {one.row.label}: {one.row.reading}" for one in found if one.row.reading)
    if readings:
        yield "\nReadings:\n"
        yield from readings


def _rows(label: str, ones: Sequence[Compared], p_of: Callable[[Row], float | None]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for column, cells in groupby(ones, lambda one: one.column):
        numbers = list(cells)
        agrees = YES if all(one.agrees for one in numbers) else NO
        if column is None:
            (one,) = numbers
            p = p_of(one.row)
            ours = one.ours if p is None else f"{one.ours} ({p:.4g})"
            rows.append((label, f"p, {METHODS[one.row.test or '']}", one.printed, ours, agrees))
        else:
            columns = printed().columns
            shown = [_joined(numbers, [getattr(one, which) for one in numbers]) for which in ("printed", "ours")]
            rows.append((label, columns[column].label, *shown, agrees))
    return rows


_UNITS: Final[Mapping[str, str]] = {"percent": "%", "afebrile": "%"}


def _joined(ones: Sequence[Compared], texts: Sequence[str]) -> str:
    """Write the numbers of a cell as the study does: count and percent, median [Q1, Q3], first to follow-up."""
    shown = [text + _UNITS.get(one.what, "") for one, text in zip(ones, texts, strict=True)]
    match [one.what for one in ones]:
        case ["median", "Q1", "Q3"]:
            return f"{shown[0]} [{shown[1]}, {shown[2]}]"
        case ["first", "follow-up"]:
            return " to ".join(shown)
        case _:
            return ", ".join(shown)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Write a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"


def run(options: argparse.Namespace) -> int:
    """Write the page, or compare with it; returns the exit code (1: it differs)."""
    text = document()
    if options.check is not None:
        path: Path = options.check
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write(f"{path} differs from what is computed; write it again with `defervesce reproduction`\n")
        return 1
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0
