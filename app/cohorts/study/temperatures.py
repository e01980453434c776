"""Temperatures every four hours whose first oral or rectal one below 38.0 comes at a given hour."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from app.cohorts.study.search import draw

EVERY: Final = 4
FEVER: Final = (381, 402)  # tenths of a degree Celsius
NO_FEVER: Final = (364, 375)
AFTERWARDS: Final = 36  # hours that are recorded after the end, every six
LATER_EVERY: Final = 6
ORAL_FROM_AGE: Final = 4
AXILLARY: Final = 0.04  # share of readings doubled by an axillary one half a degree lower, which must not count
LOWER: Final = 6


def temperatures(end_hour: int, extra_hours: set[int], age: int, rng: Random) -> list[dict[str, Any]]:
    """Return readings from admission on: fever before `end_hour`, none from then on. `extra_hours` are measured too."""
    site = "oral" if age >= ORAL_FROM_AGE else "rectal"
    febrile = sorted({*range(0, end_hour, EVERY), *(hour for hour in extra_hours if 0 <= hour < end_hour)})
    found = []
    for hour in febrile:
        tenths = _between(FEVER, rng)
        found.append(_reading(hour, tenths, site))
        if rng.random() < AXILLARY:
            found.append(_reading(hour, tenths - LOWER, "axillary"))
    over = range(end_hour, end_hour + AFTERWARDS + 1, LATER_EVERY)
    return found + [_reading(hour, _between(NO_FEVER, rng), site) for hour in over]


def _between(ends: tuple[int, int], rng: Random) -> int:
    return ends[0] + draw(rng, ends[1] - ends[0] + 1)


def _reading(hour: int, tenths: int, site: str) -> dict[str, Any]:
    return {"hour": hour, "celsius": tenths / 10, "site": site}
