"""An analyte compiled from its rule: its units by every spelling, its ranges per unit, its likely slips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from app.clinical.plausibility import Interval, Tiers
from app.clinical.rulebook import RulebookError
from app.clinical.rulebook.analytes import AnalyteRule, CautionRule
from app.clinical.units import Unit, fold
from app.clinical.warning import Caution


class LabCaution(NamedTuple):
    """A likely slip of one analyte: a warning for a number strictly between two bounds (canonical unit)."""

    above: Decimal | None
    below: Decimal | None
    caution: Caution

    def fires(self, value: Decimal) -> bool:
        """Say whether a number earns the warning."""
        return (self.above is None or value > self.above) and (self.below is None or value < self.below)


class Analyte:
    """One analyte. `units` maps a unit's code to the unit; `find_unit` takes any spelling."""

    __slots__ = (
        "_exact",
        "_folded",
        "canonical",
        "cautions",
        "label",
        "limits",
        "loinc",
        "rule",
        "slug",
        "tiers",
        "units",
    )

    def __init__(self, rule: AnalyteRule, spellings: Mapping[str, Sequence[str]]) -> None:
        self.rule = rule
        self.slug: str = rule.slug
        self.label = rule.label
        self.loinc = rule.loinc
        self.units = _units(rule)
        self.canonical = self.units[rule.canonical]
        self.tiers = self.canonical.tiers
        self.limits = self.canonical.limits
        self.cautions = tuple((c.of, _lab_caution(c)) for c in rule.caution)
        self._exact = self._by_spelling(spellings)
        self._folded = self._by_folded_spelling()

    def find_unit(self, spelling: str) -> Unit | None:
        """Return the unit that a spelling means for this analyte, or None."""
        return self._exact.get(spelling) or self._folded.get(fold(spelling))

    def spellings(self) -> dict[str, str]:
        """Return every listed spelling with the code of its unit."""
        return {spelling: unit.code for spelling, unit in self._exact.items()}

    def _by_spelling(self, spellings: Mapping[str, Sequence[str]]) -> dict[str, Unit]:
        found: dict[str, Unit] = {}
        for row in self.rule.unit:
            if row.code not in spellings:
                raise RulebookError(f"analyte {self.slug!r}: unit {row.code!r} is not among the file's units")
            for spelling in (row.code, *spellings[row.code], *row.spelling):
                if found.setdefault(spelling, self.units[row.code]).code != row.code:
                    raise RulebookError(f"analyte {self.slug!r}: {spelling!r} spells two units")
        return found

    def _by_folded_spelling(self) -> dict[str, Unit]:
        found: dict[str, Unit] = {}
        for spelling, unit in self._exact.items():
            if found.setdefault(fold(spelling), unit) is not unit:
                raise RulebookError(f"analyte {self.slug!r}: {spelling!r} spells two units where case is ignored")
        return found


def _units(rule: AnalyteRule) -> dict[str, Unit]:
    spans = (Interval(s.low, s.high) for s in (rule.possible, rule.plausible, rule.usual))
    label = rule.label[0].upper() + rule.label[1:]
    canonical = Tiers(label if rule.label == rule.slug else f"{label} ({rule.slug})", rule.canonical, *spans)
    return {
        u.code: Unit(u.code, u.multiply, u.divide, canonical.in_unit(u.code, u.divide, u.multiply)) for u in rule.unit
    }


def _lab_caution(rule: CautionRule) -> LabCaution:
    return LabCaution(rule.above, rule.below, Caution(code=rule.code, message=rule.message))
