"""Times to an event: the tally of them, and the life table that every survival statistic here is computed from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.statistics.scaling import Integers, Number
from app.statistics.tally import Tally

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SurvivalTally:
    """How often each time was that of an event, and how often that of a censoring. Survival tallies add."""

    events: Tally
    censored: Tally

    @classmethod
    def empty(cls, digits: int = 0) -> SurvivalTally:
        """Return the tally of nobody."""
        return cls(Tally.empty(digits), Tally.empty(digits))

    @classmethod
    def from_rows(
        cls, durations: Iterable[Number | None], events: Iterable[bool | None], digits: int | None = None
    ) -> SurvivalTally:
        """Count patients; one whose time or event is None is missing and dropped. Lists of one length (ValueError)."""
        rows = [(time, event) for time, event in zip(durations, events, strict=True) if time is not None]
        happened = Tally.from_numbers((time for time, event in rows if event is True), digits)
        return cls(happened, Tally.from_numbers((time for time, event in rows if event is False), digits))

    @classmethod
    def merge(cls, *parts: SurvivalTally) -> SurvivalTally:
        """Add up any number of survival tallies."""
        if not parts:
            return cls.empty()
        return cls(Tally.merge(*(part.events for part in parts)), Tally.merge(*(part.censored for part in parts)))

    def __add__(self, other: SurvivalTally) -> SurvivalTally:
        return SurvivalTally.merge(self, other)

    @property
    def n(self) -> int:
        """How many patients were counted."""
        return self.events.n + self.censored.n


@dataclass(frozen=True, slots=True)
class LifeTable:
    """The distinct times of one group, rising, with how many had the event and how many were censored at each.

    At one time events come before censorings: who is censored at a time was at risk for the events of that time.
    """

    times: Floats
    events: Integers
    censored: Integers

    @classmethod
    def of(cls, counted: Survival) -> LifeTable:
        """Make the table of a tally; a table stays as it is."""
        if isinstance(counted, LifeTable):
            return counted
        events, censored = counted.events, counted.censored
        times = np.concatenate((events.as_floats(), censored.as_floats()))
        no_events, no_censored = np.zeros_like(censored.counts), np.zeros_like(events.counts)
        return cls._summed(
            times, np.concatenate((events.counts, no_events)), np.concatenate((no_censored, censored.counts))
        )

    @classmethod
    def from_rows(cls, durations: Floats, happened: NDArray[np.bool_]) -> LifeTable:
        """Make the table of patients without missing values; equal doubles are equal times."""
        events = happened.astype(np.int64)
        return cls._summed(durations, events, 1 - events)

    @classmethod
    def _summed(cls, times: Floats, events: Integers, censored: Integers) -> LifeTable:
        distinct, where = np.unique(times, return_inverse=True)
        summed = [np.zeros(distinct.size, np.int64) for _ in range(2)]
        for total, counts in zip(summed, (events, censored), strict=True):
            np.add.at(total, where, counts)
        return cls(distinct, *summed)

    @property
    def n(self) -> int:
        """How many patients there are."""
        return int(self.events.sum() + self.censored.sum())

    @property
    def n_events(self) -> int:
        """How many had the event."""
        return int(self.events.sum())

    @property
    def at_risk(self) -> Integers:
        """How many were still under observation just before each time."""
        leaving = self.events + self.censored
        return np.cumsum(leaving[::-1])[::-1]

    @property
    def last_time(self) -> float | None:
        """The last time of anybody; None without patients."""
        return float(self.times[-1]) if self.times.size else None

    def at(self, times: Floats) -> tuple[Integers, Integers]:
        """Return how many had the event at each of some other times, and how many were at risk just before it."""
        found = np.searchsorted(self.times, times, side="left")
        known = np.append(self.times, np.inf)[found] == times
        return np.where(known, np.append(self.events, 0)[found], 0), np.append(self.at_risk, 0)[found]


Survival: TypeAlias = SurvivalTally | LifeTable
LabelledGroups: TypeAlias = Sequence[tuple[str, Survival]]


def event_times(tables: Iterable[LifeTable]) -> Floats:
    """Return the distinct times at which anybody had the event."""
    return np.unique(np.concatenate([np.empty(0), *(table.times[table.events > 0] for table in tables)]))
