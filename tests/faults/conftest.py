"""A disk that is really full: a small file system, mounted for the test. Where that is not allowed, it is said."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HOW = "run them as root, in a container with CAP_SYS_ADMIN, so that a tmpfs can be mounted"
_LEFT_OUT = "NO SMALL DISK"


class Disk:
    """A file system of a few megabytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    @property
    def free(self) -> int:
        """Return how many bytes are free."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Fill it up to so many bytes."""
        with self._filler.open("ab") as filler:
            filler.write(b"x" * max(0, self.free - leave))

    def empty(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """Mount a small disk; its size in megabytes is the test's parameter."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = getattr(request, "param", 8)
    command = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", f"size={size}m,mode=0755", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip(f"{_LEFT_OUT}: a tmpfs cannot be mounted here; {HOW}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run([shutil.which("umount") or "umount", "--lazy", str(folder)], check=True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the very end, in red, which tests were left out and how to get them."""
    left_out = [r.nodeid for r in terminalreporter.stats.get("skipped", []) if _LEFT_OUT in str(r.longrepr)]
    if left_out:
        terminalreporter.section("TESTS OF A FULL DISK LEFT OUT", red=True, bold=True)
        for nodeid in left_out:
            terminalreporter.line(f"  {nodeid}", red=True)
        terminalreporter.line(f"No file system could be mounted. To run them: {HOW}.", red=True, bold=True)
