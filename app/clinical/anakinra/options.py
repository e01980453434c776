"""A dose as answers show it: every measure, the working, and the warnings that follow from the numbers."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from pydantic import Field

from app.clinical.anakinra.protocol import Amount, BandName, Protocol
from app.clinical.arithmetic import said, shown
from app.clinical.rulebook import Provenance, Rulebook
from app.clinical.struct import documented
from app.clinical.warning import Caution

# How a shown number is written: as short as it is, and never with an exponent (four decimals at most, below a million).
WRITTEN: Final = ".10g"

Place = Literal["low", "high", "midpoint", "target", "current", "highest", "next"]


# No pydantic model: an answer holds several, and a model costs several times as much to make. Nobody writes to one.
@documented
class DoseOption(msgspec.Struct, gc=False):
    """One dose. `daily_mg` and `per_dose_mg` are what is given after the cap and before rounding."""

    at: Annotated[Place, Field(description="Which dose this is: an end or the middle of a band, the target ...")]
    band: Annotated[BandName | None, Field(description="The band it belongs to; null for a dose of neither")]
    mg_kg_day: Annotated[float, Field(description="The dose asked for, mg/kg/day")]
    daily_mg: Annotated[float, Field(description="mg/day; always per_dose_mg x doses_per_day")]
    nominal_daily_mg: Annotated[
        float, Field(description="Weight x mg_kg_day, mg/day: what it would be without the cap")
    ]
    doses_per_day: Annotated[int, Field(description="Doses in 24 hours")]
    interval_hours: Annotated[int, Field(description="Hours between two doses")]
    per_dose_mg: Annotated[float, Field(description="mg of one dose, before rounding")]
    rounded_per_dose_mg: Annotated[float, Field(description="mg of one dose, rounded for giving")]
    rounding_percent: Annotated[float, Field(description="What rounding adds or takes away, % of per_dose_mg")]
    volume_ml: Annotated[
        float, Field(description="Volume of the rounded dose in mL, from the 100 mg / 0.67 mL syringe")
    ]
    rounded_volume_ml: Annotated[float, Field(description="The same volume at two decimals")]
    effective_mg_kg_day: Annotated[
        float,
        Field(description="mg/kg/day the child gets, cap counted in and rounding not; the weaning starts from it"),
    ]
    capped: Annotated[bool, Field(description="The cap per dose binds")]


def option(amount: Amount, protocol: Protocol, at: Place, band: BandName | None = None) -> DoseOption:
    """Show a dose; without a cap the day's dose and what it comes to are what was asked for."""
    asked, daily = shown(amount.mg_kg_day), shown(amount.daily)
    return DoseOption(
        at,
        band,
        asked,
        daily,
        shown(amount.nominal_daily) if amount.capped else daily,
        protocol.doses_per_day,
        protocol.interval_hours,
        shown(amount.per_dose),
        shown(amount.rounded_per_dose),
        shown(amount.rounding_percent),
        shown(amount.volume),
        shown(amount.volume_to_draw),
        shown(amount.effective) if amount.capped else asked,
        amount.capped,
    )


def working(weight: float, dose: DoseOption, amount: Amount, protocol: Protocol) -> tuple[str, ...]:
    """Write the arithmetic of a dose, line by line, with the numbers as they are shown."""
    per_day = dose.doses_per_day
    nominal = said(amount.nominal_daily / per_day) if dose.capped else f"{dose.per_dose_mg:{WRITTEN}}"
    lines = [
        f"{weight:{WRITTEN}} kg x {dose.mg_kg_day:{WRITTEN}} mg/kg/day = {dose.nominal_daily_mg:{WRITTEN}} mg/day",
        f"{dose.nominal_daily_mg:{WRITTEN}} mg/day / {per_day} = {nominal} mg every {dose.interval_hours} h",
    ]
    if dose.capped:
        lines.append(_cap_line(weight, nominal, dose, protocol))
    return (*lines, _rounding_line(dose, protocol), _volume_line(dose, protocol))


def _cap_line(weight: float, nominal: str, dose: DoseOption, protocol: Protocol) -> str:
    effective = f"{dose.effective_mg_kg_day:{WRITTEN}} mg/kg/day"
    given = f"{protocol.cap_text_mg} x {dose.doses_per_day} / {weight:{WRITTEN}} kg = {effective}"
    return f"{nominal} mg is above the cap of {protocol.cap_text_mg} per dose: {given}"


def _rounding_line(dose: DoseOption, protocol: Protocol) -> str:
    change = f"{dose.rounding_percent:+.1f} %" if dose.rounding_percent else "no change"
    rounded = f"{dose.rounded_per_dose_mg:{WRITTEN}} mg ({change})"
    return f"{dose.per_dose_mg:{WRITTEN}} mg to the nearest {protocol.rounding_text} mg = {rounded}"


def _volume_line(dose: DoseOption, protocol: Protocol) -> str:
    exact, drawn = dose.volume_ml, dose.rounded_volume_ml
    about = "" if exact == drawn else f", about {drawn:{WRITTEN}} mL"
    return f"{dose.rounded_per_dose_mg:{WRITTEN}} mg of a syringe of {protocol.syringe} = {exact:{WRITTEN}} mL{about}"


class Standing:
    """What every answer of a protocol carries: its provenance and the warnings that always hold."""

    def __init__(self, protocol: Protocol, rulebook: Rulebook) -> None:
        label, acr, nih = (rulebook[key] for key in ("kineret-label", "acr-misc-2022", "nih-misc-2022"))
        checks = (rulebook[key] for key in ("bedside-schwartz-2009", "body-measures", "growth-limits"))
        self.rules: Provenance = protocol.rules.provenance(label, *checks, acr, nih)
        self.off_label = Caution(code="off_label", message=label.text("off_label"))
        self.evidence = Caution(code="evidence_limited", message=protocol.evidence)
        self.capped = Caution(code="dose_capped", message=protocol.cap_text)
        self.notable_rounding = _notable_rounding(protocol)
        self.rounded_above_ceiling = _rounded_above_ceiling(protocol)
        self.brief = (self.off_label, self.evidence)
        self.full = (
            *self.brief,
            Caution(code="differs_from_acr", message=acr.text("differs")),
            Caution(code="differs_from_nih", message=nih.text("differs")),
            Caution(code="other_regimens", message=nih.text("other_regimens")),
            Caution(code="evidence_against", message=nih.text("counter_evidence")),
        )


def _notable_rounding(protocol: Protocol) -> Caution:
    limit, step = said(protocol.notable_rounding.value), said(protocol.rounding_step)
    text = f"Rounding to the nearest {step} mg changes a dose by more than {limit} %: see rounding_percent."
    return Caution(code="dose_rounding", message=text)


def _rounded_above_ceiling(protocol: Protocol) -> Caution:
    limit, step = said(protocol.ceiling), said(protocol.rounding_step)
    text = (
        f"Rounded to {step} mg, a dose comes out above the ceiling of {limit} mg/kg/day: see rounding_percent, and"
        " round down where that matters."
    )
    return Caution(code="rounded_above_ceiling", message=text)
