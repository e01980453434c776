"""The laboratory values of a record, read once: the first ones, those at presentation, courses of single analytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from app.clinical.flags import ANALYTES, Level
from app.clinical.measurement import LabMeasurement
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import LoadedRuleSet
from app.clinical.warning import Caution
from app.cohorts.derivation.lab_entries import LabEntries, LabEntry
from app.cohorts.derivation.record_parts import Odd, RecordNumbers
from app.cohorts.precision import at_precision, closed
from app.cohorts.records import PatientRecord, TimedLab

# A refusal lists as many: past them a record is looked at no further, for each takes a search for names alike.
ENOUGH_FAULTS: Final = 50
_NUMBERS: Final = ("value", "lower_limit", "upper_limit")
_REPEATED: Final = "This analyte was sent before among the values at presentation. Send the one that should count."


class Result(NamedTuple):
    """One result: its hour (infinite where none was sent), the result as sent, and its compiled analyte and unit."""

    hour: float
    lab: LabMeasurement
    entry: LabEntry


class LabReading:
    """What a record's laboratory values come to."""

    __slots__ = ("at_presentation", "courses", "first", "odd", "odd_hours", "without_hour")

    def __init__(self) -> None:
        self.first: dict[str, Result] = {}
        self.at_presentation: dict[str, Result] = {}
        self.courses: dict[str, list[Result]] = {}
        self.odd: list[tuple[tuple[str | int, ...], LabMeasurement, LabEntry]] = []
        self.odd_hours: list[Odd] = []
        self.without_hour = False

    def levels(self) -> dict[str, Level]:
        """Return the values that the phenotype's flags ask for: those at presentation, else the first ones."""
        found: dict[str, Level] = {}
        for slug in ANALYTES:
            result = self.at_presentation.get(slug) or self.first.get(slug)
            level = None if result is None else result.entry.level(result.lab)
            if level is not None:
                found[slug] = level
        return found


class LabReader:
    """Reads laboratory values; `analytes` are those whose courses are kept."""

    def __init__(
        self, entries: LabEntries, numbers: RecordNumbers, rules: LoadedRuleSet, analytes: Iterable[str]
    ) -> None:
        self._entries = entries
        self._quantities = numbers.quantities
        self._from = closed(rules.threshold("first_lab.from"))
        self._until = closed(rules.threshold("first_lab.until"))
        self._hour = numbers.hour
        self._courses = frozenset(analytes)

    def read(self, record: PatientRecord, errors: list[InputError]) -> LabReading:
        """Read every value of a record; names that are not known go to `errors`."""
        reading = LabReading()
        if record.labs:
            self._timed(record.labs, reading, errors)
        if record.presentation is not None and record.presentation.labs:
            self._presented(record.presentation.labs, reading, errors)
        return reading

    def _timed(self, labs: tuple[TimedLab, ...], reading: LabReading, errors: list[InputError]) -> None:
        get, first, courses = self._entries.get, reading.first, reading.courses
        low, high, of = self._from, self._until, self._hour
        tracked, good_hours = self._courses, of.good
        for place, lab in enumerate(labs):
            entry = get((lab.analyte, lab.unit)) or self.entry(lab, f"/labs/{place}", errors)
            value, hour = lab.value, lab.hour
            if entry is None or value is None:
                if len(errors) >= ENOUGH_FAULTS:
                    return
                continue
            if (value not in entry.good or (lab.lower_limit, lab.upper_limit) not in entry.good_limits) and not (
                entry.is_unremarkable(value, lab.lower_limit, lab.upper_limit)
            ):
                reading.odd.append((("labs", place), lab, entry))
            if hour is None:
                reading.without_hour = True
                continue
            if hour not in good_hours and not of.is_plain(hour):
                reading.odd_hours.append(Odd(("labs", place, "hour"), hour, of))
            slug, result = entry.slug, None
            if low <= hour <= high and (slug not in first or hour < first[slug].hour):
                result = first[slug] = Result(hour, lab, entry)
            if slug in tracked:
                courses.setdefault(slug, []).append(result or Result(hour, lab, entry))

    def _presented(self, labs: tuple[LabMeasurement, ...], reading: LabReading, errors: list[InputError]) -> None:
        path = ("presentation", "labs")
        for place, lab in enumerate(labs):
            pointer = f"/presentation/labs/{place}"
            entry = self._entries.get((lab.analyte, lab.unit)) or self.entry(lab, pointer, errors)
            if entry is None or lab.value is None:
                continue
            if not entry.is_unremarkable(lab.value, lab.lower_limit, lab.upper_limit):
                reading.odd.append(((*path, place), lab, entry))
            if entry.slug in reading.at_presentation:
                errors.append(InputError(f"{pointer}/analyte", "analyte_repeated", _REPEATED))
            reading.at_presentation[entry.slug] = Result(0.0, lab, entry)

    def entry(self, lab: LabMeasurement, pointer: str, errors: list[InputError]) -> LabEntry | None:
        """Return the compiled analyte and unit of a result; a name that is not known goes to `errors`."""
        try:
            return self._entries.find(lab, pointer)
        except RefusedInputError as refusal:
            errors += refusal.errors
            return None

    def judge(
        self, lab: LabMeasurement, pointer: str, errors: list[InputError], *, override: bool
    ) -> tuple[Caution, ...]:
        """Take a second look at a result: its warnings, or what is wrong with it."""
        try:
            return self._quantities.measure(lab, pointer, override_plausibility=override).cautions
        except RefusedInputError as refusal:
            errors += refusal.errors
            return ()


def rounded_numbers(lab: LabMeasurement, entry: LabEntry) -> dict[str, float]:
    """Return the numbers of a result that have more digits than are kept, at their precision."""
    found: dict[str, float] = {}
    for name in _NUMBERS:
        number = getattr(lab, name)
        if number is not None and (kept := at_precision(number, entry.factor)) != number:
            found[name] = kept
    return found
