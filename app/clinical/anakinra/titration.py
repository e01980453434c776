"""May the dose go up, to what, and what ceiling and cap leave. No step is proposed: the study's are not published."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

from pydantic import Field

from app.clinical.anakinra.cautions import above_ceiling, cautions_of
from app.clinical.anakinra.inputs import EXAMPLE_PATIENT, AnakinraPatient
from app.clinical.anakinra.options import DoseOption, Standing, option, working
from app.clinical.anakinra.protocol import BY_DAY, Amount, Protocol, Protocols
from app.clinical.anakinra.safety import Safety, SafetyChecks
from app.clinical.arithmetic import exact, said, shown
from app.clinical.evidence import Finding
from app.clinical.patient import Answer, PatientCheck, strict
from app.clinical.rulebook import Provenance, Rulebook
from app.clinical.warning import Caution

Status = Literal[
    "may_increase",
    "within_ceiling",
    "limited_by_cap",
    "not_an_increase",
    "at_ceiling",
    "at_cap",
    "above_ceiling",
    "no_plan",
]


class TitrationRequest(AnakinraPatient):
    """The dose now, and perhaps the dose in mind."""

    model_config = strict(f'{{{EXAMPLE_PATIENT}, "current_mg_kg_day": 8, "target_mg_kg_day": 10}}')

    current_mg_kg_day: float = Field(description="The dose now, in mg/kg/day (whole day), above 0 and up to 48")
    target_mg_kg_day: float | None = Field(
        default=None,
        description="The dose in mind, mg/kg/day; null: only what is left is answered; above the ceiling: refused",
    )


class TitrationAnswer(Answer):
    """What may be given beyond the dose now. Doses are options; the choice is the clinician's."""

    protocol: str = Field(description="Id of the protocol used")
    status: Status = Field(
        description="may_increase: room is left, no target sent; within_ceiling: the target may be given in full; "
        "limited_by_cap: only in part; not_an_increase: the target is no more than now; at_ceiling, at_cap: no room; "
        "above_ceiling: more than the protocol allows already; no_plan: something forbids it"
    )
    reason: str = Field(description="The status in words")
    may_increase: bool = Field(description="Ceiling and cap leave room above the dose now, and nothing forbids it")
    ceiling_mg_kg_day: float = Field(description="The protocol's ceiling, mg/kg/day")
    limited_by: Literal["ceiling", "per_dose_cap"] = Field(
        description="Which of the two is reached first at this weight"
    )
    current: DoseOption | None = Field(description="The dose now; null without a plan")
    highest: DoseOption | None = Field(description="The most that ceiling and cap allow; null without a plan")
    headroom_mg_kg_day: float | None = Field(description="highest less current as really given, 0 or more, mg/kg/day")
    proposed: DoseOption | None = Field(description="The target, when it is an increase that may be given")
    working: tuple[str, ...] = Field(description="The arithmetic, line by line")
    egfr_ml_min_1_73m2: float | None = Field(description="Estimated GFR by bedside Schwartz; null: not estimated")
    safety: tuple[Finding, ...] = Field(description="What was checked: met is a concern, unknown was not checked")
    missing: tuple[str, ...] = Field(description="Inputs that would decide: target_mg_kg_day, when none was sent")
    not_checked: tuple[str, ...] = Field(description="Safety inputs that were not sent: unknown, not no")
    warnings: tuple[Caution, ...] = Field(description="What to know beside the numbers")
    rules: Provenance = Field(description="The rule sets behind the answer")


class Room(NamedTuple):
    """The dose now, the highest one and the target, all as amounts."""

    protocol: Protocol
    weight: Decimal
    current: Amount
    highest: Amount
    target: Amount | None

    @property
    def has_room(self) -> bool:
        """Say whether a single dose can grow by at least what rounding can show."""
        return self.current.rounded_per_dose < self.highest.rounded_per_dose

    @property
    def headroom(self) -> Decimal:
        """Return what is left, mg/kg/day as really given."""
        return max(self.highest.effective - self.current.effective, Decimal(0))


