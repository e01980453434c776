"""The first and the follow-up echocardiogram: a pair for each measure.

First is the earliest with the measure. Follow-up is the first one at least as many days later as the rule file says;
where there is none, the last one. Strain is negative when the ventricle shortens, whatever sign it came with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from app.clinical.flags import Bound
from app.clinical.presentation import Echocardiogram
from app.clinical.rulebook import LoadedRuleSet
from app.cohorts.derivation.derived import Notes
from app.cohorts.precision import scaled
from app.cohorts.records import DatedEchocardiogram, PatientRecord
from app.cohorts.variables import pack_pair

_TENTHS: Final = 10
_DIFFER: Final = "The first echocardiogram and the one at presentation give different numbers; that of the list counts."
Measure = Callable[[Echocardiogram], float | None]


def _lvef(echo: Echocardiogram) -> float | None:
    return echo.lvef_percent


def strain_of(echo: Echocardiogram) -> float | None:
    """Return the strain, negative when the ventricle shortens."""
    strain = echo.ap4_strain_percent
    return -strain if strain is not None and echo.sign_convention == "shortening_is_positive" else strain


_MEASURES: Final[Mapping[str, Measure]] = {"lvef": _lvef, "strain": strain_of}
_FIELDS: Final = {"lvef": "lvef_percent", "strain": "ap4_strain_percent"}


class Pair(NamedTuple):
    """A measure first and at follow-up, with their days; None where there is none."""

    first: float | None
    first_day: float | None
    follow_up: float | None
    follow_up_day: float | None


_NO_PAIR: Final = Pair(None, None, None, None)


class EchoPairs:
    """Compiled from `misc-cohort-2023` and `misc-phenotype-2023`."""

    def __init__(self, rules: LoadedRuleSet, phenotype: LoadedRuleSet) -> None:
        self._is_late = rules.threshold("echo.follow_up").compiled()
        self._is_reduced = Bound(phenotype, "lvef.reduced")

    def __call__(self, record: PatientRecord, values: dict[str, int], notes: Notes) -> dict[str, Any]:
        """Write the variables of both measures, and return the answer's facts."""
        echoes = record.echocardiograms or ()
        at = record.presentation.echocardiogram if record.presentation is not None else None
        if not echoes and at is None:
            return {}
        told: dict[str, Any] = {}
        days: float | None = None
        for name, measure in _MEASURES.items():
            pair = self._pair(echoes, measure)
            presented = None if at is None else measure(at)
            if pair.first is None and presented is not None:
                pair = Pair(presented, None, None, None)
            elif presented is not None and presented != pair.first:
                field = f"presentation.echocardiogram.{_FIELDS[name]}"
                notes.disagree(field, presented, pair.first, _DIFFER)
            if pair.first is not None:
                told[name] = _write(name, pair, values)
                days = _apart(pair) if days is None else days
        if days is None:
            days = self._follow_up_of_all(echoes)
        if days is not None:
            values["echo.follow_up_day"] = scaled(days, _TENTHS)
            told["follow_up_days_after_first"] = days
        reduced = self._is_reduced(told["lvef"]["first"]) if "lvef" in told else None
        if reduced is not None:
            values["lvef.reduced"] = int(reduced)
            told["lvef"]["reduced"] = reduced
        return told

    def _pair(self, echoes: tuple[DatedEchocardiogram, ...], measure: Measure) -> Pair:
        first = follow_up = first_day = follow_up_day = None
        for echo in echoes:
            value = measure(echo)
            if value is None:
                continue
            if first_day is None:
                first, first_day = value, echo.day
                continue
            follow_up, follow_up_day = value, echo.day
            if self._is_late(round(echo.day - first_day, 1)):
                break
        return Pair(first, first_day, follow_up, follow_up_day) if first_day is not None else _NO_PAIR

    def _follow_up_of_all(self, echoes: tuple[DatedEchocardiogram, ...]) -> float | None:
        """Return the days to the follow-up where no measure has a pair."""
        return _apart(self._pair(echoes, lambda _: 0.0))


def _apart(pair: Pair) -> float | None:
    if pair.first_day is None or pair.follow_up_day is None:
        return None
    return round(pair.follow_up_day - pair.first_day, 1)


def _write(name: str, pair: Pair, values: dict[str, int]) -> dict[str, Any]:
    if pair.first is None:
        return {}
    first = values[f"{name}.first"] = scaled(pair.first, _TENTHS)
    told: dict[str, Any] = {"first": pair.first, "first_day": pair.first_day}
    if pair.follow_up is not None:
        after = values[f"{name}.follow_up"] = scaled(pair.follow_up, _TENTHS)
        values[f"{name}.difference"] = after - first
        values[f"{name}.pair"] = pack_pair(first, after)
        told["follow_up"] = pair.follow_up
        told["follow_up_day"] = pair.follow_up_day
        told["difference"] = (after - first) / _TENTHS
    return told
