"""Every change of dose of a course: up to the maximum a day after the start, and down by the protocol's steps."""

from __future__ import annotations

from typing import Any, Final

STEP: Final = 20  # tenths of mg/kg/day
SHORTEST, LONGEST = 24, 48  # hours between two falls
RAISED_AFTER: Final = 24
HELD: Final = 33  # hours from the start to the first fall at least


def doses(start_hour: int, stop_hour: float, starting: int, maximum: int) -> list[dict[str, Any]]:
    """Return the `doses` of a record; doses are in tenths of mg/kg/day. The last entry is the stop."""
    found = [(float(start_hour), starting)]
    if maximum > starting:
        found.append((float(start_hour + RAISED_AFTER), maximum))
    falls = -(-maximum // STEP)
    apart = SHORTEST
    if falls > 1:
        apart = max(SHORTEST, min(LONGEST, int((stop_hour - start_hour - HELD) / (falls - 1))))
    for number in range(falls):
        left = max(0, maximum - STEP * (number + 1))
        found.append((round(stop_hour - apart * (falls - 1 - number), 1), left))
    return [{"hour": _plain(hour), "mg_kg_day": _plain(dose / 10)} for hour, dose in found]


def _plain(number: float) -> float | int:
    """Write whole numbers without a decimal point."""
    return int(number) if number == int(number) else number
