"""A clock that goes when it is told to."""

from __future__ import annotations

from datetime import datetime, timedelta


class Clock:
    """Says the time it was set to."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        """Go forward by as much as `timedelta` takes."""
        self.now += timedelta(**by)
