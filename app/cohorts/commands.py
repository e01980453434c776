"""Import and export from the command line: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import BinaryIO, Final, TextIO

from app.clinical.refusal import InputError, RefusedInputError
from app.cohorts.intake.rows import IntakeError, MalformedError
from app.cohorts.intake.sent import Format, Sent
from app.cohorts.intake.taking import DuplicateRowsError, RowsRefusedError, Work
from app.cohorts.service import CohortService
from app.cohorts.summary import CohortChanged

SUFFIXES: Final[dict[str, Format]] = {".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv"}
_WIDTH: Final = 30
_SECONDS: Final = 0.1
_TENTHS: Final = 10
_MEGABYTE: Final = 1_000_000


class CommandError(IntakeError):
    """A command cannot do what it was asked; the text is for whoever typed it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `defervesce import` was asked for."""

    file: Path
    name: str | None = None
    description: str | None = None
    cohort_id: str | None = None
    format: Format | None = None
    skip: bool = False


def import_file(service: CohortService, wanted: Wanted, output: TextIO, progress: TextIO) -> None:
    """Create a cohort from a file, or add the file to one, and say what became of it. Raises CommandError."""
    sent_as = wanted.format or SUFFIXES.get(wanted.file.suffix.lower())
    if sent_as is None:
        raise CommandError(f"say the format of {wanted.file.name} by --format: json, ndjson or csv")
    try:
        size = wanted.file.stat().st_size
        with wanted.file.open("rb") as body:
            sent = Sent(body, sent_as, size, skip=wanted.skip)
            found = _take(service, wanted, sent, Progress(progress, size))
    except OSError as exc:
        raise CommandError(f"{wanted.file.name} cannot be read: {exc.strerror}") from None
    _tell(found, output)


def export_cohort(service: CohortService, cohort_id: str, kind: Format, output: BinaryIO) -> None:
    """Write a cohort's records."""
    pieces = service.export(cohort_id, "csv" if kind == "csv" else "ndjson")
    next(pieces)  # the version
    output.writelines(pieces)


def private_file(path: Path) -> BinaryIO:
    """Open a file for patients' records: a new one may be read by its owner alone."""
    path.touch(mode=0o600)
    return path.open("wb")


class Progress:
    """Tells how far something has come: a bar that is drawn over itself, or a line at each tenth."""

    def __init__(self, output: TextIO, total: int) -> None:
        self._output = output
        self._total = max(total, 1)
        self._is_terminal = output.isatty()
        self._started = monotonic()
        self._drawn = 0.0
        self._tenths = 0

    def told(self, done: int) -> None:
        """Take down how much is done."""
        share = min(done / self._total, 1.0)
        if self._is_terminal:
            self._bar(share)
        elif int(share * _TENTHS) > self._tenths:
            self._tenths = int(share * _TENTHS)
            print(self._words(share), file=self._output, flush=True)

    def end(self) -> None:
        """Leave the bar as it is and go on below it."""
        if self._is_terminal and self._drawn:
            print(file=self._output, flush=True)

    def _bar(self, share: float) -> None:
        now = monotonic()
        if now - self._drawn < _SECONDS and share < 1:
            return
        self._drawn = now
        full = int(share * _WIDTH)
        print(f"\r[{'#' * full}{'.' * (_WIDTH - full)}] {self._words(share)}", end="", file=self._output, flush=True)

    def _words(self, share: float) -> str:
        seconds = monotonic() - self._started
        return f"{share:4.0%} of {self._total / _MEGABYTE:.1f} MB in {seconds:.0f} s"


def _take(service: CohortService, wanted: Wanted, sent: Sent, progress: Progress) -> CohortChanged:
    work = Work(told=progress.told)
    try:
        if wanted.cohort_id is not None:
            return service.add_now(wanted.cohort_id, sent, work)
        return service.create_now(sent, wanted.name, wanted.description, work)
    except (RowsRefusedError, DuplicateRowsError, RefusedInputError) as exc:
        raise CommandError("nothing was kept:\n" + _reasons(exc.errors)) from None
    except MalformedError as exc:
        raise CommandError(f"nothing was kept: {exc}") from None
    finally:
        progress.end()


def _reasons(errors: Iterable[InputError]) -> str:
    return "\n".join(_reason(getattr(error, "line", None), error.pointer, error.message) for error in errors)


def _reason(line: int | None, pointer: str, message: str) -> str:
    place = ", ".join(part for part in ("" if line is None else f"line {line}", pointer) if part)
    return f"  {place}: {message}" if place else f"  {message}"


def _tell(found: CohortChanged, output: TextIO) -> None:
    report = found.report
    print(f"cohort {found.id} ({found.name}): {found.n} patients, {report.added} added now", file=output)
    for name, counted in (("treatment", found.counts.treatment), ("phenotype", found.counts.phenotype)):
        told = ", ".join(f"{value} {n}" for value, n in counted.items() if n)
        print(f"  {name}: {told or 'nobody'}", file=output)
    notices = {"rounded": report.rounded, "differs": report.disagreements, "warning": report.warnings}
    for title, noticed in notices.items():
        for one in noticed:
            print(f"  {title} ({one.n_patients} patients): {one.code}: {one.message}", file=output)
    if report.skipped:
        print(f"  {report.skipped} rows were left out:", file=output)
        for error in report.errors:
            print("  " + _reason(error.line, error.pointer, error.message), file=output)
