"""A warning that an answer carries: a stable code and a sentence for people."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field

from app.clinical.struct import documented


# No pydantic model: an answer holds several, and a struct is made and written several times as fast.
@documented
class Caution(msgspec.Struct, frozen=True, gc=False):
    """One warning. `code` is stable; `message` is public text and may change its words."""

    code: Annotated[str, Field(description="Stable snake_case name")]
    message: Annotated[str, Field(description="What to know, in a sentence")]
