"""The door: who sent a request, found out before anything else is done with it.

Without configured callers it stands open to this machine alone: a direct connection from a loopback address to one,
for a loopback name. A page on the internet whose name was made to lead here, and a proxy that others can reach, are
neither.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import unquote

from starlette.types import Scope

from app.api.context import RequestContext
from app.api.kinds import BAD_REQUEST, CREDENTIAL_IN_URL, LOCAL_ONLY, UNAUTHENTICATED
from app.api.problems import ProblemError
from app.security.caller import LOCAL, UNSURE, Caller
from app.security.errors import UnknownCallerError
from app.security.issuers import is_loopback
from app.security.keys import KEY_PREFIX

# How long to wait for the news that there are callers: what keeps nothing is answered without it.
SHORT_PATIENCE: Final = 0.25
LONG_PATIENCE: Final = 3.0
_CREDENTIALS: Final = frozenset({b"authorization", b"x-api-key"})
_BY_PROXY: Final = frozenset({b"forwarded", b"x-real-ip", b"via", b"cf-connecting-ip", b"true-client-ip"})
_BY_PROXY_TOO: Final = b"x-forwarded-"
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")
# Proxies that say nothing of themselves speak it; those that ask for themselves have not for twenty years.
_OF_PROXIES: Final = "1.0"
_SCHEME: Final = b"bearer "
_LONGEST_HOST: Final = 300
_MOST_HOSTS: Final = 1_000
# What a key or token looks like, and the names under which people put one into a query.
_SECRET: Final = re.compile(r"df[vt]_[0-9A-Za-z]{4}|eyJ[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]{5,}\.")
_NAMED: Final = re.compile(
    r"(?:^|[&;])(?:x[-_])?(?:api[-_]?key|access[-_]?token|id[-_]?token|token|auth|authorization|bearer|jwt"
    r"|client[-_]?assertion|client[-_]?secret|secret|password)=",
    re.IGNORECASE,
)


class Verifier(Protocol):
    """Finds out who sent a credential."""

    def recalled(self, credential: bytes) -> Caller | None:
        """Return a caller who was verified a moment ago."""

    async def verified(self, credential: bytes) -> Caller:
        """Return the caller, or raise what keeps them out."""


class Gate:
    """Lets callers in. `callers_exist(patience)` says whether anybody needs a credential at all; None: not known."""

    def __init__(self, verifier: Verifier, callers_exist: Callable[[float], Awaitable[bool | None]]) -> None:
        self._verifier = verifier
        self._callers_exist = callers_exist
        self._here: dict[Any, bool] = {}

    async def admit(self, scope: Scope, context: RequestContext, patience: float = LONG_PATIENCE) -> Caller:
        """Return who sent the request, or refuse it: 400, 401, 403, 503."""
        credential = _credential(scope["headers"], context.headers)
        if credential is not None:
            known = self._verifier.recalled(credential)
            return known if known is not None else await self._verified(credential, context)
        exists = await self._callers_exist(patience)
        if exists:
            raise unauthenticated()
        if not self._is_direct(scope, context.headers):
            raise ProblemError(LOCAL_ONLY, LOCAL_ONLY.meaning)
        return UNSURE if exists is None else LOCAL

    async def _verified(self, credential: bytes, context: RequestContext) -> Caller:
        try:
            return await self._verifier.verified(credential)
        except UnknownCallerError as exc:
            # Whoever uses a key that was revoked is to be seen by those whose key it was.
            context.caller = exc.ended or context.caller
            raise unauthenticated('error="invalid_token"') from None

    def _is_direct(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        """Say whether both ends of the connection are on this machine, and nobody stands between."""
        client, server = scope.get("client"), scope.get("server")
        ends = self._is_here(client and client[0]) and self._is_here(server and server[0])
        is_passed_on = any(name in _BY_PROXY or name.startswith(_BY_PROXY_TOO) for name in headers)
        plain = scope.get("http_version") != _OF_PROXIES and not is_passed_on
        return ends and plain and self._is_here(headers.get(b"host"))

    def _is_here(self, named: str | bytes | None) -> bool:
        """Say whether an address or a Host header is of this machine; remembered, for it is asked for every request."""
        found = self._here.get(named)
        if found is None:
            found = _is_of_this_machine(named)
            if len(self._here) < _MOST_HOSTS:
                self._here[named] = found
        return found


def refuse_credentials_in_url(scope: Scope, context: RequestContext) -> None:
    """Refuse a key or token in the URL, whatever it is worth; it is not repeated in the answer either."""
    query = scope["query_string"]
    if _SECRET.search(context.path):
        # The answer names the path.
        context.path = "/"
    elif not query or not _tells(query.decode("latin-1")):
        return
    raise ProblemError(CREDENTIAL_IN_URL, CREDENTIAL_IN_URL.meaning)


def _tells(query: str) -> bool:
    plain = unquote(query)
    return bool(_NAMED.search(plain) or _SECRET.search(plain))


def unauthenticated(error: str = "") -> ProblemError:
    """Make the 401. It is the same for every reason, so that nobody learns how near a guess came."""
    challenge = 'Bearer realm="defervesce"' + (f", {error}" if error else "")
    return ProblemError(UNAUTHENTICATED, UNAUTHENTICATED.meaning, headers={"WWW-Authenticate": challenge})


def _credential(sent: Iterable[tuple[bytes, bytes]], headers: Mapping[bytes, bytes]) -> bytes | None:
    """Return the one credential of a request; two are one too many, even when they are the same."""
    authorization, key = headers.get(b"authorization"), headers.get(b"x-api-key")
    if authorization is None and key is None:
        return None
    if sum(name in _CREDENTIALS for name, _ in sent) > 1:
        raise ProblemError(BAD_REQUEST, "The request holds more than one credential.")
    if authorization is None:
        if key is None or not key.startswith(KEY_PREFIX.encode()):
            raise unauthenticated('error="invalid_token"')
        return key.strip()
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise unauthenticated()
    return authorization[len(_SCHEME) :].strip()


def _is_of_this_machine(named: str | bytes | None) -> bool:
    """Say whether an address, a Host header, or none at all (a Unix socket, a call within the process) is local."""
    if named is None:
        return True
    text = named.decode("latin-1") if isinstance(named, bytes) else named
    if len(text) > _LONGEST_HOST:
        return False
    if text.startswith("/"):
        return isinstance(named, str)
    return is_loopback(_host(text) if isinstance(named, bytes) else text)


def _host(header: str) -> str:
    """Return the host of a Host header, without its port; nothing where it is written in no way that is meant."""
    found = _HOST.fullmatch(header)
    return found[1].strip("[]").lower() if found else ""
