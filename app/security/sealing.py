"""What signs the heads of the audit trail: the key of the settings, or nothing.

A key that lies in the database beside the rows would prove nothing against whoever owns the database.
"""

from __future__ import annotations

from collections.abc import Callable

Seal = Callable[[bytes], tuple[str, str]]


def seal_of(private: bytes | None) -> Callable[[], Seal | None]:
    """Return what makes the seal when the first head is signed; `private` is the 32 bytes of the settings' key."""

    def make() -> Seal | None:
        if private is None:
            return None
        from app.security.receipts.signing import Signer  # noqa: PLC0415  # it loads cryptography

        return Signer(private).seal

    return make
