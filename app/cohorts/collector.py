"""Python's garbage collector, kept calm where much is made at once, and set to work where much is left behind.

Every record of an import makes some hundred objects that die by themselves; by its own thresholds the collector would
walk through what is there again and again to find nothing: a third of an import's time. A drawing leaves thousands of
objects that hold one another; once they have grown old, nobody looks at them for minutes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

# Objects made before a collection, and younger collections before an older generation is looked through.
_CALM: Final = (50_000, 20, 50)
_YOUNG: Final = 1
_lock: Final = Lock()
_usual: list[tuple[int, int, int]] = []


@contextmanager
def calm_collector() -> Iterator[None]:
    """Collect seldom within the block, in the whole process; several blocks may run at once."""
    with _lock:
        _usual.append(gc.get_threshold())
        gc.set_threshold(*_CALM)
    try:
        yield
    finally:
        with _lock:
            # The last one out leaves the thresholds as the first one found them.
            gc.set_threshold(*(_CALM if len(_usual) > 1 else _usual[0]))
            _usual.pop()


@contextmanager
def tidied() -> Iterator[None]:
    """Collect what the block leaves behind, at its end, while it is young: that takes milliseconds."""
    try:
        with calm_collector():
            yield
    finally:
        gc.collect(_YOUNG)
