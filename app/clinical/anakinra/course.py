"""The next move of a wean under way: advance, hold, or step back up."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from pydantic import Field

from app.clinical.anakinra.cautions import above_ceiling, cautions_of, of_effective
from app.clinical.anakinra.options import DoseOption, Standing, option, working
from app.clinical.anakinra.protocol import BY_DAY, DEFAULT_PROTOCOL, Amount, Protocol, Protocols, refusal
from app.clinical.anakinra.safety import SafetyChecks
from app.clinical.anakinra.schedule import chosen_interval, chosen_step, ladder
from app.clinical.anakinra.stability import Judged, Stability, StabilityGate
from app.clinical.arithmetic import exact, said, shown
from app.clinical.evidence import MET, NOT_MET, UNKNOWN, Criterion, Finding
from app.clinical.missing import fewest, in_full
from app.clinical.patient import Answer, Fact, Measurement, Patient, PatientCheck, strict
from app.clinical.rulebook import Provenance, Rulebook
from app.clinical.warning import Caution

Status = Literal["advance", "hold", "step_back_up"]
HOURS: Final = "hours_since_last_step"


class WeanNextRequest(Patient):
    """A wean under way: the dose now and before, the hours since it changed, and how the child is."""

    model_config = strict(
        """{"weight_kg": 25, "current_mg_kg_day": 6, "previous_mg_kg_day": 8, "hours_since_last_step": 26,
            "clinically_stable": true, "stability": {"fever": null, "maximum_celsius": 37.2,
            "vasoactive_support": false, "organ_function_worsening": false}, "interval_hours": 24}"""
    )

    current_mg_kg_day: float = Field(description="The dose now, in mg/kg/day (whole day), above 0 and up to 48")
    previous_mg_kg_day: float | None = Field(
        default=None, description="The dose before the last reduction, in mg/kg/day; the way back, should it be needed"
    )
    hours_since_last_step: float | None = Field(
        default=None, description="Hours since the last reduction, plausible from 0 to 2400"
    )
    clinically_stable: Fact = Field(
        default=None, description="Confirmed by a clinician; without it the wean holds, whatever the other facts"
    )
    stability: Stability | None = Field(default=None, description="Facts of the last 24 hours")
    step_mg_kg_day: float | None = Field(
        default=None, description="Fall of one step in mg/kg/day, 0.5 to 2; null: the protocol's 2"
    )
    interval_hours: float | None = Field(
        default=None, description="Hours between steps, 24 to 48; null: the protocol's shortest"
    )
    protocol: str | None = Field(default=DEFAULT_PROTOCOL, description="Id of the dosing protocol; null: the study's")


class WeanNextAnswer(Answer):
    """What the plan and the facts allow now; the clinician decides."""

    protocol: str = Field(description="Id of the protocol used")
    status: Status = Field(description="advance: the next lower dose; hold: the same; step_back_up: the one before")
    reason: str = Field(description="Why, in words")
    next: DoseOption | None = Field(description="The dose to change to; null when held. 0 mg/kg/day is the stop")
    stops: bool = Field(description="The next dose is none: the course ends")
    wait_hours: float | None = Field(
        description="Hours until the interval has passed, when that is all that is lacking"
    )
    stable: Finding = Field(description="Clinically stable, and why")
    due: Finding = Field(description="The interval since the last step has passed")
    missing: tuple[str, ...] = Field(description="The fewest inputs that could decide")
    missing_in_full: tuple[str, ...] = Field(description="The inputs that decide whatever they turn out to be")
    working: tuple[str, ...] = Field(description="The arithmetic, line by line")
    warnings: tuple[Caution, ...] = Field(description="What to know beside the numbers")
    rules: Provenance = Field(description="The rule sets behind the answer")


class Move(NamedTuple):
    """What is decided: the status, why, the next dose if it changes, what is missing and how long to wait."""

    status: Status
    reason: str
    dose: Decimal | None = None
    lines: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    wait: Decimal | None = None


class Course(NamedTuple):
    """One course, its inputs as decimals and judged."""

    protocol: Protocol
    weight: Decimal
    current: Amount
    previous: Decimal | None
    step: Decimal
    judged: Judged
    due: Finding
    wait: Decimal | None


class ProtocolCourse(NamedTuple):
    """What a protocol's answers share, made once."""

    protocol: Protocol
    standing: Standing
    gate: StabilityGate
    due: Criterion
    back_up: Caution


