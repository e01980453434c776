"""API keys and access tokens as texts: how they are made, recognized and hashed.

`dfv_<id>_<secret><check>`: the id is visible, names the key and is all that is kept in the clear; the secret holds 256
random bits, which nobody can search, so that a plain SHA-256 is enough to keep it by; the check tells a mistyped key
without a look into the database.
"""

from __future__ import annotations

import re
import secrets
import zlib
from hashlib import sha256
from typing import Final, NamedTuple

KEY_PREFIX: Final = "dfv_"
TOKEN_PREFIX: Final = "dft_"  # noqa: S105  # the beginning of every token, and no secret
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARACTERS: Final = 12
# 43 characters of 62 are 256 bits.
_SECRET_CHARACTERS: Final = 43
_CHECK_CHARACTERS: Final = 6
# What names a backend client.
CLIENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY: Final = re.compile(rb"dfv_([0-9a-z]{12})_[0-9A-Za-z]{49}")
_TOKEN: Final = re.compile(rb"dft_[0-9A-Za-z]{49}")


class NewKey(NamedTuple):
    """A key that was just made: its visible id, the whole text, which is shown once, and the hash that is kept."""

    id: str
    text: str
    hash: bytes


def fresh_id(characters: int = _ID_CHARACTERS) -> str:
    """Return a random id of digits and small letters."""
    return "".join(secrets.choice(_ALPHABET[:10] + _ALPHABET[36:]) for _ in range(characters))


def new_key(key_id: str | None = None) -> NewKey:
    """Make a key, or another secret for the key of that id."""
    key_id = key_id or fresh_id()
    text = _checked(f"{KEY_PREFIX}{key_id}_{_random()}")
    return NewKey(key_id, text, hash_of(text.encode()))


def new_token() -> str:
    """Make an access token."""
    return _checked(TOKEN_PREFIX + _random())


def hash_of(text: bytes) -> bytes:
    """Return what a key or token is kept and looked up by."""
    return sha256(text).digest()


def key_id_of(text: bytes) -> str | None:
    """Return the id of a key that is written as one, else None."""
    found = _KEY.fullmatch(text)
    return found[1].decode() if found is not None and _is_checked(text) else None


def is_token(text: bytes) -> bool:
    """Say whether a text is written as an access token of ours."""
    return _TOKEN.fullmatch(text) is not None and _is_checked(text)


def _random() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARACTERS))


def _checked(text: str) -> str:
    return text + _check(text.encode())


def _is_checked(text: bytes) -> bool:
    return text[-_CHECK_CHARACTERS:].decode() == _check(text[:-_CHECK_CHARACTERS])


def _check(text: bytes) -> str:
    number, digits = zlib.crc32(text), []
    for _ in range(_CHECK_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)
