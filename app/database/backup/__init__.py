"""Backup and restore of a whole database, while it is in use.

SQLite: a database file, written by SQLite's own online backup. PostgreSQL: an archive of every table as CSV, read in
one snapshot. Both are checked when they are written and again before anything is restored.
"""

from app.database.backup.commands import back_up, restore
from app.database.backup.state import BackupError, Contents

__all__ = ["BackupError", "Contents", "back_up", "restore"]
