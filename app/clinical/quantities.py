"""Laboratory values and other measurements at the door: named, converted exactly, and believable.

A unit or an analyte that is not known is refused with what is allowed; nothing is ever guessed. Two assays that share
a name but not a scale (D-dimer FEU and DDU, BNP and NT-proBNP, troponin I and T) are different analytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Final, NoReturn

from app.clinical.analyte import Analyte
from app.clinical.arithmetic import exact
from app.clinical.measurement import Conversion, LabMeasurement, Measured, measured
from app.clinical.plausibility import NO_CAUTIONS, Interval, Tiers
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import LoadedRuleSet, Rulebook, RulebookError
from app.clinical.rulebook.model import Range
from app.clinical.units import Unit
from app.clinical.warning import Caution

__all__ = ["Conversion", "LabMeasurement", "Measured", "Quantities"]

LOINC_PREFIX: Final = "loinc:"
INCLUSIVE: Final = "inclusive"
TIER_NAMES: Final = ("possible", "plausible", "usual")
HOW_TO_LIST: Final = "GET /v1/rules/quantities lists every analyte with its names, LOINC codes and units."


class Quantities:
    """Every analyte and every other measured quantity, compiled from `quantities` and `body-measures`."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rulebook["quantities"]
        self.body_rules = rulebook["body-measures"]
        self.analytes: dict[str, Analyte] = _analytes(self.rules)
        self._by_name = self.analytes | _by_loinc(self.analytes.values())
        self._ambiguous = {name: row for row in self.rules.content.ambiguous for name in row.name}
        self._also_called = {n: a.slug for a in self.analytes.values() for n in (a.slug, *a.rule.also_called)}
        self._tiers = tiers_of(self.body_rules) | {
            a.rule.field: a.canonical.tiers._replace(label=a.rule.field)
            for a in self.analytes.values()
            if a.rule.field is not None
        }
        self._usual = {name: (float(t.usual.low), float(t.usual.high)) for name, t in self._tiers.items()}

    def analyte(self, name: str, pointer: str) -> Analyte:
        """Return the analyte of a slug ("crp") or LOINC code ("loinc:1988-5"); `pointer` is the field's.

        Raises `RefusedInputError`: `analyte_ambiguous` for a name that may mean several assays, or `analyte_unknown`.
        """
        found = self._by_name.get(name)
        return found if found is not None else self._refuse_analyte(name, pointer)

    def unit(self, analyte: Analyte, unit: str, pointer: str) -> Unit:
        """Return the unit that a spelling means for this analyte; `pointer` is the field's.

        Raises `RefusedInputError` `unit_unknown` with the allowed codes, also for a unit of another analyte.
        """
        found = analyte.find_unit(unit)
        if found is None:
            message = f"This is not a unit of {analyte.label} ({analyte.slug}) known here; it is not guessed."
            raise RefusedInputError(InputError(pointer, "unit_unknown", message, tuple(analyte.units)))
        return found

    def measure(self, lab: LabMeasurement, pointer: str, *, override_plausibility: bool = False) -> Measured:
        """Bring one result to its canonical unit; `pointer` is the entry's ("/labs/0", or "" for the body itself).

        Raises `RefusedInputError`: `analyte_unknown`, `analyte_ambiguous`, `unit_unknown`, `field_missing`
        (no value), or every number at fault as `out_of_range`, `implausible` or `limits_reversed`.
        """
        analyte, unit = self._name(lab, pointer)
        if lab.value is None:
            raise RefusedInputError(InputError(f"{pointer}/value", "field_missing", "A value is needed here."))
        return measured(analyte, unit, lab, lab.value, pointer, override=override_plausibility)

    def _name(self, lab: LabMeasurement, pointer: str) -> tuple[Analyte, Unit]:
        """Find analyte and unit of a result, or refuse the name that is not known."""
        analyte = self._by_name.get(lab.analyte) or self.analyte(lab.analyte, f"{pointer}/analyte")
        return analyte, analyte.find_unit(lab.unit) or self.unit(analyte, lab.unit, f"{pointer}/unit")

    def measure_all(
        self, labs: Sequence[LabMeasurement], *, override: bool = False, pointer: str = "/labs"
    ) -> dict[str, Measured]:
        """Bring every result of a request to its canonical unit, by slug; the order does not matter.

        Raises `RefusedInputError` with the faults of all entries. A second result of one analyte is refused as
        `analyte_repeated`: such a request carries no times, so nothing says which of the two counts.
        """
        results: dict[str, Measured] = {}
        errors: list[InputError] = []
        for index, lab in enumerate(labs):
            try:
                if lab.value is None:
                    self._name(lab, f"{pointer}/{index}")  # pending: unknown, but its names must still be right
                    continue
                result = self.measure(lab, f"{pointer}/{index}", override_plausibility=override)
            except RefusedInputError as refusal:
                errors += refusal.errors
                continue
            if results.setdefault(result.slug, result) is not result:
                errors.append(_repeated(f"{pointer}/{index}/analyte"))
        if errors:
            raise RefusedInputError(*errors)
        return results

    def check(
        self, name: str, value: float | Decimal | None, pointer: str, *, override: bool = False
    ) -> tuple[Caution, ...]:
        """Check a measurement that is no laboratory entry ("weight_kg") against its ranges; None is unknown.

        Raises `RefusedInputError`: `out_of_range`, or `implausible` without the override.
        """
        if value is None:
            return NO_CAUTIONS
        error, cautions = self._tiers[name].judge(exact(value), pointer, override=override)
        if error is not None:
            raise RefusedInputError(error)
        return cautions

    def tiers(self, name: str) -> Tiers:
        """Return the ranges of a measurement that is no laboratory entry ("weight_kg", "infusion.dopamine")."""
        return self._tiers[name]

    def check_each(
        self, values: Iterable[tuple[str, float | Decimal | None, str]], *, override: bool = False
    ) -> tuple[Caution, ...]:
        """Check several (name, value, pointer) as `check` does, and refuse with all faults together."""
        # Strictly between the ends as doubles is strictly between them as decimals: most numbers need no more.
        usual = self._usual
        judged = [
            self._tiers[n].judge(exact(v), p, override=override)
            for n, v, p in values
            if v is not None and not usual[n][0] < v < usual[n][1]
        ]
        errors = [error for error, _ in judged if error is not None]
        if errors:
            raise RefusedInputError(*errors)
        return tuple(c for _, cautions in judged for c in cautions)

    def _refuse_analyte(self, name: str, pointer: str) -> NoReturn:
        plain_name = name.strip().lower()
        ambiguous = self._ambiguous.get(plain_name)
        if ambiguous is not None:
            raise RefusedInputError(InputError(pointer, "analyte_ambiguous", ambiguous.message, ambiguous.choice))
        close = get_close_matches(plain_name.replace(" ", "_").replace("-", "_"), self._also_called)
        allowed = tuple(dict.fromkeys(self._also_called[n] for n in close))
        hint = " Did you mean one of those allowed here?" if allowed else ""
        message = f"This analyte is not known.{hint} {HOW_TO_LIST}"
        raise RefusedInputError(InputError(pointer, "analyte_unknown", message, allowed))


