"""Every number of a record that is no laboratory value: where it stands, its plausible range, its precision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from pydantic import BaseModel

from app.clinical.plausibility import Tiers
from app.clinical.presentation import Echocardiogram, Hemodynamics
from app.clinical.quantities import Quantities, tiers_of
from app.clinical.rulebook import LoadedRuleSet
from app.clinical.vasoactive import AGENTS
from app.cohorts.precision import DIGITS, at_precision, factor_of
from app.cohorts.records import (
    AtPresentation,
    Cytokines,
    PatientRecord,
    Temperature,
    Treatment,
    course_of,
    each,
    infusion_of,
)

Path = tuple[str | int, ...]

# The ranges of fields whose name is not that of their quantity.
_QUANTITY: Final[Mapping[str, str]] = {
    "celsius": "temperature_celsius",
    "lad_z": "coronary_z",
    "rca_z": "coronary_z",
    "lad_z_previous": "coronary_z",
    "rca_z_previous": "coronary_z",
    "lad_mm": "coronary_mm",
    "rca_mm": "coronary_mm",
    "dose_g_kg": "ivig_g_kg",
    "started_hour": "hour",
    "stopped_hour": "hour",
    "ended_hour": "hour",
    "discharged_hour": "hour",
    "hours": "duration_hours",
    "mg_kg_day": "anakinra_step",
    "starting_mg_kg_day": "anakinra_mg_kg_day",
    "maximum_mg_kg_day": "anakinra_mg_kg_day",
    "maximum_mg_per_dose": "anakinra_mg",
    "initiation_hospital_day": "hospital_day",
    "fold": "cytokine_fold",
}
_STRAIN: Final = "ap4_strain_percent"
_REMEMBERED: Final = 8192
_BODY: Final = ("age_years", "weight_kg")
_PRESENTATION: Final = ("age_years", "weight_kg", "height_cm")
_FEVER: Final = ("maximum_celsius", "duration_hours")
_ECHO: Final = ("lvef_percent", "lad_z", "rca_z", "lad_mm", "rca_mm", "lad_z_previous", "rca_z_previous")
_HEMODYNAMICS: Final = ("systolic_bp_mmhg", "baseline_systolic_bp_mmhg", "fluid_bolus_ml_kg")
_SARS: Final = ("days_before_admission", "exposure_days_before_onset", "exposure_days_before_admission")
_IVIG: Final = ("dose_g_kg", "started_hour", "ended_hour")
_ANAKINRA: Final = (
    "started_hour",
    "stopped_hour",
    "initiation_hospital_day",
    "starting_mg_kg_day",
    "maximum_mg_kg_day",
    "maximum_mg_per_dose",
    "duration_days",
)
_OUTCOME: Final = ("length_of_stay_days", "discharged_hour")


class NumberRule:
    """One field: its ranges, the factor of its precision, and the numbers of which nothing is to be said.

    Numbers at clinical precision repeat: those that were found to be fine are remembered, not whose they were.
    """

    __slots__ = ("_high", "_low", "factor", "field", "good", "tiers")

    def __init__(self, field: str, tiers: Tiers, factor: int) -> None:
        self.field = field
        self.tiers = tiers
        self.factor = factor
        self.good: set[float] = set()
        # Strictly between the ends as doubles is strictly between them as decimals.
        self._low, self._high = float(tiers.usual.low), float(tiers.usual.high)

    def is_plain(self, value: float) -> bool:
        """Say whether a number is usual and has no more digits than are kept."""
        if not self._low < value < self._high or at_precision(value, self.factor) != value:
            return False
        if len(self.good) >= _REMEMBERED:
            self.good.clear()
        self.good.add(value)
        return True


class Odd(NamedTuple):
    """A number that needs a second look: out of the usual, or with more digits than are kept."""

    path: Path
    value: float
    rule: NumberRule


class RecordNumbers:
    """Finds the numbers of a record that need a second look."""

    def __init__(self, quantities: Quantities, rules: LoadedRuleSet) -> None:
        self.quantities = quantities
        self._own = tiers_of(rules)
        self._body = self._rules(_BODY)
        self._presentation = self._rules(_PRESENTATION)
        self._fever = self._rules(_FEVER)
        self._echo = self._rules(_ECHO)
        self._hemodynamics = self._rules(_HEMODYNAMICS)
        self._sars = self._rules(_SARS)
        self._ivig = self._rules(_IVIG)
        self._anakinra = self._rules(_ANAKINRA)
        self._outcome = self._rules(_OUTCOME)
        (self.hour,) = self._rules(("hour",))
        (self.hours,) = self._rules(("hours",))
        (self._celsius,) = self._rules(("celsius",))
        self._dated_echo = self._rules(("day", *_ECHO))
        self._dose = self._rules(("hour", "mg_kg_day"))
        self._rates = {agent: self._rule("rate", f"infusion.{agent}") for agent in AGENTS}
        (self._fold,) = self._rules(("fold",))
        self.strain = self._rule(_STRAIN)

    def odd(self, record: PatientRecord) -> list[Odd]:
        """List the numbers that need a second look."""
        found: list[Odd] = []
        _look(record, self._body, (), found)
        if record.presentation is not None:
            self._at_presentation(record.presentation, found)
        if record.treatment is not None:
            self._given(record.treatment, found)
        if record.temperatures:
            self._temperatures(record.temperatures, found)
        if record.defervescence is not None:
            _look(record.defervescence, (self.hours,), ("defervescence",), found)
        for place, echo in enumerate(record.echocardiograms or ()):
            path = ("echocardiograms", place)
            _look(echo, self._dated_echo, path, found)
            self._strain(echo, path, found)
        if record.cytokines is not None:
            self._folds(record.cytokines, found)
        if record.outcome is not None:
            _look(record.outcome, self._outcome, ("outcome",), found)
        return found

    def _given(self, treatment: Treatment, found: list[Odd]) -> None:
        ivig, anakinra = infusion_of(treatment), course_of(treatment)
        if ivig is not None:
            _look(ivig, self._ivig, ("treatment", "ivig"), found)
        if anakinra is not None:
            _look(anakinra, self._anakinra, ("treatment", "anakinra"), found)
            for place, dose in enumerate(anakinra.doses or ()):
                _look(dose, self._dose, ("treatment", "anakinra", "doses", place), found)

    def _folds(self, cytokines: Cytokines, found: list[Odd]) -> None:
        rule = self._fold
        good = rule.good
        for name, one in each(cytokines):
            if one is None:
                continue
            fold = one.fold
            if fold is not None and fold not in good and not rule.is_plain(fold):
                found.append(Odd(("cytokines", name, "fold"), fold, rule))

    def _at_presentation(self, child: AtPresentation, found: list[Odd]) -> None:
        _look(child, self._presentation, ("presentation",), found)
        if child.fever is not None:
            _look(child.fever, self._fever, ("presentation", "fever"), found)
        if child.sars_cov_2 is not None:
            _look(child.sars_cov_2, self._sars, ("presentation", "sars_cov_2"), found)
        if child.echocardiogram is not None:
            path: Path = ("presentation", "echocardiogram")
            _look(child.echocardiogram, self._echo, path, found)
            self._strain(child.echocardiogram, path, found)
        if child.hemodynamics is not None:
            self._circulation(child.hemodynamics, found)

    def _circulation(self, hemodynamics: Hemodynamics, found: list[Odd]) -> None:
        path: Path = ("presentation", "hemodynamics")
        _look(hemodynamics, self._hemodynamics, path, found)
        for place, infusion in enumerate(hemodynamics.vasoactive_infusions or ()):
            _look(infusion, (self._rates[infusion.agent],), (*path, "vasoactive_infusions", place), found)

    def _strain(self, echo: Echocardiogram, path: Path, found: list[Odd]) -> None:
        strain = echo.ap4_strain_percent
        if strain is not None and (echo.sign_convention is not None or not self.strain.is_plain(strain)):
            found.append(Odd((*path, _STRAIN), strain, self.strain))

    def _temperatures(self, temperatures: tuple[Temperature, ...], found: list[Odd]) -> None:
        at, of = self.hour, self._celsius
        hours, degrees = at.good, of.good
        for place, one in enumerate(temperatures):
            hour, celsius = one.hour, one.celsius
            if hour not in hours and not at.is_plain(hour):
                found.append(Odd(("temperatures", place, "hour"), hour, at))
            if celsius not in degrees and not of.is_plain(celsius):
                found.append(Odd(("temperatures", place, "celsius"), celsius, of))

    def _rules(self, fields: Iterable[str]) -> tuple[NumberRule, ...]:
        return tuple(map(self._rule, fields))

    def _rule(self, field: str, quantity: str | None = None) -> NumberRule:
        name = quantity or _QUANTITY.get(field, field)
        tiers = self._own.get(name) or self.quantities.tiers(name)
        factor = factor_of(field) if field in DIGITS else 1
        return NumberRule(field, tiers, factor)


def _look(part: BaseModel, rules: Iterable[NumberRule], path: Path, found: list[Odd]) -> None:
    for rule in rules:
        value = getattr(part, rule.field)
        if value is not None and value not in rule.good and not rule.is_plain(value):
            found.append(Odd((*path, rule.field), value, rule))


def pointer_of(path: Path) -> str:
    """Write a path as a JSON pointer; names of fields hold nothing that needs to be escaped."""
    return "".join(f"/{step}" for step in path)
