"""Files that are whole or not there, and the hash beside them: no database file can tell that a byte of it changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from app.database.backup.state import BackupError

SUFFIX: Final = ".sha256"


def keep(partial: Path, file: Path) -> None:
    """Give a finished file its name, on the disk, with its SHA-256 beside it as `sha256sum -c` reads it."""
    beside, digest = _beside(file), _sha256(partial)
    sync(partial)
    # A hash of an earlier file must not stand beside this one, whenever the power fails.
    beside.unlink(missing_ok=True)
    partial.replace(file)
    sync(file)
    beside.write_text(f"{digest}  {file.name}\n", encoding="utf-8")
    sync(beside)


def check(file: Path) -> None:
    """Refuse a file that is not what the hash beside it says. Without one there is nothing to check; BackupError."""
    beside = _beside(file)
    if beside.exists() and beside.read_text(encoding="utf-8", errors="replace").partition(" ")[0] != _sha256(file):
        raise BackupError(f"{file.name} is not the file that {beside.name} was written for: it is damaged, or another")


def remove(path: Path) -> None:
    """Remove a file that SQLite may have written, with all that it keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring a file, and the folder's entry of it, onto the disk."""
    for place in (path, path.parent):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _beside(file: Path) -> Path:
    return file.with_name(file.name + SUFFIX)


def _sha256(file: Path) -> str:
    with file.open("rb") as body:
        return hashlib.file_digest(body, "sha256").hexdigest()
