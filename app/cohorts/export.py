"""A cohort as text that goes back in unchanged: NDJSON, the records as they are kept, or CSV."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Literal

from app.cohorts.intake.columns import Layout
from app.cohorts.intake.csv_write import CsvWriter, columns_in_use, in_order

if TYPE_CHECKING:
    from app.cohorts.store import Reader
    from app.cohorts.store.model import Cohort

ExportFormat = Literal["ndjson", "csv"]
Pieces = Generator[bytes, None, None]


def exported(reader: Reader, cohort: Cohort, kind: ExportFormat, layout: Layout) -> Pieces:
    """Yield a cohort's records in the order of their arrival, some hundred at a time."""
    return ndjson(reader, cohort) if kind == "ndjson" else csv(reader, cohort, layout)


def ndjson(reader: Reader, cohort: Cohort) -> Pieces:
    """Yield the records, one on each line, exactly as they are kept."""
    for patients in reader.stream(cohort):
        yield "".join(f"{patient.record_json}\n" for patient in patients).encode()


def csv(reader: Reader, cohort: Cohort, layout: Layout) -> Pieces:
    """Yield the records as CSV: once through for the columns in use, once more for the rows."""
    used: set[str] = set()
    for patients in reader.stream(cohort):
        used.update(columns_in_use((patient.record for patient in patients), layout))
    writer = CsvWriter(layout, in_order(used, layout))
    yield writer.header()
    for patients in reader.stream(cohort):
        yield writer.rows(patient.record for patient in patients)
