"""How often the same thing is recorded: whoever knocks without a key must not fill the disk."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

_SECONDS: Final = 60.0
_AT_MOST: Final = 100
_MOST_NAMES: Final = 1_000


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

    def is_over(self, now: float) -> bool:
        """Say whether its minute is over."""
        with self._lock:
            return now - self._since >= _SECONDS


class Dampers:
    """A damper for each name, for so many names at once. Used on the event loop alone.

    Newcomers beyond them share one; what that held back is told to nobody, for it may be another's.
    """

    def __init__(self, most: int = _MOST_NAMES) -> None:
        self._most = most
        # Who came last stands last.
        self._by_name: OrderedDict[str, Damper] = OrderedDict()
        self._others = Damper()

    def let_through(self, name: str, now: float) -> int | None:
        """Return how many of this name were held back since its last one, or None to hold this one back, too."""
        damper = self._by_name.get(name)
        if damper is None:
            if len(self._by_name) >= self._most and not self._forget(now):
                return None if self._others.let_through(now) is None else 0
            damper = self._by_name[name] = Damper()
        self._by_name.move_to_end(name)
        return damper.let_through(now)

    def _forget(self, now: float) -> bool:
        """Forget the name that came longest ago, if its minute is over, so that nobody gets another hundred in it."""
        name, damper = next(iter(self._by_name.items()))
        if not damper.is_over(now):
            return False
        del self._by_name[name]
        return True
