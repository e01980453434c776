"""Signed tokens (JWT): RS and ES signatures by keys of configured places, and nothing that a token says of itself.

PyJWT and cryptography come with the first token: a fifth of a second.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from app.security.errors import UnknownCallerError
from app.security.jwks import Jwk

Claims = dict[str, Any]
LONGEST: Final = 8_000
_LONGEST_KID: Final = 200
_PARTS: Final = 3
_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_SMALLEST_RSA_BITS: Final = 2048
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})


class Rules(NamedTuple):
    """What a token must be. `audience` names any that may be meant; times in seconds."""

    issuer: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    leeway: int
    longest_life: int
    jku: str | None
    needs: tuple[str, ...] = ("exp", "iat", "iss", "aud", "sub")


def unproved(token: bytes) -> tuple[dict[str, Any], Claims]:
    """Read header and claims of a token before its signature is looked at: to find whose key is needed, no more."""
    parts = token.split(b".")
    if len(token) > LONGEST or len(parts) != _PARTS:
        raise UnknownCallerError("shape")
    return _object(parts[0]), _object(parts[1])


def _object(part: bytes) -> dict[str, Any]:
    try:
        found = json.loads(base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise UnknownCallerError("encoding") from None
    if not isinstance(found, dict):
        raise UnknownCallerError("encoding")
    return found


def proved(token: bytes, header: dict[str, Any], rules: Rules, key_of: Callable[[str], Jwk | None]) -> Claims:
    """Return the claims of a token that is what the rules say. UnknownCallerError, CallersUnavailableError."""
    algorithm, kid = _header(header, rules)
    jwk = key_of(kid)
    if jwk is None:
        raise UnknownCallerError("kid")
    claims = _decoded(token, algorithm, jwk, rules)
    _check_life(claims, rules)
    return claims


def _header(header: dict[str, Any], rules: Rules) -> tuple[str, str]:
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if algorithm not in rules.algorithms:
        raise UnknownCallerError("alg")
    if not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_KID:
        raise UnknownCallerError("kid")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or "crit" in header:
        raise UnknownCallerError("typ")
    if "jku" in header and header["jku"] != rules.jku:
        raise UnknownCallerError("jku")
    return str(algorithm), kid


def _decoded(token: bytes, algorithm: str, jwk: Jwk, rules: Rules) -> Claims:
    import jwt  # noqa: PLC0415  # see the module

    try:
        key = jwt.PyJWK(dict(jwk), algorithm=algorithm)
        _check_key(key.key, jwk, algorithm)
        claims: Claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=list(rules.audiences),
            issuer=rules.issuer,
            leeway=rules.leeway,
            options={"require": list(rules.needs)},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as exc:
        raise UnknownCallerError(type(exc).__name__) from None
    return claims


def _check_key(key: Any, jwk: Jwk, algorithm: str) -> None:  # noqa: ANN401  # a key of cryptography's
    """Refuse a key that is not meant for the algorithm: of another kind, on another curve, or too short."""
    if jwk.get("alg", algorithm) != algorithm:
        raise UnknownCallerError("key")
    if algorithm.startswith("RS"):
        fits = jwk["kty"] == "RSA" and key.key_size >= _SMALLEST_RSA_BITS
    else:
        fits = jwk["kty"] == "EC" and jwk.get("crv") == _CURVES[algorithm]
    if not fits:
        raise UnknownCallerError("key")


def _check_life(claims: Claims, rules: Rules) -> None:
    # Whole numbers: a date of four hundred digits is none, and must not overflow.
    if "iat" in claims and int(claims["exp"]) - int(claims["iat"]) > rules.longest_life + rules.leeway:
        raise UnknownCallerError("lifetime")


def words_of(claim: object) -> Iterable[str]:
    """Return what a claim lists: words divided by spaces, or an array of them."""
    if isinstance(claim, str):
        return claim.split()
    return [word for word in claim if isinstance(word, str)] if isinstance(claim, list) else []
