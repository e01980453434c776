"""The audit of a published table: every percent and p-value recomputed from the printed counts.

Imports numpy and scipy: load it off the event loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np

from app.statistics.errors import StatisticsInputError
from app.statistics.table_audit_findings import PRINTED, best_sets, columns_of, findings_of, written
from app.statistics.table_audit_models import (
    AuditedRow,
    AuditReason,
    AuditSearch,
    Explanation,
    Kind,
    TableAuditAnswer,
    TableAuditRequest,
    TestName,
)
from app.statistics.table_audit_printed import EDGES_INCLUDED
from app.statistics.table_audit_rows import Checked, check, counts_of, shown
from app.statistics.table_audit_search import Search, Testable, search
from app.statistics.table_audit_tests import NAMES, candidate_tests, p_values, work_of

METHOD: Final = (
    f"Percents divided exactly; {EDGES_INCLUDED}. "
    "p-values by Fisher's exact test, Freeman-Halton for more than two groups"
)
_EXACT_WORK: Final = 3e7
_MOST_EXPLANATIONS: Final = 8
_NEAREST: Final = 2
_APPROXIMATE: Final = AuditReason(
    code="p_value_approximate",
    message="Some tables are too large for the exact test here; their method says what was made.",
)


def audit_table(asked: TableAuditRequest) -> TableAuditAnswer:
    """Recompute a table and say where its print differs from its counts, and what would explain it.

    StatisticsInputError: a row has not one count and one percent per column.
    """
    _refuse_unequal(asked)
    sizes = [column.n for column in asked.columns]
    rows = _checked(asked, sizes)
    found = search(sizes, [row.testable for row in rows if row.testable is not None], asked.window)
    columns = columns_of(asked, rows)
    best = best_sets(found)
    audited = [_audited(row, found, best) for row in rows]
    agreeing = [row.agrees for row in audited if row.agrees is not None]
    return TableAuditAnswer(
        method=METHOD,
        agrees=all(agreeing) if agreeing else None,
        n_rows=len(rows),
        n_rows_agree=sum(agreeing),
        n_missing=sum(count is None for row in asked.rows for count in row.counts),
        column_sum=sum(sizes),
        total_n=asked.total_n,
        columns=columns,
        rows=audited,
        findings=findings_of(asked, rows, columns, found),
        searched=_searched(found),
        warnings=[_APPROXIMATE] if any(row.exact is False for row in audited) else [],
    )


def _refuse_unequal(asked: TableAuditRequest) -> None:
    for place, row in enumerate(asked.rows):
        for name, sent in (("counts", row.counts), ("percents", row.percents)):
            if sent is not None and len(sent) != len(asked.columns):
                message = f"{name} must have one item for each of the {len(asked.columns)} columns."
                raise StatisticsInputError(f"/rows/{place}/{name}", "unequal_lengths", message)


def _checked(asked: TableAuditRequest, sizes: Sequence[int]) -> list[Checked]:
    """Recompute the rows; once the work for exact tests is used up, the rest is made by chi-square and labelled so."""
    rows: list[Checked] = []
    left = _EXACT_WORK
    for row in asked.rows:
        rows.append(check(row, sizes, left))
        test = rows[-1].test
        left -= work_of([count or 0 for count in row.counts], sizes) if test is not None and test.exact else 0
    return rows


def _audited(checked: Checked, found: Search, best: dict[TestName, list[int]]) -> AuditedRow:
    reasons = checked.reasons()
    right = [*checked.percents_right, checked.p_right]
    compared = checked.row.total is not None or any(verdict is not None for verdict in right)
    test = checked.test
    return AuditedRow(
        label=checked.row.label,
        counts=checked.row.counts,
        percents=[None if percent is None else float(percent) for percent in checked.percents],
        printed_percents=_as_sent(checked),
        percents_agree=_all(checked.percents_right),
        p_value=None if test is None else test.p_value,
        method=None if test is None else test.method,
        exact=None if test is None else test.exact,
        printed_p_value=checked.row.p_value,
        p_value_agrees=checked.p_right,
        agrees=not reasons if reasons or compared else None,
        reasons=reasons,
        explained_by=_explanations(checked, found, best) if checked.p_right is False else [],
    )


def _as_sent(checked: Checked) -> list[str | None] | None:
    if checked.row.percents is None:
        return None
    return [None if percent is None else percent.text for percent in checked.printed]


def _all(verdicts: Sequence[bool | None]) -> bool | None:
    known = [verdict for verdict in verdicts if verdict is not None]
    return all(known) if known else None


def _explanations(checked: Checked, found: Search, best: dict[TestName, list[int]]) -> list[Explanation]:
    """Collect what gives the printed p: another test, the counts its percents stand for, other group sizes."""
    row = checked.testable
    if row is None:
        return []
    everything = (*_other_tests(row, checked.sizes), *_other_counts(checked, row), *_other_sizes(row, found, best))
    return list(islice(everything, _MOST_EXPLANATIONS))


def _other_tests(row: Testable, sizes: Sequence[int]) -> Iterator[Explanation]:
    for test in candidate_tests(len(sizes))[1:]:
        yield from _if_it_fits("test", row, test, row.counts, sizes)


def _other_counts(checked: Checked, row: Testable) -> Iterator[Explanation]:
    """Take the counts that wrong percents stand for, where each stands for one count only."""
    counts = list(row.counts)
    for place, right in enumerate(checked.percents_right):
        printed = checked.printed[place]
        if right is False and printed is not None and len(meant := counts_of(printed, checked.sizes[place])) == 1:
            counts[place] = meant[0]
    if tuple(counts) != row.counts:
        for test in candidate_tests(len(counts)):
            yield from _if_it_fits("counts", row, test, counts, checked.sizes)


def _other_sizes(row: Testable, found: Search, best: dict[TestName, list[int]]) -> Iterator[Explanation]:
    """Take the sets that explain the most rows, then the nearest ones."""
    place = found.rows.index(row)
    shared = [(test, column) for test, columns in best.items() for column in columns]
    nearest = [
        (test, int(column)) for test in found.tests for column in np.flatnonzero(found.matches[test][place])[:_NEAREST]
    ]
    for test, column in dict.fromkeys((*shared, *nearest)):
        if column != PRINTED and found.matches[test][place, column]:
            yield from _if_it_fits("denominators", row, test, row.counts, found.sizes[column].tolist())


def _if_it_fits(
    kind: Kind, row: Testable, test: TestName, counts: Sequence[int], sizes: Sequence[int]
) -> Iterator[Explanation]:
    found = p_values(test, counts, np.array([sizes], np.int64))
    if not row.matches(found)[0]:
        return
    of = {
        "test": "of the printed counts",
        "counts": f"of the counts {written(counts)}",
        "denominators": f"with denominators {written(sizes)}",
    }[kind]
    yield Explanation(
        kind=kind,
        test=test,
        p_value=float(found[0]),
        denominators=list(sizes),
        counts=list(counts),
        message=f"{NAMES[test]} {of} gives p = {shown(float(found[0]))}.",
    )


def _searched(found: Search) -> AuditSearch:
    return AuditSearch(
        window=found.window,
        sets_of_denominators=len(found.sizes) if found.rows else 0,
        sets_by_exact_test=found.by_exact_test if found.rows else 0,
        tests=list(found.tests),
        rows=len(found.rows),
        sets_by_rows_explained=found.histogram() if found.rows else {},
    )
