"""What can be wrong with the database itself. Texts are public and hold no patient's value.

This module is light on purpose: the HTTP layer names these errors before any database library is loaded.
"""

from __future__ import annotations

from typing import Final, Literal

Reason = Literal["locked", "read_only", "full", "gone", "moved", "busy", "schema", "damaged", "trail"]

_DETAILS: Final[dict[Reason, str]] = {
    "locked": "Another change holds the database; it was waited for as long as is allowed.",
    "read_only": "The database takes no writes at present.",
    "full": "The database has no room left.",
    "gone": "The database cannot be reached.",
    "moved": "The database file is gone or was replaced; the operator restores it, or runs `defervesce migrate`.",
    "busy": "The database is too busy: it did not answer in time, or every connection is in use.",
    "schema": "The database is not migrated to this release; the operator runs `defervesce migrate`.",
    "damaged": "The database file cannot be read.",
    "trail": "The audit trail cannot be continued: its rows do not fit its head. The operator runs "
    "`defervesce audit verify`.",
}
_RETRY_SECONDS: Final[dict[Reason, int]] = {"locked": 2, "busy": 2, "gone": 5, "moved": 5}
_RETRY_LATER: Final = 30


class StoreError(Exception):
    """Anything that keeps the store from doing what it was asked; nothing was changed."""


class DatabaseUnavailableError(StoreError):
    """The database cannot be used now. Nothing was changed; the same request may succeed later.

    `reason` is stable, `code` is the database's own (such as `SQLITE_BUSY` or the SQLSTATE `53100`), `retry_after` is
    in seconds. `str()` is public text.
    """

    def __init__(self, reason: Reason, code: str | None = None) -> None:
        super().__init__(_DETAILS[reason])
        self.reason: Reason = reason
        self.code = code
        self.retry_after = _RETRY_SECONDS.get(reason, _RETRY_LATER)
