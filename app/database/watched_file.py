"""The file of an SQLite database by its path, and as it was opened: the two part when it is deleted or replaced.

An open file outlives its name. Whoever went on with it would write where nobody will ever read again.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

Identity = tuple[int, int]
Appearance = tuple[Identity | None, int]
# No file is this one.
_LOST: Final[Identity] = (-1, -1)


class FileConnection(sqlite3.Connection):
    """A connection that knows which file it opened."""

    identity: Identity | None = None


class WatchedFile:
    """A path, and the file that was last known to be the database there."""

    def __init__(self, path: str) -> None:
        self.path: Final = path
        self._place: Final = Path(path)
        self._known: Identity | None = None
        self._losses = 0

    def identity(self) -> Identity | None:
        """Return device and inode of the file that the path leads to now, None where there is none."""
        try:
            found = self._place.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def appearance(self) -> Appearance:
        """Return what is another for another file: once a lost file is closed its inode may be used again."""
        return self.identity(), self._losses

    def lost(self) -> None:
        """Take down that the file which was opened is not there any more."""
        self._losses += 1
        self._known = _LOST

    def opened(self, identity: Identity | None) -> None:
        """Take down which file was opened, unless one is known already."""
        if self._known is None:
            self._known = identity

    def found_sound(self) -> None:
        """Take down that the file which is there now is the database."""
        self._known = self.identity()

    def is_lost(self) -> bool:
        """Say whether the file that was known is not the one at the path."""
        return self._known is not None and self._known != self.identity()
