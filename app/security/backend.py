"""SMART Backend Services: a registered client proves itself with a signed assertion and is given a short-lived token.

The token is a random text of which the database keeps the hash: every replica knows it, there is no signing key that
could be stolen or that replicas would have to share, and it ends with its client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Lock
from typing import Final, cast

from app.security.audit.asking import Asking, on_behalf
from app.security.backend_terms import ALGORITHMS, ASSERTION_TYPE, GRANT, LIFETIME_SECONDS, Granted, GrantError
from app.security.caller import SCOPES, Caller, Scope
from app.security.errors import UnknownCallerError
from app.security.jwks import Jwk, KeySet, keys_of
from app.security.keys import CLIENT_ID, hash_of, new_token
from app.security.store.callers import CallerStore
from app.security.store.model import Client, NewToken
from app.security.tokens import Claims, Rules, proved, unproved

_ASSERTION_SECONDS: Final = 300
_LEEWAY_SECONDS: Final = 30
_LONGEST_JTI: Final = 255
_MOST_KEY_SETS: Final = 1_000


class Backend:
    """Gives tokens to clients. Blocks: use a worker thread."""

    def __init__(
        self, store: Callable[[], CallerStore], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._clock = clock
        self._lock = Lock()
        self._key_sets: dict[str, KeySet] = {}

    def grant(self, form: Mapping[str, str], audience: str, request_id: str | None = None) -> Granted:
        """Answer a form of the token endpoint whose address is `audience`. GrantError, DatabaseUnavailableError."""
        assertion = _assertion(form)
        client, claims = self._proved(assertion, audience)
        if form.get("client_id", client.id) != client.id:
            raise _unknown()
        scopes = _scopes(form.get("scope"), client)
        token, now = new_token(), self._clock()
        # As long as the assertion could be sent again.
        jti_until = datetime.fromtimestamp(int(claims["exp"]), UTC) + timedelta(seconds=2 * _LEEWAY_SECONDS)
        jti, until = sha256(claims["jti"].encode()).digest(), now + timedelta(seconds=LIFETIME_SECONDS)
        grant = NewToken(hash_of(token.encode()), scopes, until, jti, jti_until)
        caller = Caller(f"client:{client.id}", client.tenant, scopes)
        with on_behalf(Asking("token", request_id, lambda: caller)):
            if not self._store().grant(client, grant):
                raise _unknown()
        return Granted(token, scopes)

    def _proved(self, assertion: bytes, audience: str) -> tuple[Client, Claims]:
        try:
            header, claims = unproved(assertion)
            client = self._client(claims)
            claims = proved(assertion, header, _rules(client, audience), lambda kid: self._key(client, kid))
            _check(claims, self._clock())
        except UnknownCallerError:
            raise _unknown() from None
        return client, claims

    def _client(self, claims: Claims) -> Client:
        client_id = claims.get("iss")
        # Nothing is proved yet: what cannot be an id is not looked for.
        is_named = isinstance(client_id, str) and claims.get("sub") == client_id and CLIENT_ID.fullmatch(client_id)
        client = self._store().client(str(client_id)) if is_named else None
        if client is None:
            raise UnknownCallerError("client")
        return client

    def _key(self, client: Client, kid: str) -> Jwk | None:
        if client.jwks_url is None:
            return keys_of((client.jwks or "").encode()).get(kid)
        with self._lock:
            if len(self._key_sets) > _MOST_KEY_SETS:
                self._key_sets.clear()
            keys = self._key_sets.setdefault(client.jwks_url, KeySet(client.jwks_url))
        return keys.key(kid)


def _assertion(form: Mapping[str, str]) -> bytes:
    if "grant_type" not in form:
        raise GrantError("invalid_request", "grant_type is missing.")
    if form["grant_type"] != GRANT:
        raise GrantError("unsupported_grant_type", f"grant_type must be {GRANT}.")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise GrantError("invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}.")
    if not form.get("client_assertion"):
        raise GrantError("invalid_request", "client_assertion is missing.")
    if "client_secret" in form:
        raise GrantError("invalid_request", "A client proves itself by client_assertion alone.")
    return form["client_assertion"].encode()


def _rules(client: Client, audience: str) -> Rules:
    needs = ("exp", "iss", "aud", "sub", "jti")
    return Rules(client.id, (audience,), ALGORITHMS, _LEEWAY_SECONDS, _ASSERTION_SECONDS, client.jwks_url, needs)


def _check(claims: Claims, now: datetime) -> None:
    if int(claims["exp"]) > now.timestamp() + _ASSERTION_SECONDS + _LEEWAY_SECONDS:
        raise UnknownCallerError("exp")
    jti = claims["jti"]
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI or not jti.isprintable():
        raise UnknownCallerError("jti")


def _scopes(asked: str | None, client: Client) -> frozenset[Scope]:
    """Return the scopes that were asked for and may be had; without any named, all that may be had."""
    if asked is None:
        return client.scopes
    words = set(asked.split())
    if not words or not words <= set(SCOPES):
        raise GrantError("invalid_scope", f"scope must name some of {', '.join(SCOPES)}.")
    granted = frozenset(cast("set[Scope]", words)) & client.scopes
    if not granted:
        raise GrantError("invalid_scope", "The client may have none of these scopes.")
    return granted


def _unknown() -> GrantError:
    return GrantError("invalid_client", "The client is not known, or did not prove itself.")
