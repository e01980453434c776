"""Keys, clients and access tokens in the database. Every method is one transaction and blocks: use a worker thread.

Every error of the database comes out as DatabaseUnavailableError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Any, Final, cast

import sqlalchemy as sa

from app.database.deeds import Deed, Trail
from app.database.engine import WRITES, translated
from app.database.tables import ACCESS_TOKENS, API_KEY_SECRETS, API_KEYS, CLIENT_ASSERTIONS, CLIENTS
from app.security.caller import Caller, Scope
from app.security.errors import CallerCommandError, UnknownCallerError
from app.security.keys import NewKey
from app.security.store.model import ApiKey, Client, NewToken, Verified

# How coarse the last use is: who uses a key all the time writes so often.
_USE_NOTED: Final = timedelta(hours=1)
_NO_HASH: Final = b"\0" * 32
_NOTHING: Final[frozenset[Scope]] = frozenset()
_OF_CLIENT: Final = (CLIENTS.c.id, CLIENTS.c.tenant, CLIENTS.c.revoked_at)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class CallerStore:
    """Who may call, as the database knows it: all replicas agree."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], datetime] = _utc_now, trail: Trail | None = None) -> None:
        """`trail` is told what was done to a key or client, last in the transaction that did it."""
        self._engine = engine
        self._clock = clock
        self._trail = trail

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _write(self, waits: bool | str = True) -> Iterator[sa.Connection]:  # noqa: FBT001, FBT002  # as the engine's option
        with (
            translated(),
            self._engine.connect().execution_options(**{WRITES: waits}) as connection,
            connection.begin(),
        ):
            yield connection

    def _did(
        self, connection: sa.Connection, event: str, subject: str, tenant: str, details: Mapping[str, str] | None = None
    ) -> None:
        """Record a deed, last in its transaction: a tenant's chain is written one after the other."""
        if self._trail is not None:
            deed = Deed(event, subject=subject, tenant=tenant, details=details or {})
            self._trail(connection, [deed], by_service=False)

    # Verifying

    def by_key(self, key_id: str, hashed: bytes) -> Verified:
        """Return the caller of a key. UnknownCallerError; it takes as long for a key that is not there."""
        joined = sa.select(API_KEYS, API_KEY_SECRETS.c.hash, API_KEY_SECRETS.c.valid_until)
        joined = joined.join(API_KEY_SECRETS, API_KEY_SECRETS.c.key_id == API_KEYS.c.id)
        with self._read() as connection:
            rows = connection.execute(joined.where(API_KEYS.c.id == key_id)).all()
        right = [row for row in rows if compare_digest(row.hash, hashed)]
        if not right:
            compare_digest(_NO_HASH, hashed)
            raise UnknownCallerError("key")
        key, now = right[0], self._clock()
        ends = [end for end in (key.expires_at, key.valid_until) if end is not None]
        if key.revoked_at is not None or any(end <= now for end in ends):
            raise UnknownCallerError("ended", Caller(f"key:{key.id}", key.tenant, _NOTHING))
        self._note(API_KEYS, key.id, key.last_used_at, now)
        return Verified(Caller(f"key:{key.id}", key.tenant, scopes_of(key.scopes)), min(ends, default=None))

    def by_token(self, hashed: bytes) -> Verified:
        """Return the caller of an access token: its client, unless that was revoked. UnknownCallerError."""
        joined = sa.select(ACCESS_TOKENS.c.scopes, ACCESS_TOKENS.c.expires_at, *_OF_CLIENT)
        joined = joined.join(CLIENTS, CLIENTS.c.id == ACCESS_TOKENS.c.client_id)
        with self._read() as connection:
            row = connection.execute(joined.where(ACCESS_TOKENS.c.hash == hashed)).one_or_none()
        if row is None:
            raise UnknownCallerError("token")
        if row.revoked_at is not None or row.expires_at <= self._clock():
            raise UnknownCallerError("ended", Caller(f"client:{row.id}", row.tenant, _NOTHING))
        return Verified(Caller(f"client:{row.id}", row.tenant, scopes_of(row.scopes)), row.expires_at)

    def _note(self, table: sa.Table, row_id: str, noted: datetime | None, now: datetime) -> None:
        """Note a use, coarsely. It waits for nobody, and a database that takes no writes now does without."""
        if noted is not None and now - noted < _USE_NOTED:
            return
        try:
            with self._write("at once") as connection:
                connection.execute(sa.update(table).where(table.c.id == row_id).values(last_used_at=now))
        except Exception:  # noqa: BLE001, S110  # whatever keeps it from being written: the caller is known all the same
            pass

    # Keys

    def create_key(
        self, key: NewKey, name: str, tenant: str, scopes: frozenset[Scope], expires_at: datetime | None
    ) -> ApiKey:
        """Keep a key that was made."""
        now = self._clock()
        row = {"id": key.id, "name": name, "tenant": tenant, "scopes": " ".join(sorted(scopes)), "created_at": now}
        with self._write() as connection:
            connection.execute(sa.insert(API_KEYS).values(row | {"expires_at": expires_at}))
            connection.execute(sa.insert(API_KEY_SECRETS).values(_secret(key, now)))
            self._did(connection, "key.create", key.id, tenant)
        return ApiKey(key.id, name, tenant, scopes, now, expires_at, None, None)

    def keys(self) -> list[ApiKey]:
        """Return every key, in the order they were made."""
        with self._read() as connection:
            rows = connection.execute(sa.select(API_KEYS).order_by(API_KEYS.c.created_at, API_KEYS.c.id)).all()
        return [_key(row) for row in rows]

    def rotate_key(self, key: NewKey, overlap: timedelta) -> ApiKey:
        """Give a key a new secret; the old ones end after the overlap. CallerCommandError."""
        now = self._clock()
        with self._write() as connection:
            found = self._live_key(connection, key.id)
            if found.expires_at is not None and found.expires_at <= now:
                raise CallerCommandError("the key has expired; make a new one")
            old = sa.update(API_KEY_SECRETS).where(API_KEY_SECRETS.c.key_id == key.id)
            still = sa.or_(API_KEY_SECRETS.c.valid_until.is_(None), API_KEY_SECRETS.c.valid_until > now + overlap)
            connection.execute(old.where(still).values(valid_until=now + overlap))
            connection.execute(sa.insert(API_KEY_SECRETS).values(_secret(key, now)))
            self._did(connection, "key.rotate", found.id, found.tenant)
        return found

    def revoke_key(self, key_id: str) -> ApiKey:
        """End a key for good. CallerCommandError."""
        with self._write() as connection:
            found = self._live_key(connection, key_id)
            connection.execute(sa.update(API_KEYS).where(API_KEYS.c.id == key_id).values(revoked_at=self._clock()))
            self._did(connection, "key.revoke", found.id, found.tenant)
        return found

    @staticmethod
    def _live_key(connection: sa.Connection, key_id: str) -> ApiKey:
        row = connection.execute(sa.select(API_KEYS).where(API_KEYS.c.id == key_id).with_for_update()).one_or_none()
        if row is None:
            raise CallerCommandError("there is no such key; `defervesce keys list` shows those there are")
        if row.revoked_at is not None:
            raise CallerCommandError("the key is revoked already; make a new one")
        return _key(row)

    # Clients

    def create_client(self, client: Client) -> None:
        """Register a client. CallerCommandError when there is one of this id."""
        row = {name: getattr(client, name) for name in ("id", "name", "tenant", "jwks", "jwks_url", "created_at")}
        with self._write() as connection:
            if connection.execute(sa.select(CLIENTS.c.id).where(CLIENTS.c.id == client.id)).first() is not None:
                raise CallerCommandError("there is a client of this id already")
            connection.execute(sa.insert(CLIENTS).values(row | {"scopes": " ".join(sorted(client.scopes))}))
            self._did(connection, "client.create", client.id, client.tenant)

    def clients(self) -> list[Client]:
        """Return every client, in the order they were registered."""
        with self._read() as connection:
            rows = connection.execute(sa.select(CLIENTS).order_by(CLIENTS.c.created_at, CLIENTS.c.id)).all()
        return [_client(row) for row in rows]

    def client(self, client_id: str) -> Client | None:
        """Return a client that may get tokens, None when there is none (any more)."""
        one = sa.select(CLIENTS).where(CLIENTS.c.id == client_id, CLIENTS.c.revoked_at.is_(None))
        with self._read() as connection:
            row = connection.execute(one).one_or_none()
        return None if row is None else _client(row)

    def revoke_client(self, client_id: str) -> Client:
        """End a client, and with it the tokens it holds. CallerCommandError."""
        with self._write() as connection:
            row = connection.execute(sa.select(CLIENTS).where(CLIENTS.c.id == client_id)).one_or_none()
            if row is None or row.revoked_at is not None:
                raise CallerCommandError("there is no such client, or it is revoked already")
            connection.execute(sa.update(CLIENTS).where(CLIENTS.c.id == client_id).values(revoked_at=self._clock()))
            self._did(connection, "client.revoke", row.id, row.tenant)
        return _client(row)

    def grant(self, client: Client, new: NewToken) -> bool:
        """Keep an access token for an assertion that was never seen before; False for one that was.

        Two replicas that are shown the same assertion at once: the database lets one of them.
        """
        now = self._clock()
        seen = {"client_id": client.id, "jti": new.jti, "expires_at": new.jti_until}
        token = {"hash": new.hash, "client_id": client.id, "created_at": now, "expires_at": new.expires_at}
        with self._write() as connection:
            for table in (CLIENT_ASSERTIONS, ACCESS_TOKENS):
                connection.execute(sa.delete(table).where(table.c.expires_at <= now))
            if connection.execute(_unless_there(connection, seen)).first() is None:
                return False
            scopes = " ".join(sorted(new.scopes))
            connection.execute(sa.insert(ACCESS_TOKENS).values(token | {"scopes": scopes}))
            self._did(connection, "token.grant", client.id, client.tenant, {"scopes": scopes})
        self._note(CLIENTS, client.id, client.last_used_at, now)
        return True


def _unless_there(connection: sa.Connection, row: dict[str, Any]) -> Any:  # noqa: ANN401  # one of two dialects' inserts
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415  # the one that is used

        return postgresql.insert(CLIENT_ASSERTIONS).values(row).on_conflict_do_nothing().returning(sa.literal(1))
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415  # as above

    return sqlite.insert(CLIENT_ASSERTIONS).values(row).on_conflict_do_nothing().returning(sa.literal(1))


def scopes_of(text: str) -> frozenset[Scope]:
    """Return the scopes that a column holds."""
    return frozenset(cast("list[Scope]", text.split()))


def _secret(key: NewKey, now: datetime) -> dict[str, Any]:
    return {"key_id": key.id, "hash": key.hash, "created_at": now, "valid_until": None}


def _key(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(
        row.id,
        row.name,
        row.tenant,
        scopes_of(row.scopes),
        row.created_at,
        row.expires_at,
        row.revoked_at,
        row.last_used_at,
    )


def _client(row: sa.Row[Any]) -> Client:
    return Client(
        row.id,
        row.name,
        row.tenant,
        scopes_of(row.scopes),
        row.jwks,
        row.jwks_url,
        row.created_at,
        row.revoked_at,
        row.last_used_at,
    )
