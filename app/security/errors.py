"""Why a caller is not let in. No text repeats what was sent, or says which part of it was wrong."""

from __future__ import annotations

from app.security.caller import Caller


class UnknownCallerError(Exception):
    """The credential is not known, not valid any more, or not proved. The one message tells a guesser nothing.

    `reason` is for tests and never leaves the service. `ended` is whose credential it was, where it was proved and had
    ended or been revoked; that caller may do nothing any more.
    """

    def __init__(self, reason: str, ended: Caller | None = None) -> None:
        super().__init__("The caller is not known.")
        self.reason = reason
        self.ended = ended


class CallersUnavailableError(Exception):
    """It cannot be found out now who calls; the same request may succeed later. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CallerCommandError(Exception):
    """A command about keys or clients cannot do what it was asked; the text is for whoever typed it."""


class IssuersError(Exception):
    """The file of issuers cannot be used; the text says where and why."""
