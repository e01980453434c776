"""What a transaction did, for the audit trail: told by the room that did it, written by the room that records.

The two rooms do not know each other; this is what they have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    import sqlalchemy as sa

Outcome = Literal["success", "denied", "failed"]


class Deed(NamedTuple):
    """One thing that was done. `subject` is the id of a job, a receipt or a key; `details` hold counts, never values.

    `patient_id` is a pseudonym. `tenant` owns what it was done to; without it, it is the tenant of whoever did it.
    """

    event: str
    cohort_id: str | None = None
    patient_id: str | None = None
    subject: str | None = None
    outcome: Outcome = "success"
    details: Mapping[str, int | str | bool] = {}
    tenant: str | None = None


class Trail(Protocol):
    """Writes what was done into the transaction that did it. It is called last, right before the commit."""

    def __call__(self, connection: sa.Connection, deeds: Sequence[Deed], *, by_service: bool) -> None:
        """Record deeds of whoever asks at the moment, or of the service itself."""
