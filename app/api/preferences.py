"""The Prefer header (RFC 7240), as far as receipts go: `return=receipt`, and `keep=input` beside it."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_PART: Final = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*"?([^",;]*)"?)?\s*\Z')


class Preference(NamedTuple):
    """What was asked for."""

    receipt: bool
    with_input: bool

    @property
    def applied(self) -> bytes:
        """Return the Preference-Applied header."""
        return b"return=receipt; keep=input" if self.with_input else b"return=receipt"


def preference_of(header: bytes) -> Preference:
    """Read a Prefer header; what is not understood is no preference, as the RFC says."""
    for preference in header.decode("latin-1").split(","):
        first, *parameters = (_pair(part) for part in preference.split(";"))
        if first == ("return", "receipt"):
            return Preference(receipt=True, with_input=("keep", "input") in parameters)
    return Preference(receipt=False, with_input=False)


def _pair(part: str) -> tuple[str, str]:
    found = _PART.match(part)
    return (found[1].lower(), (found[2] or "").strip()) if found else ("", "")
