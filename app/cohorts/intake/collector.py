"""Python's garbage collector, kept calm while many rows are taken in.

Every record makes some hundred objects that die by themselves; by its own thresholds the collector would walk through
the rule sets and schemas of the whole service again and again to find nothing: a third of an import's time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

# Objects made before a collection, and younger collections before an older generation is looked through.
_CALM: Final = (50_000, 20, 50)
_lock: Final = Lock()
_usual: list[tuple[int, int, int]] = []


@contextmanager
def calm_collector() -> Iterator[None]:
    """Collect seldom within the block, in the whole process; several blocks may run at once."""
    with _lock:
        if not _usual:
            # What is there by now is not looked through meanwhile.
            gc.freeze()
        _usual.append(gc.get_threshold())
        gc.set_threshold(*_CALM)
    try:
        yield
    finally:
        with _lock:
            # The last one out leaves the thresholds as the first one found them.
            gc.set_threshold(*(_CALM if len(_usual) > 1 else _usual[0]))
            _usual.pop()
            if not _usual:
                gc.unfreeze()
