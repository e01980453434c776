"""What a transaction has done so far, for the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from app.cohorts.store.board import Board
from app.cohorts.store.reader import Reader
from app.database.deeds import Deed, Outcome
from app.database.tenants import SHARED_TENANT


class DoingWriter(Reader):
    """The part of a writer that takes down what is done; the store hands it to the trail before it commits."""

    def __init__(self, connection: sa.Connection, board: Board, now: datetime, tenant: str) -> None:
        super().__init__(connection, board, now, tenant)
        self.deeds: list[Deed] = []

    def _did(  # noqa: PLR0913  # one column each
        self,
        event: str,
        cohort_id: str | None = None,
        *,
        patient_id: str | None = None,
        subject: str | None = None,
        outcome: Outcome = "success",
        details: Mapping[str, int | str | bool] | None = None,
        tenant: str | None = None,
    ) -> None:
        """Take down a deed; `tenant` owns what it was done to (without it, whose store this is)."""
        owner = tenant or self.tenant
        # What is everybody's is in the chain of whoever made it: the service.
        told = None if owner == SHARED_TENANT else owner
        self.deeds.append(Deed(event, cohort_id, patient_id, subject, outcome, details or {}, told))
