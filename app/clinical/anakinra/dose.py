"""The starting dose of intravenous anakinra, by the bands of a protocol."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from app.clinical.anakinra.cautions import cautions_of
from app.clinical.anakinra.inputs import EXAMPLE_PATIENT, AnakinraPatient
from app.clinical.anakinra.options import DoseOption, Place, Standing, option, working
from app.clinical.anakinra.protocol import Amount, BandName, Protocol, Protocols, StartingBand
from app.clinical.anakinra.safety import Safety, SafetyChecks
from app.clinical.arithmetic import exact, said, shown
from app.clinical.evidence import Finding
from app.clinical.patient import Answer, Fact, PatientCheck, strict
from app.clinical.rulebook import Provenance, Rulebook
from app.clinical.warning import Caution


class DoseRequest(AnakinraPatient):
    """What the starting dose needs: the weight, and whether the child is critically ill."""

    model_config = strict(f'{{{EXAMPLE_PATIENT}, "critically_ill": true, "target_mg_kg_day": null}}')

    critically_ill: Fact = Field(
        default=None,
        description="Intensive-care level of care, or cardiovascular shock; unknown: both bands are answered",
    )
    target_mg_kg_day: float | None = Field(
        default=None,
        description="A dose of the caller's choice in mg/kg/day (whole day, not one dose); above the ceiling: refused",
    )


class BandRange(Answer):
    """A band of starting doses, both ends included."""

    low_mg_kg_day: float = Field(description="Lowest starting dose, mg/kg/day")
    high_mg_kg_day: float = Field(description="Highest starting dose, mg/kg/day")


class NamedBand(BandRange):
    """A band that applies, or may apply."""

    name: BandName = Field(description="The state of illness it is for")
    label: str = Field(description="The same in words")
    midpoint_mg_kg_day: float = Field(description="Middle of the band, mg/kg/day")


class DoseAnswer(Answer):
    """Starting doses as options, with their working; the choice is the clinician's."""

    protocol: str = Field(description="Id of the protocol used")
    status: Literal["planned", "no_plan"] = Field(description="no_plan: something forbids it, see warnings")
    reason: str = Field(description="Why this band, both bands or no plan")
    band: BandRange | None = Field(description="The band; null while critically_ill is unknown, and without a plan")
    bands: tuple[NamedBand, ...] = Field(
        description="Every band that may apply: one, or both while it is unknown which"
    )
    options: tuple[DoseOption, ...] = Field(description="The target first, if any, then the ends of each band")
    midpoint: DoseOption | None = Field(description="The middle of the band; null while it is unknown which band")
    steps: tuple[str, ...] = Field(description="The working, line by line")
    egfr_ml_min_1_73m2: float | None = Field(description="Estimated GFR by bedside Schwartz; null: not estimated")
    safety: tuple[Finding, ...] = Field(description="What was checked: met is a concern, unknown was not checked")
    missing: tuple[str, ...] = Field(description="Inputs that would decide the band")
    not_checked: tuple[str, ...] = Field(description="Safety inputs that were not sent: unknown, not no")
    warnings: tuple[Caution, ...] = Field(description="What to know beside the numbers")
    rules: Provenance = Field(description="The rule sets behind the answer")


# A dose as it is shown, and as it was worked out.
Chosen = tuple[DoseOption, Amount]


class ProtocolDose:
    """A protocol's bands and standing warnings, made once."""

    def __init__(self, protocol: Protocol, rulebook: Rulebook) -> None:
        self.protocol = protocol
        self.standing = Standing(protocol, rulebook)
        self.bands = {True: (protocol.critically_ill,), False: (protocol.not_critically_ill,), None: protocol.bands}
        self.shown = {key: tuple(_named(b) for b in bands) for key, bands in self.bands.items()}
        self.ranges = {key: _range(bands[0]) for key, bands in self.bands.items() if key is not None}
        self.reasons = {key: _reason(key, bands) for key, bands in self.bands.items()}


