"""Requests about times to an event, answered. Imports numpy and scipy: load it off the event loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from app.statistics.hazard_ratio import hazard_ratio
from app.statistics.kaplan_meier import KaplanMeier, kaplan_meier
from app.statistics.log_rank import Comparison, log_rank
from app.statistics.restricted_mean import METHOD, area, default_horizon, difference, with_limits
from app.statistics.survival import LabelledGroups, LifeTable
from app.statistics.survival_models import (
    KaplanMeierAnswer,
    LogRankAnswer,
    LogRankGroup,
    RestrictedMeanAnswer,
    RestrictedMeanGroup,
)
from app.statistics.survival_requests import KaplanMeierRequest, LogRankRequest, RestrictedMeanRequest

_POINTS_AT_ONCE: Final = 10_000
_PAIR: Final = 2
_encode = msgspec.json.Encoder().encode


def life_table(durations: list[float | None], events: list[bool | None]) -> LifeTable:
    """Count the patients of whom time and event are known."""
    times = np.array(durations, np.float64)  # None becomes NaN
    happened = np.array([-1 if event is None else event for event in events], np.int8)
    known = ~np.isnan(times) & (happened >= 0)
    return LifeTable.from_rows(times[known], happened[known] > 0)


def answer_kaplan_meier(asked: KaplanMeierRequest) -> tuple[KaplanMeierAnswer, KaplanMeier]:
    """Answer all but the curve's points, and the curve they are in."""
    table = life_table(asked.durations, asked.events)
    found = kaplan_meier(table, asked.confidence, asked.interval)
    answer = KaplanMeierAnswer(
        method=found.method,
        exact=found.exact,
        n=table.n,
        n_missing=len(asked.durations) - table.n,
        events=table.n_events,
        censored=table.n - table.n_events,
        confidence=asked.confidence,
        interval=asked.interval,
        median=found.median,
        curve=[],
        warnings=list(found.warnings),
    )
    return answer, found


def write_kaplan_meier(asked: KaplanMeierRequest) -> Iterator[bytes]:
    """Answer as JSON in pieces: a curve of a million points is never held as objects."""
    answer, found = answer_kaplan_meier(asked)
    yield answer.model_dump_json(exclude={"curve"}).encode()[:-1] + b',"curve":['
    for first in range(0, found.survival.size, _POINTS_AT_ONCE):
        points = _encode(list(found.rows(first, first + _POINTS_AT_ONCE)))[1:-1]
        yield b"," + points if first else points
    yield b"]}"


def answer_log_rank(asked: LogRankRequest) -> LogRankAnswer:
    """Compare the groups' curves."""
    groups: LabelledGroups = [(group.label, life_table(group.durations, group.events)) for group in asked.groups]
    found = log_rank(groups, asked.weights)
    rows = [len(group.durations) for group in asked.groups]
    pair = len(groups) == _PAIR
    ratio = hazard_ratio(groups, asked.hazard_ratio, asked.confidence, found) if pair else None
    return LogRankAnswer(
        method=found.method,
        exact=found.exact,
        weights=asked.weights,
        chi_square=found.statistic,
        degrees_of_freedom=found.degrees_of_freedom,
        p_value=found.p_value,
        reason=found.reason,
        n=sum(found.n),
        n_missing=sum(rows) - sum(found.n),
        groups=_groups(asked, groups, found),
        hazard_ratio=ratio,
        warnings=list(found.warnings),
    )


def _groups(asked: LogRankRequest, groups: LabelledGroups, found: Comparison) -> list[LogRankGroup]:
    return [
        LogRankGroup(
            label=label,
            n=found.n[place],
            n_missing=len(asked.groups[place].durations) - found.n[place],
            events=found.observed[place],
            expected=found.expected[place],
            median=kaplan_meier(counted, asked.confidence, asked.interval).median,
        )
        for place, (label, counted) in enumerate(groups)
    ]


def answer_restricted_mean(asked: RestrictedMeanRequest) -> RestrictedMeanAnswer:
    """Return each group's mean up to the horizon, and for two groups their difference."""
    tables = [life_table(group.durations, group.events) for group in asked.groups]
    horizon = default_horizon(tables) if asked.horizon is None else asked.horizon
    areas = [area(table, horizon) for table in tables]
    found = [
        RestrictedMeanGroup(
            label=group.label,
            n=table.n,
            n_missing=len(group.durations) - table.n,
            events=table.n_events,
            **with_limits(mean, horizon, asked.confidence).model_dump(),
        )
        for group, table, mean in zip(asked.groups, tables, areas, strict=True)
    ]
    return RestrictedMeanAnswer(
        method=METHOD,
        exact=False,
        horizon=horizon,
        confidence=asked.confidence,
        n=sum(group.n for group in found),
        n_missing=sum(group.n_missing for group in found),
        groups=found,
        difference=difference(areas[0], areas[1], asked.confidence) if len(areas) == _PAIR else None,
    )