def _analytes(rules: LoadedRuleSet) -> dict[str, Analyte]:
    spellings = {u.code: u.spelling for u in rules.content.unit}
    found: dict[str, Analyte] = {}
    known = {source.key for source in rules.content.source}
    for row in rules.content.analyte:
        if not row.sources <= known:
            raise RulebookError(f"{rules.file}: analyte {row.slug!r}: a source is not among the file's sources")
        found[row.slug] = Analyte(row, spellings)
    unknown = [c for row in rules.content.ambiguous for c in row.choice if c not in found]
    if unknown:
        raise RulebookError(f"{rules.file}: ambiguous: {unknown[0]!r} is no analyte of this file")
    return found


def _by_loinc(analytes: Iterable[Analyte]) -> dict[str, Analyte]:
    found: dict[str, Analyte] = {}
    for analyte in analytes:
        for code in analyte.loinc:
            other = found.setdefault(f"{LOINC_PREFIX}{code}", analyte)
            if other is not analyte:
                raise RulebookError(f"LOINC {code} stands at {other.slug!r} and at {analyte.slug!r}")
    return found


def tiers_of(rules: LoadedRuleSet) -> dict[str, Tiers]:
    """Compile rows named `weight_kg.possible`, `.plausible`, `.usual`; an absent one is as wide as the one before."""
    rows: dict[str, dict[str, Range]] = {}
    for row in rules.content.range:
        name, _, tier = row.id.rpartition(".")
        if tier not in TIER_NAMES:
            raise RulebookError(f"{rules.file}: range {row.id!r} must end in one of {', '.join(TIER_NAMES)}")
        rows.setdefault(name, {})[tier] = row
    return {name: _tiers(name, tiers, rules) for name, tiers in rows.items()}


def _tiers(name: str, rows: Mapping[str, Range], rules: LoadedRuleSet) -> Tiers:
    possible = rules.range(f"{name}.{TIER_NAMES[0]}")
    intervals = [_interval(possible)]
    for tier in TIER_NAMES[1:]:
        intervals.append(_interval(rows[tier]) if tier in rows else intervals[-1])
        if not intervals[-1].within(intervals[-2]):
            raise RulebookError(f"{rules.file}: range {name}.{tier!r} must lie within the wider tier")
    return Tiers(possible.label or name, possible.unit, *intervals)


def _interval(row: Range) -> Interval:
    return Interval(row.low, row.high, row.low_bound == INCLUSIVE, row.high_bound == INCLUSIVE)


def _repeated(pointer: str) -> InputError:
    message = "This analyte was sent before in this request. Send one result per analyte: the one that should count."
    return InputError(pointer, "analyte_repeated", message)
