"""Remembered answers: the same request sent twice under one key is carried out once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from hashlib import blake2b
from typing import Final

import msgspec
import sqlalchemy as sa

from app.cohorts.errors import IdempotencyConflictError
from app.cohorts.store.model import Remembered
from app.cohorts.store.reader import Reader
from app.database.tables import IDEMPOTENCY, JOBS

_LOCK: Final = sa.text("SELECT pg_advisory_xact_lock(:lock)")
_DAY: Final = timedelta(hours=24)
# The status of an answer that named a job.
_ACCEPTED: Final = 202


class _Named(msgspec.Struct):
    """What the answer said of the job."""

    id: str


class AnswerWriter(Reader):
    """The part of a writer that remembers answers."""

    def recall(self, scope: str, key: str, fingerprint: bytes) -> Remembered | None:
        """Return the answer kept for a key, as Reader.recall does, and hold back whoever else comes with it.

        One that named a job is forgotten once the job has failed or is gone: nothing of it was kept, so the request may
        be mended or repeated under its key.
        """
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(_LOCK, {"lock": _number(self.tenant, scope, key)})
        self._forget_failed(scope, key)
        return super().recall(scope, key, fingerprint)

    def _forget_failed(self, scope: str, key: str) -> None:
        mine = (IDEMPOTENCY.c.tenant == self.tenant, IDEMPOTENCY.c.scope == scope, IDEMPOTENCY.c.key == key)
        named = sa.select(IDEMPOTENCY.c.body).where(*mine, IDEMPOTENCY.c.status == _ACCEPTED)
        body = self._connection.execute(named).scalar_one_or_none()
        if body is None:
            return
        job = msgspec.json.decode(body, type=_Named)
        of_job = sa.select(JOBS.c.state).where(JOBS.c.tenant == self.tenant, JOBS.c.id == job.id)
        if self._connection.execute(of_job).scalar_one_or_none() in {None, "failed"}:
            self._connection.execute(sa.delete(IDEMPOTENCY).where(*mine))

    def remember(  # noqa: PLR0913  # what an answer consists of
        self,
        scope: str,
        key: str,
        fingerprint: bytes,
        *,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        keep: timedelta = _DAY,
    ) -> None:
        """Keep the answer given to a key, with the change that it tells of.

        IdempotencyConflictError when an answer is kept already: call `recall` before, in the same transaction.
        """
        if self.recall(scope, key, fingerprint) is not None:
            raise IdempotencyConflictError("The key was answered meanwhile.")
        self._connection.execute(sa.delete(IDEMPOTENCY).where(IDEMPOTENCY.c.expires_at <= self.now))
        kept = {
            "tenant": self.tenant,
            "scope": scope,
            "key": key,
            "fingerprint": fingerprint,
            "status": status,
            "headers": msgspec.json.encode(headers or {}).decode(),
            "body": body,
            "expires_at": self.now + keep,
        }
        self._connection.execute(sa.insert(IDEMPOTENCY).values(kept))


def _number(tenant: str, scope: str, key: str) -> int:
    """Return a key as the 64-bit number by which PostgreSQL names a lock."""
    digest = blake2b(f"{tenant}\n{scope}\n{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
