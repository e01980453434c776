"""A signing key as an operator writes it down: read without any library, so that a bad one is found at the start."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

KEY_BYTES: Final = 32
_PEM: Final = re.compile(r"-----BEGIN PRIVATE KEY-----(.+)-----END PRIVATE KEY-----", re.DOTALL)
# PKCS #8 of an Ed25519 key (RFC 8410) is this beginning and the 32 bytes.
_PKCS8: Final = bytes.fromhex("302e020100300506032b657004220420")
# A key that was drawn has more different bytes than this, but for one in a number of 40 digits.
_FEWEST_DIFFERENT: Final = 9
REFUSAL: Final = (
    "must be an Ed25519 private key: PEM (`openssl genpkey -algorithm ed25519`), or its 32 random bytes in base64"
)


def private_bytes(text: str) -> bytes:
    """Return the 32 bytes of a private key; ValueError (public text, without the key) when it is none."""
    found = _PEM.search(text)
    raw = _decoded(found[1] if found else text)
    if found:
        raw = raw.removeprefix(_PKCS8) if raw.startswith(_PKCS8) else b""
    if len(raw) != KEY_BYTES:
        raise ValueError(REFUSAL)
    if len(set(raw)) < _FEWEST_DIFFERENT:
        raise ValueError(f"{REFUSAL}; this one was made up, not drawn")
    return raw


def _decoded(text: str) -> bytes:
    plain = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
