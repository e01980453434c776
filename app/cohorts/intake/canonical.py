"""A record as the text it is kept as: what was sent, no more and no less, so that absent stays absent and null null."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.cohorts.records import PatientRecord


def canonical(record: PatientRecord) -> str:
    """Return a record as JSON text; taken in again it gives the same text."""
    return record.__pydantic_serializer__.to_json(record, exclude_unset=True).decode()
