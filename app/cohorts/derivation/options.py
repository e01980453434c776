"""What a derivation can be asked for, and its defaults."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from app.clinical.anakinra.protocol import DEFAULT_PROTOCOL
from app.clinical.ctcae.terms import DEFAULT_VERSION
from app.clinical.treatment.refractory import Definition


class DerivationOptions(BaseModel):
    """Under which definitions records are derived."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ctcae_version: str = Field(default=DEFAULT_VERSION, description="CTCAE version: 4.03, 5.0 or 6.0")
    protocol: str = Field(default=DEFAULT_PROTOCOL, description="Dosing protocol that courses are compared with")
    refractory_definition: Definition = Field(default="aha_36h", description="Definition of refractory to IVIG")


DEFAULTS = DerivationOptions()
