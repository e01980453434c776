"""What goes into the store and what comes out of it: plain values, no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from app.database.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from app.cohorts.derivation import Derived

JobState = Literal["queued", "running", "succeeded", "failed"]
ENDED: Final[frozenset[JobState]] = frozenset({"succeeded", "failed"})


@dataclass(frozen=True, slots=True)
class Cohort:
    """A stored cohort. `version` grows with every change (its ETag); `number` is the database's own key."""

    number: int
    id: str
    name: str
    description: str | None
    version: int
    n: int
    rules: tuple[Mapping[str, Any], ...]
    read_only: bool
    created_at: datetime
    updated_at: datetime
    tenant: str = DEFAULT_TENANT


@dataclass(slots=True)
class NewPatient:
    """A patient to be kept: the record as canonical JSON text, what was derived, and (for messages) its line."""

    patient_id: str
    record_json: str
    derived: Derived
    line: int | None = None


class Patient:
    """A stored patient. `version` is the cohort version that last wrote it (its ETag); `position` its order of arrival.

    `stratum` is a stratum key; `values`, `facts`, `disagreements` and `warnings` are those of `Derived`, decoded when
    first asked for.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # one column each, in the table's order
        self,
        position: int,
        patient_id: str,
        version: int,
        stratum: str,
        record_json: str,
        values_json: str,
        facts_json: str,
    ) -> None:
        self.position = position
        self.patient_id = patient_id
        self.version = version
        self.stratum = stratum
        self.record_json = record_json
        self.values_json = values_json
        self.facts_json = facts_json

    @cached_property
    def record(self) -> dict[str, Any]:
        """The record as it was sent (rounded to clinical precision), as an object."""
        found: dict[str, Any] = msgspec.json.decode(self.record_json)
        return found

    @cached_property
    def values(self) -> dict[str, int]:
        """Variable name to scaled integer; a missing value is absent."""
        found: dict[str, int] = msgspec.json.decode(self.values_json)
        return found

    @cached_property
    def _kept(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.facts_json)
        return found

    @property
    def facts(self) -> dict[str, Any]:
        """What was derived, as the answer's `derived`."""
        found: dict[str, Any] = self._kept["facts"]
        return found

    @property
    def disagreements(self) -> list[dict[str, Any]]:
        """Where a stated fact and the derived one differ."""
        found: list[dict[str, Any]] = self._kept["disagreements"]
        return found

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """What the derivation warned of."""
        found: list[dict[str, Any]] = self._kept["warnings"]
        return found


class Remembered(NamedTuple):
    """The answer that was given to an idempotency key."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Job:
    """Work that outlives its request. `progress` of `total` (None = not known) in the job's own units."""

    id: str
    kind: str
    cohort_id: str | None
    state: JobState
    progress: int
    total: int | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    tenant: str = DEFAULT_TENANT
