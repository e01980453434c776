"""The options of a database's URL, which stand behind its question mark: those that are passed on, and no other.

An option that is read over is worse than none: whoever writes `mode=ro` trusts that nothing is written.
"""

from __future__ import annotations

from collections import Counter
from typing import Final
from urllib.parse import parse_qsl

# Names of libpq, as its manual lists them, that say where the server is and how it is spoken to. User and password
# have their place before the host.
POSTGRESQL: Final = frozenset(
    {
        "application_name",
        "channel_binding",
        "connect_timeout",
        "gssencmode",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "options",
        "passfile",
        "port",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslrootcert",
        "target_session_attrs",
        "tcp_user_timeout",
    }
)


def refused_options(url: str) -> str | None:
    """Return what a database URL's options must be when they are not that, else None. Repeats nothing of the URL."""
    query = url.partition("?")[2]
    if url.startswith("sqlite"):
        return "must be without options (nothing behind a ?) for SQLite: the file's path alone" if query else None
    named = Counter(name for name, _ in parse_qsl(query, keep_blank_values=True))
    if set(named) <= POSTGRESQL and all(number == 1 for number in named.values()):
        return None
    return f"must have no options (behind the ?) for PostgreSQL but {', '.join(sorted(POSTGRESQL))}, each once"
