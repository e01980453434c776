"""Several entries in one transaction: whoever comes while one is being written goes with the next.

A flush to disk costs the same for one entry as for sixteen, and the chain takes one writer at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

from app.database.errors import DatabaseUnavailableError
from app.security.audit.entry import Entry


class _Waiting:
    """An entry on its way, and what came of it."""

    __slots__ = ("entry", "error", "is_written")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.is_written = False
        self.error: Exception | None = None


class Grouped:
    """Writes entries through `write`, which keeps all of those that it is given, or raises and keeps none.

    A group that is not taken for one of its entries is written one by one: that one alone fails.
    """

    def __init__(self, write: Callable[[Sequence[Entry]], None]) -> None:
        self._write = write
        self._queue: list[_Waiting] = []
        self._queue_lock = Lock()
        self._writing = Lock()

    def __call__(self, entry: Entry) -> None:
        """Return once the entry is kept, or raise what kept it from being."""
        mine = _Waiting(entry)
        with self._queue_lock:
            self._queue.append(mine)
        with self._writing:
            if not mine.is_written and mine.error is None:
                self._write_all()
        if mine.error is not None:
            raise mine.error

    def _write_all(self) -> None:
        """Write what has come by now; each learns what became of it."""
        with self._queue_lock:
            group, self._queue = self._queue, []
        error = self._written(group)
        if error is None or len(group) == 1 or _is_of_all(error):
            return
        for number, one in enumerate(group):
            one.error = None
            error = self._written([one])
            if error is not None and _is_of_all(error):
                # The others would wait for the same, one after the other.
                for other in group[number:]:
                    other.error = error
                return

    def _written(self, group: Sequence[_Waiting]) -> Exception | None:
        """Write a group and note in each what became of it; returns what kept it from being written."""
        try:
            self._write([one.entry for one in group])
        except Exception as exc:  # noqa: BLE001  # each of them raises it
            for one in group:
                one.error = exc
            return exc
        for one in group:
            one.is_written = True
        return None


def _is_of_all(error: Exception) -> bool:
    """Say whether the database took nothing at all; a chain that cannot be continued is one tenant's."""
    return isinstance(error, DatabaseUnavailableError) and error.reason != "trail"
