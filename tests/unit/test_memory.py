"""Threads share heaps: what one of them freed, the others use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Eight threads that live at once each take and free a hundred small blocks that stay where they were taken.
PROGRAM = """
import ctypes, sys, threading
from app.api.memory import share_heaps
share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
heaps, barrier = set(), threading.Barrier(8)
def work():
    barrier.wait()
    # A heap of a thread's own begins at a multiple of 64 MB.
    heaps.update({libc.malloc(1000) >> 26 for _ in range(100)})
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(heaps))
"""


def heaps(**settings: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | settings, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


LIBRARY = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", ()) else None


@pytest.mark.skipif(LIBRARY is None, reason="only glibc gives threads heaps of their own")
def test_threads_share_heaps_unless_the_operator_says_otherwise():
    assert heaps() <= 3, "two heaps, of which one may lie across a border"
    assert heaps(MALLOC_ARENA_MAX="8") > 3
