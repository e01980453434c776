"""A warning that an answer carries: a stable code and a sentence for people."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Caution(BaseModel):
    """One warning. `code` is stable; `message` is public text and may change its words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(description="Stable snake_case name")
    message: str = Field(description="What to know, in a sentence")
