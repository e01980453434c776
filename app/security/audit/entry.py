"""One entry of the audit trail, and how a row of the chain is hashed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from app.database.deeds import Outcome
from app.security.canonical_json import canonical

# Names the hash and what is hashed; another way of either gets another name, and old rows keep theirs.
ALGORITHM: Final = "sha256-jcs/1"
FIRST: Final = "0" * 64
"""The previous hash of a chain's first row."""
_ID_BYTES: Final = 16


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who (`caller` of `tenant`) did what (`operation`, `event`) when (`at`), with what outcome, to what.

    It never holds a value of a patient: `patient_id` is a pseudonym, `details` JSON with counts and names of ours.
    """

    tenant: str
    caller: str
    operation: str
    event: str
    outcome: Outcome = "success"
    status: int | None = None
    cohort_id: str | None = None
    patient_id: str | None = None
    subject: str | None = None
    request_id: str | None = None
    details: str | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(_ID_BYTES))
    at: datetime = field(default_factory=_utc_now)


@dataclass(frozen=True, slots=True)
class Row:
    """An entry in its place of its tenant's chain."""

    position: int
    entry: Entry
    prev_hash: str
    row_hash: str
    algorithm: str

    def hashed(self, position: int | None = None) -> str | None:
        """Return the hash that its contents have (at another position); None under an algorithm not known here.

        What was written by hand and is no text, number or time has none: what is returned then fits no such row.
        """
        if self.algorithm != ALGORITHM:
            return None
        try:
            return row_hash(self.entry, self.position if position is None else position, self.prev_hash)
        except (TypeError, ValueError, ArithmeticError):
            return f"not {self.row_hash}"


@dataclass(frozen=True, slots=True)
class Head:
    """How far a tenant's chain has come. `signature` (base64url) is there when the service has a key of its own."""

    tenant: str
    position: int
    row_hash: str
    key_id: str | None = None
    signature: str | None = None

    def signed(self) -> bytes:
        """Return what is signed: tenant, position and hash."""
        return canonical({"audit_head": self.tenant, "position": self.position, "row_hash": self.row_hash})


def row_hash(entry: Entry, position: int, prev_hash: str) -> str:
    """Return the SHA-256 (hex) of a row: its algorithm, and every column but the hash itself, in canonical JSON."""
    columns: dict[str, Any] = {each.name: getattr(entry, each.name) for each in fields(entry)}
    columns |= {"at": moment(entry.at), "position": position, "prev_hash": prev_hash}
    return sha256(ALGORITHM.encode() + b"\n" + canonical(columns)).hexdigest()


def chained(head: Head, entries: list[Entry]) -> list[Row]:
    """Return entries as the rows that follow a head."""
    rows: list[Row] = []
    prev = head.row_hash
    for position, entry in enumerate(entries, head.position + 1):
        made = row_hash(entry, position, prev)
        rows.append(Row(position, entry, prev, made, ALGORITHM))
        prev = made
    return rows


def moment(at: datetime) -> str:
    """Write a time in UTC with microseconds, always of the same length."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def details_of(told: Mapping[str, int | str | bool]) -> str | None:
    """Write the details of an entry; None when there are none."""
    return canonical(told).decode() if told else None


def packed(entry: Entry) -> str:
    """Write an entry as JSON, to be taken up later."""
    return msgspec.json.encode(entry).decode()


unpacked: Final = msgspec.json.Decoder(Entry).decode
