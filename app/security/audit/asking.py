"""Whose work a thread is doing: known to the trail without being handed through every call in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Final, ParamSpec, TypeVar

from app.security.caller import LOCAL, Caller

P = ParamSpec("P")
T = TypeVar("T")

# A deed of the service itself: the built-in cohort, jobs whose process is gone.
SERVICE: Final = Caller("service", LOCAL.tenant, frozenset())
# Whoever has a shell on the machine and the database's password.
COMMAND_LINE: Final = Caller("command-line", LOCAL.tenant, frozenset())
# Whoever could not say who it is.
ANONYMOUS: Final = Caller("anonymous", LOCAL.tenant, frozenset())


class Asking:
    """A request or a command. `is_recorded` says that a committed change of it stands in the trail.

    `subject` and `details` are what is known of a read beyond its path: ids, counts and names of ours.
    """

    __slots__ = ("_caller", "details", "is_recorded", "operation", "request_id", "subject")

    def __init__(self, operation: str, request_id: str | None, caller: Callable[[], Caller]) -> None:
        self.operation = operation
        self.request_id = request_id
        self._caller = caller
        self.is_recorded = False
        self.subject: str | None = None
        self.details: dict[str, int | str | bool] = {}

    @property
    def caller(self) -> Caller:
        """Who asks: looked up when it is needed, for it is known only once the request was authenticated."""
        return self._caller()


_ASKING: Final[ContextVar[Asking | None]] = ContextVar("defervesce_asking", default=None)


def who_asks() -> Asking | None:
    """Return whose work this is; None when it is the service's own."""
    return _ASKING.get()


@contextmanager
def on_behalf(asking: Asking) -> Iterator[Asking]:
    """Do what is in the block on somebody's behalf."""
    token = _ASKING.set(asking)
    try:
        yield asking
    finally:
        _ASKING.reset(token)


def carried(call: Callable[P, T]) -> Callable[P, T]:
    """Return a call that does its work on another thread on behalf of whoever asks now."""
    context = copy_context()
    return lambda *args, **kwargs: context.run(call, *args, **kwargs)
