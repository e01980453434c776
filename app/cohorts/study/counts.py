"""What follows from the study's printed counts alone, without any patient."""

from __future__ import annotations

from typing import Final, NamedTuple

from app.cohorts.study.printed import Row, Shown, printed
from app.statistics.fisher import fisher_exact
from app.statistics.table_audit import audit_table
from app.statistics.table_audit_models import AuditColumn, AuditRow, TableAuditAnswer, TableAuditRequest

PATIENTS: Final = 46
ABOVE: Final = ">"


class Counted(NamedTuple):
    """A printed p beside that of Fisher's exact test of the printed counts."""

    place: str
    label: str
    counts: str
    printed: str
    p: float
    agrees: bool


def counted() -> list[Counted]:
    """Test every printed row whose p needs nothing but its counts."""
    return [_tested(row) for row in printed().rows if row.p_needs == "counts"]


def _tested(row: Row) -> Counted:
    sizes = [printed().columns[name].n for name in row.by]
    events = [int(row.shown(name)[0].value) for name in row.by]
    p = fisher_exact([events, [n - k for n, k in zip(sizes, events, strict=True)]]).p_value
    if p is None or row.p is None:
        raise ValueError(f"{row.label}: no p")
    shown = Shown(row.p.removeprefix(ABOVE))
    agrees = p > shown.value if row.p.startswith(ABOVE) else abs(p - shown.value) <= shown.half
    words = " against ".join(f"{k} of {n}" for k, n in zip(events, sizes, strict=True))
    return Counted(row.place, row.label, words, row.p, p, agrees)


def audited_table_3() -> TableAuditAnswer:
    """Audit Table 3 as it is printed, with the patients that the study states."""
    rows = [row for row in printed().rows if row.place == "Table 3"]
    sizes = next(row for row in rows if row.kind == "denominators")
    columns = [
        AuditColumn(label=printed().columns[name].label, n=int(sizes.shown(name)[0].value)) for name in sizes.cells
    ]
    return audit_table(
        TableAuditRequest(columns=columns, rows=[_audit_row(row) for row in rows if row.p], total_n=PATIENTS)
    )


def _audit_row(row: Row) -> AuditRow:
    shown = [row.shown(name) for name in row.by]
    return AuditRow(
        label=row.label,
        counts=[int(count.value) for count, _ in shown],
        percents=[percent.text for _, percent in shown],
        p_value=row.p,
    )
