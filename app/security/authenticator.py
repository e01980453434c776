"""Who sent a credential: remembered for seconds, else looked up on a worker thread. Never blocks the event loop.

A caller who was verified is believed for ten seconds without a look into the database, so that a revoked key ends
within ten seconds. While the database cannot be asked, for a minute after it last said yes; then the answer is 503.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.database.database import Database
from app.database.deeds import Trail
from app.database.errors import DatabaseUnavailableError, StoreError
from app.security.caller import Caller
from app.security.errors import CallersUnavailableError, UnknownCallerError
from app.security.issuers import Issuer
from app.security.keys import hash_of, is_token, key_id_of
from app.security.threads import Threads

if TYPE_CHECKING:
    from app.security.backend import Backend
    from app.security.backend_terms import Granted
    from app.security.store.callers import CallerStore
    from app.security.store.model import Verified

FRESH_SECONDS: Final = 10.0
USABLE_SECONDS: Final = 60.0
# A database that did not answer is let be for so long.
_QUIET_SECONDS: Final = 2.0
# How long a caller waits to be looked up: less, where there is a yes of a minute ago to fall back on.
_PATIENCE_SECONDS: Final = 5.0
_SHORT_PATIENCE_SECONDS: Final = 1.0
_MOST_KNOWN: Final = 10_000
# Of each kind, under way and waiting: those of one kind keep none of another out.
_MOST_ASKED: Final = 200
_MOST_GRANTS: Final = 64
# A token takes a look for the client, a fetch of its keys and a write.
_GRANT_SECONDS: Final = 10.0
_LONGEST: Final = 8_000


class _Known(NamedTuple):
    caller: Caller
    fresh_until: float
    usable_until: float


class _Way(NamedTuple):
    """How a credential is verified, and on which threads; `waits_for` names an issuer that is to be asked before."""

    find: Callable[[], Verified]
    threads: Threads
    waits_for: Callable[[], str | None] = lambda: None


class Authenticator:
    """Finds out who calls."""

    def __init__(
        self,
        database: Database,
        issuers: Sequence[Issuer] = (),
        clock: Callable[[], float] = monotonic,
        trail: Trail | None = None,
    ) -> None:
        """`trail` is told of the tokens that are given."""
        self._database = database
        self._issuers = issuers
        self._clock = clock
        self._trail = trail
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._asked: dict[bytes, Future[_Known]] = {}
        self._lock = Lock()
        self._quiet_until = 0.0
        # Apart, so that a slow issuer holds up nobody's key, and no token but its own: what has to wait for an
        # issuer's keys waits on a thread of that issuer's.
        self._lookups = Threads(2, "callers", _MOST_ASKED)
        self._signatures = Threads(4, "tokens", _MOST_ASKED)
        self._fetches = {one.iss: Threads(1, "keys", _MOST_ASKED) for one in issuers}
        self._grants = Threads(6, "grants", _MOST_GRANTS)

    @cached_property
    def store(self) -> CallerStore:
        """The store; it loads SQLAlchemy: use it on a worker thread."""
        from app.security.store.callers import CallerStore  # noqa: PLC0415  # as said

        return CallerStore(self._database.engine, trail=self._trail)

    @cached_property
    def _backend(self) -> Backend:
        from app.security.backend import Backend  # noqa: PLC0415  # as above

        return Backend(lambda: self.store)

    @cached_property
    def _bearers(self) -> Any:  # noqa: ANN401  # Bearers, which is loaded with the first token
        from app.security.bearer import Bearers  # noqa: PLC0415  # as said

        return Bearers(self._issuers)

    def recalled(self, credential: bytes) -> Caller | None:
        """Return a caller who was verified seconds ago."""
        known = self._known.get(sha256(credential).digest())
        return known.caller if known is not None and self._clock() < known.fresh_until else None

    async def verified(self, credential: bytes) -> Caller:
        """Return who sent a credential. UnknownCallerError, CallersUnavailableError, DatabaseUnavailableError."""
        if len(credential) > _LONGEST:
            raise UnknownCallerError("size")
        digest = sha256(credential).digest()
        known = self._known.get(digest)
        if known is not None and self._clock() < known.fresh_until:
            return known.caller
        patience = _PATIENCE_SECONDS if known is None else _SHORT_PATIENCE_SECONDS
        try:
            return (await self._answer(digest, credential, patience)).caller
        except UnknownCallerError:
            self._known.pop(digest, None)
            raise
        except (StoreError, CallersUnavailableError):
            if known is not None and self._clock() < known.usable_until:
                return known.caller
            raise

    async def grant(self, form: dict[str, str], audience: str, request_id: str) -> Granted:
        """Answer a request for a token. GrantError, CallersUnavailableError, DatabaseUnavailableError."""
        self._refuse_while_quiet()
        call = self._grants.submit(lambda: self._granted(form, audience, request_id))
        granting = asyncio.wrap_future(call)
        # Nobody may be left to hear how it ended.
        granting.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        done, _ = await asyncio.wait((granting,), timeout=_GRANT_SECONDS)
        if not done:
            granting.cancel()
            raise CallersUnavailableError("The token took too long; ask again with another assertion.", 1)
        return granting.result()

    def _granted(self, form: dict[str, str], audience: str, request_id: str) -> Granted:
        try:
            return self._backend.grant(form, audience, request_id)
        except DatabaseUnavailableError as exc:
            # One that takes no writes can still be asked who calls.
            if exc.reason == "gone":
                self._quiet_until = self._clock() + _QUIET_SECONDS
            raise

    def close(self) -> None:
        """Forget everybody."""
        self._known.clear()

    async def _answer(self, digest: bytes, credential: bytes, patience: float) -> _Known:
        """Look a credential up; all who ask for the same one at once share one answer."""
        asked = asyncio.wrap_future(self._ask(digest, credential))
        # Nobody may be left to hear how it ended.
        asked.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        done, _ = await asyncio.wait((asked,), timeout=patience)
        if not done:
            raise DatabaseUnavailableError("busy")
        return asked.result()

    def _ask(self, digest: bytes, credential: bytes) -> Future[_Known]:
        with self._lock:
            found = self._asked.get(digest)
            if found is not None:
                return found
            way = self._way(credential)
            asking: Future[_Known] = Future()
            asking.set_running_or_notify_cancel()
            way.threads.submit(lambda: self._settle(asking, digest, way))
            self._asked[digest] = asking
        asking.add_done_callback(lambda _: self._asked.pop(digest, None))
        return asking

    def _settle(self, asking: Future[_Known], digest: bytes, way: _Way) -> None:
        """Look a credential up and say what came of it, here or where it has to wait."""
        try:
            iss = way.waits_for()
            if iss is None:
                asking.set_result(self._look(way.find, digest))
            else:
                here = way._replace(waits_for=lambda: None)
                self._fetches[iss].submit(lambda: self._settle(asking, digest, here))
        except BaseException as exc:  # noqa: BLE001  # whoever waits for it raises it
            asking.set_exception(exc)

    def _way(self, credential: bytes) -> _Way:
        """Choose by its form how a credential is verified; what has no form is refused here."""
        if (key_id := key_id_of(credential)) is not None:
            self._refuse_while_quiet()
            return _Way(lambda: self.store.by_key(key_id, hash_of(credential)), self._lookups)
        if is_token(credential):
            self._refuse_while_quiet()
            return _Way(lambda: self.store.by_token(hash_of(credential)), self._lookups)
        if self._issuers and credential.count(b".") == 2:  # noqa: PLR2004  # header, claims, signature
            return _Way(
                lambda: self._bearers.verify(credential),
                self._signatures,
                lambda: self._bearers.waits_for(credential),
            )
        raise UnknownCallerError("form")

    def _refuse_while_quiet(self) -> None:
        if self._clock() < self._quiet_until:
            raise DatabaseUnavailableError("gone")

    def _look(self, find: Callable[[], Verified], digest: bytes) -> _Known:
        asked_at = self._clock()
        try:
            verified = find()
        except StoreError:
            self._quiet_until = self._clock() + _QUIET_SECONDS
            raise
        left = USABLE_SECONDS
        if verified.until is not None:
            left = min(left, (verified.until - datetime.now(UTC)).total_seconds())
        known = _Known(verified.caller, asked_at + min(FRESH_SECONDS, left), asked_at + left)
        with self._lock:
            self._known[digest] = known
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return known
