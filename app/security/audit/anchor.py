"""Anchors: the heads of the chains, taken out of the database and kept where its owner cannot reach."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.security.audit.entry import Head, moment
from app.security.audit.refusals import CommandRefusedError

FORMAT: Final = "defervesce-audit-anchor/1"


class AnchoredHead(BaseModel):
    """One chain's head."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tenant: str
    position: int = Field(ge=0)
    row_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    key_id: str | None
    signature: str | None


class Anchor(BaseModel):
    """All heads at one moment."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["defervesce-audit-anchor/1"]
    made_at: str
    heads: list[AnchoredHead]


def written(heads: Iterable[Head]) -> str:
    """Write an anchor."""
    told: dict[str, Any] = {"format": FORMAT, "made_at": moment(datetime.now(UTC)), "heads": list(heads)}
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def read(text: str) -> dict[str, dict[int, str]]:
    """Return the anchored hashes by tenant and position. CommandRefusedError."""
    try:
        anchor = Anchor.model_validate_json(text)
    except ValidationError:
        raise CommandRefusedError("the anchor is not a file that `defervesce audit anchor` wrote") from None
    found: dict[str, dict[int, str]] = {}
    for head in anchor.heads:
        found.setdefault(head.tenant, {})[head.position] = head.row_hash
    return found
