"""The dosing protocols as the service shows them: their numbers in short, and every row with its source."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from app.clinical.anakinra.protocol import DEFAULT_PROTOCOL, Protocol, Protocols, StartingBand
from app.clinical.patient import Answer
from app.clinical.rulebook import LoadedRuleSet, Provenance
from app.clinical.rulebook.model import Sourced

Kind = Literal["threshold", "parameter", "range"]


class ProtocolBand(Answer):
    """A band of starting doses, both ends included."""

    name: str = Field(description="The state of illness it is for")
    label: str = Field(description="The same in words")
    low_mg_kg_day: float = Field(description="Lowest starting dose, mg/kg/day")
    high_mg_kg_day: float = Field(description="Highest starting dose, mg/kg/day")


class WeanRules(Answer):
    """How the protocol weans."""

    step_mg_kg_day: float = Field(description="Fall of one step, mg/kg/day")
    smallest_step_mg_kg_day: float = Field(description="Smallest step that may be chosen, mg/kg/day")
    largest_step_mg_kg_day: float = Field(description="Largest step that may be chosen, mg/kg/day")
    shortest_interval_hours: float = Field(description="Fewest hours between two steps")
    longest_interval_hours: float = Field(description="Most hours between two steps")
    residue_mg_kg_day: float = Field(description="A rest this small is dropped with the step before it, mg/kg/day")


class ProtocolSummary(Answer):
    """A protocol's numbers in short."""

    id: str = Field(description="What a request's `protocol` names")
    title: str = Field(description="Its title")
    version: str = Field(description="Semantic version of the rule file")
    origin: Literal["built_in", "hospital"] = Field(
        description="Delivered with the service, or from DEFERVESCE_RULES_DIR"
    )
    is_default: bool = Field(description="Used when a request names none")
    effective: date = Field(description="Since when it holds")
    bands: tuple[ProtocolBand, ...] = Field(description="Starting doses")
    doses_per_day: int = Field(description="Doses in 24 hours")
    interval_hours: int = Field(description="Hours between two doses")
    ceiling_mg_kg_day: float = Field(description="Highest dose it allows, mg/kg/day")
    per_dose_cap_mg: float = Field(description="Highest single dose, mg")
    rounding_step_mg: float = Field(description="A single dose is rounded to a multiple of this, mg")
    wean: WeanRules = Field(description="How it weans")


class ProtocolNumber(Answer):
    """One number of the rule file, with its source."""

    id: str = Field(description="Name in the rule file")
    label: str | None = Field(description="What it is")
    kind: Kind = Field(description="Compared with, used, or two ends")
    value: str = Field(description="The number or the two ends, as written in the file")
    unit: str = Field(description="Its unit")
    source: str = Field(description="Where it comes from")
    note: str | None = Field(description="A remark")


class ProtocolDetail(ProtocolSummary):
    """A protocol with every number, its purpose, its limits and its sources."""

    purpose: str = Field(description="What it is for")
    developer: str = Field(description="Who wrote the rule file")
    limitations: tuple[str, ...] = Field(description="What to keep in mind")
    numbers: tuple[ProtocolNumber, ...] = Field(description="Every number with its source")
    rules: Provenance = Field(description="Version, hash and sources of the rule file")


class ProtocolList(Answer):
    """All protocols; there is always one page."""

    items: tuple[ProtocolSummary, ...] = Field(description="The protocols, by id")
    next: None = Field(default=None, description="Always null: all are in this answer")


class Catalogue:
    """Answers `GET /v1/protocols` and `GET /v1/protocols/{id}`; everything is made at the start."""

    def __init__(self, protocols: Protocols) -> None:
        self.all = ProtocolList(items=tuple(ProtocolSummary.model_validate(_summary(p)) for p in protocols.all()))
        self.by_id = {p.id: _detail(p) for p in protocols.all()}


def _summary(protocol: Protocol) -> dict[str, object]:
    header = protocol.rules.content.rule_set
    return {
        "id": protocol.id,
        "title": header.title,
        "version": header.version,
        "origin": protocol.rules.origin,
        "is_default": protocol.id == DEFAULT_PROTOCOL,
        "effective": header.effective,
        "bands": tuple(_band(b) for b in protocol.bands),
        "doses_per_day": protocol.doses_per_day,
        "interval_hours": protocol.interval_hours,
        "ceiling_mg_kg_day": float(protocol.ceiling),
        "per_dose_cap_mg": float(protocol.cap),
        "rounding_step_mg": float(protocol.rounding_step),
        "wean": _wean(protocol),
    }


def _band(band: StartingBand) -> ProtocolBand:
    low, high = float(band.low), float(band.high)
    return ProtocolBand(name=band.name, label=band.label, low_mg_kg_day=low, high_mg_kg_day=high)


def _wean(protocol: Protocol) -> WeanRules:
    return WeanRules(
        step_mg_kg_day=float(protocol.step),
        smallest_step_mg_kg_day=float(protocol.steps_allowed.low),
        largest_step_mg_kg_day=float(protocol.steps_allowed.high),
        shortest_interval_hours=float(protocol.interval.low),
        longest_interval_hours=float(protocol.interval.high),
        residue_mg_kg_day=float(protocol.residue),
    )


def _detail(protocol: Protocol) -> ProtocolDetail:
    header = protocol.rules.content.rule_set
    return ProtocolDetail.model_validate(
        {
            **_summary(protocol),
            "purpose": header.purpose,
            "developer": header.developer,
            "limitations": header.limitations,
            "numbers": _numbers(protocol),
            "rules": protocol.rules.provenance(),
        }
    )


def _numbers(protocol: Protocol) -> tuple[ProtocolNumber, ...]:
    rules = protocol.rules
    return (
        *(_number("threshold", row, f"{row.operator} {row.value}", row.unit, rules) for row in rules.content.threshold),
        *(_number("parameter", row, f"{row.value}", row.unit, rules) for row in rules.content.parameter),
        *(_number("range", row, f"{row.low} to {row.high}", row.unit, rules) for row in rules.content.range),
    )


def _number(kind: Kind, row: Sourced, value: str, unit: str, rules: LoadedRuleSet) -> ProtocolNumber:
    source = rules.cite(row)
    return ProtocolNumber(id=row.id, label=row.label, kind=kind, value=value, unit=unit, source=source, note=row.note)
