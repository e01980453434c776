"""The child whom a dose is for: weight, and what checks it. Shared by every dosing call."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from app.clinical.growth import GrowthLimits
from app.clinical.quantities import Quantities
from app.clinical.rulebook import Rulebook
from app.clinical.warning import Caution

Fact = Annotated[bool | None, Field(description="true, false, or null for unknown")]


def strict(*examples: str | dict[str, Any]) -> ConfigDict:
    """Return the configuration of a request model: frozen, strict, no unknown fields, finite numbers.

    `examples` are requests (as JSON text, where a number must not stand in code) for the OpenAPI document.
    """
    return ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        json_schema_extra={"examples": [json.loads(e) if isinstance(e, str) else e for e in examples]}
        if examples
        else None,
    )


class Answer(BaseModel):
    """Base of the answers: frozen, nothing beside the named fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Patient(BaseModel):
    """The body that a dose is for. Only the weight is required; what is absent stays unknown."""

    model_config = strict()

    weight_kg: float = Field(description="Actual weight in kg, plausible from 0.4 to 250")
    age_years: float | None = Field(
        default=None,
        description="Age in years, plausible from 0 to 60 (0.5 is six months); the weight is checked against it",
    )
    sex: Literal["male", "female"] | None = Field(default=None, description="Sex, for growth limits only")
    height_cm: float | None = Field(default=None, description="Height or length in cm, plausible from 25 to 230")
    override_plausibility: bool = Field(
        default=False, description="Accept values outside the plausible (not the possible) range"
    )


class Measurement(NamedTuple):
    """One number of a request to be checked: its field, its value, its pointer."""

    field: str
    value: float | Decimal | None
    pointer: str


class PatientCheck:
    """Refuses impossible and implausible bodies, and warns of unusual ones and of slips against age."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._quantities = Quantities(rulebook)
        self._growth = GrowthLimits(rulebook)

    def __call__(self, patient: Patient, *more: Measurement) -> tuple[Caution, ...]:
        """Check weight, height, age and the further measurements, then the weight against the age.

        Raises `RefusedInputError` naming every field at fault, and the range allowed.
        """
        override = patient.override_plausibility
        cautions = self._quantities.check_each((*_body(patient), *more), override=override)
        return cautions + self._growth.check(
            patient.age_years, patient.weight_kg, patient.height_cm, patient.sex, override=override
        )


def _body(patient: Patient) -> Iterable[Measurement]:
    yield Measurement("weight_kg", patient.weight_kg, "/weight_kg")
    yield Measurement("age_years", patient.age_years, "/age_years")
    yield Measurement("height_cm", patient.height_cm, "/height_cm")
