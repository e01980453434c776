"""Laboratory values and other measurements at the door: named, converted exactly, and believable.

A unit or an analyte that is not known is refused with what is allowed; nothing is ever guessed. Two assays that share
a name but not a scale (D-dimer FEU and DDU, BNP and NT-proBNP, troponin I and T) are different analytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from app.clinical.arithmetic import exact, plain
from app.clinical.plausibility import NO_CAUTIONS, Interval, Judgement, Tiers
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import Rulebook, RulebookError
from app.clinical.rulebook.analytes import AmbiguousName, AnalyteRule, CautionRule
from app.clinical.rulebook.model import Range
from app.clinical.units import Unit, fold
from app.clinical.warning import Caution

LOINC_PREFIX: Final = "loinc:"
HOW_TO_LIST: Final = "GET /v1/rules/quantities lists every analyte with its names, LOINC codes and units."
_ZERO: Final = Decimal(0)


class LabMeasurement(BaseModel):
    """One laboratory result as sent: the limits are the reporting laboratory's, in the same unit as the value."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    analyte: str = Field(
        min_length=1,
        max_length=100,
        description='Our name of the analyte ("crp") or its LOINC code ("loinc:1988-5")',
        examples=["crp", "loinc:1988-5"],
    )
    value: float = Field(description="The result, in `unit`; its plausible range depends on the analyte")
    unit: str = Field(
        min_length=1,
        max_length=40,
        description='Unit of the value and of both limits: UCUM or a spelling in common use ("mg/L", "K/uL")',
        examples=["mg/L"],
    )
    lower_limit: float | None = Field(
        default=None, description="Lower limit of the laboratory's reference range, in `unit`; null or absent: unknown"
    )
    upper_limit: float | None = Field(
        default=None, description="Upper limit of the laboratory's reference range, in `unit`; null or absent: unknown"
    )


class Conversion(BaseModel):
    """How a result was brought to the unit in which it is compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    analyte: str = Field(description="Our name of the analyte")
    from_value: float = Field(description="The result as sent")
    from_unit: str = Field(description="Its unit (UCUM)")
    to_value: float = Field(description="The result converted, at 15 significant digits")
    to_unit: str = Field(description="The unit in which rules compare")
    factor: float = Field(description="Converted value = value as sent x factor")
    text: str = Field(description='The working: "154 mg/L x 0.1 = 15.4 mg/dL"')


class Measured(NamedTuple):
    """A result in its analyte's canonical unit, and what was sent."""

    slug: str
    value: Decimal
    unit: str
    lower_limit: Decimal | None
    upper_limit: Decimal | None
    sent_value: float
    sent_unit: str
    conversion: Conversion | None
    cautions: tuple[Caution, ...]

    @property
    def is_above_upper_limit(self) -> bool | None:
        """Say whether the value exceeds the laboratory's upper limit; None when the limit is unknown."""
        return None if self.upper_limit is None else self.value > self.upper_limit

    @property
    def is_below_lower_limit(self) -> bool | None:
        """Say whether the value falls below the laboratory's lower limit; None when the limit is unknown."""
        return None if self.lower_limit is None else self.value < self.lower_limit


class LabCaution(NamedTuple):
    """A likely slip of one analyte: a warning for a number strictly between two bounds."""

    above: Decimal | None
    below: Decimal | None
    caution: Caution

    def fires(self, value: Decimal | None) -> bool:
        """Say whether a number (None: not sent) earns the warning."""
        if value is None:
            return False
        return (self.above is None or value > self.above) and (self.below is None or value < self.below)


