"""Checkpoints: places where long work may be given up, because nobody waits for it any more.

Whoever runs the work says so by `unless`; the work itself calls `checkpoint` where it may end, and knows neither
clocks nor threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final


class GivenUpError(Exception):
    """Nobody waits for this work any more."""


def _never() -> bool:
    return False


_GIVEN_UP: Final[ContextVar[Callable[[], bool]]] = ContextVar("given_up", default=_never)


@contextmanager
def unless(given_up: Callable[[], bool]) -> Iterator[None]:
    """Let the work of this block end at its next checkpoint once `given_up` says so."""
    checkpoint_of = _GIVEN_UP.set(given_up)
    try:
        checkpoint()
        yield
    finally:
        _GIVEN_UP.reset(checkpoint_of)


def checkpoint() -> None:
    """End here, with GivenUpError, when the work was given up; some hundred nanoseconds else."""
    if _GIVEN_UP.get()():
        raise GivenUpError