class StartingDose:
    """Answers `POST /v1/anakinra/dose`."""

    def __init__(self, rulebook: Rulebook, protocols: Protocols, check: PatientCheck) -> None:
        self._protocols = protocols
        self._check = check
        self._safety = SafetyChecks(rulebook)
        self._doses = {p.id: ProtocolDose(p, rulebook) for p in protocols.all()}

    def __call__(self, request: DoseRequest) -> DoseAnswer:
        """Work out the starting doses for a weight in kg.

        Raises `RefusedInputError` for an unknown protocol, a target above the ceiling, and numbers that cannot be.
        """
        dose = self._doses[self._protocols.chosen(request.protocol).id]
        cautions = self._check(request, *request.laboratory())
        target = None if request.target_mg_kg_day is None else dose.protocol.check_target(request.target_mg_kg_day)
        safety = self._safety.assess(request)
        if safety.blocks:
            return _no_plan(dose, safety, cautions)
        return self._plan(request, dose, target, safety, cautions)

    def _plan(
        self,
        request: DoseRequest,
        dose: ProtocolDose,
        target: Decimal | None,
        safety: Safety,
        body: tuple[Caution, ...],
    ) -> DoseAnswer:
        protocol, key = dose.protocol, request.critically_ill
        weight = exact(request.weight_kg)
        chosen = _choose(protocol, weight, target, dose.bands[key])
        middle = _midpoint(protocol, weight, key, dose.bands[key][0])
        amounts = [amount for _, amount in (chosen if middle is None else (*chosen, middle))]
        warnings = (
            *safety.cautions,
            *body,
            *_of_target(target, dose.bands[key]),
            *self._safety.of_doses(*amounts),
            *cautions_of(amounts, protocol, dose.standing),
            *dose.standing.full,
        )
        lines = [line for shown_as, amount in chosen for line in working(request.weight_kg, shown_as, amount, protocol)]
        return DoseAnswer(
            protocol=protocol.id,
            status="planned",
            reason=dose.reasons[key],
            band=None if key is None else dose.ranges[key],
            bands=dose.shown[key],
            options=tuple([shown_as for shown_as, _ in chosen]),
            midpoint=None if middle is None else middle[0],
            steps=(*lines, *safety.working),
            egfr_ml_min_1_73m2=safety.egfr,
            safety=safety.findings,
            missing=("critically_ill",) if key is None else (),
            not_checked=safety.not_checked,
            warnings=warnings,
            rules=dose.standing.rules,
        )


def _no_plan(dose: ProtocolDose, safety: Safety, body: tuple[Caution, ...]) -> DoseAnswer:
    """Answer without any dose: a number on the screen would be used."""
    return DoseAnswer(
        protocol=dose.protocol.id,
        status="no_plan",
        reason=" ".join(b.message for b in safety.blocks),
        band=None,
        bands=(),
        options=(),
        midpoint=None,
        steps=safety.working,
        egfr_ml_min_1_73m2=safety.egfr,
        safety=safety.findings,
        missing=(),
        not_checked=safety.not_checked,
        warnings=(*safety.blocks, *safety.cautions, *body, *dose.standing.full),
        rules=dose.standing.rules,
    )


def _choose(
    protocol: Protocol, weight: Decimal, target: Decimal | None, bands: tuple[StartingBand, ...]
) -> list[Chosen]:
    wanted: list[tuple[Place, BandName | None, Decimal]] = []
    if target is not None:
        wanted.append(("target", _holder(target, bands), target))
    for band in bands:
        wanted.append(("low", band.name, band.low))
        wanted.append(("high", band.name, band.high))
    amounts = [protocol.amount(weight, dose) for _, _, dose in wanted]
    return [(option(a, protocol, at, name), a) for (at, name, _), a in zip(wanted, amounts, strict=True)]


def _midpoint(protocol: Protocol, weight: Decimal, key: bool | None, band: StartingBand) -> Chosen | None:  # noqa: FBT001 - three-valued
    if key is None:
        return None
    amount = protocol.amount(weight, band.midpoint)
    return option(amount, protocol, "midpoint", band.name), amount


def _holder(target: Decimal, bands: tuple[StartingBand, ...]) -> BandName | None:
    """Return the one band that holds the target; None when none does, or when both do."""
    holding = [b for b in bands if b.holds(target)]
    return holding[0].name if len(holding) == 1 else None


def _of_target(target: Decimal | None, bands: tuple[StartingBand, ...]) -> tuple[Caution, ...]:
    """Warn of a target outside the band, or outside one of the bands that may apply."""
    if target is None:
        return ()
    outside = [b for b in bands if not b.holds(target)]
    if not outside:
        return ()
    words = " and ".join(f"{said(b.low)} to {said(b.high)} mg/kg/day ({b.label})" for b in outside)
    return (Caution(code="target_outside_band", message=f"The target lies outside the starting band of {words}."),)


def _named(band: StartingBand) -> NamedBand:
    low, high, middle = shown(band.low), shown(band.high), shown(band.midpoint)
    return NamedBand(
        name=band.name, label=band.label, low_mg_kg_day=low, high_mg_kg_day=high, midpoint_mg_kg_day=middle
    )


def _range(band: StartingBand) -> BandRange:
    return BandRange(low_mg_kg_day=shown(band.low), high_mg_kg_day=shown(band.high))


def _reason(key: bool | None, bands: tuple[StartingBand, ...]) -> str:  # noqa: FBT001 - three-valued
    if key is None:
        return "Whether the child is critically ill is not known, so both starting bands are shown."
    band = bands[0]
    return f"{band.label}: start at {said(band.low)} to {said(band.high)} mg/kg/day, as the clinician chooses."
