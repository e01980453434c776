"""Other people's public keys (JWKS), fetched and kept: with time-outs and limits, one fetch at a time, never a flood.

Whoever sends a token cannot make the service fetch anything but the configured address, and not more often than
every half minute.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock, Semaphore, Timer
from time import monotonic
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from app.security.errors import CallersUnavailableError

Fetch = Callable[[str], bytes]
Jwk = Mapping[str, Any]
# Kept so long, and used so much longer while they cannot be fetched anew.
_FRESH_SECONDS: Final = 600.0
_STALE_SECONDS: Final = 86_400.0
# An unknown key, or a fetch that failed, is reason to fetch again after so long, and not before.
REFETCH_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 3.0
_WHOLE_SECONDS: Final = 5.0
_AT_ONCE_SECONDS: Final = 0.5
# So many wait for a fetch that another thread makes, and so long: a slow address does not take all threads.
_MOST_WAITING: Final = 2
_WAIT_SECONDS: Final = 2.0
_MOST_BYTES: Final = 256_000
_MOST_KEYS: Final = 100
_PIECE: Final = 16_384
_OK: Final = 200


class KeySet:
    """The keys at one address. Blocks while it fetches; may be used on several threads."""

    def __init__(self, url: str, fetch: Fetch | None = None, clock: Callable[[], float] = monotonic) -> None:
        self.url = url
        self._fetch = fetch or fetched
        self._clock = clock
        self._lock = Lock()
        self._waiting = Semaphore(_MOST_WAITING)
        self._keys: dict[str, Jwk] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None

    def key(self, kid: str) -> Jwk | None:
        """Return the key of that id; None when the address holds none. CallersUnavailableError."""
        now = self._clock()
        found = self._keys.get(kid)
        if found is None or self._age(now) > _FRESH_SECONDS:
            self._renew(kid)
            found = self._keys.get(kid)
        if self._age(self._clock()) > _STALE_SECONDS:
            raise CallersUnavailableError("The issuer's keys cannot be had.")
        return found

    def is_at_hand(self, kid: str) -> bool:
        """Say whether `key` answers at once: with a key that it has, or because it is too early to ask for one."""
        now = self._clock()
        if kid in self._keys and (self._lock.locked() or self._age(now) <= _FRESH_SECONDS):
            return True
        return not self._lock.locked() and self._is_too_early(now)

    def _age(self, now: float) -> float:
        return float("inf") if self._fetched_at is None else now - self._fetched_at

    def _renew(self, kid: str) -> None:
        """Fetch, unless another thread does or just did, or it is too early to ask again. CallersUnavailableError."""
        if not self._lock.acquire(blocking=False):
            if kid in self._keys:
                return
            if not self._waited():
                raise CallersUnavailableError("The issuer's keys are being fetched.", 2)
        try:
            now = self._clock()
            if kid in self._keys and self._age(now) <= _FRESH_SECONDS:
                return
            if self._is_too_early(now):
                return
            self._tried_at = now
            try:
                self._keys = keys_of(self._fetched_again())
            except (OSError, http.client.HTTPException, ValueError, RecursionError):
                return
            self._fetched_at = self._clock()
        finally:
            self._lock.release()

    def _fetched_again(self) -> bytes:
        """Fetch, once more where the line broke at once: else nobody would be let in for half a minute."""
        began = monotonic()
        try:
            return self._fetch(self.url)
        except (OSError, http.client.HTTPException):
            if monotonic() - began > _AT_ONCE_SECONDS:
                raise
        return self._fetch(self.url)

    def _waited(self) -> bool:
        """Wait for the lock; returns whether it is held now."""
        if not self._waiting.acquire(blocking=False):
            return False
        try:
            return self._lock.acquire(timeout=_WAIT_SECONDS)
        finally:
            self._waiting.release()

    def _is_too_early(self, now: float) -> bool:
        return self._tried_at is not None and now - self._tried_at < REFETCH_SECONDS


def keys_of(text: bytes) -> dict[str, Jwk]:
    """Return the signing keys of a JWKS by their ids. Raises ValueError; what is no public signing key is left out."""
    document = json.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a JWKS")  # noqa: TRY004  # as for any other document that is none
    found: dict[str, Jwk] = {}
    for key in document["keys"][:_MOST_KEYS]:
        if isinstance(key, dict) and isinstance(kid := key.get("kid"), str) and _may_sign(key):
            # Of two keys with one id nobody can tell which is meant.
            found[kid] = {} if kid in found else key
    return {kid: key for kid, key in found.items() if key}


def _may_sign(key: Jwk) -> bool:
    operations = key.get("key_ops")
    signs = not isinstance(operations, list) or "verify" in operations
    kind = key.get("kty")
    return isinstance(kind, str) and kind in {"RSA", "EC"} and key.get("use", "sig") == "sig" and signs


def fetched(url: str) -> bytes:
    """Fetch a document: no redirects, no more than 256 kB, no longer than five seconds. OSError, ValueError."""
    parts = urlsplit(url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    until = monotonic() + _WHOLE_SECONDS
    try:
        _connect(connection, parts.scheme, until)
        # Each byte has a time-out of its own; this is for all of them, whatever they are of.
        cut = Timer(max(until - monotonic(), 0.0), _cut, (connection.sock,))
        cut.daemon = True
        cut.start()
        try:
            return _asked(connection, parts, until)
        finally:
            cut.cancel()
    finally:
        connection.close()


def _cut(line: socket.socket) -> None:
    """End whatever is awaited of a connection, on another thread. Of the socket itself: TLS says no farewell."""
    with suppress(OSError):
        socket.socket.shutdown(line, socket.SHUT_RDWR)


def _asked(connection: http.client.HTTPConnection, parts: SplitResult, until: float) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", path, headers={"Accept": "application/json", "User-Agent": "defervesce"})
    answer = connection.getresponse()
    if answer.status != _OK:
        raise ValueError("the address did not answer 200")
    return _read(answer, until)


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    return (http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection)(host, port)


def _connect(connection: http.client.HTTPConnection, scheme: str, until: float) -> None:
    """Connect to the first address of a host that answers; each has its time, and all of them together."""
    connection.sock = _line(connection.host, connection.port, until)
    connection.sock.settimeout(_CONNECT_SECONDS)
    if scheme == "https":
        context = ssl.create_default_context()
        connection.sock = context.wrap_socket(connection.sock, server_hostname=connection.host)


def _line(host: str, port: int, until: float) -> socket.socket:
    error: OSError = TimeoutError()
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        left = until - monotonic()
        if left <= 0:
            break
        line = socket.socket(family, kind, protocol)
        line.settimeout(min(_CONNECT_SECONDS, left))
        try:
            line.connect(address)
        except OSError as exc:
            line.close()
            error = exc
        else:
            return line
    raise error


def _read(answer: http.client.HTTPResponse, until: float) -> bytes:
    found = bytearray()
    is_whole = False
    while not is_whole:
        piece = answer.read1(_PIECE)
        found += piece
        # What was cut ends like what is whole.
        if len(found) > _MOST_BYTES or monotonic() > until:
            raise ValueError("the document is too large or comes too slowly")
        is_whole = not piece
    return bytes(found)