class Analyte:
    """One analyte, compiled: its units by every spelling, its ranges and its likely slips."""

    __slots__ = ("canonical", "label", "loinc", "lower_cautions", "rule", "slug", "units", "upper_cautions", "value_cautions", "_exact", "_folded")  # fmt: skip

    def __init__(self, rule: AnalyteRule, spellings: Mapping[str, Sequence[str]]) -> None:
        self.rule = rule
        self.slug = rule.slug
        self.label = rule.label
        self.loinc = rule.loinc
        self.units = _units(rule)
        self.canonical = self.units[rule.canonical]
        self.value_cautions = tuple(_lab_caution(c) for c in rule.caution if c.of == "value")
        self.lower_cautions = tuple(_lab_caution(c) for c in rule.caution if c.of == "lower_limit")
        self.upper_cautions = tuple(_lab_caution(c) for c in rule.caution if c.of == "upper_limit")
        self._exact = self._index(spellings)
        self._folded = {fold(s): u for s, u in self._exact.items()}

    def _index(self, spellings: Mapping[str, Sequence[str]]) -> dict[str, Unit]:
        found: dict[str, Unit] = {}
        for row in self.rule.unit:
            unit = self.units[row.code]
            for spelling in (row.code, *spellings.get(row.code, ()), *row.spelling):
                if found.setdefault(spelling, unit) is not unit:
                    raise RulebookError(f"analyte {self.slug!r}: {spelling!r} spells two units")
        folded: dict[str, Unit] = {}
        for spelling, unit in found.items():
            if folded.setdefault(fold(spelling), unit) is not unit:
                raise RulebookError(f"analyte {self.slug!r}: {spelling!r} spells two units when case is ignored")
        return found

    def find_unit(self, spelling: str) -> Unit | None:
        """Return the unit that a spelling means, or None."""
        return self._exact.get(spelling) or self._folded.get(fold(spelling))


def _units(rule: AnalyteRule) -> dict[str, Unit]:
    spans = (rule.possible, rule.plausible, rule.usual)
    base = Tiers(f"{rule.label} ({rule.slug})", rule.canonical, *(Interval(s.low, s.high) for s in spans))
    return {
        u.code: Unit(u.code, u.multiply, u.divide, base if u.code == rule.canonical else base.in_unit(u.code, u.divide, u.multiply))
        for u in rule.unit
    }


def _lab_caution(rule: CautionRule) -> LabCaution:
    return LabCaution(rule.above, rule.below, Caution(code=rule.code, message=rule.message))


class Quantities:
    """Every analyte and every other measured quantity, compiled from the rule sets `quantities` and `body-measures`."""

    def __init__(self, rulebook: Rulebook) -> None:
        rules, body = rulebook["quantities"], rulebook["body-measures"]
        self.rules = rules
        self.body_rules = body
        spellings = {u.code: u.spelling for u in rules.content.unit}
        self.analytes = {r.slug: Analyte(r, spellings) for r in rules.content.analyte}
        self._by_name = self.analytes | {f"{LOINC_PREFIX}{c}": a for a in self.analytes.values() for c in a.loinc}
        self._ambiguous = {n: row for row in rules.content.ambiguous for n in row.name}
        self._suggestions = {n: a.slug for a in self.analytes.values() for n in (a.slug, *a.rule.also_called)}
        self._tiers = _tiers(body.content.range) | {
            a.rule.field: a.canonical.tiers for a in self.analytes.values() if a.rule.field is not None
        }

    def analyte(self, name: str, pointer: str) -> Analyte:
        """Return the analyte of a slug ("crp") or LOINC code ("loinc:1988-5").

        Raises `RefusedInputError`: `analyte_ambiguous` for a name that could mean several assays, else `analyte_unknown`.
        """
        raise NotImplementedError

    def unit(self, analyte: Analyte, unit: str, pointer: str) -> Unit:
        """Return the unit that a spelling means for this analyte; raises `RefusedInputError`: `unit_unknown`."""
        raise NotImplementedError

    def measure(self, lab: LabMeasurement, pointer: str, *, override_plausibility: bool = False) -> Measured:
        """Bring one result to its canonical unit; `pointer` is the entry's ("/labs/0").

        Raises `RefusedInputError` with every fault of the entry.
        """
        raise NotImplementedError

    def measure_all(
        self, labs: Sequence[LabMeasurement], *, override: bool = False, pointer: str = "/labs"
    ) -> dict[str, Measured]:
        """Bring every result of a request to its canonical unit, by slug, whatever the order.

        Raises `RefusedInputError` with the faults of all entries; a second result of one analyte is
        `analyte_repeated`, as these requests carry no times that could tell which one counts.
        """
        raise NotImplementedError

    def check(
        self, name: str, value: float | Decimal | None, pointer: str, *, override: bool = False
    ) -> tuple[Caution, ...]:
        """Check a measurement that is no laboratory result ("weight_kg") against its ranges; None is unknown.

        Raises `RefusedInputError`: `out_of_range` or `implausible`.
        """
        raise NotImplementedError

    def check_each(
        self, values: Iterable[tuple[str, float | Decimal | None, str]], *, override: bool = False
    ) -> tuple[Caution, ...]:
        """Check several (name, value, pointer) and refuse with all faults together."""
        raise NotImplementedError
