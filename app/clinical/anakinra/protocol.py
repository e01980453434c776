"""The dosing protocols: every rule set of topic `anakinra-protocol`, compiled at the start."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Final, Literal, NamedTuple

from app.clinical.arithmetic import HOURS_PER_DAY, PERCENT, exact, plain, rounded, significant
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import LoadedRuleSet, Rulebook, RulebookError
from app.clinical.rulebook.model import Range

TOPIC: Final = "anakinra-protocol"
DEFAULT_PROTOCOL: Final = "childrens-national-2020"
STARTING_DOSE: Final = "starting_dose"
BY_DAY: Final = "mg/kg/day"
_ZERO: Final = Decimal(0)

BandName = Literal["critically_ill", "not_critically_ill"]


class Amount(NamedTuple):
    """One dose in all its measures. `daily` and `per_dose` are after the cap and before rounding."""

    mg_kg_day: Decimal
    nominal_daily: Decimal
    daily: Decimal
    per_dose: Decimal
    rounded_per_dose: Decimal
    rounding_percent: Decimal
    volume: Decimal
    volume_to_draw: Decimal
    effective: Decimal
    capped: bool


class StartingBand(NamedTuple):
    """The starting doses of one state of illness, both ends included, mg/kg/day."""

    name: BandName
    label: str
    low: Decimal
    high: Decimal

    @property
    def midpoint(self) -> Decimal:
        """Return the middle of the band."""
        return (self.low + self.high) / 2

    def holds(self, mg_kg_day: Decimal) -> bool:
        """Say whether a dose lies in the band."""
        return self.low <= mg_kg_day <= self.high


class Protocol:
    """One hospital's protocol. What it must hold is said in docs/rules.md; a file that lacks it stops the start."""

    def __init__(self, rules: LoadedRuleSet, label: LoadedRuleSet) -> None:
        self.rules = rules
        self.id = rules.id
        self.critically_ill = self._band("critically_ill")
        self.not_critically_ill = self._band("not_critically_ill")
        self.doses_per_day = rules.count("doses_per_day")
        self.interval_hours = self._interval_hours()
        self.ceiling = self._limit("ceiling")
        self.possible = self._range("dose.possible", BY_DAY)
        self.cap = self._positive("per_dose_cap", "mg")
        self.cap_text_mg = f"{plain(self.cap)} mg"
        self._daily_cap = self.cap * self.doses_per_day
        self.rounding_step = self._positive("rounding_step", "mg")
        self.rounding_text = plain(self.rounding_step)
        self.notable_rounding = rules.threshold("rounding.notable")
        self._load_weaning()
        self._load_texts()
        self._syringe_mg, self._syringe_ml = label.number("syringe.mg"), label.number("syringe.ml")
        self._volume_step = label.number("volume_step")
        self.syringe = f"{plain(self._syringe_mg)} mg in {plain(self._syringe_ml)} mL"
        self._refuse_incoherence()

    def _load_weaning(self) -> None:
        self.step = self._positive("wean.step", BY_DAY)
        self.steps_allowed = self._range("wean.step_allowed", BY_DAY)
        self.interval = self._range("wean.interval", "h")
        self.residue = self._limit("wean.residue")
        self.fever = self.rules.threshold("stability.fever")
        self.stable_hours = self._positive("stability.hours", "h")

    def _load_texts(self) -> None:
        self.evidence = self.rules.text("evidence")
        self.cap_text = self.rules.text("cap")
        self.up_titration = self.rules.text("up_titration")
        self.step_back_up = self.rules.text("step_back_up")

    @cached_property
    def bands(self) -> tuple[StartingBand, StartingBand]:
        """Return both bands, the lower one first."""
        first, second = sorted((self.not_critically_ill, self.critically_ill), key=lambda b: b.low)
        return first, second

    def amount(self, weight: Decimal, mg_kg_day: Decimal) -> Amount:
        """Work out a dose for a weight in kg: divide by the doses of a day, cap, round, and measure the volume."""
        nominal = significant(weight * mg_kg_day)
        capped = nominal > self._daily_cap
        daily = self._daily_cap if capped else nominal
        per_dose = daily / self.doses_per_day
        to_give = self._round(per_dose)
        percent = PERCENT * (to_give - per_dose) / per_dose if per_dose else _ZERO
        volume = to_give * self._syringe_ml / self._syringe_mg
        effective = daily / weight if capped else mg_kg_day
        drawn = rounded(volume, self._volume_step)
        return Amount(mg_kg_day, nominal, daily, per_dose, to_give, percent, volume, drawn, effective, capped)

    def _round(self, per_dose: Decimal) -> Decimal:
        to_give = rounded(per_dose, self.rounding_step)
        return to_give - self.rounding_step if to_give > self.cap else to_give

    def check_target(self, target: float) -> Decimal:
        """Return a target dose as a decimal; raises `RefusedInputError` above the ceiling and at or below zero."""
        dose = exact(target)
        allowed = f"above 0, up to {plain(self.ceiling)} {BY_DAY}"
        if dose <= 0:
            raise refusal("/target_mg_kg_day", "out_of_range", f"target_mg_kg_day must be {allowed}.", allowed)
        if dose > self.ceiling:
            message = f"target_mg_kg_day lies above the ceiling of protocol {self.id}, {plain(self.ceiling)} {BY_DAY}."
            raise refusal("/target_mg_kg_day", "above_ceiling", f"{message} Send at most that.", allowed)
        return dose

    def check_current(self, current: float, pointer: str = "/current_mg_kg_day") -> Decimal:
        """Return a dose now given as a decimal; above the ceiling is no error, above all literature is."""
        dose = exact(current)
        if not self.possible.contains(dose):
            allowed = f"above {plain(self.possible.low)}, up to {plain(self.possible.high)} {BY_DAY}"
            message = f"{pointer[1:]} must be {allowed}: the dose of a whole day per kg, not of one dose."
            raise refusal(pointer, "out_of_range", message, allowed)
        return dose

    def _band(self, name: BandName) -> StartingBand:
        row = self._range(f"start.{name}", BY_DAY)
        if row.group != STARTING_DOSE:
            raise self._error(f"range {row.id!r}: group must be {STARTING_DOSE!r}, so that overlaps are found")
        return StartingBand(name, row.label or name.replace("_", " "), row.low, row.high)

    def _range(self, key: str, unit: str) -> Range:
        row = self.rules.range(key)
        self._refuse_unit("range", key, row.unit, unit)
        if row.low < 0 or (row.low == 0 and row.low_bound == "inclusive"):
            raise self._error(f"range {key!r} must lie above 0")
        return row

    def _positive(self, key: str, unit: str) -> Decimal:
        row = self.rules.parameter(key)
        self._refuse_unit("parameter", key, row.unit, unit)
        if row.value <= 0:
            raise self._error(f"parameter {key!r} must be above 0")
        return row.value

    def _limit(self, key: str) -> Decimal:
        row = self.rules.threshold(key)
        self._refuse_unit("threshold", key, row.unit, BY_DAY)
        if row.operator != "<=":
            raise self._error(f"threshold {key!r}: operator must be '<='")
        return row.value

    def _refuse_unit(self, kind: str, key: str, found: str, wanted: str) -> None:
        if found != wanted:
            raise self._error(f"{kind} {key!r}: unit must be {wanted!r}, not {found!r}")

    def _interval_hours(self) -> int:
        if self.doses_per_day < 1 or HOURS_PER_DAY % self.doses_per_day:
            raise self._error("parameter 'doses_per_day' must divide 24 hours evenly")
        return HOURS_PER_DAY // self.doses_per_day

    def _refuse_incoherence(self) -> None:
        for band in self.bands:
            if band.high > self.ceiling:
                raise self._error(f"range 'start.{band.name}' reaches above threshold 'ceiling'")
        if not self.possible.contains(self.ceiling):
            raise self._error("threshold 'ceiling' lies outside range 'dose.possible'")
        if not self.steps_allowed.contains(self.step):
            raise self._error("parameter 'wean.step' lies outside range 'wean.step_allowed'")

    def _error(self, reason: str) -> RulebookError:
        return RulebookError(f"{self.rules.file}: {reason}")


