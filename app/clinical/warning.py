"""A warning that an answer carries: a stable code and a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


# No pydantic model: an answer holds several, and a dataclass is made and written several times as fast.
@dataclass(frozen=True, slots=True)
class Caution:
    """One warning. `code` is stable; `message` is public text and may change its words."""

    code: Annotated[str, Field(description="Stable snake_case name")]
    message: Annotated[str, Field(description="What to know, in a sentence")]
