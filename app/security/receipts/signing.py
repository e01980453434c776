"""Ed25519 signatures (RFC 8032), and public keys as JSON Web Keys (RFC 8037)."""

from __future__ import annotations

import base64
import binascii
import json
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.security.canonical_json import canonical
from app.security.receipts.key_text import KEY_BYTES

ALGORITHM: Final = "Ed25519"


class Signer:
    """A private key."""

    def __init__(self, private: bytes) -> None:
        """`private`: its 32 bytes."""
        self.private = private
        self._key = Ed25519PrivateKey.from_private_bytes(private)
        self.public = encoded(self._key.public_key().public_bytes_raw())
        self.key_id = key_id_of(self.public)

    @classmethod
    def drawn(cls) -> Signer:
        """Make a new key."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    def sign(self, message: bytes) -> str:
        """Return the signature in base64url."""
        return encoded(self._key.sign(message))

    def seal(self, message: bytes) -> tuple[str, str]:
        """Return the key's id and the signature."""
        return self.key_id, self.sign(message)


def is_signed(message: bytes, signature: str, public: str) -> bool:
    """Say whether a signature (base64url) is that of a message under a public key (base64url)."""
    try:
        Ed25519PublicKey.from_public_bytes(decoded(public)).verify(decoded(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_id_of(public: str) -> str:
    """Return the id of a public key: its JWK thumbprint (RFC 7638)."""
    return encoded(sha256(canonical({"crv": ALGORITHM, "kty": "OKP", "x": public})).digest())


def public_keys(text: str) -> dict[str, str]:
    """Read public keys from a file: a JWK, a set of them (as `GET /v1/receipts/keys` answers), PEM, or base64.

    Returns them (base64url) by their ids; ValueError when there are none.
    """
    found = _of_json(text) if text.lstrip().startswith("{") else [_of_text(text)]
    if not found:
        raise ValueError("the file names no Ed25519 public key")
    return {key_id_of(public): public for public in found}


def encoded(raw: bytes) -> str:
    """Write bytes in base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Read base64url; ValueError when it is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None


def _of_json(text: str) -> list[str]:
    told: dict[str, Any] = json.loads(text)
    keys = told.get("keys", [told])
    if not isinstance(keys, list):
        raise ValueError("not a set of keys")  # noqa: TRY004  # as for any other file that is none
    return [_checked(str(key["x"])) for key in keys if _is_ours(key) and "x" in key]


def _is_ours(key: object) -> bool:
    return isinstance(key, dict) and key.get("crv") == ALGORITHM


def _of_text(text: str) -> str:
    if "BEGIN PUBLIC KEY" not in text:
        return _checked(text.strip().replace("+", "-").replace("/", "_").rstrip("="))
    try:
        key = load_pem_public_key(text.encode())
    except UnsupportedAlgorithm:
        raise ValueError("the file holds a key of a kind that is not known here") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("the file holds a key of another kind than Ed25519")  # noqa: TRY004  # of a file, not a type
    return encoded(key.public_bytes_raw())


def _checked(public: str) -> str:
    if len(decoded(public)) != KEY_BYTES:
        raise ValueError("not the 32 bytes of an Ed25519 public key")
    return public