class WeanNext:
    """Answers `POST /v1/anakinra/wean/next`."""

    def __init__(self, rulebook: Rulebook, protocols: Protocols, check: PatientCheck) -> None:
        self._protocols = protocols
        self._check = check
        self._safety = SafetyChecks(rulebook)
        self._courses = {p.id: _compiled(p, rulebook) for p in protocols.all()}

    def __call__(self, request: WeanNextRequest) -> WeanNextAnswer:
        """Say what comes next.

        Raises `RefusedInputError` for an unknown protocol, for numbers outside their ranges, and for a dose before that
        is not above the dose now.
        """
        shared = self._courses[self._protocols.chosen(request.protocol).id]
        body = self._check(request, *_measurements(request))
        course = _course(request, shared)
        move = _move(course)
        amount = None if move.dose is None else course.protocol.amount(course.weight, move.dose)
        dose = None if amount is None else option(amount, course.protocol, "next")
        return WeanNextAnswer(
            protocol=course.protocol.id,
            status=move.status,
            reason=move.reason,
            next=dose,
            stops=amount is not None and not amount.per_dose,
            wait_hours=None if move.wait is None else shown(move.wait),
            stable=course.judged.stable,
            due=course.due,
            missing=move.missing,
            missing_in_full=in_full(course.judged.stable, course.due) if move.missing else (),
            working=(*move.lines, *_lines(request.weight_kg, dose, amount, course)),
            warnings=(*body, *self._warnings(amount, move, course, shared)),
            rules=shared.standing.rules,
        )

    def _warnings(
        self, amount: Amount | None, move: Move, course: Course, shared: ProtocolCourse
    ) -> tuple[Caution, ...]:
        found = [of_effective(course.current)] if course.current.capped else []
        if course.current.effective > course.protocol.ceiling:
            found.append(above_ceiling(course.protocol))
        if move.status == "step_back_up":
            found.append(shared.back_up)
        if amount is None:
            return (*found, *shared.standing.brief)
        given = cautions_of([amount], course.protocol, shared.standing)
        return (*found, *self._safety.of_doses(amount), *given, *shared.standing.brief)


def _compiled(protocol: Protocol, rulebook: Rulebook) -> ProtocolCourse:
    cite = protocol.rules.cite(protocol.interval)
    due = Criterion("anakinra.wean.due", "The interval since the last step has passed", HOURS, source=cite)
    back_up = Caution(code="step_back_up_not_published", message=protocol.step_back_up)
    return ProtocolCourse(protocol, Standing(protocol, rulebook), StabilityGate(protocol), due, back_up)


def _course(request: WeanNextRequest, shared: ProtocolCourse) -> Course:
    protocol, weight = shared.protocol, exact(request.weight_kg)
    current = protocol.check_current(request.current_mg_kg_day)
    interval = chosen_interval(request.interval_hours, protocol) or protocol.interval.low
    hours = None if request.hours_since_last_step is None else exact(request.hours_since_last_step)
    return Course(
        protocol,
        weight,
        protocol.amount(weight, current),
        _previous(request.previous_mg_kg_day, current, protocol),
        chosen_step(request.step_mg_kg_day, protocol),
        shared.gate(request.stability, request.clinically_stable),
        _judge_due(shared.due, hours, interval),
        None if hours is None else interval - hours,
    )


def _measurements(request: WeanNextRequest) -> Iterator[Measurement]:
    yield Measurement("duration_hours", request.hours_since_last_step, f"/{HOURS}")
    if request.stability is not None:
        yield Measurement("maximum_celsius", request.stability.maximum_celsius, "/stability/maximum_celsius")


def _previous(previous: float | None, current: Decimal, protocol: Protocol) -> Decimal | None:
    if previous is None:
        return None
    dose = protocol.check_current(previous, "/previous_mg_kg_day")
    if dose <= current:
        message = "previous_mg_kg_day is the dose before the last reduction: it must be above current_mg_kg_day."
        raise refusal("/previous_mg_kg_day", "not_above_current", message, "above current_mg_kg_day")
    return dose


def _judge_due(criterion: Criterion, hours: Decimal | None, interval: Decimal) -> Finding:
    if hours is None:
        return criterion.unknown()
    used = {HOURS: shown(hours), "interval_hours": shown(interval)}
    return criterion.finding(MET if hours >= interval else NOT_MET, used)


def _move(course: Course) -> Move:
    """Decide: the illness first, then what is not known, then the interval."""
    if course.judged.has_deteriorated:
        return _back_up(course)
    stable, due = course.judged.stable, course.due
    if stable.status == NOT_MET:
        return Move("hold", "A clinician has not confirmed that the child is stable.")
    if UNKNOWN in {stable.status, due.status}:
        return Move("hold", "Not all that the next step needs is known.", missing=fewest(stable, due))
    if due.status == NOT_MET:
        return Move("hold", "Stable, but the interval has not passed yet.", wait=course.wait)
    return _advance(course)


def _advance(course: Course) -> Move:
    rungs = ladder(course.current.effective, course.step, course.protocol.residue, "fixed")
    return Move("advance", "Stable, and the interval has passed.", rungs.doses[1], rungs.working[:1])


def _back_up(course: Course) -> Move:
    """Go back to the dose before, where it is known and no higher than ceiling and cap allow."""
    if course.previous is None:
        reason = "Fever, vasoactive support or worsening organs: do not reduce. The dose before is not known."
        return Move("hold", reason, missing=("previous_mg_kg_day",))
    dose = min(course.previous, course.protocol.ceiling)
    if course.protocol.amount(course.weight, dose).effective <= course.current.effective:
        reason = "Fever, vasoactive support or worsening organs: do not reduce. Ceiling or cap leave nothing above."
        return Move("hold", reason)
    reason = "Fever, vasoactive support or worsening organs: consider the dose before the last reduction."
    return Move("step_back_up", reason, dose, (f"Back to {said(dose)} {BY_DAY}",))


def _lines(weight: float, dose: DoseOption | None, amount: Amount | None, course: Course) -> tuple[str, ...]:
    if dose is None or amount is None or not amount.per_dose:
        return ()
    return working(weight, dose, amount, course.protocol)
