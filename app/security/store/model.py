"""What is kept of callers: plain values, no SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.security.caller import Caller, Scope


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed; its secret is not kept."""

    id: str
    name: str
    tenant: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Client:
    """A registered backend client. Its public keys are `jwks` (JSON text) or are found at `jwks_url`."""

    id: str
    name: str
    tenant: str
    scopes: frozenset[Scope]
    jwks: str | None
    jwks_url: str | None
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """An access token to be kept, and the `jti` of the assertion that it is given for, which is not taken again."""

    hash: bytes
    scopes: frozenset[Scope]
    expires_at: datetime
    jti: bytes
    jti_until: datetime


@dataclass(frozen=True, slots=True)
class Verified:
    """A caller who was proved, and until when that may be believed (None: no end of its own)."""

    caller: Caller
    until: datetime | None