class Protocols:
    """All protocols by id: the built-in one, and those of a hospital's rules folder."""

    def __init__(self, rulebook: Rulebook) -> None:
        label = rulebook["kineret-label"]
        self._by_id = {s.id: Protocol(s, label) for s in rulebook.of_topic(TOPIC)}
        if DEFAULT_PROTOCOL not in self._by_id:
            raise RulebookError(f"rule set {DEFAULT_PROTOCOL!r} must be there and have topic {TOPIC!r}")

    def all(self) -> tuple[Protocol, ...]:
        """Return every protocol, by id."""
        return tuple(self._by_id.values())

    def chosen(self, protocol_id: str | None) -> Protocol:
        """Return the protocol asked for (None: the study's); raises `RefusedInputError` with those that exist."""
        found = self._by_id.get(DEFAULT_PROTOCOL if protocol_id is None else protocol_id)
        if found is None:
            message = "There is no such dosing protocol. GET /v1/protocols lists those that exist."
            raise RefusedInputError(InputError("/protocol", "protocol_unknown", message, tuple(self._by_id)))
        return found


def refusal(pointer: str, code: str, message: str, *allowed: str) -> RefusedInputError:
    """Make the refusal of one field."""
    return RefusedInputError(InputError(pointer, code, message, allowed))
