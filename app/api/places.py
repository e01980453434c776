"""Places: how many of something there may be at once. Past that the answer is 503, at once and with a time to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from app.api.kinds import OVERLOADED
from app.api.problems import ProblemError

RETRY_SECONDS: Final = 5


class Places:
    """At most `most` at once. A place may be given back on any thread.

    `what` says in the answer what there are too many of.
    """

    def __init__(self, most: int, what: str) -> None:
        self.most = most
        self.taken = 0
        self.refused = 0
        self._what = what
        self._lock = Lock()

    def is_full(self) -> bool:
        """Say whether the next one would be refused."""
        return self.taken >= self.most

    def refuse(self) -> ProblemError:
        """Count a refusal and make the 503."""
        self.refused += 1
        detail = f"{self._what} Nothing was begun."
        return ProblemError(OVERLOADED, detail, headers={"Retry-After": str(RETRY_SECONDS)})

    def take(self) -> Callable[[], None]:
        """Take a place and return what gives it back (once, however often it is called), or raise the 503."""
        with self._lock:
            if self.is_full():
                raise self.refuse()
            self.taken += 1
        held = [None]

        def release() -> None:
            with self._lock:
                if held:
                    held.pop()
                    self.taken -= 1

        return release

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place, or raise the 503."""
        release = self.take()
        try:
            yield
        finally:
            release()
