"""How this process takes memory from the system.

glibc gives threads heaps of their own, up to eight for each core, and what a thread freed stays in its heap. Here many
threads take turns at large arrays, and each heap would keep what its largest one took: hundreds of megabytes that
nobody uses.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import Final

_ARENA_MAX: Final = -8
"""glibc's number for the largest number of heaps, as malloc.h has it."""
_HEAPS: Final = 2
_NAMED_BY_OPERATOR: Final = "MALLOC_ARENA_MAX"


def share_heaps() -> None:
    """Let all threads share two heaps. Call it before there are threads; without glibc it does nothing."""
    if _NAMED_BY_OPERATOR in os.environ:
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _HEAPS)
