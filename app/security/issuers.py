"""The issuers whose bearer tokens are believed, from a TOML file of the operator's.

What a token's claims may mean is said here, on the server: which tenant its caller belongs to, and the most it may do.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Final, Literal, Self, get_args
from urllib.parse import urlsplit

import tomli
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.database.tenants import TENANT_NAME
from app.security.caller import Scope
from app.security.errors import IssuersError

Algorithm = Literal["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)
_MOST: Final = 50


class Issuer(BaseModel):
    """One issuer. Frozen; valid from birth."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$", description="Short name, which callers' ids begin with")
    iss: str = Field(min_length=1, max_length=500, description="The claim `iss`, to the letter")
    audiences: tuple[str, ...] = Field(min_length=1, description="What `aud` must name, to the letter: any of these")
    jwks_url: str = Field(max_length=2000, description="Where its public keys are")
    algorithms: tuple[Algorithm, ...] = Field(default=ALGORITHMS, min_length=1, description="Signatures that count")
    scopes: tuple[Scope, ...] = Field(min_length=1, description="The most that its callers may do")
    scope_claim: str = Field(default="scope", description="Claim that narrows the scopes; empty: all of them")
    scope_names: dict[str, Scope] = Field(default={}, description="The issuer's words for our scopes")
    tenant: str | None = Field(default=None, description="The tenant of all its callers")
    tenant_claim: str | None = Field(default=None, description="Claim that names the tenant, by `tenants`")
    tenants: dict[str, str] = Field(default={}, description="Value of the tenant claim to tenant")
    trust_tenant_claim: bool = Field(default=False, description="The claim's value is the tenant: the issuer decides")
    leeway_seconds: int = Field(default=30, ge=0, le=120, description="How far clocks may differ")
    max_lifetime_seconds: int = Field(default=3600, ge=60, le=86_400, description="Longest from `iat` to `exp`")

    @field_validator("jwks_url")
    @classmethod
    def _safe_url(cls, url: str) -> str:
        return checked_url(url)

    @model_validator(mode="after")
    def _one_way_to_the_tenant(self) -> Self:
        if (self.tenant is None) == (self.tenant_claim is None):
            raise ValueError("needs either `tenant` or `tenant_claim`")
        if self.tenant_claim is not None and bool(self.tenants) == self.trust_tenant_claim:
            raise ValueError("needs, with `tenant_claim`, either `tenants` or `trust_tenant_claim = true`")
        for tenant in filter(None, (self.tenant, *self.tenants.values())):
            if not is_tenant(tenant):
                raise ValueError("names a tenant that is not 1 to 64 of a-z, 0-9, `.`, `_`, `-`")
        return self


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    issuer: tuple[Issuer, ...] = Field(min_length=1, max_length=_MOST)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for values in ([one.name for one in self.issuer], [one.iss for one in self.issuer]):
            if len(set(values)) < len(values):
                raise ValueError("names an issuer twice")
        return self


def load_issuers(path: Path | None) -> tuple[Issuer, ...]:
    """Read the file. Raises IssuersError with place and reason, never a value."""
    if path is None:
        return ()
    try:
        return _File.model_validate(tomli.loads(path.read_text(encoding="utf-8"))).issuer
    except (OSError, UnicodeDecodeError):
        raise IssuersError(f"{path.name} cannot be read") from None
    except tomli.TOMLDecodeError:
        raise IssuersError(f"{path.name} is not TOML") from None
    except ValidationError as exc:
        raise IssuersError("\n".join(_sentence(path.name, error) for error in exc.errors())) from None


def _sentence(file: str, error: object) -> str:
    found = dict(error) if isinstance(error, dict) else {}
    return f"{file}: {'.'.join(map(str, found.get('loc', ())))}: {found.get('msg', 'is not valid')}"


def is_tenant(name: str) -> bool:
    """Say whether a tenant may be called so."""
    return re.fullmatch(TENANT_NAME, name) is not None


def checked_url(url: str) -> str:
    """Return a URL from which keys may be fetched, or raise ValueError: https, or http on this machine."""
    parts = urlsplit(url)
    _ = parts.port
    if not parts.hostname or parts.username is not None or parts.fragment:
        raise ValueError("must be a URL with a host, without a user or a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("must be https; plain http only on this machine")
    return url


def is_loopback(host: str) -> bool:
    """Say whether an address is of this machine alone."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
