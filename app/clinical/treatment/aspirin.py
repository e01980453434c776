"""Low-dose aspirin: by weight, capped, and held when platelets are low or bleeding threatens."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

from pydantic import Field

from app.clinical.arithmetic import exact, said, shown
from app.clinical.evidence import MET, NOT_MET, UNKNOWN, Combination, Criterion, Finding, Truth
from app.clinical.patient import Answer, Fact, Measurement, Patient, PatientCheck, strict
from app.clinical.rulebook import Provenance, Rulebook
from app.clinical.warning import Caution

Status = Literal["planned", "hold", "unknown"]
_STATUS: Final[dict[Truth, Status]] = {MET: "hold", NOT_MET: "planned", UNKNOWN: "unknown"}


class AspirinRequest(Patient):
    """What aspirin needs: the weight, and what would speak against it."""

    model_config = strict("""{"weight_kg": 15, "age_years": 4, "platelets_10e3_ul": 210, "bleeding": false}""")

    platelets_10e3_ul: float | None = Field(
        default=None, description="Platelets in 10*3/uL, plausible from 1 to 5000; held at 80 or below"
    )
    bleeding: Fact = Field(default=None, description="Active bleeding, or a significant risk of it")


class AspirinOption(Answer):
    """One end of the dose range."""

    at: Literal["low", "high"] = Field(description="Which end of the range")
    mg_kg_day: float = Field(description="mg/kg/day before the cap")
    daily_mg: float = Field(description="mg/day after the cap")
    effective_mg_kg_day: float = Field(description="mg/kg/day the child really gets")
    capped: bool = Field(description="The cap binds")


class AspirinAnswer(Answer):
    """The daily dose as a range, or hold."""

    status: Status = Field(
        description="planned: nothing speaks against it; hold: something does; unknown: the dose is shown, but "
        "platelets or bleeding are not known, and must be before it is given"
    )
    hold: Finding = Field(description="Low platelets or bleeding: met means hold")
    options: tuple[AspirinOption, ...] = Field(description="Both ends of the range; empty when held")
    cap_mg_day: float = Field(description="Highest daily dose, mg")
    until: str = Field(description="How long, in words")
    steps: tuple[str, ...] = Field(description="The working, line by line")
    missing: tuple[str, ...] = Field(description="Inputs that must be known before it is given")
    warnings: tuple[Caution, ...] = Field(description="What to know beside the numbers")
    rules: Provenance = Field(description="The rule set behind the answer")


class Aspirin:
    """Answers `POST /v1/treatment/aspirin` by `acr-misc-2022`."""

    def __init__(self, rulebook: Rulebook, check: PatientCheck) -> None:
        rules = rulebook["acr-misc-2022"]
        self._check = check
        self._rules = rules.provenance(rulebook["body-measures"], rulebook["growth-limits"])
        self._range = rules.range("aspirin.dose")
        self._cap = rules.number("aspirin.cap")
        self._until = rules.text("aspirin.until")
        held = Caution(code="aspirin_hold", message=rules.text("aspirin.hold"))
        unknown = Caution(code="aspirin_not_cleared", message=f"Not all is known yet. {rules.text('aspirin.hold')}")
        # Wherever a dose is shown, what nobody asked for is said: silence would look like a check.
        open_ = Caution(code="aspirin_not_asked", message=rules.text("aspirin.not_asked"))
        self._warnings: dict[Truth, tuple[Caution, ...]] = {MET: (held,), NOT_MET: (open_,), UNKNOWN: (unknown, open_)}
        limit = rules.threshold("aspirin.platelets")
        source = rules.cite(limit)
        self._platelets = Criterion(
            "aspirin.platelets", "Low platelets", "platelets_10e3_ul", source=source, threshold=limit
        )
        self._bleeding = Criterion(
            "aspirin.bleeding", "Active or significant risk of bleeding", "bleeding", source=source
        )
        self._hold = Combination("aspirin.hold", "Something speaks against aspirin", "any", source=source)

    def __call__(self, request: AspirinRequest) -> AspirinAnswer:
        """Work out the daily dose in mg for a weight in kg; raises `RefusedInputError` for numbers that cannot be."""
        platelets = request.platelets_10e3_ul
        body = self._check(request, Measurement("platelets_10e3_ul", platelets, "/platelets_10e3_ul"))
        parts = self._platelets.measured(platelets), self._bleeding.stated(request.bleeding)
        hold = self._hold(*parts)
        missing = tuple(name for part in parts for name in part.missing) if hold.status == UNKNOWN else ()
        options, lines = ((), ()) if hold.status == MET else self._doses(exact(request.weight_kg))
        return AspirinAnswer(
            status=_STATUS[hold.status],
            hold=hold,
            options=options,
            cap_mg_day=shown(self._cap),
            until=self._until,
            steps=lines,
            missing=missing,
            warnings=(*body, *self._warnings[hold.status]),
            rules=self._rules,
        )

    def _doses(self, weight: Decimal) -> tuple[tuple[AspirinOption, ...], tuple[str, ...]]:
        options = self._option("low", self._range.low, weight), self._option("high", self._range.high, weight)
        return options, tuple(line for o in options for line in self._lines(o, weight))

    def _option(self, at: Literal["low", "high"], dose: Decimal, weight: Decimal) -> AspirinOption:
        asked = dose * weight
        given = min(asked, self._cap)
        return AspirinOption(
            at=at,
            mg_kg_day=shown(dose),
            daily_mg=shown(given),
            effective_mg_kg_day=shown(given / weight),
            capped=given < asked,
        )

    def _lines(self, option: AspirinOption, weight: Decimal) -> tuple[str, ...]:
        dose = exact(option.mg_kg_day)
        asked = said(dose * weight)
        first = f"{said(weight)} kg x {said(dose)} mg/kg/day = {asked} mg/day"
        return (first, f"{asked} mg/day is above the cap: {said(self._cap)} mg/day") if option.capped else (first,)
