"""`defervesce safety write` and `safety check`: the pages of docs/safety."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from app.safety.pages import pages

_DIFFERENT = 1
# Pages that people write; all others in the folder come from `pages`.
BY_HAND = frozenset({"risk-management.md", "release-record.md"})


def run(options: argparse.Namespace) -> int:
    """Write the pages, or say which differ; returns the exit code."""
    written = pages(options.lock)
    return _check(written, options.folder) if options.action == "check" else _write(written, options.folder)


def _write(written: dict[str, str], folder: Path) -> int:
    for path in _strangers(written, folder):
        (folder / path).unlink()
    for name, text in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {len(written)} pages into {folder}\n")
    return 0


def _check(written: dict[str, str], folder: Path) -> int:
    differ = differing(written, folder)
    if not differ:
        return 0
    sys.stderr.write(f"{', '.join(differ)} in {folder} differ from the data; write them again with `make safety`\n")
    return _DIFFERENT


def differing(written: dict[str, str], folder: Path) -> list[str]:
    """Return the pages that are missing, are not as they would be written, or are no page any more."""
    found = [n for n, text in written.items() if not _is(folder / n, text)]
    return found + _strangers(written, folder)


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _strangers(written: dict[str, str], folder: Path) -> list[str]:
    there = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.md")))
    return [name for name in there if name not in written and name not in BY_HAND]
