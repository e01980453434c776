"""Callers by an issuer's bearer token: who it is, whose, and what the server lets this issuer's callers do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from app.security.caller import LONGEST_ID, SCOPES, Caller, Scope
from app.security.errors import UnknownCallerError
from app.security.issuers import Issuer, is_tenant
from app.security.jwks import KeySet
from app.security.store.model import Verified
from app.security.tokens import Claims, Rules, proved, unproved, words_of


class Bearers:
    """Verifies the bearer tokens of the configured issuers. Blocks while it fetches keys: use a worker thread."""

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        self._issuers = {one.iss: (one, KeySet(one.jwks_url)) for one in issuers}

    def waits_for(self, token: bytes) -> str | None:
        """Return the issuer whose keys are to be fetched before a token can be verified; None when it need not wait.

        UnknownCallerError.
        """
        header, claims = unproved(token)
        iss, kid = claims.get("iss"), header.get("kid")
        found = self._issuers.get(iss) if isinstance(iss, str) else None
        if found is None or not isinstance(kid, str) or found[1].is_at_hand(kid):
            return None
        return found[0].iss

    def verify(self, token: bytes) -> Verified:
        """Return the caller. UnknownCallerError, CallersUnavailableError.

        A bearer token may come many times until it expires: that is what it is for.
        """
        header, claims = unproved(token)
        iss = claims.get("iss")
        found = self._issuers.get(iss) if isinstance(iss, str) else None
        if found is None:
            raise UnknownCallerError("iss")
        issuer, keys = found
        claims = proved(token, header, _rules(issuer), keys.key)
        subject = claims["sub"]
        if not isinstance(subject, str) or not subject or not subject.isprintable():
            raise UnknownCallerError("sub")
        caller_id = f"{issuer.name}:{subject}"
        if len(caller_id) > LONGEST_ID:
            raise UnknownCallerError("sub")
        caller = Caller(caller_id, _tenant(issuer, claims), _scopes(issuer, claims))
        return Verified(caller, datetime.fromtimestamp(float(claims["exp"]), UTC))


def _rules(issuer: Issuer) -> Rules:
    return Rules(
        issuer.iss,
        issuer.audiences,
        issuer.algorithms,
        issuer.leeway_seconds,
        issuer.max_lifetime_seconds,
        issuer.jwks_url,
    )


def _tenant(issuer: Issuer, claims: Claims) -> str:
    """Return the tenant as the server maps it; a claim decides only where the issuer is trusted to."""
    if issuer.tenant is not None:
        return issuer.tenant
    said = claims.get(issuer.tenant_claim or "")
    if not isinstance(said, str):
        raise UnknownCallerError("tenant")
    tenant = said if issuer.trust_tenant_claim else issuer.tenants.get(said)
    if tenant is None or not is_tenant(tenant):
        raise UnknownCallerError("tenant")
    return tenant


def _scopes(issuer: Issuer, claims: Claims) -> frozenset[Scope]:
    """Return what the token asks for of what the server lets this issuer's callers do."""
    if not issuer.scope_claim:
        return frozenset(issuer.scopes)
    said = words_of(claims.get(issuer.scope_claim))
    named: dict[str, Scope] = {scope: scope for scope in SCOPES} | issuer.scope_names
    return frozenset(named[word] for word in said if word in named) & frozenset(issuer.scopes)
