"""What a published table says of itself as a whole: sums, group sizes, and what explains its p-values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from app.statistics.table_audit_models import AuditedColumn, AuditFinding, TableAuditRequest, TestName
from app.statistics.table_audit_rows import Checked
from app.statistics.table_audit_search import Search
from app.statistics.table_audit_tests import NAMES

_MOST_SIZES: Final = 20
_MOST_SETS: Final = 3
_AT_ONCE: Final = 2
PRINTED: Final = 0
"""Where the printed group sizes stand among those searched."""


def columns_of(asked: TableAuditRequest, rows: Sequence[Checked]) -> list[AuditedColumn]:
    """Return the columns with the group sizes that their percents imply."""
    return [
        AuditedColumn(label=column.label, n=column.n, n_by_percents=_implied(place, column.n, rows))
        for place, column in enumerate(asked.columns)
    ]


def findings_of(
    asked: TableAuditRequest, rows: Sequence[Checked], columns: Sequence[AuditedColumn], found: Search
) -> list[AuditFinding]:
    """Return the findings, the plain ones first."""
    return [
        *_sums(asked),
        *_percents(rows, columns),
        *_p_values(rows),
        *_tests(found),
        *_denominators(found, asked.total_n),
        *_narrowed(asked, found),
    ]


def best_sets(found: Search) -> dict[TestName, list[int]]:
    """Return per test the sets of group sizes that explain the most rows, where that beats every printed reading.

    Only sets that explain at least two rows at once: one row alone is explained by chance all the time.
    """
    best: dict[TestName, list[int]] = {}
    if not found.rows:
        return best
    counts = {test: found.explained(test) for test in found.tests}
    least = max([_AT_ONCE - 1, *(int(explained[PRINTED]) for explained in counts.values())])
    most = max(int(explained.max()) for explained in counts.values())
    for test, explained in counts.items():
        if explained.max() == most > least:
            best[test] = np.flatnonzero(explained == most).tolist()
    return best


def written(sizes: Sequence[int]) -> str:
    """Write group sizes as the study of them does: 12/25/9."""
    return "/".join(map(str, sizes))


def _implied(place: int, size: int, rows: Sequence[Checked]) -> list[int] | None:
    printed = [(row.printed[place], row.row.counts[place]) for row in rows]
    pairs = [(percent, count) for percent, count in printed if percent is not None and count is not None]
    if not pairs:
        return None
    least = max([1, size // 2, *(count for _, count in pairs)])
    ranges = [percent.sizes_of(count, least, 2 * size) for percent, count in pairs]
    fitting = range(max(r.start for r in ranges), min(r.stop for r in ranges))
    return None if len(fitting) > _MOST_SIZES else list(fitting)


def _sums(asked: TableAuditRequest) -> Iterator[AuditFinding]:
    total = sum(column.n for column in asked.columns)
    if asked.total_n is not None and asked.total_n != total:
        message = f"The columns sum to {total}, but {asked.total_n} patients are stated in all."
        yield AuditFinding(code="columns_sum_differs", message=message, columns=[c.label for c in asked.columns])
    if asked.total_n is None and len(asked.columns) > 1:
        message = f"The columns sum to {total}; no total_n was sent to compare that with."
        yield AuditFinding(code="columns_sum", message=message, columns=[c.label for c in asked.columns])


def _percents(rows: Sequence[Checked], columns: Sequence[AuditedColumn]) -> Iterator[AuditFinding]:
    for place, column in enumerate(columns):
        wrong = [row.row.label for row in rows if row.percents_right[place] is False]
        if not wrong:
            continue
        fitting = column.n_by_percents
        code = "percents_contradict_n" if fitting else "no_n_fits_percents"
        if fitting:
            said = f"would all be right with n = {' or '.join(map(str, fitting))}, not {column.n}"
        else:
            said = f"are not all right with any single n from {max(1, column.n // 2)} to {2 * column.n}"
        yield AuditFinding(
            code=code, message=f"The percents of {column.label!r} {said}.", rows=wrong, columns=[column.label]
        )


def _p_values(rows: Sequence[Checked]) -> Iterator[AuditFinding]:
    wrong = [row.row.label for row in rows if row.p_right is False]
    compared = sum(row.p_right is not None for row in rows)
    if wrong:
        message = (
            f"{len(wrong)} of {compared} printed p-values are not what the exact test of the printed counts gives."
        )
        yield AuditFinding(code="p_values_differ", message=message, rows=wrong, test="fisher_exact")


def _tests(found: Search) -> Iterator[AuditFinding]:
    """Name another test that explains more of the p-values than the exact one, at the printed group sizes."""
    if not found.rows:
        return
    counts = {test: int(found.explained(test)[PRINTED]) for test in found.tests}
    most = max(counts.values())
    for test, count in counts.items():
        if count == most > max(counts["fisher_exact"], _AT_ONCE - 1):
            message = (
                f"{_capital(NAMES[test])} of the printed counts gives {count} of {len(found.rows)} printed p-values."
            )
            yield AuditFinding(code="test_explains", message=message, rows=_rows(found, test, PRINTED), test=test)


def _denominators(found: Search, total: int | None) -> Iterator[AuditFinding]:
    for test, places in best_sets(found).items():
        in_order = sorted(places, key=lambda place: (int(found.sizes[place].sum()) != total, place))
        for place in in_order[:_MOST_SETS]:
            yield AuditFinding(
                code="denominators_explain",
                message=_message(found, test, place, len(places), total),
                rows=_rows(found, test, place),
                test=test,
                denominators=found.sizes[place].tolist(),
                only_one=len(places) == 1,
            )


def _message(found: Search, test: TestName, place: int, alike: int, total: int | None) -> str:
    sizes = found.sizes[place].tolist()
    rows = _rows(found, test, place)
    others = "no other gives as many" if alike == 1 else f"{alike} give as many"
    stated = ", the total that is stated" if sum(sizes) == total else ""
    return (
        f"{_capital(NAMES[test])} with denominators {written(sizes)} (sum {sum(sizes)}{stated}) gives "
        f"{len(rows)} of {len(found.rows)} printed p-values at once: {', '.join(rows)}. Of the {len(found.sizes)} sets "
        f"searched {others} by it.{_rest(found, test, place)}"
    )


def _rest(found: Search, test: TestName, place: int) -> str:
    """Say which further rows another test explains with the same group sizes."""
    explained = found.matches[test][:, place]
    said = [
        f" {_capital(NAMES[other])} with the same denominators gives {row.label}."
        for other in found.tests
        for row, already, match in zip(found.rows, explained, found.matches[other][:, place], strict=True)
        if other != test and match and not already
    ]
    return "".join(said)


def _narrowed(asked: TableAuditRequest, found: Search) -> Iterator[AuditFinding]:
    if found.narrowed and found.rows:
        message = f"The window of {asked.window} would be too many sets to search; {found.window} was taken."
        yield AuditFinding(code="search_narrowed", message=message)


def _rows(found: Search, test: TestName, place: int) -> list[str]:
    return [row.label for row, match in zip(found.rows, found.matches[test][:, place], strict=True) if match]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
