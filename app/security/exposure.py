"""May the service listen at an address? Of its own machine always; elsewhere behind keys, without default secrets."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from app.security.issuers import is_loopback

# What installation guides write where a password belongs. Others that begin so are no better.
_DEFAULTS: Final = re.compile(
    r"(admin|changeme|change[-_ ]?it|default|defervesce|example|hunter2|letmein|pass|passw0rd|password|pg|postgres|"
    r"postgresql|qwerty|root|secret|test|user|x+|your[-_]?password)[0-9!]{0,4}",
    re.IGNORECASE,
)
_SHORTEST: Final = 8

NO_CALLERS: Final = (
    "no caller is configured, so the service answers this machine alone; `defervesce keys create` makes a key"
)


def refusals(host: str, *, demands_callers: bool, has_callers: bool | None, database_url: str) -> list[str]:
    """Return every reason not to listen at an address; none for one of this machine alone."""
    if is_loopback(host):
        return []
    found = [] if demands_callers or has_callers else [_unguarded(host, has_callers)]
    if _is_weak(database_url):
        found.append(
            f"DEFERVESCE_DATABASE_URL holds a password that is a default, or shorter than {_SHORTEST} characters: "
            f"choose another before the service listens on {host}"
        )
    return found


def _unguarded(host: str, has_callers: bool | None) -> str:  # noqa: FBT001  # what was found, or None
    why = "it cannot be told whether there are callers" if has_callers is None else "there are no callers"
    return (
        f"the service would listen on {host}, and {why}: make a key by `defervesce keys create`, name issuers by "
        "DEFERVESCE_ISSUERS, or set DEFERVESCE_AUTH=required to refuse everybody until there is a key"
    )


def _is_weak(database_url: str) -> bool:
    """Say whether the database's password is one that everybody knows. A database that asks for none has none."""
    try:
        password = urlsplit(database_url).password
    except ValueError:
        return False
    if not password or database_url.startswith("sqlite"):
        return False
    plain = unquote(password)
    return len(plain) < _SHORTEST or _DEFAULTS.fullmatch(plain) is not None
