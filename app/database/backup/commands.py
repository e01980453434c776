"""`defervesce backup` and `restore`: the parts that are the same for both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from app.database.backup import archive, sqlite_file
from app.database.backup.files import check, keep, remove
from app.database.backup.state import BackupError, Contents
from app.database.engine import translated
from app.database.probe import sqlite_path
from app.database.schema import known_revisions

_IN_MEMORY: Final = "the database lives in the memory of the service; there is nothing to back up or to restore into"
# A long change may hold the database when the command comes; nobody waits for an answer here.
_PATIENCE_SECONDS: Final = 60.0


def back_up(url: str, file: Path, *, force: bool = False) -> Contents:
    """Write a backup and check it through; the file appears when it is whole and on the disk. BackupError, StoreError.

    The database may be in use: what is written is of one moment, with every change that was acknowledged before it.
    """
    path = _path(url)
    if file.exists() and not force:
        raise BackupError(f"{file.name} is there already; --force replaces it")
    partial = file.with_name(file.name + ".partial")
    try:
        # What patients' data stand in is for nobody else to read.
        remove(partial)
        partial.touch(mode=0o600)
        with translated():
            if path is None:
                archive.dump(url, partial, _PATIENCE_SECONDS)
                contents = archive.look(partial)
            else:
                contents = sqlite_file.dump(path, partial, _PATIENCE_SECONDS)
        keep(partial, file)
    except OSError as exc:
        raise BackupError(f"{file.name} cannot be written: {exc.strerror}") from None
    finally:
        remove(partial)
    return contents


def restore(url: str, file: Path, *, force: bool = False) -> Contents:
    """Put a backup in the place of all that a database holds, and bring it to this release's schema.

    Everything comes in one transaction, or nothing does. A database that holds anybody's cohorts is refused without
    `force`. BackupError, StoreError.
    """
    path = _path(url)
    try:
        check(file)
        with translated():
            contents = archive.look(file) if path is None else sqlite_file.look(file)
            if contents.revision not in known_revisions():
                message = f"the backup is of revision {contents.revision}, which this release does not know"
                raise BackupError(f"{message}: restore it with the release that made it, or a later one")
            if path is None:
                archive.load(file, url, _PATIENCE_SECONDS, force=force)
            else:
                sqlite_file.load(file, path, _PATIENCE_SECONDS, force=force)
    except OSError as exc:
        raise BackupError(f"{file.name} cannot be restored: {exc.strerror}") from None
    return contents


def _path(url: str) -> str | None:
    path = sqlite_path(url)
    if path == "":
        raise BackupError(_IN_MEMORY)
    return path
