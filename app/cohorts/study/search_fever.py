"""When the fever ended: Figure 1A and B, and the seven days after the start of anakinra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from app.cohorts.study.printed import Row, Shown, printed
from app.cohorts.study.search import Domain, Goal, draw, search, seeded
from app.cohorts.study.search_continuous import Columns, z_of
from app.cohorts.study.search_goals import CountBetween, LogRank

FROM_ADMISSION: Final = "defervescence.admission"
DAY_5: Final = 120
DAYS_7: Final = 168
FIRST: Final = 14  # hours after admission at the earliest
AFTER_START: Final = 4  # hours after the start of anakinra at the earliest
LAST: Final = 260
PERCENT: Final = 100
INSIDE: Final = 0.8  # of the interval that prints as the printed p


def fever(columns: Columns, start_hours: Mapping[int, int]) -> dict[int, int]:
    """Return position -> hours from admission to the first temperature below 38.0. Raises NotFoundError."""
    domains = _domains(columns, start_hours)
    goals: list[Goal] = [*_curves(columns), *_by_day_5(columns), _from_start(columns, start_hours)]
    return seeded(FROM_ADMISSION, lambda rng: _once(domains, goals, rng))


def _once(domains: Sequence[Domain], goals: Sequence[Goal], rng: Random) -> dict[int, int]:
    values = [d.low + draw(rng, (d.high - d.low) // 2 + 1) for d in domains]
    return dict(enumerate(search(values, domains, goals, rng)))


def _domains(columns: Columns, start_hours: Mapping[int, int]) -> list[Domain]:
    within = set(columns["kd_like"])
    return [
        Domain(start_hours[place] + AFTER_START, start_hours[place] + DAYS_7 if place in within else LAST)
        if place in start_hours
        else Domain(FIRST, DAY_5)
        for place in columns["all"]
    ]


def _curves(columns: Columns) -> list[LogRank]:
    return [_log_rank(row, columns) for row in printed().of(FROM_ADMISSION) if row.p is not None]


def _log_rank(row: Row, columns: Columns, offsets: Sequence[int] = ()) -> LogRank:
    shown = Shown(row.p or "")
    reach = INSIDE * shown.half
    x, y = (tuple(columns[name]) for name in row.by)
    return LogRank(x, y, z_of(shown.value + reach), z_of(shown.value - reach), tuple(offsets))


def _from_start(columns: Columns, start_hours: Mapping[int, int]) -> LogRank:
    """Return Figure 1B once more, from the start of anakinra: print leaves open where it starts."""
    row = next(row for row in printed().of(FROM_ADMISSION, "none"))
    return _log_rank(row, columns, [start_hours.get(place, 0) for place in columns["all"]])


def _by_day_5(columns: Columns) -> list[CountBetween]:
    row = next(row for row in printed().of(FROM_ADMISSION, "by_day_5"))
    shares = {name: row.shown(name)[0].value / PERCENT for name in row.cells}
    return [
        CountBetween(tuple(columns[name]), 0, DAY_5 + 1, int(share * len(columns[name])))
        for name, share in shares.items()
    ]
