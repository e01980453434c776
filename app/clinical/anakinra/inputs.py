"""What the anakinra calls ask for beside the weight: organ function, conditions, jurisdiction, protocol."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, Field

from app.clinical.anakinra.protocol import DEFAULT_PROTOCOL
from app.clinical.patient import Fact, Measurement, Patient, strict

# The patient of the examples, to be completed by each call: JSON text, so that no number stands in code.
EXAMPLE_PATIENT: Final = f"""
    "weight_kg": 25, "age_years": 8, "height_cm": 128, "creatinine_mg_dl": 0.4, "neutrophils_10e3_ul": 3.1,
    "conditions": {{"e_coli_protein_hypersensitivity": false, "tnf_blocker": false,
                   "active_serious_infection": false, "live_vaccine_planned": false}},
    "protocol": "{DEFAULT_PROTOCOL}"
"""


class Conditions(BaseModel):
    """What the label asks before anakinra is given. Absent and null mean unknown, never no."""

    model_config = strict()

    e_coli_protein_hypersensitivity: Fact = Field(
        default=None, description="Known hypersensitivity to proteins made in E. coli, to anakinra or to an excipient"
    )
    tnf_blocker: Fact = Field(default=None, description="Treated with a TNF blocker (such as infliximab) now or lately")
    active_serious_infection: Fact = Field(default=None, description="An active serious infection")
    live_vaccine_planned: Fact = Field(default=None, description="A live vaccine is due during treatment")


UNKNOWN_CONDITIONS: Final = Conditions()


class AnakinraPatient(Patient):
    """The child, with what decides whether anakinra may be planned at all."""

    creatinine_mg_dl: float | None = Field(
        default=None, description="Serum creatinine in mg/dL (enzymatic, steady state), plausible from 0.05 to 15"
    )
    neutrophils_10e3_ul: float | None = Field(
        default=None, description="Absolute neutrophil count in 10*3/uL, plausible from 0 to 500"
    )
    conditions: Conditions | None = Field(default=None, description="Contraindications and interactions of the label")
    jurisdiction: Literal["us", "eu"] = Field(
        default="us", description="Whose label applies; eu: no plan with neutrophils below 1.5 unless overridden"
    )
    override_neutrophils: bool = Field(
        default=False, description="With jurisdiction eu: plan in spite of neutrophils below 1.5 x 10*3/uL"
    )
    protocol: str | None = Field(default=DEFAULT_PROTOCOL, description="Id of the dosing protocol; null: the study's")

    def laboratory(self) -> tuple[Measurement, ...]:
        """Return the laboratory values that must be believable."""
        return (
            Measurement("creatinine_mg_dl", self.creatinine_mg_dl, "/creatinine_mg_dl"),
            Measurement("neutrophils_10e3_ul", self.neutrophils_10e3_ul, "/neutrophils_10e3_ul"),
        )
