"""How often the same thing is recorded: whoever knocks without a key must not fill the disk."""

from __future__ import annotations

from threading import Lock
from typing import Final

_SECONDS: Final = 60.0
_AT_MOST: Final = 100


class Damper:
    """Lets a hundred through in a minute and counts the others; the next one that is let through tells how many."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._since = 0.0
        self._let_through = 0
        self._held_back = 0

    def let_through(self, now: float) -> int | None:
        """Return how many were held back since the last one, or None to hold this one back, too.

        `now`: seconds of a clock that does not jump.
        """
        with self._lock:
            if now - self._since >= _SECONDS:
                self._since, self._let_through = now, 0
            if self._let_through >= _AT_MOST:
                self._held_back += 1
                return None
            self._let_through += 1
            held_back, self._held_back = self._held_back, 0
            return held_back
