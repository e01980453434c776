"""Kaplan-Meier curves in steps of many patients: times are moved to the ends of steps that a cohort has in common."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np

from app.cohorts.analysis.columns import Integers
from app.cohorts.disclosure.levels import DAY_HOURS
from app.statistics.disclosure_policy import Policy
from app.statistics.survival import SurvivalTally
from app.statistics.tally import Tally

Cut: TypeAlias = tuple[int, ...]
_MOST_STEPS: Final = 40


def days_cut(event: Integers, censored: Integers, policy: Policy, most: int) -> Cut:
    """Return the ends of at most so many steps, in days; none where none is borne.

    The steps and what follows the last of them hold about as many patients each. Rows are days. Within every step, and
    after the last one, the whole cohort has safe numbers of events and censored.
    """
    n_days = max(event.shape[0], censored.shape[0])
    events, left = (_per_day(table, n_days) for table in (event, censored))
    ends = _ends(events, left, policy)
    steps = min(len(ends), most, _MOST_STEPS)
    places = (max(round(number * len(ends) / (steps + 1)) - 1, 0) for number in range(1, steps + 1))
    return tuple(sorted({ends[place] for place in places}))


def _per_day(table: Integers, n_days: int) -> Integers:
    found = np.zeros(n_days, np.int64)
    found[: table.shape[0]] = table.sum(axis=1)
    return found


def _ends(events: Integers, left: Integers, policy: Policy) -> list[int]:
    """Return the days that end a step; the last leaves safe numbers behind it, so that no extreme time is told."""
    found, since = [], 0
    for day in range(events.size):
        step = slice(since, day + 1)
        if events[step].sum() > policy.threshold and policy.safe(int(left[step].sum())):
            found.append(day)
            since = day + 1
    while found and not _tail_is_safe(int(events[found[-1] + 1 :].sum()), int(left[found[-1] + 1 :].sum()), policy):
        found.pop()
    return found


def _tail_is_safe(events: int, left: int, policy: Policy) -> bool:
    """Say whether what comes after the last step is told by nothing: enough patients, and safe numbers of each kind."""
    return policy.safe(events) and policy.safe(left) and events + left > policy.threshold


def curve_levels(event: Integers, censored: Integers, cut: Cut) -> Integers:
    """Return the patients of each step and outcome, and of what follows the last step, by stratum."""
    return np.concatenate([_stepped(event, cut), _stepped(censored, cut)])


def _stepped(table: Integers, cut: Cut) -> Integers:
    edges = [0, *(min(day + 1, table.shape[0]) for day in cut), table.shape[0]]
    return np.array([table[low:high].sum(axis=0) for low, high in pairwise(edges)])


def coarsened(times: SurvivalTally, cut: Cut) -> SurvivalTally:
    """Move times up to the ends of their steps, and those after the last step to one day past it.

    What was moved past the last step is cut off the curve afterwards: see `last_hour`.
    """
    return SurvivalTally(_moved(times.events, cut), _moved(times.censored, cut))


def _moved(tally: Tally, cut: Cut) -> Tally:
    unit = DAY_HOURS * 10**tally.digits
    days = np.maximum(-(-tally.values // unit), 0)
    ends = np.array([*cut, cut[-1] + 1], dtype=np.int64)
    place = np.searchsorted(ends[:-1], days)
    sums = np.bincount(place, weights=tally.counts, minlength=ends.size).astype(np.int64)
    return Tally.from_counts(dict(zip((ends * unit).tolist(), sums.tolist(), strict=True)), tally.digits)


def last_hour(cut: Cut) -> float:
    """Return the end of the last step, in hours."""
    return float(cut[-1] * DAY_HOURS)
