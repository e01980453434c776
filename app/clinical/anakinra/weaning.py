"""The weaning schedule: from the dose the child really gets, step by step to nothing, while clinically stable."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

import msgspec
from pydantic import Field

from app.clinical.anakinra.cautions import above_ceiling, cautions_of, of_effective, uneven
from app.clinical.anakinra.instants import Instant
from app.clinical.anakinra.options import Standing
from app.clinical.anakinra.protocol import DEFAULT_PROTOCOL, Amount, Protocol, Protocols
from app.clinical.anakinra.safety import SafetyChecks
from app.clinical.anakinra.schedule import Strategy, chosen_interval, chosen_step, ladder
from app.clinical.anakinra.timing import Timing, discharge_conflict, timing_of
from app.clinical.arithmetic import exact, said, shown
from app.clinical.patient import Answer, Patient, PatientCheck, strict
from app.clinical.rulebook import Provenance, Rulebook
from app.clinical.struct import documented
from app.clinical.warning import Caution


class WeanRequest(Patient):
    """What a weaning schedule needs. `clinically_stable` must be sent: true, false, or null for unknown."""

    model_config = strict(
        """{"weight_kg": 25, "current_mg_kg_day": 10, "clinically_stable": true, "step_mg_kg_day": 2,
            "interval_hours": 24, "starts_at": "2020-06-01T08:00:00-04:00", "planned_discharge": null,
            "strategy": "fixed"}"""
    )

    current_mg_kg_day: float = Field(
        description="The dose now, in mg/kg/day (whole day, not one dose), above 0 and up to 48"
    )
    clinically_stable: bool | None = Field(
        description="Stable as the clinician judges: no fever and no vasoactive support for 24 h, organ function not "
        "worsening. false or null answers hold"
    )
    step_mg_kg_day: float | None = Field(
        default=None, description="Fall of one step in mg/kg/day, 0.5 to 2; null: the protocol's 2"
    )
    interval_hours: float | None = Field(
        default=None, description="Hours between steps, 24 to 48; null: each step is answered as a window"
    )
    starts_at: Instant | None = Field(
        default=None, description="When the current dose counts as begun, with offset; null: hours only"
    )
    planned_discharge: Instant | None = Field(default=None, description="When the child is to go home, with offset")
    strategy: Strategy = Field(
        default="fixed", description="fixed: whole steps; equalised: as few equal falls as keep within the step"
    )
    protocol: str | None = Field(default=DEFAULT_PROTOCOL, description="Id of the dosing protocol; null: the study's")


# No pydantic model: a plan holds several, and a model costs several times as much to make. Nobody writes to one.
@documented
class WeanStep(msgspec.Struct, gc=False):
    """One dose of the schedule and when it holds. Hours count from the start; step 0 is the current dose."""

    step: Annotated[int, Field(description="0 is the current dose, the last one is 0 mg")]
    mg_kg_day: Annotated[float, Field(description="mg/kg/day")]
    daily_mg: Annotated[float, Field(description="mg/day; per_dose_mg x doses_per_day")]
    per_dose_mg: Annotated[float, Field(description="mg of one dose, before rounding")]
    rounded_per_dose_mg: Annotated[float, Field(description="mg of one dose, rounded for giving")]
    rounding_percent: Annotated[float, Field(description="What rounding adds or takes away, % of per_dose_mg")]
    volume_ml: Annotated[
        float, Field(description="Volume of the rounded dose in mL, from the 100 mg / 0.67 mL syringe")
    ]
    rounded_volume_ml: Annotated[float, Field(description="The same volume at two decimals")]
    from_hour: Annotated[
        float, Field(description="Hour at which the step begins; without interval_hours the earliest such hour")
    ]
    latest_from_hour: Annotated[
        float, Field(description="Latest hour at which it begins; with interval_hours the same as from_hour")
    ]
    until_hour: Annotated[
        float | None,
        Field(description="Hour at which the next step begins; without interval_hours the latest one; null at the end"),
    ]
    starts_at: Annotated[
        datetime | None, Field(description="When the step begins; null without starts_at and interval_hours")
    ]
    earliest_starts_at: Annotated[
        datetime | None, Field(description="starts_at plus from_hour; null without starts_at")
    ]
    latest_starts_at: Annotated[
        datetime | None, Field(description="starts_at plus latest_from_hour; null without starts_at")
    ]


class WeanAnswer(Answer):
    """A weaning schedule, or hold with the reason and no schedule."""

    protocol: str = Field(description="Id of the protocol used")
    status: Literal["planned", "hold"] = Field(description="hold: do not wean now")
    reason: str = Field(description="Why it is planned or held")
    steps: tuple[WeanStep, ...] = Field(description="From the current dose to 0; empty when held")
    doses_per_day: int = Field(description="Doses in 24 hours")
    dose_interval_hours: int = Field(description="Hours between two doses, the same through the whole wean")
    total_hours: float | None = Field(description="Hours to the stop; null without interval_hours and when held")
    earliest_stop_hour: float | None = Field(description="Hours to the stop with the protocol's shortest interval")
    latest_stop_hour: float | None = Field(description="Hours to the stop with the protocol's longest interval")
    stops_at: datetime | None = Field(description="When the drug stops; null without starts_at and interval_hours")
    discharge_conflict: bool | None = Field(
        description="The stop lies after the planned discharge; false also when no planned discharge was sent; "
        "null when it cannot be told (hours only, a window, or held)"
    )
    missing: tuple[str, ...] = Field(description="Inputs that would turn hold into a plan, or a window into hours")
    working: tuple[str, ...] = Field(description="The arithmetic, line by line")
    warnings: tuple[Caution, ...] = Field(description="What to know beside the numbers")
    rules: Provenance = Field(description="The rule sets behind the answer")


class Wean(NamedTuple):
    """One wean, its inputs as decimals."""

    protocol: Protocol
    standing: Standing
    weight: Decimal
    current: Decimal
    step: Decimal
    timing: Timing


class Weaning:
    """Answers `POST /v1/anakinra/wean`."""

    def __init__(self, rulebook: Rulebook, protocols: Protocols, check: PatientCheck) -> None:
        self._protocols = protocols
        self._check = check
        self._safety = SafetyChecks(rulebook)
        self._standing = {p.id: Standing(p, rulebook) for p in protocols.all()}

    def __call__(self, request: WeanRequest) -> WeanAnswer:
        """Plan the way from the current dose to nothing.

        Raises `RefusedInputError` for an unknown protocol, and for a dose, step or interval outside its range.
        """
        protocol = self._protocols.chosen(request.protocol)
        standing = self._standing[protocol.id]
        body = self._check(request)
        current = protocol.check_current(request.current_mg_kg_day)
        step = chosen_step(request.step_mg_kg_day, protocol)
        timing = timing_of(chosen_interval(request.interval_hours, protocol), request.starts_at, protocol)
        if request.clinically_stable is not True:
            return _hold(request.clinically_stable, protocol, standing, body)
        return self._plan(request, Wean(protocol, standing, exact(request.weight_kg), current, step, timing), body)

    def _plan(self, request: WeanRequest, wean: Wean, body: tuple[Caution, ...]) -> WeanAnswer:
        protocol, timing = wean.protocol, wean.timing
        first = protocol.amount(wean.weight, wean.current)
        rungs = ladder(first.effective, wean.step, protocol.residue, request.strategy)
        amounts = [protocol.amount(wean.weight, dose) for dose in rungs.doses]
        falls = len(amounts) - 1
        conflict, of_discharge = discharge_conflict(request.planned_discharge, timing, falls)
        return WeanAnswer(
            protocol=protocol.id,
            status="planned",
            reason="The clinician states that the child is clinically stable. Check again before every step.",
            steps=tuple(_step(i, a, falls, timing) for i, a in enumerate(amounts)),
            doses_per_day=protocol.doses_per_day,
            dose_interval_hours=protocol.interval_hours,
            total_hours=shown(timing.shortest * falls) if timing.is_chosen else None,
            earliest_stop_hour=shown(protocol.interval.low * falls),
            latest_stop_hour=shown(protocol.interval.high * falls),
            stops_at=timing.moment(timing.shortest * falls) if timing.is_chosen else None,
            discharge_conflict=conflict,
            missing=() if timing.is_chosen else ("interval_hours",),
            working=(*_start_lines(first, wean), *rungs.working, *_dose_lines(amounts, wean)),
            warnings=(*body, *of_discharge, *self._warnings(first, amounts, wean)),
            rules=wean.standing.rules,
        )

    def _warnings(self, first: Amount, amounts: list[Amount], wean: Wean) -> tuple[Caution, ...]:
        found = [of_effective(first)] if first.capped else []
        if first.effective > wean.protocol.ceiling:
            found.append(above_ceiling(wean.protocol))
        if wean.timing.is_chosen and wean.timing.shortest % wean.protocol.interval_hours:
            found.append(uneven(wean.protocol))
        given = cautions_of([first, *amounts[1:]], wean.protocol, wean.standing)
        return (*found, *self._safety.of_doses(*amounts), *given, *wean.standing.brief)


def _hold(stable: bool | None, protocol: Protocol, standing: Standing, body: tuple[Caution, ...]) -> WeanAnswer:  # noqa: FBT001 - three-valued
    reason = (
        "Whether the child is clinically stable is not known: hold until a clinician has confirmed it."
        if stable is None
        else "The child is not clinically stable: hold the current dose."
    )
    return WeanAnswer(
        protocol=protocol.id,
        status="hold",
        reason=reason,
        steps=(),
        doses_per_day=protocol.doses_per_day,
        dose_interval_hours=protocol.interval_hours,
        total_hours=None,
        earliest_stop_hour=None,
        latest_stop_hour=None,
        stops_at=None,
        discharge_conflict=None,
        missing=("clinically_stable",) if stable is None else (),
        working=(),
        warnings=(*body, *standing.brief),
        rules=standing.rules,
    )


def _step(index: int, amount: Amount, falls: int, timing: Timing) -> WeanStep:
    earliest, latest = timing.shortest * index, timing.longest * index
    begins = timing.moment(earliest)
    return WeanStep(
        step=index,
        mg_kg_day=shown(amount.mg_kg_day),
        daily_mg=shown(amount.daily),
        per_dose_mg=shown(amount.per_dose),
        rounded_per_dose_mg=shown(amount.rounded_per_dose),
        rounding_percent=shown(amount.rounding_percent),
        volume_ml=shown(amount.volume),
        rounded_volume_ml=shown(amount.volume_to_draw),
        from_hour=shown(earliest),
        latest_from_hour=shown(latest),
        until_hour=None if index == falls else shown(timing.longest * (index + 1)),
        starts_at=begins if timing.is_chosen or index == 0 else None,
        earliest_starts_at=begins,
        latest_starts_at=timing.moment(latest),
    )


def _start_lines(first: Amount, wean: Wean) -> tuple[str, ...]:
    if not first.capped:
        return ()
    cap, per_day = said(wean.protocol.cap), wean.protocol.doses_per_day
    text = f"{cap} mg x {per_day} / {said(wean.weight)} kg = {said(first.effective)} mg/kg/day"
    return (f"Capped: {text}, not {said(wean.current)}",)


def _dose_lines(amounts: list[Amount], wean: Wean) -> tuple[str, ...]:
    per_day, every = wean.protocol.doses_per_day, wean.protocol.interval_hours
    return tuple(
        f"{said(a.mg_kg_day)} mg/kg/day x {said(wean.weight)} kg / {per_day} = {said(a.per_dose)} mg every {every} h,"
        f" rounded {said(a.rounded_per_dose)} mg"
        for a in amounts
        if a.per_dose
    )