class Titration:
    """Answers `POST /v1/anakinra/titration`."""

    def __init__(self, rulebook: Rulebook, protocols: Protocols, check: PatientCheck) -> None:
        self._protocols = protocols
        self._check = check
        self._safety = SafetyChecks(rulebook)
        self._standing = {p.id: Standing(p, rulebook) for p in protocols.all()}

    def __call__(self, request: TitrationRequest) -> TitrationAnswer:
        """Say what room a dose leaves, and whether a target fits.

        Raises `RefusedInputError` for an unknown protocol, a target above the ceiling, and numbers that cannot be.
        """
        protocol = self._protocols.chosen(request.protocol)
        body = self._check(request, *request.laboratory())
        room = _room(request, protocol)
        safety = self._safety.assess(request)
        status = "no_plan" if safety.blocks else _status(room)
        return self._answer(room, safety, status, body)

    def _answer(self, room: Room, safety: Safety, status: Status, body: tuple[Caution, ...]) -> TitrationAnswer:
        protocol, standing, planned = room.protocol, self._standing[room.protocol.id], status != "no_plan"
        highest = option(room.highest, protocol, "highest")
        proposed = _proposed(room, status)
        return TitrationAnswer(
            protocol=protocol.id,
            status=status,
            reason=" ".join(b.message for b in safety.blocks) or _reason(status, room),
            may_increase=planned and room.has_room and status != "above_ceiling",
            ceiling_mg_kg_day=shown(protocol.ceiling),
            limited_by="per_dose_cap" if room.highest.capped else "ceiling",
            current=option(room.current, protocol, "current") if planned else None,
            highest=highest if planned else None,
            headroom_mg_kg_day=shown(room.headroom) if planned else None,
            proposed=proposed,
            working=(*(_lines(room, highest, proposed) if planned else ()), *safety.working),
            egfr_ml_min_1_73m2=safety.egfr,
            safety=safety.findings,
            missing=("target_mg_kg_day",) if status == "may_increase" else (),
            not_checked=safety.not_checked,
            warnings=(*safety.blocks, *safety.cautions, *body, *self._warnings(room, status), *standing.full),
            rules=standing.rules,
        )

    def _warnings(self, room: Room, status: Status) -> tuple[Caution, ...]:
        if status == "no_plan":
            return ()
        # Every dose that the answer shows, the highest too: it is read as one that may be given.
        amounts = [a for a in (room.current, room.highest, room.target) if a is not None]
        found = [_no_step(room.protocol)]
        if status == "above_ceiling":
            found.append(above_ceiling(room.protocol))
        standing = self._standing[room.protocol.id]
        of_numbers = cautions_of(amounts, room.protocol, standing)
        return (*found, *self._safety.of_doses(*amounts), *of_numbers)


def _room(request: TitrationRequest, protocol: Protocol) -> Room:
    weight = exact(request.weight_kg)
    current = protocol.amount(weight, protocol.check_current(request.current_mg_kg_day))
    wanted = request.target_mg_kg_day
    target = None if wanted is None else protocol.amount(weight, protocol.check_target(wanted))
    return Room(protocol, weight, current, protocol.amount(weight, protocol.ceiling), target)


def _status(room: Room) -> Status:
    if room.current.effective > room.protocol.ceiling:
        return "above_ceiling"
    if not room.has_room:
        return "at_cap" if room.highest.capped else "at_ceiling"
    if room.target is None:
        return "may_increase"
    if room.target.effective <= room.current.effective:
        return "not_an_increase"
    return "limited_by_cap" if room.target.capped else "within_ceiling"


def _reason(status: Status, room: Room) -> str:
    highest, ceiling = said(room.highest.effective), said(room.protocol.ceiling)
    reasons: dict[Status, str] = {
        "may_increase": f"Up to {highest} {BY_DAY} may be given.",
        "within_ceiling": f"The target is within the ceiling of {ceiling} {BY_DAY} and the cap per dose.",
        "limited_by_cap": f"The cap per dose allows no more than {highest} {BY_DAY} at this weight.",
        "not_an_increase": "The target is no more than the dose now; to lower it, ask for a weaning schedule.",
        "at_ceiling": f"The dose now leaves no room below the ceiling of {ceiling} {BY_DAY}.",
        "at_cap": f"The dose now leaves no room below the cap per dose, which is {highest} {BY_DAY} at this weight.",
        "above_ceiling": f"The dose now is above the ceiling of {ceiling} {BY_DAY} already.",
    }
    return reasons[status]


def _no_step(protocol: Protocol) -> Caution:
    return Caution(code="no_published_step", message=protocol.up_titration)


def _proposed(room: Room, status: Status) -> DoseOption | None:
    if room.target is None or status not in {"within_ceiling", "limited_by_cap"}:
        return None
    return option(room.target, room.protocol, "target")


def _lines(room: Room, highest: DoseOption, proposed: DoseOption | None) -> tuple[str, ...]:
    weight = shown(room.weight)
    now, most = said(room.current.effective), said(room.highest.effective)
    left = (
        f"{most} - {now} = {said(room.headroom)} {BY_DAY} left"
        if room.headroom
        else f"{now} {BY_DAY} now: nothing left"
    )
    target = working(weight, proposed, room.target, room.protocol) if proposed and room.target else ()
    return (*working(weight, highest, room.highest, room.protocol), left, *target)
